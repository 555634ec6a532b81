/**
 * ChannelData, Send and what peers send: the packets of allocations, by the plan that `TurnServer` makes.
 *
 * One thread owns one of these and the arena its packets lie in. The plan comes in by `attach` to `unbind`, one call
 * for each action of that name; `fromClient` and `fromPeer` run once a packet, with typed arrays and numbers, and
 * allocate nothing. A payload goes out from where it lies: a header is written into the room in front of it.
 */
import { type IpAddress, ipToWords } from "../core/address.ts";
import { paddedSize, readUint16, stunHeaderSizeBytes, writeUint16 } from "../stun/wire.ts";
import type { AllocationId } from "./actions.ts";
import { DataFacts, dataVerdict, isV4 } from "./data-facts.ts";
import type { DataAllocation, DataCapacity, DataChannel, DataGrant, DataPlace } from "./data-plan.ts";
import { DataTables, reachCode } from "./data-tables.ts";
import { dataPayloadSizeBytesMax, isSendIndication, readSend, writeData } from "./indication.ts";
import type { OwnPlaces } from "./own-places.ts";
import { channelHeaderSizeBytes } from "./wire.ts";

export interface DataPathParts {
  readonly arena: Uint8Array;
  readonly own: OwnPlaces;
  readonly capacity: DataCapacity;
  /** Secret: for the tables' order. */
  readonly seed: number;
}

export class DataPath {
  /** Fill in socket and source before each packet; read the rest after it. */
  readonly facts = new DataFacts();
  readonly #arena: Uint8Array;
  readonly #own: OwnPlaces;
  readonly #tables: DataTables;
  /** Data indications are not answered, so theirs has only to be another each time; it says nothing of the seed. */
  readonly #transaction = Int32Array.of(0x6d2b79f5, 0x1b873593, 0);

  constructor(parts: DataPathParts) {
    this.#arena = parts.arena;
    this.#own = parts.own;
    this.#tables = new DataTables(parts.capacity, parts.seed);
  }

  /** How many there are, for metrics and tests. */
  get sizes(): DataCapacity {
    return this.#tables.sizes;
  }

  /** False: the tables are full, and the allocation's packets will be dropped. */
  attach(wanted: DataAllocation): boolean {
    return this.#tables.attach(wanted);
  }

  expect(allocation: AllocationId, client: DataPlace): void {
    this.#tables.setNext(allocation, client);
  }

  move(allocation: AllocationId, client: DataPlace | undefined): void {
    this.#tables.setClient(allocation, client);
  }

  /** One of two relays has been closed. */
  closeRelay(socket: number): void {
    this.#tables.closeRelay(socket);
  }

  detach(allocation: AllocationId): void {
    this.#tables.detach(allocation);
  }

  /** False: the table is full. */
  permit(allocation: AllocationId, ip: IpAddress, grant: DataGrant): boolean {
    return this.#tables.permit(allocation, ipToWords(ip), grant);
  }

  forbid(allocation: AllocationId, ip: IpAddress): void {
    this.#tables.forbid(allocation, ipToWords(ip));
  }

  /** False: the table is full. */
  bind(allocation: AllocationId, grant: DataChannel): boolean {
    return this.#tables.bind(allocation, grant);
  }

  unbind(allocation: AllocationId, channel: number): void {
    this.#tables.unbind(allocation, channel);
  }

  /** Whether the packet's source has an allocation, or is awaited as one's client. No allocation of memory. */
  isKnownClient(): boolean {
    return this.#tables.ownerOfClient(this.facts) >= 0;
  }

  /** A client's packet, or its stream's message, at `offset` in the arena: a `dataVerdict`. No allocation. */
  fromClient(nowMs: number, offset: number, sizeBytes: number): number {
    const { facts } = this;
    const tables = this.#tables;
    facts.hasMoved = false;
    facts.toSocket = -1;
    const first = sizeBytes > 0 ? (this.#arena[offset] ?? 0) >>> 6 : -1;
    const isSend = first === 0 && isSendIndication(this.#arena, offset, sizeBytes);
    if (first === 0 && !isSend)
      return sizeBytes < stunHeaderSizeBytes ? dataVerdict.malformed : dataVerdict.toMain;
    const owner = tables.ownerOfClient(facts);
    if (owner < 0) return dataVerdict.noAllocation;
    facts.allocation = tables.idOf(owner);
    if (isSend) {
      if (!readSend(this.#arena, offset, sizeBytes, facts)) return dataVerdict.malformed;
    } else {
      const verdict =
        first === 1 ? this.#readChannel(nowMs, owner, offset, sizeBytes) : dataVerdict.malformed;
      if (verdict !== dataVerdict.toPeer) return verdict;
    }
    facts.hasMoved = tables.promote(owner, facts);
    return this.#admit(nowMs, owner);
  }

  /** A peer's packet to a relay. There are `dataHeaderSizeBytesMax` in front of it and three bytes behind. No allocation. */
  fromPeer(nowMs: number, offset: number, sizeBytes: number): number {
    const { facts } = this;
    const tables = this.#tables;
    facts.hasMoved = false;
    facts.toSocket = -1;
    const owner = tables.ownerOfRelay(facts.socket);
    if (owner < 0) return dataVerdict.noAllocation;
    facts.allocation = tables.idOf(owner);
    let reach = tables.reachOf(owner, facts.source, nowMs);
    // What comes from another relay of this host has its local address; its client may know only the advertised one.
    if (reach < 0 && this.#own.toAdvertised(facts.source)) reach = tables.reachOf(owner, facts.source, nowMs);
    if (reach < 0) return dataVerdict.noPermission;
    if (reach === reachCode["own-ports"] && !this.#own.hasPort(facts.source, facts.sourcePort)) {
      return dataVerdict.forbiddenPort;
    }
    if (!tables.hasClient(owner)) return dataVerdict.noClient;
    if (!tables.takeDown(owner, nowMs, sizeBytes)) return dataVerdict.overCap;
    facts.offset = offset;
    facts.sizeBytes = sizeBytes;
    const channel = tables.channelOf(owner, facts, nowMs);
    if (channel >= 0) this.#writeChannel(channel, tables.isStream(owner));
    // Its size would not fit the header, and what lies behind would be read as messages of a stream.
    else if (sizeBytes > dataPayloadSizeBytesMax) return dataVerdict.malformed;
    else {
      this.#transaction[2] = (this.#transaction[2] ?? 0) + 1;
      writeData(this.#arena, facts, this.#transaction);
    }
    tables.aimAtClient(owner, facts);
    return dataVerdict.toClient;
  }

  /** RFC 8656 section 12.4: header, payload, and on streams padding. */
  #writeChannel(channel: number, isStream: boolean): void {
    const { facts } = this;
    const end = facts.offset + facts.sizeBytes;
    facts.offset -= channelHeaderSizeBytes;
    writeUint16(this.#arena, facts.offset, channel);
    writeUint16(this.#arena, facts.offset + 2, facts.sizeBytes);
    facts.sizeBytes += channelHeaderSizeBytes;
    if (!isStream) return;
    facts.sizeBytes = paddedSize(facts.sizeBytes);
    this.#arena.fill(0, end, facts.offset + facts.sizeBytes);
  }

  /** RFC 8656 section 12.5: what is behind the payload is padding. */
  #readChannel(nowMs: number, owner: number, offset: number, sizeBytes: number): number {
    if (sizeBytes < channelHeaderSizeBytes) return dataVerdict.malformed;
    const { facts } = this;
    const payloadSizeBytes = readUint16(this.#arena, offset + 2);
    if (payloadSizeBytes > sizeBytes - channelHeaderSizeBytes) return dataVerdict.malformed;
    const channel = readUint16(this.#arena, offset);
    if (!this.#tables.aimByChannel(owner, channel, nowMs, facts)) return dataVerdict.noChannel;
    facts.offset = offset + channelHeaderSizeBytes;
    facts.sizeBytes = payloadSizeBytes;
    facts.isUnfragmented = false;
    return dataVerdict.toPeer;
  }

  /** The peer is known; may it be reached, by which socket, and is there bandwidth left? */
  #admit(nowMs: number, owner: number): number {
    const { facts } = this;
    const tables = this.#tables;
    const { target, targetPort } = facts;
    const reach = tables.reachOf(owner, target, nowMs);
    if (reach < 0) return dataVerdict.noPermission;
    if (reach === reachCode["own-ports"] && !this.#own.hasPort(target, targetPort))
      return dataVerdict.forbiddenPort;
    if (reach === reachCode["not-control"] && this.#own.isControlPort(targetPort)) {
      return dataVerdict.forbiddenPort;
    }
    if (targetPort === 0) return dataVerdict.malformed;
    const socket = tables.relayOf(owner, isV4(target));
    if (socket < 0) return dataVerdict.noRelay;
    if (!tables.takeUp(owner, nowMs, facts.sizeBytes)) return dataVerdict.overCap;
    if (reach !== reachCode.any) this.#own.toLocal(target, targetPort);
    facts.toSocket = socket;
    return dataVerdict.toPeer;
  }
}
