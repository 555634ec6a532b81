/**
 * TURN in a relay worker, without its thread and sockets: ChannelData, Send, and what peers send go straight through,
 * from where they lie in the arena and without allocation; requests go up to main, whose plan and replies come down.
 *
 * The driver's loop calls `drain` before each batch of packets, `receive` for each datagram, `sendPosts` and `flush`
 * after the batch.
 */
import {
  jumboSizeBytesMax,
  packetSizeBytesMax,
  turnCommandsPerTurnMax,
  turnListenersMax,
  turnMovesWaitingMax,
  turnPostsMax,
} from "../../core/limits.ts";
import type { AllocationId } from "../../turn/actions.ts";
import { type DataFacts, dataVerdict } from "../../turn/data-facts.ts";
import { DataPath } from "../../turn/data-path.ts";
import type { DataCapacity } from "../../turn/data-plan.ts";
import type { OwnPlaces } from "../../turn/own-places.ts";
import { type RecordReader, type RecordWriter, sendCode } from "../driver.ts";
import { packetField } from "../packet-records.ts";
import { SlotQueue } from "../slot-queue.ts";
import { RequestGate } from "./request-gate.ts";
import { relayRecordAt, trafficField, turnReason, turnWorkerField } from "./turn-counters.ts";
import type { GaugedWriter, TurnSocketPort } from "./turn-driver.ts";
import {
  decodeAllocation,
  decodeAttach,
  decodeChannel,
  decodeGrant,
  decodePeer,
  decodePlace,
  decodePorts,
  decodeRelays,
  turnCommandKind,
  turnEventField,
  turnEventKind,
  turnField,
} from "./turn-records.ts";

/** Numbers from here on are streams of main's, not sockets of ours. */
export const firstStream = 2 ** 24;

export interface TurnWorkerParts {
  readonly arena: Uint8Array;
  /** Where main's datagrams and messages may lie while they are sent; with the room around it that packets have. */
  readonly offset: number;
  readonly own: OwnPlaces;
  readonly capacity: DataCapacity;
  readonly relaysMax: number;
  /** Secret. */
  readonly seed: number;
  readonly commands: RecordReader;
  readonly requests: GaugedWriter;
  readonly events: RecordWriter;
  readonly sockets: TurnSocketPort;
  readonly counters: Float64Array;
}

interface Retired {
  readonly allocation: AllocationId;
  readonly relays: readonly number[];
}

export class TurnWorker {
  readonly #parts: TurnWorkerParts;
  readonly #path: DataPath;
  readonly #gate: RequestGate;
  readonly #commandBytes: Uint8Array;
  readonly #requestBytes: Uint8Array;
  readonly #counters: Float64Array;
  readonly #target = new Int32Array(4);
  /** Sockets that are ours now, and those that main is to be told are ours no longer. */
  readonly #isOpen: Uint8Array;
  readonly #released: SlotQueue;
  /** Allocations whose clients were heard from a new place, the oldest first. */
  readonly #moved = new Int32Array(turnMovesWaitingMax);
  #movedCount = 0;
  /** What waits for `sendPosts`: the relays it came by, its sizes without headers, and what became of it. */
  readonly #postedRelays = new Int32Array(turnPostsMax);
  readonly #postedBytes = new Int32Array(turnPostsMax);
  readonly #postedCodes = new Uint8Array(turnPostsMax);
  #posted = 0;
  /** Allocations that another worker has now, with their relays: those told of since the last look, and those before. */
  #retired: Retired[] = [];
  #retiring: Retired[] = [];
  #owesWake = false;
  #requests = 0;
  #hasCommands = false;

  constructor(parts: TurnWorkerParts) {
    const { arena, own, capacity, seed, relaysMax } = parts;
    this.#parts = parts;
    this.#path = new DataPath({ arena, own, capacity, seed });
    this.#gate = new RequestGate(parts.requests, seed);
    this.#commandBytes = bytesOf(parts.commands.words);
    this.#requestBytes = bytesOf(parts.requests.words);
    this.#counters = parts.counters;
    this.#isOpen = new Uint8Array(turnListenersMax + relaysMax);
    this.#released = new SlotQueue(turnListenersMax + relaysMax);
  }

  /** Source and socket of a packet go in here before `receive`. */
  get facts(): DataFacts {
    return this.#path.facts;
  }

  /** Allocations, permissions and channels, for tests. */
  get sizes(): DataCapacity {
    return this.#path.sizes;
  }

  /** True after a `drain` that left something to be done: look again without waiting. */
  get hasCommands(): boolean {
    return this.#hasCommands || this.#retired.length > 0 || this.#retiring.length > 0;
  }

  /** Carries out main's oldest records, a turn's worth. */
  drain(nowMs: number): void {
    const { commands } = this.#parts;
    this.#hasCommands = false;
    let drained = 0;
    for (let at = commands.begin(); at >= 0; at = commands.begin()) {
      if (drained === turnCommandsPerTurnMax) {
        this.#hasCommands = true;
        break;
      }
      this.#apply(commands.words, at, nowMs);
      commands.release();
      drained++;
    }
    // Main may have more than the ring had room for.
    if (drained > 0 && this.#hasCommands) this.#owesWake = true;
  }

  /** One datagram in the arena, of the socket and source that `facts` names. No allocation. */
  receive(offset: number, sizeBytes: number, nowMs: number): void {
    const { socket } = this.#path.facts;
    if (sizeBytes > jumboSizeBytesMax) this.#count(turnReason.tooLarge);
    else if (socket < turnListenersMax) this.#fromClient(offset, sizeBytes, nowMs);
    else this.#fromPeer(offset, sizeBytes, nowMs);
  }

  /** How many datagrams wait for `sendPosts`, less than `turnPostsMax`: they stay where they were received. */
  get posted(): number {
    return this.#posted;
  }

  /** Sends what waits: before commands may close its socket, and before the next wait. */
  sendPosts(): void {
    const posted = this.#posted;
    if (posted === 0) return;
    this.#posted = 0;
    this.#parts.sockets.sendPosted(posted, this.#postedCodes);
    for (let index = 0; index < posted; index++) {
      const code = this.#postedCodes[index]!;
      if (code > sendCode.sentOnRetry) this.#countSend(code);
      else
        this.#countTraffic(trafficField.packetsDown, this.#postedRelays[index]!, this.#postedBytes[index]!);
    }
  }

  /** How many requests went up to main since the last call. */
  takeRequests(): number {
    const requests = this.#requests;
    this.#requests = 0;
    return requests;
  }

  /** The kernel had nothing for us: a pending ICMP error, or a datagram with a bad checksum. */
  countReceiveTrouble(): void {
    this.#count(turnReason.receiveFailed);
  }

  /** Writes what the ring has room for; true when main should be woken. */
  flush(): boolean {
    if (this.#retired.length > 0 || this.#retiring.length > 0) this.#retire();
    let hasWritten = this.#owesWake;
    this.#owesWake = false;
    while (this.#released.size > 0) {
      if (!this.#write(turnEventKind.released, this.#released.peek())) return hasWritten;
      this.#released.shift();
      hasWritten = true;
    }
    let told = 0;
    while (told < this.#movedCount && this.#write(turnEventKind.moved, this.#moved[told]!)) told++;
    if (told > 0) {
      this.#moved.copyWithin(0, told, this.#movedCount);
      this.#movedCount -= told;
      hasWritten = true;
    }
    return hasWritten;
  }

  /** True while an event waits for room. */
  get owesEvents(): boolean {
    return this.#released.size > 0 || this.#movedCount > 0;
  }

  /** The end of the worker. */
  closeAll(): void {
    for (let socket = 0; socket < this.#isOpen.length; socket++) {
      if (this.#isOpen[socket] !== 0) this.#parts.sockets.release(socket);
    }
    this.#isOpen.fill(0);
  }

  /** What came before the last look at the sockets has been heard. */
  #retire(): void {
    for (const each of this.#retiring) this.#leave(each);
    this.#retiring = this.#retired;
    this.#retired = [];
  }

  /** It has come back before it was gone. */
  #retireNow(allocation: AllocationId): void {
    for (const list of [this.#retired, this.#retiring]) {
      const index = list.findIndex((each) => each.allocation === allocation);
      const [found] = index < 0 ? [] : list.splice(index, 1);
      if (found !== undefined) this.#leave(found);
    }
  }

  #leave({ allocation, relays }: Retired): void {
    this.#path.detach(allocation);
    for (const relay of relays) this.#release(relay);
  }

  #fromClient(offset: number, sizeBytes: number, nowMs: number): void {
    const path = this.#path;
    const { facts } = path;
    const verdict = path.fromClient(nowMs, offset, sizeBytes);
    if (verdict === dataVerdict.toPeer) this.#toPeer();
    else if (verdict === dataVerdict.toMain) this.#passUp(offset, sizeBytes);
    else this.#count(verdict);
    if (facts.hasMoved && this.#movedCount < turnMovesWaitingMax) {
      this.#moved[this.#movedCount++] = facts.allocation;
    }
  }

  #toPeer(): void {
    const { facts } = this.#path;
    const { toSocket, sizeBytes } = facts;
    const code = this.#parts.sockets.send(
      toSocket,
      facts.offset,
      sizeBytes,
      facts.target,
      facts.targetPort,
      facts.isUnfragmented,
    );
    if (code > sendCode.sentOnRetry) this.#countSend(code);
    else this.#countTraffic(trafficField.packetsUp, toSocket, sizeBytes);
  }

  #fromPeer(offset: number, sizeBytes: number, nowMs: number): void {
    const path = this.#path;
    const { facts } = path;
    const verdict = path.fromPeer(nowMs, offset, sizeBytes);
    if (verdict !== dataVerdict.toClient) {
      this.#count(verdict);
      return;
    }
    if (facts.toSocket >= firstStream) {
      if (this.#toStream()) this.#countTraffic(trafficField.packetsDown, facts.socket, sizeBytes);
      return;
    }
    this.#post(facts, sizeBytes);
  }

  /** All clients are behind a few listeners, so what goes to them leaves in one call. */
  #post(facts: DataFacts, payloadSizeBytes: number): void {
    const index = this.#posted;
    const { toSocket, offset, sizeBytes, target, targetPort } = facts;
    if (!this.#parts.sockets.post(index, toSocket, offset, sizeBytes, target, targetPort)) {
      this.#countSend(sendCode.failed);
      return;
    }
    this.#postedRelays[index] = facts.socket;
    this.#postedBytes[index] = payloadSizeBytes;
    this.#posted = index + 1;
    if (this.#posted === turnPostsMax) this.sendPosts();
  }

  /** What is to leave by a stream goes up to main, which has it. */
  #toStream(): boolean {
    const { toSocket, target, offset, sizeBytes } = this.#path.facts;
    if (!this.#gate.admitsStream(toSocket)) {
      this.#count(turnReason.queueFull);
      return false;
    }
    return this.#writeUp(toSocket, target, 0, offset, sizeBytes);
  }

  #passUp(offset: number, sizeBytes: number): void {
    const { facts } = this.#path;
    const { source, sourcePort } = facts;
    const isAdmitted = this.#path.isKnownClient()
      ? this.#gate.admitsClient(source, sourcePort)
      : this.#gate.admitsStranger(source);
    if (!isAdmitted) this.#count(turnReason.requestLimit);
    else if (this.#writeUp(facts.socket, source, sourcePort, offset, sizeBytes)) this.#requests++;
  }

  /** Into the ring, after the gate has said yes. */
  #writeUp(socket: number, remote: Int32Array, port: number, offset: number, sizeBytes: number): boolean {
    const { requests, arena } = this.#parts;
    const at = sizeBytes > packetSizeBytesMax ? -1 : requests.begin();
    if (at < 0) {
      this.#count(sizeBytes > packetSizeBytesMax ? turnReason.tooLarge : turnReason.queueFull);
      return false;
    }
    const { words } = requests;
    words[at + packetField.slot] = socket;
    words[at + packetField.generation] = 0;
    for (let index = 0; index < 4; index++) words[at + packetField.remote + index] = remote[index]!;
    words[at + packetField.remote + 4] = port;
    words[at + packetField.sizeBytes] = sizeBytes;
    const to = 4 * (at + packetField.bytes);
    // One by one: a view of the packet would be an object for each.
    for (let index = 0; index < sizeBytes; index++) this.#requestBytes[to + index] = arena[offset + index]!;
    requests.commit();
    this.#gate.note();
    this.#owesWake = true;
    return true;
  }

  #apply(words: Int32Array, at: number, nowMs: number): void {
    const kind = words[at + turnField.kind]!;
    const subject = words[at + turnField.subject]!;
    if (kind === turnCommandKind.reply) this.#reply(words, at, subject);
    else if (kind === turnCommandKind.feed) this.#feed(words, at, subject, nowMs);
    else if (kind === turnCommandKind.adopt) this.#adopt(words, at, subject);
    else if (kind === turnCommandKind.watch) this.#watch(subject);
    else if (kind === turnCommandKind.release) this.#release(subject);
    else if (kind === turnCommandKind["control-ports"])
      this.#parts.own.setControlPorts(decodePorts(words, at));
    else this.#plan(kind, words, at);
  }

  #plan(kind: number, words: Int32Array, at: number): void {
    const path = this.#path;
    const allocation = decodeAllocation(words, at);
    let isThere = true;
    if (kind === turnCommandKind.permit) {
      isThere = path.permit(allocation, decodePeer(words, at).ip, decodeGrant(words, at));
    } else if (kind === turnCommandKind.bind) isThere = path.bind(allocation, decodeChannel(words, at));
    else if (kind === turnCommandKind.forbid) path.forbid(allocation, decodePeer(words, at).ip);
    else if (kind === turnCommandKind.unbind) path.unbind(allocation, words[at + turnField.channel]!);
    else if (kind === turnCommandKind.detach) path.detach(allocation);
    else if (kind === turnCommandKind.retire) {
      this.#retired.push({ allocation, relays: decodeRelays(words, at) });
    } else {
      const place = decodePlace(words, at);
      if (kind === turnCommandKind.move) path.move(allocation, place);
      else if (place === undefined) throw new Error(`turn worker: command ${kind} without a place`);
      else if (kind === turnCommandKind.expect) path.expect(allocation, place);
      else if (kind === turnCommandKind.attach) {
        this.#retireNow(allocation);
        isThere = path.attach(decodeAttach(words, at, place));
      } else throw new Error(`turn worker: unknown command ${kind}`);
    }
    if (!isThere) this.#count(turnReason.tablesFull);
  }

  #adopt(words: Int32Array, at: number, socket: number): void {
    if (this.#isOpen[socket] !== 0) throw new Error(`turn worker: socket ${socket} is taken`);
    this.#isOpen[socket] = 1;
    const handle = words[at + turnField.handle]!;
    const isV6 = words[at + turnField.isV6] === 1;
    const isWatched = words[at + turnField.isWatched] === 1;
    if (!this.#parts.sockets.adopt(socket, handle, isV6, isWatched)) this.#count(turnReason.unwatched);
  }

  #watch(socket: number): void {
    if (!this.#parts.sockets.watch(socket)) this.#count(turnReason.unwatched);
  }

  #release(socket: number): void {
    if (this.#isOpen[socket] !== 1) throw new Error(`turn worker: socket ${socket} is not ours`);
    this.#isOpen[socket] = 0;
    if (socket >= turnListenersMax) this.#path.closeRelay(socket);
    this.#parts.sockets.release(socket);
    this.#released.push(socket);
  }

  #reply(words: Int32Array, at: number, socket: number): void {
    const sizeBytes = this.#copyIn(words, at);
    for (let index = 0; index < 4; index++) this.#target[index] = words[at + turnField.to + index]!;
    const port = words[at + turnField.to + 4]!;
    const { sockets, offset } = this.#parts;
    const code = sockets.send(socket, offset, sizeBytes, this.#target, port, false);
    if (code > sendCode.sentOnRetry) this.#countSend(code);
  }

  /** A message that came by a stream, as if it had come by a socket of ours. */
  #feed(words: Int32Array, at: number, stream: number, nowMs: number): void {
    const sizeBytes = this.#copyIn(words, at);
    const { facts } = this.#path;
    facts.socket = stream;
    facts.source.fill(0);
    facts.sourcePort = 0;
    this.#fromClient(this.#parts.offset, sizeBytes, nowMs);
  }

  #copyIn(words: Int32Array, at: number): number {
    const sizeBytes = words[at + turnField.sizeBytes]!;
    const from = 4 * (at + turnField.bytes);
    this.#parts.arena.set(this.#commandBytes.subarray(from, from + sizeBytes), this.#parts.offset);
    return sizeBytes;
  }

  #write(kind: number, subject: number): boolean {
    const { events } = this.#parts;
    const at = events.begin();
    if (at < 0) return false;
    events.words[at + turnEventField.kind] = kind;
    events.words[at + turnEventField.subject] = subject;
    events.commit();
    return true;
  }

  #count(code: number): void {
    this.#counters[turnWorkerField.reasons + code]!++;
  }

  #countSend(code: number): void {
    this.#count(code === sendCode.queueFull ? turnReason.queueFull : turnReason.sendFailed);
  }

  /** `field`: that of packets; bytes are the next. */
  #countTraffic(field: number, relay: number, sizeBytes: number): void {
    const counters = this.#counters;
    counters[turnWorkerField.traffic + field]!++;
    counters[turnWorkerField.traffic + field + 1]! += sizeBytes;
    const at = relayRecordAt(relay - turnListenersMax) + field;
    counters[at]!++;
    counters[at + 1]! += sizeBytes;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
