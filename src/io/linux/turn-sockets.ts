/** A worker's TURN sockets on Linux: in the epoll set of its media sockets, under negative numbers. */

import {
  packetHeadroomBytes,
  packetRoomBytes,
  turnPostsMax,
  turnReadsPerTurnMax,
} from "../../core/limits.ts";
import { sendCode } from "../../relay/driver.ts";
import type { TurnSocketPort } from "../../relay/turn/turn-driver.ts";
import type { Arena } from "./arena.ts";
import { failureOf, isPassing, sendFlags } from "./datagram-flags.ts";
import type { EpollSockets } from "./epoll-sockets.ts";
import {
  addressFamily,
  type BoxedNumbers,
  close,
  epoll,
  epollControl,
  errno,
  option,
  sendto,
  setsockopt,
  socketAddress,
} from "./libc.ts";
import { MessageVector, messageVectorBytes } from "./message-vector.ts";
import { PacketAddresses } from "./packet-addresses.ts";
import { isOfFamily, writeSocketAddress } from "./sockets.ts";

const boxed = { target: 1, value: 2 } as const;

/** How the epoll set names a TURN socket; media slots are 0 and above, the wake-up is -1. */
export function epollNameOf(socket: number): number {
  return -2 - socket;
}

export function socketOfEpollName(name: number): number {
  return -2 - name;
}

export class TurnSockets implements TurnSocketPort {
  /** By socket; 0 is none. */
  readonly descriptors: Int32Array;
  readonly #isV6: Uint8Array;
  readonly #arena: Arena;
  readonly #media: EpollSockets;
  readonly #target: number;
  readonly #value: number;
  readonly #boxed: BoxedNumbers;
  /** What a listener has for us is read into this. */
  readonly inbox: MessageVector;
  /** A relay's datagram is read into this, behind those that wait there to leave by the listeners. */
  readonly outbox: MessageVector;
  /** Where in the arena main's datagrams are put. */
  readonly packetOffset: number;
  readonly #postedBy = new Int32Array(turnPostsMax);
  readonly #fromInbox: PacketAddresses;
  readonly #fromElsewhere: PacketAddresses;

  constructor(arena: Arena, media: EpollSockets, capacity: number) {
    this.#arena = arena;
    this.#media = media;
    this.descriptors = new Int32Array(capacity);
    this.#isV6 = new Uint8Array(capacity);
    this.#target = arena.reserve(socketAddress.slotBytes);
    this.#value = arena.reserve(4);
    this.#boxed = [null, arena.address + this.#target, arena.address + this.#value];
    this.inbox = new MessageVector(arena, turnReadsPerTurnMax);
    this.outbox = new MessageVector(arena, turnPostsMax);
    this.packetOffset = arena.reserve(packetRoomBytes) + packetHeadroomBytes;
    this.#fromInbox = new PacketAddresses(arena.address, this.inbox);
    this.#fromElsewhere = new PacketAddresses(arena.address, {
      firstOffset: this.packetOffset,
      strideBytes: 0,
      count: 1,
    });
  }

  adopt(socket: number, handle: number, isV6: boolean, isWatched: boolean): boolean {
    this.descriptors[socket] = handle;
    this.#isV6[socket] = isV6 ? 1 : 0;
    return !isWatched || this.watch(socket);
  }

  watch(socket: number): boolean {
    return this.#media.watch(this.descriptors[socket]!, epollNameOf(socket), 0);
  }

  /** Taken out of the epoll set by name: where another worker has a duplicate, closing alone would leave it there. */
  release(socket: number): void {
    const descriptor = this.descriptors[socket]!;
    epollControl(this.#media.epoll, epoll.remove, descriptor, 0);
    close(descriptor);
    this.descriptors[socket] = 0;
  }

  send(
    socket: number,
    offset: number,
    sizeBytes: number,
    target: Int32Array,
    port: number,
    isUnfragmented: boolean,
  ): number {
    if (!this.#mayReach(socket, target)) return sendCode.failed;
    const isV6 = this.#isV6[socket] === 1;
    const fd = this.descriptors[socket]!;
    const { view } = this.#arena;
    const at = this.#target;
    const targetBytes = isV6 ? socketAddress.inet6Bytes : socketAddress.inetBytes;
    if (isV6) writeSocketAddress(view, at, true, target[0]!, target[1]!, target[2]!, target[3]!, port);
    else {
      view.setUint16(at, addressFamily.inet, true);
      view.setUint16(at + socketAddress.port, port);
      view.setInt32(at + socketAddress.inetIp, target[3]!);
    }
    if (!isUnfragmented) return this.#sendTo(fd, offset, sizeBytes, targetBytes);
    // An option of the socket, set for this one packet: rare, and cheaper than a second socket for each relay.
    this.#setDiscovery(fd, isV6, option.mtuDiscoverOn);
    const code = this.#sendTo(fd, offset, sizeBytes, targetBytes);
    this.#setDiscovery(fd, isV6, option.mtuDiscoverOff);
    return code;
  }

  post(
    index: number,
    socket: number,
    offset: number,
    sizeBytes: number,
    target: Int32Array,
    port: number,
  ): boolean {
    if (!this.#mayReach(socket, target)) return false;
    this.outbox.put(index, offset, sizeBytes, this.#isV6[socket] === 1, target, port);
    this.#postedBy[index] = socket;
    return true;
  }

  sendPosted(count: number, codes: Uint8Array): void {
    for (let first = 0; first < count; ) {
      const socket = this.#postedBy[first]!;
      let end = first + 1;
      while (end < count && this.#postedBy[end] === socket) end++;
      first = this.#sendRun(this.descriptors[socket]!, first, end, codes);
    }
  }

  /** The socket is open, and of the target's family. */
  #mayReach(socket: number, target: Int32Array): boolean {
    const isV6 = this.#isV6[socket] === 1;
    return isOfFamily(isV6, target[0]!, target[1]!, target[2]!) && this.descriptors[socket] !== 0;
  }

  /** Those from `first` to before `end`, which leave by one socket; returns the first that was not tried. */
  #sendRun(fd: number, first: number, end: number, codes: Uint8Array): number {
    let sent = this.outbox.send(fd, first, end);
    if (sent > 0) {
      for (let index = first; index < first + sent; index++) codes[index] = sendCode.sent;
      return first + sent;
    }
    let code = errno();
    codes[first] = sendCode.sentOnRetry;
    if (isPassing(code)) {
      sent = this.outbox.send(fd, first, first + 1);
      if (sent > 0) return first + 1;
      code = errno();
    }
    codes[first] = failureOf(code);
    return first + 1;
  }

  #sendTo(fd: number, offset: number, sizeBytes: number, targetBytes: number): number {
    const addresses = this.#fromInbox.covers(offset) ? this.#fromInbox : this.#fromElsewhere;
    const packet = addresses.at(offset);
    const target = this.#boxed[boxed.target]!;
    if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sent;
    let code = errno();
    if (isPassing(code)) {
      if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sentOnRetry;
      code = errno();
    }
    return failureOf(code);
  }

  #setDiscovery(fd: number, isV6: boolean, value: number): void {
    this.#arena.view.setInt32(this.#value, value, true);
    const { level, mtuDiscover } = isV6 ? option.ipv6 : option.ip;
    setsockopt(fd, level, mtuDiscover, this.#boxed[boxed.value]!, 4);
  }
}

/** Bytes of the arena `TurnSockets` needs. */
export const turnSocketsBytes =
  256 + packetRoomBytes + messageVectorBytes(turnReadsPerTurnMax) + messageVectorBytes(turnPostsMax);
