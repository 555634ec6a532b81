/** A worker's sockets on Linux: descriptors in an epoll set, one prepared target address per slot. */
import { jumboSizeBytesMax, packetHeadroomBytes, packetTailroomBytes } from "../../core/limits.ts";
import { type SocketPort, sendCode } from "../../relay/driver.ts";
import type { Arena } from "./arena.ts";
import {
  addressFamily,
  type BoxedNumbers,
  close,
  epoll,
  epollControl,
  epollCreate,
  errno,
  errnoName,
  error,
  messageFlag,
  sendto,
  socketAddress,
} from "./libc.ts";
import { writeSocketAddress } from "./sockets.ts";

/** Entries of the numbers given to sendto. */
const boxed = { packet: 1, target: 2 } as const;

const sendFlags = messageFlag.dontwait | messageFlag.nosignal;

export class EpollSockets implements SocketPort {
  readonly epoll: number;
  /** By slot; 0 is no socket (descriptor 0 is standard input). */
  readonly descriptors: Int32Array;
  readonly #arena: Arena;
  /** Where in the arena the loop receives; sending from there is the common case. */
  readonly packetOffset: number;
  readonly #boxed: BoxedNumbers;
  readonly #event: number;
  readonly #target: number;
  readonly #targets: number;
  readonly #isV6: Uint8Array;

  constructor(arena: Arena, capacitySlots: number) {
    this.#arena = arena;
    this.packetOffset =
      arena.reserve(packetHeadroomBytes + jumboSizeBytesMax + packetTailroomBytes) + packetHeadroomBytes;
    this.#event = arena.reserve(epoll.eventBytes);
    this.#target = arena.reserve(socketAddress.slotBytes);
    this.#boxed = [null, arena.address + this.packetOffset, arena.address + this.#target];
    this.#targets = arena.reserve(capacitySlots * socketAddress.slotBytes);
    this.descriptors = new Int32Array(capacitySlots);
    this.#isV6 = new Uint8Array(capacitySlots);
    this.epoll = epollCreate(epoll.cloexec);
    if (this.epoll < 0) throw new Error(`epoll_create1: ${errnoName(errno())}`);
  }

  /** The end: every socket has been released. */
  close(): void {
    close(this.epoll);
  }

  /**
   * Watches a descriptor; `slot` and `generation` come back with its events. False: the kernel has no room for
   * another one, with the reason in errno.
   */
  watch(descriptor: number, slot: number, generation: number): boolean {
    const { view } = this.#arena;
    view.setUint32(this.#event, epoll.readable, true);
    view.setInt32(this.#event + epoll.dataOffset, slot, true);
    view.setInt32(this.#event + epoll.dataOffset + 4, generation, true);
    return epollControl(this.epoll, epoll.add, descriptor, this.#arena.address + this.#event) === 0;
  }

  adopt(slot: number, generation: number, handle: number, isV6: boolean): boolean {
    this.descriptors[slot] = handle;
    this.#isV6[slot] = isV6 ? 1 : 0;
    return this.watch(handle, slot, generation);
  }

  /** Closing a descriptor takes it out of the epoll set. */
  release(slot: number): void {
    close(this.descriptors[slot]!);
    this.descriptors[slot] = 0;
  }

  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): boolean {
    const isV6 = this.#isV6[slot] === 1;
    const isMapped = ip0 === 0 && ip1 === 0 && ip2 === 0xffff;
    if (isMapped === isV6) return false;
    const at = this.#targets + slot * socketAddress.slotBytes;
    writeSocketAddress(this.#arena.view, at, isV6, ip0, ip1, ip2, ip3, port);
    return true;
  }

  send(slot: number, offset: number, sizeBytes: number): number {
    const { view, address } = this.#arena;
    const isV6 = this.#isV6[slot] === 1;
    const targetBytes = isV6 ? socketAddress.inet6Bytes : socketAddress.inetBytes;
    // Copied to one place, whose address is boxed already; the targets' own addresses are not.
    const from = this.#targets + slot * socketAddress.slotBytes;
    for (let at = 0; at < targetBytes; at += 4) {
      view.setInt32(this.#target + at, view.getInt32(from + at, true), true);
    }
    const fd = this.descriptors[slot]!;
    const packet = offset === this.packetOffset ? this.#boxed[boxed.packet]! : address + offset;
    const target = this.#boxed[boxed.target]!;
    if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sent;
    return this.#sendAgain(fd, packet, sizeBytes, targetBytes);
  }

  sendTo(
    slot: number,
    offset: number,
    sizeBytes: number,
    ip0: number,
    ip1: number,
    ip2: number,
    ip3: number,
    port: number,
  ): number {
    const isV6 = this.#isV6[slot] === 1;
    const isMapped = ip0 === 0 && ip1 === 0 && ip2 === 0xffff;
    if (isMapped === isV6) return sendCode.failed;
    const { view, address } = this.#arena;
    const targetBytes = writeSocketAddress(view, this.#target, isV6, ip0, ip1, ip2, ip3, port);
    const fd = this.descriptors[slot]!;
    const packet = address + offset;
    const target = this.#boxed[boxed.target]!;
    if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sent;
    return this.#sendAgain(fd, packet, sizeBytes, targetBytes);
  }

  /** ECONNREFUSED is an ICMP error of an earlier packet and is gone once reported: the same send works now. */
  #sendAgain(fd: number, packet: number, sizeBytes: number, targetBytes: number): number {
    let code = errno();
    if (code === error.ECONNREFUSED || code === error.EINTR) {
      if (sendto(fd, packet, sizeBytes, sendFlags, this.#boxed[boxed.target]!, targetBytes) >= 0) {
        return sendCode.sentOnRetry;
      }
      code = errno();
    }
    return code === error.EAGAIN || code === error.ENOBUFS ? sendCode.queueFull : sendCode.failed;
  }
}

/** Bytes of the arena `EpollSockets` needs. */
export function socketsBytes(capacitySlots: number): number {
  return (
    capacitySlots * socketAddress.slotBytes +
    packetHeadroomBytes +
    jumboSizeBytesMax +
    packetTailroomBytes +
    256
  );
}

/** For reading a received address: family of the bytes at `at`. */
export function isInet(view: DataView, at: number): boolean {
  return view.getUint16(at, true) === addressFamily.inet;
}
