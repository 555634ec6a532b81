/**
 * Packets of busy ports wait here until the worker has read all there was, and leave in one call: by a raw socket, with the
 * headers their own sockets would have given them. A call for each enters the kernel and wants a socket that nothing has
 * touched for 20 ms; together they cost a seventh less of all that a packet costs.
 *
 * Raw sockets take CAP_NET_RAW. Without it, or for what a raw socket does not take, packets leave by their own sockets. So
 * they do until a port is busy. A worker reads each packet into a place of its own, so that those that wait stay as they are.
 */
import assert from "node:assert/strict";
import { packetHeadroomBytes, packetRoomBytes, packetSizeBytesMax } from "../../core/limits.ts";
import { workerField } from "../../relay/counters.ts";
import type { Arena } from "./arena.ts";
import { type BoxedNumbers, close, option, protocolRaw, socketType } from "./libc.ts";
import type { PacketPlaces } from "./packet-addresses.ts";
import { PacketHeaders, type PacketOrigin } from "./packet-headers.ts";
import { RawRoute, rawRouteBytes } from "./raw-route.ts";
import { SocketCalls } from "./sockets.ts";

/** Packets that wait at once: a call for each is little then, and so many stay in the processor's cache. */
export const sendBatchPlaces = 32;
/** From one place to the next: an odd number of the cache's lines, so that beginnings of packets share few of its sets. */
const placeBytes = 64 * (Math.ceil(packetRoomBytes / 64) | 1);
/** Of each worker: one for each local address and traffic class. */
const routesMax = 16;
/** Half a second of 64 Mbit/s. */
const sendBufferBytes = 4 * 1024 * 1024;

/** Bytes of the arena a batch needs. */
export const sendBatchBytes =
  sendBatchPlaces * placeBytes + routesMax * (rawRouteBytes(sendBatchPlaces) + 64) + 64;

export interface BatchParts {
  readonly arena: Arena;
  readonly capacitySlots: number;
  /** False: every packet leaves by its own socket. */
  readonly isOn: boolean;
  /** The worker's own counters. */
  readonly worker: Float64Array;
  /** Sends a packet that no raw socket took by the slot's own socket. */
  readonly sendAlone: (slot: number, offset: number, sizeBytes: number) => void;
}

export class SendBatch {
  /** Where the next packet is read to: of the arena, and as an address that is boxed already. */
  offset: number;
  address: number;
  readonly places: PacketPlaces;
  readonly #parts: BatchParts;
  readonly #isOn: boolean;
  readonly #first: number;
  readonly #addresses: BoxedNumbers = [null];
  readonly #headers: PacketHeaders;
  /** With holes where nobody sends from any more. */
  readonly #routes: (RawRoute | undefined)[] = [];
  readonly #routesOffset: number;
  readonly #calls = new SocketCalls();
  #count = 0;
  #place = 0;

  constructor(parts: BatchParts) {
    const { arena, isOn, capacitySlots } = parts;
    this.#parts = parts;
    this.#isOn = isOn;
    this.#first = arena.reserve(sendBatchPlaces * placeBytes) + packetHeadroomBytes;
    for (let place = 0; place < sendBatchPlaces; place++) {
      this.#addresses.push(arena.address + this.#first + place * placeBytes);
    }
    this.#routesOffset = arena.reserve(routesMax * rawRouteBytes(sendBatchPlaces));
    this.#headers = new PacketHeaders(arena.words, isOn ? capacitySlots : 1);
    this.offset = this.#first;
    this.address = this.#addresses[1]!;
    this.places = { firstOffset: this.#first, strideBytes: placeBytes, count: sendBatchPlaces };
  }

  /** The packet that is looked at next lies at this place, or is read to it. What waits lies at places before it. */
  goTo(place: number): void {
    this.#place = place;
    this.offset = this.#first + place * placeBytes;
    this.address = this.#addresses[place + 1]!;
  }

  /** The slot's packets wait for one call from now on. False: not here; they leave one by one. */
  open(slot: number, fd: number): boolean {
    if (!this.#isOn) return false;
    // Counted twice it would keep its route open for good.
    assert(!this.has(slot));
    const origin = this.#calls.originOf(fd);
    const index = origin === undefined ? -1 : this.#routeOf(origin, fd);
    const route = this.#routes[index];
    if (origin === undefined || route === undefined) return false;
    route.users++;
    this.#headers.open(slot, origin, index);
    return true;
  }

  has(slot: number): boolean {
    return this.#isOn && this.#headers.bytesOf(slot) !== 0;
  }

  /** Where the slot's packets go, words as of `ipToWords`; nothing of the slot waits. */
  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): void {
    if (this.has(slot)) this.#headers.setTarget(slot, ip0, ip1, ip2, ip3, port);
  }

  /** The slot's packets leave one by one from now on; those that wait leave before that. */
  close(slot: number): void {
    if (!this.has(slot)) return;
    this.send();
    const index = this.#headers.routeOf(slot);
    this.#headers.close(slot);
    const route = this.#routes[index]!;
    route.users--;
    if (route.users > 0) return;
    route.close();
    this.#routes[index] = undefined;
  }

  /** The packet waits for the call. False: it cannot, and no other packet of the slot waits. No allocation. */
  add(slot: number, offset: number, sizeBytes: number): boolean {
    const route = this.#routes[this.#headers.routeOf(slot)]!;
    if (offset !== this.offset || !route.takes(sizeBytes)) {
      this.send();
      return false;
    }
    this.#headers.write(slot, offset, sizeBytes);
    route.add(slot, offset, sizeBytes);
    this.#count++;
    if (this.#place === sendBatchPlaces - 1) this.send();
    else this.goTo(this.#place + 1);
    return true;
  }

  /** All that wait leave now. */
  send(): void {
    this.goTo(0);
    if (this.#count === 0) return;
    const { worker, sendAlone } = this.#parts;
    this.#count = 0;
    for (let index = 0; index < this.#routes.length; index++) {
      const refused = this.#routes[index]?.send(sendAlone) ?? 0;
      worker[workerField.batchRefusals]! += refused;
    }
    worker[workerField.batches]!++;
  }

  /** Now and then, off the packet path: ports whose address the machine has no more send by their own sockets. */
  lookForAddresses(): void {
    for (const route of this.#routes) route?.lookForAddress(this.#calls);
  }

  /** Index of the route that packets of this origin leave by, made if there is none; -1: there can be none. */
  #routeOf(origin: PacketOrigin, fd: number): number {
    const known = this.#routes.findIndex((route) => route?.serves(origin) === true);
    if (known >= 0) return known;
    const hole = this.#routes.indexOf(undefined);
    const index = hole < 0 ? this.#routes.length : hole;
    const raw = index === routesMax ? -1 : this.#openRaw(origin, fd);
    if (raw < 0) return -1;
    const { arena } = this.#parts;
    const offset = this.#routesOffset + index * rawRouteBytes(sendBatchPlaces);
    const route = new RawRoute(raw, origin, { arena, offset, entries: sendBatchPlaces }, packetSizeBytesMax);
    route.lookForAddress(this.#calls);
    this.#routes[index] = route;
    return index;
  }

  /** A raw socket at the address of `fd`, or a negative number. Rules of routing see that address, and queues the class. */
  #openRaw({ isV6, trafficClass }: PacketOrigin, fd: number): number {
    const calls = this.#calls;
    const raw = calls.openOf(isV6, socketType.raw, protocolRaw);
    if (raw < 0) return raw;
    const { level, sendBuffer, sendBufferForce, receiveBuffer } = option.socket;
    // Packets of protocol 255 come here, and nobody reads them: as few as can be are kept.
    calls.set(raw, level, receiveBuffer, 0);
    calls.set(raw, level, sendBuffer, sendBufferBytes);
    calls.set(raw, level, sendBufferForce, sendBufferBytes);
    if (isV6) calls.set(raw, option.ipv6.level, option.ipv6.trafficClass, trafficClass);
    else calls.set(raw, option.ip.level, option.ip.tos, trafficClass);
    if (calls.bindBeside(raw, fd)) return raw;
    close(raw);
    return -1;
  }
}

/** Whether this process may open raw sockets. */
export function mayBatch(): boolean {
  const fd = new SocketCalls().openOf(false, socketType.raw, protocolRaw);
  if (fd < 0) return false;
  close(fd);
  return true;
}
