/**
 * The C library through koffi: the functions, constants and structure layouts the relay uses. Linux, x64 and arm64.
 *
 * Pointers are plain numbers into memory that is referenced for ever (see `arena.ts`): a call then costs 30-50 ns
 * and allocates nothing. Every function returns what C returns; `errno()` tells more right after a failure.
 */
import koffi from "koffi";

/**
 * Numbers that are given to calls again and again, kept so that giving them allocates nothing: V8 stores a number
 * above 31 bits (an address, a time) unboxed wherever it can and boxes it anew for every call; in an array that also
 * holds something else, it stays one object. Read entries from index 1 on.
 */
export type BoxedNumbers = [nothing: null, ...numbers: number[]];

type Call = (...args: number[]) => number;

const library = koffi.load("libc.so.6");

function declare(prototype: string): Call {
  return library.func(prototype) as Call;
}

/** socket(domain, type, protocol) */
export const socket = declare("int socket(int, int, int)");
/** bind(fd, address, addressBytes) */
export const bind = declare("int bind(int, uintptr_t, uint32_t)");
/** connect(fd, address, addressBytes) */
export const connect = declare("int connect(int, uintptr_t, uint32_t)");
export const close = declare("int close(int)");
/** fcntl(fd, command, argument) */
export const fcntl = declare("int fcntl(int, int, int)");
/** getsockname(fd, address, addressBytes) */
export const getsockname = declare("int getsockname(int, uintptr_t, uintptr_t)");
/** getsockopt(fd, level, name, value, valueBytes) */
export const getsockopt = declare("int getsockopt(int, int, int, uintptr_t, uintptr_t)");
/** setsockopt(fd, level, name, value, valueBytes) */
export const setsockopt = declare("int setsockopt(int, int, int, uintptr_t, uint32_t)");
export const epollCreate = declare("int epoll_create1(int)");
/** epoll_ctl(epoll, operation, fd, event) */
export const epollControl = declare("int epoll_ctl(int, int, int, uintptr_t)");
/** epoll_wait(epoll, events, eventsMax, timeoutMs) */
export const epollWait = declare("int epoll_wait(int, uintptr_t, int, int)");
/** recvfrom(fd, buffer, bufferBytes, flags, address, addressBytes) */
export const recvfrom = declare("long recvfrom(int, uintptr_t, size_t, int, uintptr_t, uintptr_t)");
/** sendto(fd, buffer, bufferBytes, flags, address, addressBytes) */
export const sendto = declare("long sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)");
/** recvmmsg(fd, headers, headersCount, flags, timeout) */
export const recvmmsg = declare("int recvmmsg(int, uintptr_t, uint32_t, int, uintptr_t)");
/** sendmmsg(fd, headers, headersCount, flags) */
export const sendmmsg = declare("int sendmmsg(int, uintptr_t, uint32_t, int)");
export const read = declare("long read(int, uintptr_t, size_t)");
export const write = declare("long write(int, uintptr_t, size_t)");
export const eventfd = declare("int eventfd(uint32_t, int)");
/** syscall(number, command, argument, argumentBytes): for what the C library has no function for. */
export const syscall = declare("long syscall(long, int, uintptr_t, uint32_t)");
export const usleep = declare("int usleep(uint32_t)");
/** clock_gettime(clock, timespec) */
export const clockGettime = declare("int clock_gettime(int, uintptr_t)");

export function errno(): number {
  return koffi.errno();
}

/** Error numbers, the same on x64 and arm64 (asm-generic/errno.h). */
export const error = {
  EINTR: 4,
  EAGAIN: 11,
  ENFILE: 23,
  EMFILE: 24,
  EMSGSIZE: 90,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
} as const;

/** The symbolic name of an error, or its number. */
export function errnoName(code: number): string {
  for (const [name, number] of Object.entries(koffi.os.errno)) if (number === code) return name;
  return `errno ${code}`;
}

export const addressFamily = { inet: 2, inet6: 10 } as const;
export const socketType = { datagram: 2, raw: 3, nonblock: 0x800, cloexec: 0x80000 } as const;
export const messageFlag = { dontwait: 0x40, trunc: 0x20, nosignal: 0x4000 } as const;
/** IPPROTO_RAW: whoever sends writes the headers. What is received is of protocol 255, which nobody speaks. */
export const protocolRaw = 255;
export const clockMonotonic = 1;
/** F_DUPFD_CLOEXEC (linux/fcntl.h). */
export const duplicateCommand = 1030;

/** Levels and names for setsockopt (asm-generic/socket.h, linux/in.h, linux/in6.h). */
export const option = {
  socket: {
    level: 1,
    reuseAddress: 2,
    sendBuffer: 7,
    receiveBuffer: 8,
    reusePort: 15,
    attachFilter: 26,
    sendBufferForce: 32,
    receiveBufferForce: 33,
    memoryInformation: 55,
  },
  ip: { level: 0, tos: 1, timeToLive: 2, mtuDiscover: 10, originalTarget: 20 },
  ipv6: {
    level: 41,
    unicastHops: 16,
    mtuDiscover: 23,
    v6only: 26,
    trafficClass: 67,
    originalTarget: 74,
  },
  /** IP_PMTUDISC_DONT: fragment when needed, as a relay must. */
  mtuDiscoverOff: 0,
  /** IP_PMTUDISC_DO: in one piece or not at all. */
  mtuDiscoverOn: 2,
} as const;

/** sys/epoll.h; the event is packed on x64 only. */
export const epoll = {
  cloexec: 0x80000,
  add: 1,
  remove: 2,
  readable: 1,
  eventBytes: process.arch === "x64" ? 12 : 16,
  dataOffset: process.arch === "x64" ? 4 : 8,
} as const;

/** struct sockaddr_in and sockaddr_in6; both fit `slotBytes`. */
export const socketAddress = {
  inetBytes: 16,
  inet6Bytes: 28,
  slotBytes: 32,
  port: 2,
  inetIp: 4,
  inet6Ip: 8,
} as const;

/**
 * The address of a buffer's memory. The caller must keep the buffer referenced as long as the number is in use:
 * memory of a collected buffer is reused, and packets would land in it.
 */
export function addressOf(memory: ArrayBuffer): number {
  return Number(koffi.address(memory));
}
