/**
 * Places for datagrams that pass the kernel in one call (recvmmsg, sendmmsg): each with its bytes, its address and the
 * structures that name them. Made once; receiving and sending allocate nothing.
 *
 * A call for each has to enter the kernel, and our own code has left the processor's cache when it comes back: of eight
 * datagrams together, each costs 0.3 microseconds less to receive and 0.7 less to send.
 */
import { jumboSizeBytesMax, packetHeadroomBytes, packetRoomBytes } from "../../core/limits.ts";
import type { Arena } from "./arena.ts";
import { receiveFlags, sendFlags } from "./datagram-flags.ts";
import { type BoxedNumbers, recvmmsg, sendmmsg, socketAddress } from "./libc.ts";
import { writeSocketAddress } from "./sockets.ts";

/** struct mmsghdr and struct iovec, the same on x64 and arm64 (bits/socket.h, bits/types/struct_iovec.h). */
export const messageHeader = {
  nameBytes: 8,
  vector: 16,
  vectorCount: 24,
  messageBytes: 56,
  bytes: 64,
} as const;
export const messageVector = { sizeBytes: 8, bytes: 16 } as const;

const placeBytes = 64 * Math.ceil(packetRoomBytes / 64);
const beyond32Bits = 2 ** 32;

/** Bytes of the arena a vector needs. */
export function messageVectorBytes(count: number): number {
  return count * (placeBytes + messageHeader.bytes + messageVector.bytes + socketAddress.slotBytes) + 3 * 64;
}

export class MessageVector {
  readonly count: number;
  /** From one place to the next. */
  readonly strideBytes = placeBytes;
  /** The first place's datagram begins here, with the room around it that packets have. */
  readonly firstOffset: number;
  readonly #view: DataView;
  readonly #arena: Arena;
  readonly #headers: number;
  readonly #vectors: number;
  readonly #names: number;
  /** Addresses, in the entries of index 1 on: of the headers, and of where datagrams begin. */
  readonly #boxedHeaders: BoxedNumbers = [null];
  readonly #boxedPlaces: BoxedNumbers = [null];
  /** How many headers the last receiving wrote to. */
  #written = 0;

  constructor(arena: Arena, count: number) {
    this.count = count;
    this.#arena = arena;
    this.#view = arena.view;
    this.firstOffset = arena.reserve(count * placeBytes) + packetHeadroomBytes;
    this.#headers = arena.reserve(count * messageHeader.bytes);
    this.#vectors = arena.reserve(count * messageVector.bytes);
    this.#names = arena.reserve(count * socketAddress.slotBytes);
    for (let index = 0; index < count; index++) {
      const at = this.#headers + index * messageHeader.bytes;
      this.#boxedHeaders.push(arena.address + at);
      this.#boxedPlaces.push(arena.address + this.offsetOf(index));
      layOutMessage(arena, at, this.nameAt(index), this.#vectors + index * messageVector.bytes);
      this.#view.setUint32(at + messageHeader.nameBytes, socketAddress.slotBytes, true);
      this.#writeBytes(index, this.offsetOf(index), jumboSizeBytesMax);
    }
  }

  offsetOf(index: number): number {
    return this.firstOffset + index * placeBytes;
  }

  /** The same as an address, boxed: for those who read a datagram by themselves. */
  addressOf(index: number): number {
    return this.#boxedPlaces[index + 1]!;
  }

  /** Where the address of a datagram is: its source, or its target. */
  nameAt(index: number): number {
    return this.#names + index * socketAddress.slotBytes;
  }

  /** Reads as many datagrams as there are and have room: their number, or -1 with the reason in errno. */
  receive(fd: number): number {
    for (let index = 0; index < this.#written; index++) {
      const at = this.#headers + index * messageHeader.bytes + messageHeader.nameBytes;
      this.#view.setUint32(at, socketAddress.slotBytes, true);
    }
    const received = recvmmsg(fd, this.#boxedHeaders[1]!, this.count, receiveFlags, 0);
    this.#written = Math.max(0, received);
    return received;
  }

  /** What was received, or sent: above `jumboSizeBytesMax` its end is missing. */
  sizeOf(index: number): number {
    return this.#view.getUint32(
      this.#headers + index * messageHeader.bytes + messageHeader.messageBytes,
      true,
    );
  }

  /** Makes ready what is to be sent: bytes of the arena, and where they go. */
  put(
    index: number,
    offset: number,
    sizeBytes: number,
    isV6: boolean,
    target: Int32Array,
    port: number,
  ): void {
    const at = this.nameAt(index);
    const [ip0, ip1, ip2, ip3] = [target[0]!, target[1]!, target[2]!, target[3]!];
    const nameBytes = writeSocketAddress(this.#view, at, isV6, ip0, ip1, ip2, ip3, port);
    this.#view.setUint32(
      this.#headers + index * messageHeader.bytes + messageHeader.nameBytes,
      nameBytes,
      true,
    );
    this.#writeBytes(index, offset, sizeBytes);
  }

  /** Sends those from `first` to before `end`: the number sent, or -1 with the reason the first of them was not. */
  send(fd: number, first: number, end: number): number {
    return sendmmsg(fd, this.#boxedHeaders[first + 1]!, end - first, sendFlags);
  }

  #writeBytes(index: number, offset: number, sizeBytes: number): void {
    const at = this.#vectors + index * messageVector.bytes;
    writeAddress(this.#arena, at, offset);
    this.#view.setUint32(at + messageVector.sizeBytes, sizeBytes, true);
  }
}

/** Joins a message's header with its name and its one vector, which lie in the arena too. */
export function layOutMessage(arena: Arena, header: number, name: number, vector: number): void {
  writeAddress(arena, header, name);
  writeAddress(arena, header + messageHeader.vector, vector);
  arena.words[(header + messageHeader.vectorCount) >> 2] = 1;
}

/** Writes the address of an offset of the arena into it. In halves: one number of 64 bits would be an object. */
export function writeAddress(arena: Arena, at: number, offset: number): void {
  const address = arena.address + offset;
  arena.words[at >> 2] = address;
  arena.words[(at >> 2) + 1] = Math.floor(address / beyond32Bits);
}
