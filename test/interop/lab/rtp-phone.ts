/**
 * The media half of a phone: sends numbered RTP packets and RTCP reports, and counts what it hears, per sender.
 *
 * A phone has four sockets: RTP and RTCP, and a second pair (two ports up) it moves to when a re-INVITE changes its
 * address. Each RTP packet carries its running number behind the header, so that a loss is named, not guessed.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export interface PhonePlan {
  readonly ssrc: number;
  readonly address: string;
  readonly port: number;
}

export interface SendPlan {
  readonly count: number;
  readonly intervalMs: number;
  /** Waits for the first packet of the other side before sending. */
  readonly whenHeard: boolean;
}

export interface Heard {
  readonly ssrc: number;
  readonly packets: number;
  readonly duplicates: number;
  /** Running numbers not heard below the highest one heard, as [first, last] pairs. */
  readonly gaps: readonly (readonly [number, number])[];
  readonly highest: number;
  readonly reports: number;
}

export interface PhoneReport {
  readonly ssrc: number;
  readonly sent: number;
  readonly reportsSent: number;
  readonly heard: readonly Heard[];
  /** Datagrams that are neither RTP nor RTCP of a lab phone, or whose content was altered. */
  readonly strange: number;
  /** Largest delay of a packet of ours against its schedule. */
  readonly latenessMs: number;
}

const clockRateHz = 8_000;
const payloadTypePcmu = 0;
const firstSequence = 65_300;
const reportIntervalMs = 1_000;
const magic = 0x72746670;
const indexOffset = 16;
/** Enough for the sockets of phones that hear each other in bursts. */
const packetsMax = 4_096;

interface Ear {
  readonly seen: Uint8Array;
  packets: number;
  duplicates: number;
  highest: number;
  reports: number;
}

export class RtpPhone {
  readonly plan: PhonePlan;
  isDone = false;
  private readonly sockets: Socket[] = [];
  private readonly ears = new Map<number, Ear>();
  private target: { readonly host: string; readonly port: number } | undefined;
  private sendPlan: SendPlan | undefined;
  private isPaused = false;
  private hasHeard = false;
  private usesSecondPair = false;
  private startedAtMs = 0;
  private talkspurtIndex = 0;
  private talkspurtAtMs = 0;
  private nextReportAtMs = 0;
  private sent = 0;
  private reportsSent = 0;
  private strange = 0;
  private latenessMs = 0;

  constructor(plan: PhonePlan) {
    this.plan = plan;
  }

  async open(withSecondPair: boolean): Promise<void> {
    const ports = withSecondPair ? [0, 1, 2, 3] : [0, 1];
    await Promise.all(
      ports.map(async (offset) => {
        const isV6 = this.plan.address.includes(":");
        const socket = createSocket({ type: isV6 ? "udp6" : "udp4", ipv6Only: isV6 });
        this.sockets[offset] = socket;
        socket.on("message", offset % 2 === 0 ? (data) => this.hearRtp(data) : (data) => this.hearRtcp(data));
        // A port that is closed over there is a finding of the counts, not a fault of this phone.
        socket.on("error", () => undefined);
        socket.bind(this.plan.port + offset, this.plan.address);
        await once(socket, "listening");
      }),
    );
  }

  aim(host: string, port: number): void {
    this.target = { host, port };
  }

  start(plan: SendPlan, nowMs: number): void {
    if (this.sendPlan !== undefined) return;
    this.sendPlan = plan;
    this.startedAtMs = nowMs;
    this.nextReportAtMs = nowMs + reportIntervalMs / 2;
    this.beginTalkspurt(nowMs);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(nowMs: number): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.beginTalkspurt(nowMs);
  }

  /** Hangs up: nothing more is sent, what comes is still counted. */
  finish(): void {
    this.isDone = true;
  }

  moveToSecondPair(): void {
    this.usesSecondPair = true;
  }

  get isSending(): boolean {
    return this.sendPlan !== undefined && !this.isDone;
  }

  /** Sends what is due. */
  tick(nowMs: number): void {
    const plan = this.sendPlan;
    if (plan === undefined || this.isDone || this.target === undefined) return;
    if (plan.whenHeard && !this.hasHeard) {
      this.beginTalkspurt(nowMs);
      return;
    }
    while (!this.isPaused && this.sent < plan.count && this.dueAtMs(plan) <= nowMs) {
      this.latenessMs = Math.max(this.latenessMs, nowMs - this.dueAtMs(plan));
      this.sendRtp(plan);
    }
    if (nowMs >= this.nextReportAtMs) {
      this.nextReportAtMs = nowMs + reportIntervalMs;
      this.sendReport(nowMs);
    }
    if (this.sent === plan.count) this.isDone = true;
  }

  report(): PhoneReport {
    return {
      ssrc: this.plan.ssrc,
      sent: this.sent,
      reportsSent: this.reportsSent,
      strange: this.strange,
      latenessMs: Math.round(this.latenessMs),
      heard: [...this.ears].map(([ssrc, ear]) => ({
        ssrc,
        packets: ear.packets,
        duplicates: ear.duplicates,
        gaps: gapsOf(ear),
        highest: ear.highest,
        reports: ear.reports,
      })),
    };
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
  }

  private beginTalkspurt(nowMs: number): void {
    this.talkspurtIndex = this.sent;
    this.talkspurtAtMs = nowMs;
  }

  private dueAtMs(plan: SendPlan): number {
    return this.talkspurtAtMs + (this.sent - this.talkspurtIndex) * plan.intervalMs;
  }

  private sendRtp(plan: SendPlan): void {
    const dueSinceStartMs = this.dueAtMs(plan) - this.startedAtMs;
    const packet = Buffer.alloc(12 + (clockRateHz / 1_000) * Math.min(plan.intervalMs, 20), this.sent & 0xff);
    packet[0] = 0x80;
    packet[1] = payloadTypePcmu | (this.sent === this.talkspurtIndex ? 0x80 : 0);
    packet.writeUInt16BE((firstSequence + this.sent) & 0xffff, 2);
    packet.writeUInt32BE(Math.round((dueSinceStartMs * clockRateHz) / 1_000) >>> 0, 4);
    packet.writeUInt32BE(this.plan.ssrc, 8);
    packet.writeUInt32BE(magic, 12);
    packet.writeUInt32BE(this.sent, indexOffset);
    this.sent++;
    this.sendFrom(0, packet);
  }

  /** A sender report with one report block on the loudest sender heard, and a CNAME (RFC 3550 6.4.1 and 6.5). */
  private sendReport(nowMs: number): void {
    const loudest = [...this.ears].sort((a, b) => b[1].packets - a[1].packets)[0];
    const blocks = loudest === undefined ? 0 : 1;
    const packet = Buffer.alloc(28 + blocks * 24 + 16);
    packet[0] = 0x80 | blocks;
    packet[1] = 200;
    packet.writeUInt16BE((28 + blocks * 24) / 4 - 1, 2);
    packet.writeUInt32BE(this.plan.ssrc, 4);
    packet.writeUInt32BE(Math.floor(nowMs / 1_000) >>> 0, 8);
    packet.writeUInt32BE(this.sent, 20);
    if (loudest !== undefined) {
      packet.writeUInt32BE(loudest[0], 28);
      packet.writeUInt32BE(firstSequence + loudest[1].highest, 36);
    }
    const sdes = 28 + blocks * 24;
    packet[sdes] = 0x81;
    packet[sdes + 1] = 202;
    packet.writeUInt16BE(3, sdes + 2);
    packet.writeUInt32BE(this.plan.ssrc, sdes + 4);
    packet.set([1, 5, ...Buffer.from("phone")], sdes + 8);
    this.reportsSent++;
    this.sendFrom(1, packet);
  }

  private sendFrom(offset: 0 | 1, packet: Buffer): void {
    if (this.target === undefined) return;
    const socket = this.sockets[offset + (this.usesSecondPair ? 2 : 0)];
    socket?.send(packet, this.target.port + offset, this.target.host, () => undefined);
  }

  private hearRtp(data: Buffer): void {
    if (data.length < indexOffset + 4 || data[0] !== 0x80 || data.readUInt32BE(12) !== magic) {
      this.strange++;
      return;
    }
    const index = data.readUInt32BE(indexOffset);
    const isIntact =
      data.readUInt16BE(2) === ((firstSequence + index) & 0xffff) && data.at(-1) === (index & 0xff);
    if (index >= packetsMax || !isIntact) {
      this.strange++;
      return;
    }
    this.hasHeard = true;
    const ear = this.earFor(data.readUInt32BE(8));
    if (ear.seen[index] === 1) {
      ear.duplicates++;
      return;
    }
    ear.seen[index] = 1;
    ear.packets++;
    ear.highest = Math.max(ear.highest, index);
  }

  private hearRtcp(data: Buffer): void {
    if (data.length < 28 || data[1] !== 200) this.strange++;
    else this.earFor(data.readUInt32BE(4)).reports++;
  }

  private earFor(ssrc: number): Ear {
    let ear = this.ears.get(ssrc);
    if (ear === undefined) {
      ear = { seen: new Uint8Array(packetsMax), packets: 0, duplicates: 0, highest: -1, reports: 0 };
      this.ears.set(ssrc, ear);
    }
    return ear;
  }
}

function gapsOf(ear: Ear): readonly (readonly [number, number])[] {
  const gaps: [number, number][] = [];
  for (let index = 0; index <= ear.highest; index++) {
    if (ear.seen[index] === 1) continue;
    const last = gaps.at(-1);
    if (last !== undefined && last[1] === index - 1) last[1] = index;
    else gaps.push([index, index]);
  }
  return gaps;
}
