/** TURN of a relay worker with neither thread nor sockets: commands through a real ring, sends as a list. */
import { Buffer } from "node:buffer";
import {
  type Endpoint,
  formatEndpoint,
  ipFromWords,
  ipToWords,
  parseEndpoint,
} from "../../../src/core/address.ts";
import { turnCommandsPerTurnMax, turnListenersMax, turnRequestRecords } from "../../../src/core/limits.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { allocateRing, RingReader, RingWriter } from "../../../src/io/ring.ts";
import { eventWords, sendCode } from "../../../src/relay/driver.ts";
import { type CarriedPacket, packetWords, readPacket } from "../../../src/relay/packet-records.ts";
import {
  trafficField,
  turnCounterSize,
  turnReason,
  turnWorkerField,
} from "../../../src/relay/turn/turn-counters.ts";
import {
  encodeTurnCommand,
  type TurnCommand,
  turnCommandWords,
  turnEventField,
} from "../../../src/relay/turn/turn-records.ts";
import { TurnWorker } from "../../../src/relay/turn/turn-worker.ts";
import type { AllocationId } from "../../../src/turn/actions.ts";
import { OwnPlaces } from "../../../src/turn/own-places.ts";

export const packetAt = 64;
export const relay4 = turnListenersMax;
export const relay6 = turnListenersMax + 1;
export const one = 1 as AllocationId;
export const later = 1e9 as MonotonicMs;

export function at(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(text);
  return endpoint;
}

const commandRecords = 128;
/** From where one datagram is received to where the next one is, if the first has to wait. */
const placeBytes = 512;

interface Post {
  readonly socket: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly to: string;
}

export class TurnRig {
  readonly arena = new Uint8Array(16_384);
  readonly sent: {
    readonly socket: number;
    readonly to: string;
    readonly bytes: Buffer;
    readonly isWhole: boolean;
  }[] = [];
  readonly sockets: string[] = [];
  readonly counters: Float64Array;
  readonly worker: TurnWorker;
  keepsSent = true;
  outcome: number = sendCode.sent;
  /** Of what was posted, where it differs. */
  outcomes: readonly number[] = [];
  posts = true;
  /** Several datagrams make a batch; else each is one. */
  isGathering = false;
  readonly #posted: Post[] = [];
  watches = true;
  nowMs = 1_000;
  readonly #commands: RingWriter;
  readonly #requests: RingReader;
  readonly #events: RingReader;

  constructor({ capacity = 4, relaysMax = 16, eventRecords = 8 } = {}) {
    const commands = allocateRing(commandRecords, turnCommandWords);
    const requests = allocateRing(turnRequestRecords, packetWords);
    const events = allocateRing(eventRecords, eventWords);
    this.#commands = new RingWriter(commands, turnCommandWords);
    this.#requests = new RingReader(requests, packetWords);
    this.#events = new RingReader(events, eventWords);
    this.counters = new Float64Array(turnCounterSize(relaysMax));
    this.worker = new TurnWorker({
      arena: this.arena,
      offset: packetAt,
      own: new OwnPlaces([]),
      capacity: { allocations: capacity, permissions: 8, channels: 8 },
      relaysMax,
      seed: 7,
      commands: new RingReader(commands, turnCommandWords),
      requests: new RingWriter(requests, packetWords),
      events: new RingWriter(events, eventWords),
      sockets: {
        adopt: (socket, handle, isV6, isWatched) => {
          this.sockets.push(
            `adopt ${socket} ${handle} ${isV6 ? "v6" : "v4"}${isWatched ? "" : " unwatched"}`,
          );
          return this.watches;
        },
        watch: (socket) => {
          this.sockets.push(`watch ${socket}`);
          return this.watches;
        },
        release: (socket) => void this.sockets.push(`release ${socket}`),
        send: (socket, offset, sizeBytes, target, port, isWhole) => {
          if (this.keepsSent)
            this.#keep({ socket, offset, sizeBytes, to: endpointOf(target, port) }, isWhole);
          return this.outcome;
        },
        post: (index, socket, offset, sizeBytes, target, port) => {
          if (!this.posts) return false;
          if (this.keepsSent) {
            this.#posted[index] = { socket, offset, sizeBytes, to: endpointOf(target, port) };
          }
          return true;
        },
        sendPosted: (count, codes) => {
          for (let index = 0; index < count; index++) {
            const post = this.#posted[index];
            if (post !== undefined && this.keepsSent) this.#keep(post, false);
            codes[index] = this.outcomes[index] ?? this.outcome;
          }
        },
      },
      counters: this.counters,
    });
  }

  command(...commands: readonly TurnCommand[]): void {
    for (const command of commands) {
      encodeTurnCommand(this.#commands.words, this.#commands.begin(), command);
      this.#commands.commit();
    }
    for (let left = commands.length; left > 0; left -= turnCommandsPerTurnMax) this.worker.drain(this.nowMs);
  }

  receive(socket: number, source: Endpoint, data: Uint8Array): void {
    const { facts } = this.worker;
    facts.socket = socket;
    facts.source.set(ipToWords(source.ip));
    facts.sourcePort = source.port;
    const offset = packetAt + this.worker.posted * placeBytes;
    this.arena.set(data.subarray(0, 9_216), offset);
    this.worker.receive(offset, data.length, this.nowMs);
    if (!this.isGathering) this.worker.sendPosts();
  }

  /** What went up to main, all of it or so many. */
  requests(most = Number.POSITIVE_INFINITY): CarriedPacket[] {
    const packets: CarriedPacket[] = [];
    while (packets.length < most) {
      const packet = readPacket(this.#requests);
      if (packet === undefined) break;
      packets.push(packet);
    }
    return packets;
  }

  /** `[kind, subject]` each. */
  events(): number[][] {
    this.worker.flush();
    const events: number[][] = [];
    for (let record = this.#events.begin(); record >= 0; record = this.#events.begin()) {
      const { words } = this.#events;
      events.push([turnEventField.kind, turnEventField.subject].map((field) => words[record + field] ?? 0));
      this.#events.release();
    }
    return events;
  }

  count(name: keyof typeof turnReason): number {
    return this.counters[turnWorkerField.reasons + turnReason[name]] ?? 0;
  }

  traffic(): number[] {
    return [...this.counters.subarray(0, trafficField.size)];
  }

  #keep({ socket, offset, sizeBytes, to }: Post, isWhole: boolean): void {
    this.sent.push({ socket, to, bytes: Buffer.from(this.arena.slice(offset, offset + sizeBytes)), isWhole });
  }
}

function endpointOf(words: Int32Array, port: number): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = words;
  return formatEndpoint({ ip: ipFromWords(first, second, third, fourth), port });
}
