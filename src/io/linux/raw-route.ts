/** A raw socket that packets from one local address leave by, many in one call, and those that wait for that call. */
import type { Arena } from "./arena.ts";
import { sendFlags } from "./datagram-flags.ts";
import { addressFamily, type BoxedNumbers, close, errno, error, sendmmsg, socketAddress } from "./libc.ts";
import { layOutMessage, messageHeader, messageVector, writeAddress } from "./message-vector.ts";
import { inet6Headers, inetHeaders, type PacketOrigin } from "./packet-headers.ts";
import type { SocketCalls } from "./sockets.ts";

/** Of the words of a socket address, one behind it, where the kernel does not look. */
const slotWord = 7;

/** Told of a packet that the kernel does not take: its slot, where it lies, its size. */
export type OnRefused = (slot: number, offset: number, sizeBytes: number) => void;

/** What a route lies in: the arena, from an offset aligned to 64 on, `rawRouteBytes` of it. */
export interface RouteMemory {
  readonly arena: Arena;
  readonly offset: number;
  /** Packets that may wait at once. */
  readonly entries: number;
}

export function rawRouteBytes(entries: number): number {
  return entries * (messageHeader.bytes + messageVector.bytes + socketAddress.slotBytes);
}

export class RawRoute {
  /** Slots whose packets leave here; without any it is to be closed. */
  users = 0;
  readonly #fd: number;
  readonly #origin: PacketOrigin;
  readonly #arena: Arena;
  readonly #words: Int32Array;
  readonly #headers: typeof inetHeaders | typeof inet6Headers;
  readonly #vectors: number;
  readonly #names: number;
  /** Addresses of the messages, from index 1 on. */
  readonly #messages: BoxedNumbers = [null];
  #count = 0;
  /** The largest that is not known to be more than the network device takes. */
  #sizeMax: number;
  #hasAddress = true;

  /** `fd`: a raw socket bound to the origin's address, which writes no headers of its own. */
  constructor(fd: number, origin: PacketOrigin, { arena, offset, entries }: RouteMemory, sizeMax: number) {
    this.#fd = fd;
    this.#origin = origin;
    this.#arena = arena;
    this.#words = arena.words;
    this.#headers = origin.isV6 ? inet6Headers : inetHeaders;
    this.#sizeMax = sizeMax;
    this.#vectors = offset + entries * messageHeader.bytes;
    this.#names = this.#vectors + entries * messageVector.bytes;
    for (let entry = 0; entry < entries; entry++) this.#layOut(entry, offset + entry * messageHeader.bytes);
  }

  /** Whether packets of this origin may leave here. */
  serves({ isV6, ip, trafficClass }: PacketOrigin): boolean {
    const own = this.#origin;
    return (
      isV6 === own.isV6 &&
      trafficClass === own.trafficClass &&
      ip.every((word, index) => word === own.ip[index])
    );
  }

  takes(sizeBytes: number): boolean {
    return this.#hasAddress && sizeBytes <= this.#sizeMax;
  }

  /**
   * Takes packets while the machine has the origin's address. The kernel does not mind here, as it does where it writes
   * headers: without this an address that has moved to another machine would go on sending from this one.
   */
  lookForAddress(calls: SocketCalls): void {
    this.#hasAddress = calls.hasAddress(this.#origin);
  }

  /** The packet at `offset`, whose headers lie in front of it, leaves with the next `send`. No allocation. */
  add(slot: number, offset: number, sizeBytes: number): void {
    const words = this.#words;
    const entry = this.#count++;
    const { bytes, target, ports } = this.#headers;
    const from = offset - bytes;
    // Behind family and port, and behind the flow label of IPv6.
    const name = (this.#names + entry * socketAddress.slotBytes) >> 2;
    const vector = (this.#vectors + entry * messageVector.bytes) >> 2;
    let ip = name + (ports - target > 4 ? socketAddress.inet6Ip >> 2 : socketAddress.inetIp >> 2);
    for (let at = (from + target) >> 2; at < (from + ports) >> 2; at++) words[ip++] = words[at]!;
    words[name + slotWord] = slot;
    words[vector + (messageVector.sizeBytes >> 2)] = bytes + sizeBytes;
    writeAddress(this.#arena, 4 * vector, from);
  }

  /** Sends all that wait, and hands to `refuse` what the kernel does not take: how many. */
  send(refuse: OnRefused): number {
    const count = this.#count;
    this.#count = 0;
    let refused = 0;
    let at = 0;
    while (at < count) {
      const sent = sendmmsg(this.#fd, this.#messages[at + 1]!, count - at, sendFlags);
      if (sent > 0) {
        at += sent;
        continue;
      }
      this.#refuse(at++, errno(), refuse);
      refused++;
    }
    return refused;
  }

  #refuse(entry: number, code: number, refuse: OnRefused): void {
    const words = this.#words;
    const vector = (this.#vectors + entry * messageVector.bytes) >> 2;
    const sizeBytes = words[vector + (messageVector.sizeBytes >> 2)]! - this.#headers.bytes;
    if (code === error.EMSGSIZE) this.#sizeMax = Math.min(this.#sizeMax, sizeBytes - 1);
    const slot = words[((this.#names + entry * socketAddress.slotBytes) >> 2) + slotWord]!;
    // The lower halves of addresses tell how far it lies from the arena's beginning.
    const from = (words[vector]! - this.#arena.address) | 0;
    refuse(slot, from + this.#headers.bytes, sizeBytes);
  }

  close(): void {
    close(this.#fd);
  }

  #layOut(entry: number, at: number): void {
    const { view, address } = this.#arena;
    const name = this.#names + entry * socketAddress.slotBytes;
    const { isV6 } = this.#origin;
    this.#messages.push(address + at);
    layOutMessage(this.#arena, at, name, this.#vectors + entry * messageVector.bytes);
    const nameBytes = isV6 ? socketAddress.inet6Bytes : socketAddress.inetBytes;
    view.setUint32(at + messageHeader.nameBytes, nameBytes, true);
    view.setUint16(name, isV6 ? addressFamily.inet6 : addressFamily.inet, true);
  }
}
