/** The system calls the generator needs: packet sockets, batches of frames, and one clock for sender and kernel. */
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const pointer = "uintptr_t";

export const socket = libc.func("int socket(int, int, int)") as (
  domain: number,
  type: number,
  protocol: number,
) => number;
export const bind = libc.func(`int bind(int, ${pointer}, uint32_t)`) as (
  fd: number,
  address: number,
  size: number,
) => number;
export const setsockopt = libc.func(`int setsockopt(int, int, int, ${pointer}, uint32_t)`) as (
  fd: number,
  level: number,
  option: number,
  value: number,
  size: number,
) => number;
export const getsockopt = libc.func(`int getsockopt(int, int, int, ${pointer}, ${pointer})`) as (
  fd: number,
  level: number,
  option: number,
  value: number,
  size: number,
) => number;
export const recvmmsg = libc.func(`int recvmmsg(int, ${pointer}, uint32_t, int, ${pointer})`) as (
  fd: number,
  messages: number,
  count: number,
  flags: number,
  timeout: number,
) => number;
export const sendmmsg = libc.func(`int sendmmsg(int, ${pointer}, uint32_t, int)`) as (
  fd: number,
  messages: number,
  count: number,
  flags: number,
) => number;
const clockGettime = libc.func(`int clock_gettime(int, ${pointer})`) as (
  clock: number,
  result: number,
) => number;
export const interfaceIndex = libc.func("uint32_t if_nametoindex(const char*)") as (name: string) => number;

export function lastErrno(): number {
  return koffi.errno();
}

/** Buffers whose address the kernel holds; never freed, or the garbage collector would pull them from under it. */
const pinned: ArrayBuffer[] = [];

export interface Region {
  readonly buffer: ArrayBuffer;
  readonly view: DataView;
  readonly address: number;
}

export function region(sizeBytes: number): Region {
  const buffer = new ArrayBuffer(Math.max(128, sizeBytes));
  pinned.push(buffer);
  return { buffer, view: new DataView(buffer), address: Number(koffi.address(buffer)) };
}

const clockRegion = region(16);
const clockWords = new Int32Array(clockRegion.buffer);
const clockRealtime = 0;

/** CLOCK_REALTIME, the clock of the kernel's receive stamps, in seconds of the day's low bits and nanoseconds. */
export function realtimeNs(): number {
  clockGettime(clockRealtime, clockRegion.address);
  return ((clockWords[0] ?? 0) % 100_000) * 1e9 + (clockWords[2] ?? 0);
}

export function setIntOption(fd: number, level: number, option: number, value: number): void {
  const cell = region(4);
  cell.view.setInt32(0, value, true);
  if (setsockopt(fd, level, option, cell.address, 4) !== 0)
    throw new Error(`setsockopt ${level}/${option}: errno ${lastErrno()}`);
}
