/**
 * One m-line of an endpoint that speaks plain RTP/AVP: RTP on a port, RTCP on the next one. It sends what a browser
 * accepts, PCMU or packets that claim to be VP8, with honest reports, and counts what it hears per sender.
 *
 * Every payload holds the same marker, which is how a wire is searched for media in clear.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export type MediaKind = "audio" | "video";

export interface StreamPlan {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly address: string;
  readonly port: number;
}

export interface StreamTarget {
  readonly host: string;
  readonly port: number;
  readonly rtcpPort: number;
  readonly payloadType: number;
}

export interface HeardStream {
  readonly ssrc: number;
  readonly payloadTypes: readonly number[];
  readonly packets: number;
  /** Sequence numbers not heard between the first and the highest one. */
  readonly lost: number;
  readonly duplicates: number;
}

export interface StreamReport {
  readonly ssrc: number;
  readonly sent: number;
  readonly heard: readonly HeardStream[];
  /** RTCP packets heard, by packet type (200 sender report, 201 receiver report, 205 and 206 feedback). */
  readonly rtcp: Readonly<Record<number, number>>;
  /** What the peer's reports say of our packets: how many reports, and the losses of the last one. */
  readonly reportsOnUs: number;
  readonly lossReported: number;
  /** Datagrams that are neither RTP on the RTP port nor RTCP on the RTCP port. */
  readonly strange: number;
}

/** Stands in every payload; no codec produces it and no cipher lets it through. */
export const clearMarker = "rtpferry in clear";

const shapes = {
  audio: { clockRateHz: 8_000, intervalMs: 20, payloadBytes: 160, packetsPerFrame: 1 },
  video: { clockRateHz: 90_000, intervalMs: 10, payloadBytes: 900, packetsPerFrame: 3 },
} as const;
const headerBytes = 12;
const tickMs = 5;
const reportIntervalMs = 500;
/** A backward step of at most this much is a late packet, not a new cycle. */
const halfCycle = 0x8000;

interface Ear {
  readonly seen: Set<number>;
  readonly payloadTypes: Set<number>;
  first: number;
  highest: number;
  duplicates: number;
}

export class PlainStream {
  readonly plan: StreamPlan;
  private readonly sockets: Socket[] = [];
  private readonly ears = new Map<number, Ear>();
  private readonly rtcp: Record<number, number> = {};
  private target: StreamTarget | undefined;
  private timer: NodeJS.Timeout | undefined;
  private startedAtMs = 0;
  private nextReportAtMs = 0;
  private sent = 0;
  private strange = 0;
  private reportsOnUs = 0;
  private lossReported = 0;

  constructor(plan: StreamPlan) {
    this.plan = plan;
  }

  async open(): Promise<void> {
    await Promise.all(
      [0, 1].map(async (offset) => {
        const socket = createSocket(this.plan.address.includes(":") ? "udp6" : "udp4");
        this.sockets[offset] = socket;
        socket.on("message", offset === 0 ? (data) => this.hearRtp(data) : (data) => this.hearRtcp(data));
        socket.on("error", () => undefined);
        socket.bind(this.plan.port + offset, this.plan.address);
        await once(socket, "listening");
      }),
    );
  }

  aim(target: StreamTarget): void {
    this.target = target;
  }

  start(): void {
    if (this.timer !== undefined) return;
    this.startedAtMs = performance.now();
    this.nextReportAtMs = this.startedAtMs + reportIntervalMs / 2;
    this.timer = setInterval(() => this.tick(performance.now()), tickMs);
  }

  /** Ends the media with a last report, so that the peer knows of every packet. */
  stop(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.sendReport(performance.now());
  }

  close(): void {
    clearInterval(this.timer);
    for (const socket of this.sockets) socket.close();
  }

  report(): StreamReport {
    const { sent, strange, reportsOnUs, lossReported } = this;
    return {
      ...{ ssrc: this.plan.ssrc, sent, strange, reportsOnUs, lossReported, rtcp: this.rtcp },
      heard: [...this.ears].map(([ssrc, ear]) => ({
        ssrc,
        payloadTypes: [...ear.payloadTypes],
        packets: ear.seen.size,
        lost: ear.highest - ear.first + 1 - ear.seen.size,
        duplicates: ear.duplicates,
      })),
    };
  }

  private tick(nowMs: number): void {
    const { intervalMs } = shapes[this.plan.kind];
    while (this.startedAtMs + this.sent * intervalMs <= nowMs) this.sendRtp();
    if (nowMs >= this.nextReportAtMs) {
      this.nextReportAtMs += reportIntervalMs;
      this.sendReport(nowMs);
    }
  }

  private sendRtp(): void {
    const { target, plan } = this;
    if (target === undefined) return;
    const { clockRateHz, intervalMs, payloadBytes, packetsPerFrame } = shapes[plan.kind];
    const inFrame = this.sent % packetsPerFrame;
    const packet = Buffer.alloc(headerBytes + payloadBytes);
    packet[0] = 0x80;
    packet[1] = target.payloadType | (inFrame === packetsPerFrame - 1 && plan.kind === "video" ? 0x80 : 0);
    packet.writeUInt16BE(this.sent & 0xffff, 2);
    packet.writeUInt32BE((((this.sent - inFrame) * intervalMs * clockRateHz) / 1_000) >>> 0, 4);
    packet.writeUInt32BE(plan.ssrc, 8);
    if (plan.kind === "audio") fillTone(packet.subarray(headerBytes), this.sent);
    // VP8's payload descriptor: start of the first partition (RFC 7741 section 4.2).
    else packet[headerBytes] = inFrame === 0 ? 0x10 : 0x00;
    packet.write(clearMarker, headerBytes + 1, "latin1");
    this.sent++;
    this.sockets[0]?.send(packet, target.port, target.host, () => undefined);
  }

  /** A sender report on ourselves and on everybody heard, and a CNAME (RFC 3550 sections 6.4.1 and 6.5). */
  private sendReport(nowMs: number): void {
    const { target, plan } = this;
    if (target === undefined) return;
    const ears = [...this.ears].slice(0, 31);
    const report = Buffer.alloc(28 + ears.length * 24);
    const { clockRateHz, payloadBytes } = shapes[plan.kind];
    report[0] = 0x80 | ears.length;
    report[1] = 200;
    report.writeUInt16BE(report.length / 4 - 1, 2);
    report.writeUInt32BE(plan.ssrc, 4);
    report.writeUInt32BE(Math.floor(nowMs / 1_000) >>> 0, 8);
    report.writeUInt32BE(Math.floor((nowMs % 1_000) * 4_294_967.296), 12);
    report.writeUInt32BE((((nowMs - this.startedAtMs) * clockRateHz) / 1_000) >>> 0, 16);
    report.writeUInt32BE(this.sent, 20);
    report.writeUInt32BE(this.sent * payloadBytes, 24);
    for (const [index, [ssrc, ear]] of ears.entries()) {
      const at = 28 + index * 24;
      report.writeUInt32BE(ssrc, at);
      report.writeUInt32BE((ear.highest - ear.first + 1 - ear.seen.size) & 0xffffff, at + 4);
      report.writeUInt32BE(ear.highest >>> 0, at + 8);
    }
    const packet = Buffer.concat([report, description(plan.ssrc)]);
    this.sockets[1]?.send(packet, target.rtcpPort, target.host, () => undefined);
  }

  private hearRtp(data: Buffer): void {
    const second = data[1] ?? 0;
    if (data.length < headerBytes || (data[0] ?? 0) >> 6 !== 2 || (second >= 192 && second < 224)) {
      this.strange++;
      return;
    }
    const ssrc = data.readUInt32BE(8);
    const sequence = data.readUInt16BE(2);
    let ear = this.ears.get(ssrc);
    if (ear === undefined) {
      ear = { seen: new Set(), payloadTypes: new Set(), first: sequence, highest: sequence, duplicates: 0 };
      this.ears.set(ssrc, ear);
    }
    const step = (sequence - ear.highest) & 0xffff;
    const extended = ear.highest + (step < halfCycle ? step : step - 0x10000);
    ear.highest = Math.max(ear.highest, extended);
    ear.first = Math.min(ear.first, extended);
    if (ear.seen.has(extended)) ear.duplicates++;
    ear.seen.add(extended);
    ear.payloadTypes.add(second & 0x7f);
  }

  private hearRtcp(data: Buffer): void {
    if (data.length < 8 || (data[0] ?? 0) >> 6 !== 2) {
      this.strange++;
      return;
    }
    for (let at = 0; at + 8 <= data.length; ) {
      const type = data[at + 1] ?? 0;
      const sizeBytes = (data.readUInt16BE(at + 2) + 1) * 4;
      this.rtcp[type] = (this.rtcp[type] ?? 0) + 1;
      if (type === 200 || type === 201) this.readBlocks(data.subarray(at, at + sizeBytes));
      at += sizeBytes;
    }
  }

  private readBlocks(report: Buffer): void {
    const first = report[1] === 200 ? 28 : 8;
    for (let at = first; at + 24 <= report.length; at += 24) {
      if (report.readUInt32BE(at) !== this.plan.ssrc) continue;
      this.reportsOnUs++;
      this.lossReported = report.readIntBE(at + 5, 3);
    }
  }
}

/** The marker as CNAME, in whole words with a zero behind it. */
function description(ssrc: number): Buffer {
  const packet = Buffer.alloc(Math.ceil((10 + clearMarker.length + 1) / 4) * 4);
  packet.set([0x81, 202, 0, packet.length / 4 - 1]);
  packet.writeUInt32BE(ssrc, 4);
  packet.set([1, clearMarker.length], 8);
  packet.write(clearMarker, 10, "latin1");
  return packet;
}

/** A square wave of 400 Hz in PCMU, moved on by the packet's number. */
function fillTone(payload: Buffer, index: number): void {
  for (let sample = 0; sample < payload.length; sample++) {
    payload[sample] = Math.floor((index * payload.length + sample) / 10) % 2 === 0 ? 0x20 : 0xa0;
  }
}
