/**
 * Datagrams of busy flows are read here, many in one call: the kernel gives a worker those of all its busy slots by one
 * socket (`steering.ts`), if they come from where the slot sends. What anybody else sends arrives at the slot's own socket.
 *
 * A party that sends more than any call does would fill the queue that all share, and goes back to a queue of its own.
 */
import type { IpAddress } from "../../core/address.ts";
import { jumboSizeBytesMax } from "../../core/limits.ts";
import { workerField } from "../../relay/counters.ts";
import type { Arena } from "./arena.ts";
import { receiveFlags } from "./datagram-flags.ts";
import { dropDirect } from "./direct-filter.ts";
import { FlowTable } from "./flow-table.ts";
import { type BoxedNumbers, close, getsockopt, option, recvmmsg, socketAddress, socketType } from "./libc.ts";
import { layOutMessage, messageHeader, messageVector, writeAddress } from "./message-vector.ts";
import type { PacketPlaces } from "./packet-addresses.ts";
import { SocketCalls } from "./sockets.ts";
import type { SteeringShare } from "./steering.ts";

/** Of struct msghdr: what else came with a datagram, where it is and its size. */
const control = { address: 32, sizeBytes: 40 } as const;
/** Room for one struct cmsghdr and a socket address; in it the level, and the address (bits/socket.h). */
const controlBytes = 64;
const controlLevel = 8;
const controlAddress = 16;

/** A third of a second of 50,000 packets a second. */
const receiveBufferBytes = 16 * 1024 * 1024;
/** From one party in a second: twice what high-definition video takes. */
const packetsPerSecondMax = 2_000;
/** The same while the queue overflows: far more than speech takes. */
const packetsPerSecondInNeedMax = 200;
/** SK_MEMINFO_DROPS, and the size of what the kernel tells (linux/sock_diag.h). */
const dropsWord = 8;
const memoryInformationBytes = 36;

/** Where the sockets are bound: no other machine reaches them there, and no call has media there. */
const boundTo = ["127.255.255.254", "::1"] as readonly string[] as readonly [IpAddress, IpAddress];

/** What becomes of a slot. */
const state = { own: 0, due: 1, shared: 2, excluded: 3 } as const;

export interface ReceiveBatchParts {
  readonly arena: Arena;
  readonly capacitySlots: number;
  /** Where datagrams are read to. */
  readonly places: PacketPlaces;
  /** Undefined: every slot is read by its own socket. */
  readonly steering: SteeringShare | undefined;
  /** The worker's own counters. */
  readonly worker: Float64Array;
}

/** Bytes of the arena a batch of so many places needs. */
export function receiveBatchBytes(count: number): number {
  return (
    count * (messageHeader.bytes + messageVector.bytes + socketAddress.slotBytes + controlBytes) +
    memoryInformationBytes +
    6 * 64
  );
}

export class ReceiveBatch {
  readonly isOn: boolean;
  /** Of IPv4 and of IPv6; negative: there is none. */
  readonly descriptors: readonly [number, number];
  readonly #parts: ReceiveBatchParts;
  readonly #flows: FlowTable | undefined;
  readonly #calls = new SocketCalls();
  readonly #states: Uint8Array;
  readonly #due: number[] = [];
  /** Datagrams of each slot in this second. */
  readonly #counts: Uint16Array;
  readonly #view: DataView;
  readonly #headers: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #boxedHeaders: BoxedNumbers;
  readonly #information: number;
  readonly #informationBytes: number;
  #written = 0;

  constructor(parts: ReceiveBatchParts) {
    const { arena, capacitySlots, places, steering } = parts;
    this.#parts = parts;
    this.#view = arena.view;
    this.#headers = arena.reserve(places.count * messageHeader.bytes);
    const vectors = arena.reserve(places.count * messageVector.bytes);
    this.#names = arena.reserve(places.count * socketAddress.slotBytes);
    this.#controls = arena.reserve(places.count * controlBytes);
    this.#information = arena.reserve(memoryInformationBytes + 4);
    this.#informationBytes = this.#information + memoryInformationBytes;
    this.#boxedHeaders = [null, arena.address + this.#headers];
    for (let index = 0; index < places.count; index++) {
      const header = this.#headers + index * messageHeader.bytes;
      const vector = vectors + index * messageVector.bytes;
      layOutMessage(arena, header, this.nameAt(index), vector);
      writeAddress(arena, header + control.address, this.#controls + index * controlBytes);
      writeAddress(arena, vector, places.firstOffset + index * places.strideBytes);
      this.#view.setUint32(vector + messageVector.sizeBytes, jumboSizeBytesMax, true);
    }
    this.#written = places.count;
    this.#flows = steering === undefined ? undefined : new FlowTable(steering);
    this.descriptors = [this.#open(false), this.#open(true)];
    this.isOn = this.descriptors[0] >= 0 || this.descriptors[1] >= 0;
    this.#states = new Uint8Array(this.isOn ? capacitySlots : 0);
    this.#counts = new Uint16Array(this.isOn ? capacitySlots : 0);
  }

  /** The slot sends to somewhere else, or packets of it wait for others from now on: it is to be read here (`takeDue`). */
  request(slot: number): void {
    if (!this.isOn || this.#states[slot] === state.excluded) return;
    this.#flows?.remove(slot);
    if (this.#states[slot] === state.due) return;
    this.#states[slot] = state.due;
    this.#due.push(slot);
  }

  /** A slot that is to be read here, or -1. */
  takeDue(): number {
    for (;;) {
      const slot = this.#due.pop();
      if (slot === undefined) return -1;
      // Closed since.
      if (this.#states[slot] === state.due) return slot;
    }
  }

  /**
   * What `remote` sends to the slot is read here from now on. Then what came to the slot's own socket has to be read
   * before that, or later packets would overtake it. False: it cannot be.
   */
  take(slot: number, fd: number, remote: Int32Array, remotePort: number): boolean {
    const local = this.#calls.placeOf(fd);
    const isTaken =
      local !== undefined &&
      this.descriptors[local.isV6 ? 1 : 0] >= 0 &&
      this.#flows?.add(slot, local, remote, remotePort) === true;
    if (!isTaken) this.#flows?.release(slot);
    this.#states[slot] = isTaken ? state.shared : state.own;
    return isTaken;
  }

  /** The slot is closed. */
  release(slot: number): void {
    if (!this.isOn || this.#states[slot] === state.own) return;
    this.#flows?.release(slot);
    this.#states[slot] = state.own;
    this.#counts[slot] = 0;
  }

  /** Reads as many datagrams as there are and have places: their number, or -1 with the reason in errno. */
  receive(isV6: boolean): number {
    const view = this.#view;
    for (let index = 0; index < this.#written; index++) {
      const header = this.#headers + index * messageHeader.bytes;
      view.setUint32(header + messageHeader.nameBytes, socketAddress.slotBytes, true);
      view.setUint32(header + control.sizeBytes, controlBytes, true);
    }
    const fd = this.descriptors[isV6 ? 1 : 0];
    const received = recvmmsg(fd, this.#boxedHeaders[1]!, this.#parts.places.count, receiveFlags, 0);
    this.#written = Math.max(0, received);
    if (received > 0) this.#parts.worker[workerField.receiveBatches]!++;
    return received;
  }

  /** Whose the datagram is; -1: nobody's any more. Counts it. */
  slotOf(index: number): number {
    const view = this.#view;
    const at = this.#controls + index * controlBytes;
    const name = at + controlAddress;
    const port = view.getUint16(name + socketAddress.port);
    const flows = this.#flows!;
    const ip = name + socketAddress.inet6Ip;
    const slot =
      view.getInt32(at + controlLevel, true) === option.ip.level
        ? flows.slotAt(0, 0, 0xffff, view.getInt32(name + socketAddress.inetIp), port)
        : flows.slotAt(
            view.getInt32(ip),
            view.getInt32(ip + 4),
            view.getInt32(ip + 8),
            view.getInt32(ip + 12),
            port,
          );
    if (slot >= 0 && ++this.#counts[slot]! > packetsPerSecondMax) this.#exclude(slot);
    return slot;
  }

  sizeOf(index: number): number {
    const header = this.#headers + index * messageHeader.bytes;
    return this.#view.getUint32(header + messageHeader.messageBytes, true);
  }

  /** Where the address is that the datagram came from. */
  nameAt(index: number): number {
    return this.#names + index * socketAddress.slotBytes;
  }

  /** A second is over. */
  everySecond(): void {
    if (!this.isOn) return;
    const [inet, inet6] = this.descriptors;
    const drops = this.#dropsOf(inet) + this.#dropsOf(inet6);
    const { worker } = this.#parts;
    if (drops > worker[workerField.receiveDrops]!) this.#excludeFast();
    worker[workerField.receiveDrops] = drops;
    this.#counts.fill(0);
  }

  close(): void {
    for (const fd of this.descriptors) if (fd >= 0) close(fd);
  }

  /** Calls of speech are not to suffer for parties that send much, each of them within the limit. */
  #excludeFast(): void {
    for (let slot = 0; slot < this.#counts.length; slot++) {
      if (this.#counts[slot]! > packetsPerSecondInNeedMax) this.#exclude(slot);
    }
  }

  #exclude(slot: number): void {
    if (this.#states[slot] === state.excluded) return;
    this.#flows?.remove(slot);
    this.#states[slot] = state.excluded;
  }

  /** Datagrams the kernel had no room for, or that were sent to the socket itself. */
  #dropsOf(fd: number): number {
    const { view, address } = this.#parts.arena;
    view.setInt32(this.#informationBytes, memoryInformationBytes, true);
    const { level, memoryInformation } = option.socket;
    const failed = getsockopt(
      fd,
      level,
      memoryInformation,
      address + this.#information,
      address + this.#informationBytes,
    );
    return failed === 0 ? view.getUint32(this.#information + 4 * dropsWord, true) : 0;
  }

  /** A socket that the kernel's program gives datagrams to, or a negative number. */
  #open(isV6: boolean): number {
    const calls = this.#calls;
    if (this.#flows === undefined) return -1;
    const fd = calls.openOf(isV6, socketType.datagram);
    if (fd < 0) return fd;
    const { level, receiveBuffer, receiveBufferForce } = option.socket;
    calls.set(fd, level, receiveBuffer, receiveBufferBytes);
    calls.set(fd, level, receiveBufferForce, receiveBufferBytes);
    const family = isV6 ? option.ipv6 : option.ip;
    calls.set(fd, family.level, family.originalTarget, 1);
    const bound = calls.bind(fd, boundTo[isV6 ? 1 : 0], 0);
    if (bound < 0) return bound;
    const own = calls.placeOf(fd);
    // Or whoever runs a program on this machine could fill the queue.
    if (own !== undefined && dropDirect(fd, own) && this.#flows.setReceiver(fd, isV6)) return fd;
    close(fd);
    return -1;
  }
}
