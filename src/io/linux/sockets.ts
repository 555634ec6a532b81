/** Media sockets on Linux: bound by main, then handed to a worker as a number. */
import { familyOf, type IpAddress, ipToWords } from "../../core/address.ts";
import type { PacketFacts } from "../../handover/contract.ts";
import type { BindResult } from "../../relay/driver.ts";
import { Arena } from "./arena.ts";
import {
  addressFamily,
  bind,
  close,
  connect,
  errno,
  error,
  getsockname,
  getsockopt,
  option,
  protocolRaw,
  setsockopt,
  socket,
  socketAddress,
  socketType,
} from "./libc.ts";
import type { LocalPlace, PacketOrigin } from "./packet-headers.ts";

/** Half a second of 4 Mbit/s video; the kernel's default loses packets while a worker pauses. */
export const receiveBufferBytes = 256 * 1024;

/** Whether an address (its words as of `ipToWords`) is one that a socket of that family can send to. */
export function isOfFamily(isV6: boolean, ip0: number, ip1: number, ip2: number): boolean {
  return (ip0 === 0 && ip1 === 0 && ip2 === 0xffff) !== isV6;
}

/** Writes a socket address; the words are `ipToWords`'s, IPv4 as ::ffff:a.b.c.d. Returns its size. */
export function writeSocketAddress(
  view: DataView,
  at: number,
  isV6: boolean,
  ip0: number,
  ip1: number,
  ip2: number,
  ip3: number,
  port: number,
): number {
  view.setUint16(at + socketAddress.port, port);
  if (!isV6) {
    view.setUint16(at, addressFamily.inet, true);
    view.setInt32(at + socketAddress.inetIp, ip3);
    view.setFloat64(at + 8, 0);
    return socketAddress.inetBytes;
  }
  view.setUint16(at, addressFamily.inet6, true);
  // Flow label and scope stay zero.
  view.setInt32(at + 4, 0);
  view.setInt32(at + socketAddress.inet6Ip, ip0);
  view.setInt32(at + socketAddress.inet6Ip + 4, ip1);
  view.setInt32(at + socketAddress.inet6Ip + 8, ip2);
  view.setInt32(at + socketAddress.inet6Ip + 12, ip3);
  view.setInt32(at + 24, 0);
  return socketAddress.inet6Bytes;
}

/** The words of a socket address's IP, as of `ipToWords`. */
export function readSocketIp(view: DataView, at: number, into: Int32Array): void {
  if (view.getUint16(at, true) === addressFamily.inet) {
    into[0] = 0;
    into[1] = 0;
    into[2] = 0xffff;
    into[3] = view.getInt32(at + socketAddress.inetIp);
    return;
  }
  for (let word = 0; word < 4; word++) into[word] = view.getInt32(at + socketAddress.inet6Ip + 4 * word);
}

/** Puts the source of a received datagram, whose socket address lies there, among its facts. */
export function readSource(view: DataView, at: number, facts: PacketFacts): void {
  facts.port = view.getUint16(at + socketAddress.port);
  if (view.getUint16(at, true) === addressFamily.inet) {
    facts.ip0 = 0;
    facts.ip1 = 0;
    facts.ip2 = 0xffff;
    facts.ip3 = view.getInt32(at + socketAddress.inetIp);
    return;
  }
  facts.ip0 = view.getInt32(at + socketAddress.inet6Ip);
  facts.ip1 = view.getInt32(at + socketAddress.inet6Ip + 4);
  facts.ip2 = view.getInt32(at + socketAddress.inet6Ip + 8);
  facts.ip3 = view.getInt32(at + socketAddress.inet6Ip + 12);
}

/** The system calls that make a socket, over one scratch arena, so nothing is allocated per socket. */
export class SocketCalls {
  readonly #arena = new Arena(1);
  readonly #address = this.#arena.reserve(socketAddress.slotBytes);
  readonly #value = this.#arena.reserve(4);
  readonly #valueBytes = this.#arena.reserve(4);

  /** A descriptor that does not block, or the negative error number. IPv6 sockets are of IPv6 alone. */
  open(ip: IpAddress, type: number): number {
    return this.openOf(familyOf(ip) === 6, type);
  }

  /** The same, by family. */
  openOf(isV6: boolean, type: number, protocol = 0): number {
    const domain = isV6 ? addressFamily.inet6 : addressFamily.inet;
    const fd = socket(domain, type | socketType.nonblock | socketType.cloexec, protocol);
    if (fd < 0) return -errno();
    if (isV6) this.set(fd, option.ipv6.level, option.ipv6.v6only, 1);
    return fd;
  }

  set(fd: number, level: number, name: number, value: number): void {
    this.#arena.view.setInt32(this.#value, value, true);
    setsockopt(fd, level, name, this.#arena.address + this.#value, 4);
  }

  /** The option's value, or 0 if the system does not tell. */
  get(fd: number, level: number, name: number): number {
    const { view, address } = this.#arena;
    view.setInt32(this.#value, 0, true);
    view.setInt32(this.#valueBytes, 4, true);
    getsockopt(fd, level, name, address + this.#value, address + this.#valueBytes);
    return view.getInt32(this.#value, true);
  }

  /** Binds a socket where another is bound already; both must have SO_REUSEPORT. False, and errno tells why. */
  bindBeside(fd: number, other: number): boolean {
    if (!this.#readName(other)) return false;
    const { view, address } = this.#arena;
    return bind(fd, address + this.#address, view.getInt32(this.#valueBytes, true)) === 0;
  }

  /** The descriptor, or the negative error number; then it is closed. */
  bind(fd: number, ip: IpAddress, port: number): number {
    const isV6 = familyOf(ip) === 6;
    const [ip0, ip1, ip2, ip3] = ipToWords(ip);
    const size = writeSocketAddress(this.#arena.view, this.#address, isV6, ip0, ip1, ip2, ip3, port);
    if (bind(fd, this.#arena.address + this.#address, size) === 0) return fd;
    const code = errno();
    close(fd);
    return -code;
  }

  /** Where a socket is bound; undefined if the system does not tell. */
  placeOf(fd: number): LocalPlace | undefined {
    if (!this.#readName(fd)) return undefined;
    const { view } = this.#arena;
    const ip = new Int32Array(4);
    readSocketIp(view, this.#address, ip);
    const isV6 = view.getUint16(this.#address, true) === addressFamily.inet6;
    return { isV6, ip, port: view.getUint16(this.#address + socketAddress.port) };
  }

  /** What packets carry that leave by a bound socket; undefined if the system does not tell. */
  originOf(fd: number): PacketOrigin | undefined {
    const place = this.placeOf(fd);
    if (place === undefined) return undefined;
    const { isV6 } = place;
    const { level } = isV6 ? option.ipv6 : option.ip;
    const trafficClass = this.get(fd, level, isV6 ? option.ipv6.trafficClass : option.ip.tos);
    const hopLimit = this.get(fd, level, isV6 ? option.ipv6.unicastHops : option.ip.timeToLive);
    return { ...place, trafficClass, hopLimit };
  }

  /**
   * Whether packets may come from that address now. With net.ipv4.ip_nonlocal_bind one that the machine has not can be
   * bound to, but then there is no way to connect from. Of a raw socket, which takes no port.
   */
  hasAddress({ isV6, ip }: PacketOrigin): boolean {
    const fd = this.openOf(isV6, socketType.raw, protocolRaw);
    if (fd < 0) return false;
    const { view, address } = this.#arena;
    const [ip0, ip1, ip2, ip3] = [ip[0]!, ip[1]!, ip[2]!, ip[3]!];
    const size = writeSocketAddress(view, this.#address, isV6, ip0, ip1, ip2, ip3, 0);
    const own = address + this.#address;
    const isThere = bind(fd, own, size) === 0 && connect(fd, own, size) === 0;
    close(fd);
    return isThere;
  }

  /** The port a socket has, or 0 if the system does not tell. */
  portOf(fd: number): number {
    return this.#readName(fd) ? this.#arena.view.getUint16(this.#address + socketAddress.port) : 0;
  }

  /** Where a socket is bound, into the scratch. False, and errno tells why. */
  #readName(fd: number): boolean {
    const { view, address } = this.#arena;
    view.setInt32(this.#valueBytes, socketAddress.slotBytes, true);
    return getsockname(fd, address + this.#address, address + this.#valueBytes) === 0;
  }
}

export interface SocketOptions {
  readonly tos: number;
  /** Undefined: what the system gives to everybody. */
  readonly receiveBufferBytes: number | undefined;
  /** The buffer is worth more than the system grants to everybody. */
  readonly isLarge: boolean;
  /** Several sockets of ours share the port, and the kernel deals out who sends to it. */
  readonly isShared: boolean;
}

/** Binds sockets for main. */
export class SocketBinder {
  readonly #calls = new SocketCalls();

  /** Both sockets or none. RTCP is little, and the system's own buffer is enough for it. */
  bindPair(ip: IpAddress, port: number, tos: number): BindResult {
    const options = { tos, receiveBufferBytes, isLarge: false, isShared: false };
    const rtpHandle = this.bindOne(ip, port, options);
    if (rtpHandle < 0) return { ok: false, reason: bindFailure(-rtpHandle) };
    const rtcpHandle = this.bindOne(ip, port + 1, { ...options, receiveBufferBytes: undefined });
    if (rtcpHandle >= 0) return { ok: true, rtpHandle, rtcpHandle };
    close(rtpHandle);
    return { ok: false, reason: bindFailure(-rtcpHandle) };
  }

  /** A descriptor, or the negative error number. A port that is not shared is refused if anybody has it. */
  bindOne(
    ip: IpAddress,
    port: number,
    { tos, receiveBufferBytes, isLarge, isShared }: SocketOptions,
  ): number {
    const calls = this.#calls;
    const fd = calls.open(ip, socketType.datagram);
    if (fd < 0) return fd;
    if (receiveBufferBytes !== undefined) {
      calls.set(fd, option.socket.level, option.socket.receiveBuffer, receiveBufferBytes);
    }
    // Beyond net.core.rmem_max, where we may (CAP_NET_ADMIN).
    if (isLarge && receiveBufferBytes !== undefined) {
      calls.set(fd, option.socket.level, option.socket.receiveBufferForce, receiveBufferBytes);
    }
    if (isShared) calls.set(fd, option.socket.level, option.socket.reusePort, 1);
    if (familyOf(ip) === 6) {
      calls.set(fd, option.ipv6.level, option.ipv6.mtuDiscover, option.mtuDiscoverOff);
      if (tos !== 0) calls.set(fd, option.ipv6.level, option.ipv6.trafficClass, tos);
    } else {
      calls.set(fd, option.ip.level, option.ip.mtuDiscover, option.mtuDiscoverOff);
      if (tos !== 0) calls.set(fd, option.ip.level, option.ip.tos, tos);
    }
    return calls.bind(fd, ip, port);
  }

  /** The port a socket has, or 0 if the system does not tell. */
  portOf(fd: number): number {
    return this.#calls.portOf(fd);
  }
}

/** By error number. */
export function bindFailure(code: number): (BindResult & { readonly ok: false })["reason"] {
  if (code === error.EMFILE || code === error.ENFILE || code === error.ENOBUFS) return "no-descriptors";
  // Anything else that concerns the port alone (in use, privileged) makes the relay try another.
  return code === error.EADDRNOTAVAIL ? "no-address" : "port-taken";
}
