/** The data path's memory: rows of typed arrays, found by hash tables. Nothing here allocates once it is made. */
import assert from "node:assert/strict";
import { type IpWords, ipToWords } from "../core/address.ts";
import { turnBandwidthBurstMs } from "../core/limits.ts";
import type { AllocationId, PeerReach } from "./actions.ts";
import type { DataFacts } from "./data-facts.ts";
import type { DataAllocation, DataCapacity, DataChannel, DataGrant, DataPlace } from "./data-plan.ts";
import { EntryLists } from "./entry-lists.ts";
import { WordTable } from "./word-table.ts";

export const reachCode = { any: 0, "own-ports": 1, "not-control": 2 } as const satisfies Record<
  PeerReach,
  number
>;

/** Words of a place: socket, address, port; and whether it is there and a stream. */
const placeWords = 6;
const placeState = { none: 0, datagram: 1, stream: 2 } as const;

export class DataTables {
  /** Rows of all arrays below are entries of this table. */
  readonly #rows: WordTable;
  readonly #clients: WordTable;
  readonly #clientRow: Int32Array;
  readonly #relays: WordTable;
  readonly #relayRow: Int32Array;
  /** Two places a row: where the client is, and where it is awaited. */
  readonly #places: Int32Array;
  readonly #placeStates: Uint8Array;
  /** Two sockets a row, IPv4 and IPv6; -1: none. */
  readonly #relaySockets: Int32Array;

  readonly #permissions: WordTable;
  readonly #permissionUntilMs: Float64Array;
  readonly #permissionReach: Uint8Array;
  readonly #permissionLists: EntryLists;
  /** The entry a row's last packet found, or -1: the next one's is most often the same, and looked at first. */
  readonly #lastPermission: Int32Array;

  readonly #channels: WordTable;
  readonly #channelPeers: Int32Array;
  readonly #channelUntilMs: Float64Array;
  readonly #channelLists: EntryLists;
  /** As with permissions, by number or by peer. */
  readonly #lastChannel: Int32Array;
  readonly #peers: WordTable;
  readonly #peerChannel: Int32Array;

  readonly #accounts: WordTable;
  readonly #accountUses: Int32Array;
  readonly #accountRow: Int32Array;
  /** Milliseconds a byte: of the allocation and of its user; 0: no cap. */
  readonly #pace: Float64Array;
  readonly #userPace: Float64Array;
  /** When what went so far will have been paid for, up and down. */
  readonly #paidMs: Float64Array;
  readonly #userPaidMs: Float64Array;

  constructor(capacity: DataCapacity, seed: number) {
    const { allocations, permissions, channels } = capacity;
    this.#rows = new WordTable(allocations, 1, seed);
    this.#clients = new WordTable(2 * allocations, placeWords, seed);
    this.#clientRow = new Int32Array(2 * allocations);
    this.#relays = new WordTable(2 * allocations, 1, undefined);
    this.#relayRow = new Int32Array(2 * allocations);
    this.#places = new Int32Array(2 * allocations * placeWords);
    this.#placeStates = new Uint8Array(2 * allocations);
    this.#relaySockets = new Int32Array(2 * allocations);
    this.#permissions = new WordTable(permissions, 5, seed);
    this.#permissionUntilMs = new Float64Array(permissions);
    this.#permissionReach = new Uint8Array(permissions);
    this.#permissionLists = new EntryLists(allocations, permissions);
    this.#lastPermission = new Int32Array(allocations).fill(-1);
    this.#channels = new WordTable(channels, 2, seed);
    this.#channelPeers = new Int32Array(5 * channels);
    this.#channelUntilMs = new Float64Array(channels);
    this.#channelLists = new EntryLists(allocations, channels);
    this.#lastChannel = new Int32Array(allocations).fill(-1);
    this.#peers = new WordTable(channels, 6, seed);
    this.#peerChannel = new Int32Array(channels);
    this.#accounts = new WordTable(allocations, 1, seed);
    this.#accountUses = new Int32Array(allocations);
    this.#accountRow = new Int32Array(allocations);
    this.#pace = new Float64Array(allocations);
    this.#userPace = new Float64Array(allocations);
    this.#paidMs = new Float64Array(2 * allocations);
    this.#userPaidMs = new Float64Array(2 * allocations);
  }

  get sizes(): DataCapacity {
    return {
      allocations: this.#rows.size,
      permissions: this.#permissions.size,
      channels: this.#channels.size,
    };
  }

  attach(wanted: DataAllocation): boolean {
    this.#rows.key[0] = wanted.allocation;
    const row = this.#rows.add();
    if (row < 0) return false;
    for (const [at, socket] of [wanted.relayV4, wanted.relayV6].entries()) {
      this.#relaySockets[2 * row + at] = socket ?? -1;
      if (socket === undefined) continue;
      this.#relays.key[0] = socket;
      this.#relayRow[this.#relays.add()] = row;
    }
    this.#setPlace(row, 0, wanted.client);
    this.#accounts.key[0] = wanted.account;
    const account = this.#accounts.add();
    assert.ok(account >= 0, "no more users than allocations");
    const uses = this.#accountUses[account] ?? 0;
    if (uses === 0) this.#userPaidMs.fill(0, 2 * account, 2 * account + 2);
    this.#accountUses[account] = uses + 1;
    this.#accountRow[row] = account;
    this.#pace[row] = paceOf(wanted.allocationBytesPerSec);
    this.#userPace[row] = paceOf(wanted.userBytesPerSec);
    this.#paidMs.fill(0, 2 * row, 2 * row + 2);
    return true;
  }

  detach(allocation: AllocationId): void {
    const row = this.#rowOf(allocation);
    if (row < 0) return;
    for (
      let entry = this.#permissionLists.firstOf(row);
      entry >= 0;
      entry = this.#permissionLists.firstOf(row)
    ) {
      this.#dropPermission(row, entry);
    }
    for (let entry = this.#channelLists.firstOf(row); entry >= 0; entry = this.#channelLists.firstOf(row)) {
      this.#dropChannel(row, entry);
    }
    this.#setPlace(row, 0, undefined);
    this.#setPlace(row, 1, undefined);
    for (const at of [0, 1]) this.#dropRelay(row, at);
    const account = this.#accountRow[row] ?? 0;
    const uses = (this.#accountUses[account] ?? 0) - 1;
    this.#accountUses[account] = uses;
    if (uses === 0) this.#accounts.remove(account);
    this.#rows.remove(row);
  }

  setNext(allocation: AllocationId, client: DataPlace): void {
    const row = this.#rowOf(allocation);
    if (row >= 0) this.#setPlace(row, 1, client);
  }

  setClient(allocation: AllocationId, client: DataPlace | undefined): void {
    const row = this.#rowOf(allocation);
    if (row < 0) return;
    this.#setPlace(row, 1, undefined);
    this.#setPlace(row, 0, client);
  }

  closeRelay(socket: number): void {
    const row = this.ownerOfRelay(socket);
    if (row < 0) return;
    this.#dropRelay(row, this.#relaySockets[2 * row] === socket ? 0 : 1);
  }

  /** False: the table is full. An allocation that has gone wants nothing. */
  permit(allocation: AllocationId, words: IpWords, grant: DataGrant): boolean {
    const row = this.#rowOf(allocation);
    if (row < 0) return true;
    const found = this.#findPermission(row, words);
    const entry = found < 0 ? this.#permissions.add() : found;
    if (entry < 0) return false;
    if (found < 0) this.#permissionLists.add(row, entry);
    this.#permissionUntilMs[entry] = grant.untilMs;
    this.#permissionReach[entry] = reachCode[grant.reach];
    return true;
  }

  forbid(allocation: AllocationId, words: IpWords): void {
    const row = this.#rowOf(allocation);
    const entry = row < 0 ? -1 : this.#findPermission(row, words);
    if (entry >= 0) this.#dropPermission(row, entry);
  }

  bind(allocation: AllocationId, { channel, peer, untilMs }: DataChannel): boolean {
    const row = this.#rowOf(allocation);
    if (row < 0) return true;
    const former = this.#findChannel(row, channel);
    if (former >= 0) this.#dropChannel(row, former);
    this.#channels.key[0] = row;
    this.#channels.key[1] = channel;
    const entry = this.#channels.add();
    if (entry < 0) return false;
    this.#channelLists.add(row, entry);
    this.#channelUntilMs[entry] = untilMs;
    this.#channelPeers.set(ipToWords(peer.ip), 5 * entry);
    this.#channelPeers[5 * entry + 4] = peer.port;
    this.#keyPeer(row, this.#channelPeers.subarray(5 * entry, 5 * entry + 4), peer.port);
    this.#peerChannel[this.#peers.add()] = entry;
    return true;
  }

  unbind(allocation: AllocationId, channel: number): void {
    const row = this.#rowOf(allocation);
    const entry = row < 0 ? -1 : this.#findChannel(row, channel);
    if (entry >= 0) this.#dropChannel(row, entry);
  }

  /** The row of the client that sent this, or -1. */
  ownerOfClient({ socket, source, sourcePort }: DataFacts): number {
    const { key } = this.#clients;
    key[0] = socket;
    for (let index = 0; index < 4; index++) key[index + 1] = source[index] ?? 0;
    key[5] = sourcePort;
    const entry = this.#clients.find();
    return entry < 0 ? -1 : (this.#clientRow[entry] ?? -1);
  }

  ownerOfRelay(socket: number): number {
    this.#relays.key[0] = socket;
    const entry = this.#relays.find();
    return entry < 0 ? -1 : (this.#relayRow[entry] ?? -1);
  }

  idOf(row: number): number {
    return this.#rows.wordAt(row, 0) >>> 0;
  }

  /** If this came from where the client is awaited, it is there from now on; true then. */
  promote(row: number, { socket, source, sourcePort }: DataFacts): boolean {
    if (this.#placeStates[2 * row + 1] === placeState.none) return false;
    const at = (2 * row + 1) * placeWords;
    let isSame = this.#places[at] === socket && this.#places[at + 5] === sourcePort;
    for (let index = 0; index < 4; index++) isSame = isSame && this.#places[at + 1 + index] === source[index];
    if (!isSame) return false;
    this.#forgetPlace(2 * row);
    this.#places.copyWithin(2 * row * placeWords, at, at + placeWords);
    this.#placeStates[2 * row] = this.#placeStates[2 * row + 1] ?? 0;
    // The client table's entry names the row, not the place, so it stays.
    this.#placeStates[2 * row + 1] = placeState.none;
    return true;
  }

  hasClient(row: number): boolean {
    return this.#placeStates[2 * row] !== placeState.none;
  }

  isStream(row: number): boolean {
    return this.#placeStates[2 * row] === placeState.stream;
  }

  aimAtClient(row: number, facts: DataFacts): void {
    const at = 2 * row * placeWords;
    facts.toSocket = this.#places[at] ?? -1;
    for (let index = 0; index < 4; index++) facts.target[index] = this.#places[at + 1 + index] ?? 0;
    facts.targetPort = this.#places[at + 5] ?? 0;
  }

  /** False: no such channel. */
  aimByChannel(row: number, channel: number, nowMs: number, facts: DataFacts): boolean {
    const entry = this.#findChannel(row, channel);
    if (entry < 0 || (this.#channelUntilMs[entry] ?? 0) <= nowMs) return false;
    for (let index = 0; index < 4; index++) facts.target[index] = this.#channelPeers[5 * entry + index] ?? 0;
    facts.targetPort = this.#channelPeers[5 * entry + 4] ?? 0;
    return true;
  }

  /** The channel of the packet's source, or -1. */
  channelOf(row: number, { source, sourcePort }: DataFacts, nowMs: number): number {
    let entry = this.#lastChannel[row] ?? -1;
    if (entry < 0 || !this.#isPeerOf(entry, source, sourcePort)) {
      this.#keyPeer(row, source, sourcePort);
      const found = this.#peers.find();
      if (found < 0) return -1;
      entry = this.#peerChannel[found] ?? 0;
      this.#lastChannel[row] = entry;
    }
    return (this.#channelUntilMs[entry] ?? 0) > nowMs ? this.#channels.wordAt(entry, 1) : -1;
  }

  /** A `reachCode`, or -1: no permission. */
  reachOf(row: number, words: Int32Array, nowMs: number): number {
    const entry = this.#findPermission(row, words);
    if (entry < 0 || (this.#permissionUntilMs[entry] ?? 0) <= nowMs) return -1;
    return this.#permissionReach[entry] ?? -1;
  }

  /** The relay's socket for peers of that family, or -1. */
  relayOf(row: number, isV4: boolean): number {
    return this.#relaySockets[2 * row + (isV4 ? 0 : 1)] ?? -1;
  }

  takeUp(row: number, nowMs: number, sizeBytes: number): boolean {
    return this.#take(row, 0, nowMs, sizeBytes);
  }

  takeDown(row: number, nowMs: number, sizeBytes: number): boolean {
    return this.#take(row, 1, nowMs, sizeBytes);
  }

  /** Both caps or none: what the user may not have must not use up what the allocation may. */
  #take(row: number, direction: number, nowMs: number, sizeBytes: number): boolean {
    const at = 2 * row + direction;
    const userAt = 2 * (this.#accountRow[row] ?? 0) + direction;
    const latestMs = nowMs + turnBandwidthBurstMs;
    const paidMs = Math.max(this.#paidMs[at] ?? 0, nowMs) + (this.#pace[row] ?? 0) * sizeBytes;
    const userPaidMs =
      Math.max(this.#userPaidMs[userAt] ?? 0, nowMs) + (this.#userPace[row] ?? 0) * sizeBytes;
    if (paidMs > latestMs || userPaidMs > latestMs) return false;
    this.#paidMs[at] = paidMs;
    this.#userPaidMs[userAt] = userPaidMs;
    return true;
  }

  #rowOf(allocation: AllocationId): number {
    this.#rows.key[0] = allocation;
    return this.#rows.find();
  }

  #setPlace(row: number, which: number, client: DataPlace | undefined): void {
    const place = 2 * row + which;
    this.#forgetPlace(place);
    if (client === undefined) return;
    const at = place * placeWords;
    this.#places[at] = client.socket;
    this.#places.fill(0, at + 1, at + placeWords);
    if (client.remote !== undefined) {
      this.#places.set(ipToWords(client.remote.ip), at + 1);
      this.#places[at + 5] = client.remote.port;
    }
    this.#clients.key.set(this.#places.subarray(at, at + placeWords));
    const entry = this.#clients.add();
    assert.ok(entry >= 0, "two places an allocation");
    this.#clientRow[entry] = row;
    this.#placeStates[place] = client.remote === undefined ? placeState.stream : placeState.datagram;
  }

  #forgetPlace(place: number): void {
    if (this.#placeStates[place] === placeState.none) return;
    const at = place * placeWords;
    for (let index = 0; index < placeWords; index++) {
      this.#clients.key[index] = this.#places[at + index] ?? 0;
    }
    const entry = this.#clients.find();
    if (entry >= 0) this.#clients.remove(entry);
    this.#placeStates[place] = placeState.none;
  }

  #dropRelay(row: number, at: number): void {
    const socket = this.#relaySockets[2 * row + at] ?? -1;
    if (socket < 0) return;
    this.#relays.key[0] = socket;
    this.#relays.remove(this.#relays.find());
    this.#relaySockets[2 * row + at] = -1;
  }

  #findPermission(row: number, words: ArrayLike<number>): number {
    const permissions = this.#permissions;
    const last = this.#lastPermission[row] ?? -1;
    if (last >= 0) {
      let isSame = true;
      for (let index = 0; index < 4; index++) {
        isSame = isSame && permissions.wordAt(last, index + 1) === words[index];
      }
      if (isSame) return last;
    }
    permissions.key[0] = row;
    for (let index = 0; index < 4; index++) permissions.key[index + 1] = words[index] ?? 0;
    const entry = permissions.find();
    if (entry >= 0) this.#lastPermission[row] = entry;
    return entry;
  }

  #dropPermission(row: number, entry: number): void {
    this.#lastPermission[row] = -1;
    this.#permissionLists.remove(row, entry);
    this.#permissions.remove(entry);
  }

  #findChannel(row: number, channel: number): number {
    const last = this.#lastChannel[row] ?? -1;
    if (last >= 0 && this.#channels.wordAt(last, 1) === channel) return last;
    this.#channels.key[0] = row;
    this.#channels.key[1] = channel;
    const entry = this.#channels.find();
    if (entry >= 0) this.#lastChannel[row] = entry;
    return entry;
  }

  #isPeerOf(channel: number, words: Int32Array, port: number): boolean {
    const at = 5 * channel;
    const peers = this.#channelPeers;
    return (
      peers[at] === words[0] &&
      peers[at + 1] === words[1] &&
      peers[at + 2] === words[2] &&
      peers[at + 3] === words[3] &&
      peers[at + 4] === port
    );
  }

  #dropChannel(row: number, entry: number): void {
    this.#lastChannel[row] = -1;
    this.#keyPeer(
      row,
      this.#channelPeers.subarray(5 * entry, 5 * entry + 4),
      this.#channelPeers[5 * entry + 4] ?? 0,
    );
    this.#peers.remove(this.#peers.find());
    this.#channelLists.remove(row, entry);
    this.#channels.remove(entry);
  }

  #keyPeer(row: number, words: ArrayLike<number>, port: number): void {
    const { key } = this.#peers;
    key[0] = row;
    for (let index = 0; index < 4; index++) key[index + 1] = words[index] ?? 0;
    key[5] = port;
  }
}

function paceOf(bytesPerSec: number): number {
  return bytesPerSec > 0 ? 1_000 / bytesPerSec : 0;
}
