/** The relay's own worker, with neither thread nor sockets, as a relay that histories are played to. */
import { type Endpoint, type IpAddress, ipFromWords } from "../../../src/core/address.ts";
import { defaultLearning, type PairSettings, type SourceHint } from "../../../src/core/plan/plan.ts";
import { packetKind, type SlotSettings } from "../../../src/handover/contract.ts";
import { Handover } from "../../../src/handover/handover.ts";
import { socketAt, socketField } from "../../../src/relay/counters.ts";
import { plainSettings, settingsAt } from "../relay-rig.ts";
import { WorkerRig } from "../worker-rig.ts";
import { Books } from "./books.ts";
import { timerLagMs } from "./downlink.ts";
import type { RelayUnderTest } from "./miniature.ts";
import type { Packet } from "./packets.ts";
import type { Place } from "./places.ts";
import { eventType, type Stay } from "./victim.ts";

const victimSlot = 0;
const farSlot = 2;
const local = (port: number): Endpoint => ({ ip: "192.0.2.200" as IpAddress, port });
const far = { ip: "192.88.99.5" as IpAddress, port: 9_000 };
const farControl = { ...far, port: far.port + 1 };
const payloadTypes = [0, 8, eventType].map((payloadType) => ({ payloadType, clockRateHz: 8_000 }));
const farSsrc = 0xfa0;
/** Where a packet says which one it is: in the payload, in a count or a time of a report. */
const rtpContentAt = 12;
const controlContentAt = 24;
/** Between two calls, so that nothing of one is left in the next. */
const pauseMs = 20_000;

/** One worker for many calls: its memory is what takes time to set up. */
export class WholeWorker {
  #policy: Handover | undefined;
  readonly rig = new WorkerRig(4, {}, (capacity, sink) => {
    this.#policy = new Handover(capacity, sink);
    return this.#policy;
  });
  #generation = 0;

  call(stays: readonly Stay[]): WholeCall {
    const { rig } = this;
    if (this.#generation > 0) {
      for (const slot of [victimSlot, farSlot]) {
        rig.command({ kind: "close", at: { slot, generation: this.#generation } });
      }
    }
    this.#generation++;
    rig.nowMs = Math.ceil(rig.nowMs) + pauseMs;
    rig.core.tick(rig.nowMs);
    rig.events();
    rig.sent.length = 0;
    return new WholeCall(rig, this.#generation, stays, () => this.#policy?.nextDeadlineMs());
  }
}

export class WholeCall implements RelayUnderTest {
  readonly books: Books;
  readonly #rig: WorkerRig;
  readonly #generation: number;
  readonly #startMs: number;
  readonly #policyDueMs: () => number | undefined;
  #downSequence = 0;

  /** `policyDueMs`: when the policy itself has something to do. */
  constructor(
    rig: WorkerRig,
    generation: number,
    stays: readonly Stay[],
    policyDueMs: () => number | undefined,
  ) {
    this.#policyDueMs = policyDueMs;
    this.books = new Books(stays);
    this.#rig = rig;
    this.#generation = generation;
    rig.open(victimSlot, local(30_000), generation);
    rig.open(farSlot, local(30_002), generation);
    const unknown = { ...plainSettings, isSignalled: false, generation: 0, payloadTypes: [] };
    rig.configure(victimSlot, unknown, farSlot, generation);
    rig.configure(farSlot, settingsAt(far, farControl, { payloadTypes }), victimSlot, generation);
    rig.nowMs++;
    rig.core.tick(rig.nowMs);
    this.#startMs = rig.nowMs;
  }

  configure(rtp: SlotSettings, rtcp: SlotSettings): void {
    const settings: PairSettings = {
      ...plainSettings,
      generation: rtp.generation,
      hints: hintsOf(rtp),
      rtpTarget: endpointAt(rtp.target, 0),
      rtcpTarget: endpointAt(rtcp.target, 0),
      payloadTypes,
      learning: { ...defaultLearning, isStrict: rtp.isStrict },
    };
    this.#rig.configure(victimSlot, settings, farSlot, this.#generation);
    this.#settle();
  }

  advance(untilMs: number): void {
    const { core } = this.#rig;
    const endMs = this.#startMs + untilMs;
    for (let due = core.nextDeadlineMs(); due <= endMs; due = core.nextDeadlineMs()) {
      this.#rig.nowMs = Math.max(this.#rig.nowMs, due === this.#policyDueMs() ? due + timerLagMs : due);
      core.tick(this.#rig.nowMs);
      this.#settle();
    }
    this.#rig.nowMs = Math.max(this.#rig.nowMs, endMs);
  }

  receive(packet: Packet): void {
    const heard = packet.isReceipt ? this.#downSequence - 1 : -1;
    this.#rig.receive(packet.slot, bytesOf(packet, heard), endpointOf(packet.from));
    this.#settle();
  }

  sendDown(slot: 0 | 1, number: number): void {
    this.books.sentDown.push(number);
    const own = {
      ssrc: farSsrc,
      sequence: slot === 0 ? this.#downSequence++ : 0,
      timestamp: 0,
      content: number,
    };
    const packet = slot === 0 ? rtp({ ...own, payloadType: 0 }) : control({ ...own, payloadType: 200 });
    this.#rig.receive(farSlot + slot, packet, slot === 0 ? far : farControl);
    this.#settle();
  }

  /** Enters what the worker sent. */
  #settle(): void {
    const rig = this.#rig;
    for (const { slot, bytes } of rig.sent) {
      const nowMs = rig.nowMs - this.#startMs;
      const content = bytes.readUInt32BE(slot % 2 === 0 ? rtpContentAt : controlContentAt);
      if (slot >= farSlot) this.books.relay({ content, slot: slot - farSlot }, nowMs);
      else {
        const at = socketAt(slot) + socketField.target;
        const { sockets } = rig.counters;
        const to = { ip3: (sockets[at + 3] ?? 0) | 0, port: sockets[at + 4] ?? 0 };
        this.books.send(slot === 0 ? 0 : 1, content, to, nowMs);
      }
    }
    rig.sent.length = 0;
    rig.core.flushEvents();
    rig.events();
  }
}

/** Those of RTCP follow: they are one port above. */
function hintsOf(settings: SlotSettings): SourceHint[] {
  return Array.from({ length: settings.hintCount }, (_, index) => ({
    origin: "sdp",
    endpoint: endpointAt(settings.hints, index * 6),
    isIpUsable: settings.hints[index * 6 + 5] === 1,
    isIpShared: false,
  }));
}

function endpointAt(words: Int32Array, at: number): Endpoint {
  return { ip: ipFromWords(0, 0, 0xffff, (words[at + 3] ?? 0) >>> 0), port: words[at + 4] ?? 0 };
}

function endpointOf({ ip3, port }: Place): Endpoint {
  return { ip: ipFromWords(0, 0, 0xffff, ip3 >>> 0), port };
}

type Said = Pick<Packet, "ssrc" | "sequence" | "timestamp" | "payloadType" | "content">;

function bytesOf(packet: Packet, heard: number): Uint8Array {
  switch (packet.kind) {
    case packetKind.rtp:
      return rtp(packet);
    case packetKind.rtcp:
      return control(packet, heard);
    case packetKind.stun:
      return Buffer.from("000100002112a442".padEnd(40, "0"), "hex");
    default:
      return Buffer.from("\r\n");
  }
}

function rtp(said: Said): Buffer {
  const bytes = Buffer.alloc(32);
  bytes[0] = 0x80;
  bytes[1] = said.payloadType;
  bytes.writeUInt16BE(said.sequence & 0xffff, 2);
  bytes.writeUInt32BE(said.timestamp >>> 0, 4);
  bytes.writeUInt32BE(said.ssrc >>> 0, 8);
  bytes.writeUInt32BE(said.content, rtpContentAt);
  return bytes;
}

/** A sender or receiver report, with a report on what the other party sent up to `heard`, or something else. */
function control(said: Said, heard = -1): Buffer {
  const blockAt = said.payloadType === 200 ? 28 : 8;
  const bytes = Buffer.alloc(heard < 0 ? 28 : blockAt + 24);
  bytes[0] = heard < 0 ? 0x80 : 0x81;
  bytes[1] = said.payloadType;
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(said.ssrc >>> 0, 4);
  if (heard >= 0) {
    bytes.writeUInt32BE(farSsrc, blockAt);
    bytes.writeUInt32BE(heard, blockAt + 8);
  }
  bytes.writeUInt32BE(said.content, controlContentAt);
  return bytes;
}
