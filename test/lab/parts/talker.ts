/**
 * The media half of a party: sends on a schedule what its script says, on the paths it has, and writes down what it
 * sent and heard and when. Judging is left to the test process.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { nowMs } from "./clock.ts";
import { type Identity, isRtcp, readRtcp, readRtp, rtcpPacket, rtpPacket } from "./packet.ts";
import { SrtpStream } from "./srtp.ts";

/** One way to the world: an address of the phone in a network, RTP at `port` and RTCP one above. */
export interface Path {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** What is sent here leaves so much later. */
  readonly lagMs?: number;
  /** While there is another path too, the packets lost here: every fourth, beginning with this one. */
  readonly loses?: number;
}

export interface TalkerPlan {
  /** In every packet. */
  readonly party: number;
  readonly ssrc: number;
  readonly firstSequence: number;
  readonly ptimeMs: number;
  readonly payloadType: number;
  readonly clockRateHz: number;
  readonly payloadBytes: number;
  /** Packets with one timestamp, back to back. */
  readonly packetsPerFrame: number;
  readonly paths: readonly Path[];
  /** RTCP on its own port; none without. */
  readonly rtcpEveryMs?: number;
  /** SRTP keys, base64 of key and salt. */
  readonly ownKey?: string;
  readonly peerKey?: string;
  /** Attackers: a new SSRC and sequence number in every packet. */
  readonly isBlind?: boolean;
  /** Attackers: what keeps paths open or begins other protocols, in place of RTP. */
  readonly sendsJunk?: boolean;
  /** Attackers: BYE in every report. */
  readonly saysBye?: boolean;
}

export interface Target {
  readonly host: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
}

/** From `atMs` after the start on. What is left out stays as it was. */
export interface Step {
  readonly atMs: number;
  /** Names of paths; none: packets are made and go nowhere, as between two networks. */
  readonly send?: readonly string[];
  readonly hear?: readonly string[];
  /** `frozen` and `running` say how the timestamp behaves while nothing is sent; `listen`: receiver reports alone. */
  readonly say?: "talk" | "frozen" | "running" | "dtx" | "listen";
  readonly ptimeMs?: number;
  readonly ssrc?: number;
  readonly payloadType?: number;
  /** So many of the next packets are of a telephone event. */
  readonly eventPackets?: number;
}

/** `[party, index, RTCP, at, not earlier than, path]`; times in milliseconds of the machine's clock. */
export type HeardRow = readonly [number, number, 0 | 1, number, number, number];
/** `[index, RTCP, at, behind its schedule]`. */
export type SentRow = readonly [number, 0 | 1, number, number];

export interface TalkerReport {
  readonly startedAtMs: number;
  readonly sent: readonly SentRow[];
  readonly heard: readonly HeardRow[];
  /** Datagrams that nobody of the lab made, or that were altered. */
  readonly strange: number;
  /** Datagrams to a path the phone no longer had. */
  readonly toDeadPaths: number;
}

const dtxIntervalMs = 200;
const lossPeriod = 4;
const payloadTypes = { comfortNoise: 13, event: 101 } as const;

export class Talker {
  readonly plan: TalkerPlan;
  private readonly alive: { readonly atMs: number };
  private readonly rtp = new Map<string, Socket>();
  private readonly rtcp = new Map<string, Socket>();
  private readonly protectors = new Map<number, SrtpStream>();
  private readonly unprotector: SrtpStream | undefined;
  private readonly sent: SentRow[] = [];
  private readonly heard: HeardRow[] = [];
  private strange = 0;
  private toDeadPaths = 0;
  private targets: readonly Target[] = [];
  private script: readonly Step[] = [];
  private stepsDone = 0;
  private startedAtMs = 0;
  private endsAtMs = 0;
  private frameAtMs = 0;
  private reportAtMs = 0;
  private sends: readonly string[] = [];
  private hears: ReadonlySet<string> = new Set();
  private say: NonNullable<Step["say"]> = "talk";
  private ptimeMs: number;
  private ssrc: number;
  private payloadType: number;
  private eventPackets = 0;
  private eventTimestamp = 0;
  private isNewSpurt = true;
  private sequence: number;
  /** Of the media clock, in milliseconds. */
  private mediaMs = 0;
  private index = 0;
  private reports = 0;
  private peer: { ssrc: number; highest: number } | undefined;

  constructor(plan: TalkerPlan, alive: { readonly atMs: number }) {
    this.plan = plan;
    this.alive = alive;
    this.ptimeMs = plan.ptimeMs;
    this.ssrc = plan.ssrc;
    this.payloadType = plan.payloadType;
    this.sequence = plan.firstSequence;
    this.unprotector = plan.peerKey === undefined ? undefined : new SrtpStream(plan.peerKey);
  }

  async open(): Promise<void> {
    await Promise.all(
      this.plan.paths.flatMap((path, at) => [
        this.bind(this.rtp, path, path.port, at),
        ...(this.plan.rtcpEveryMs === undefined ? [] : [this.bind(this.rtcp, path, path.port + 1, at)]),
      ]),
    );
  }

  aim(targets: readonly Target[]): void {
    this.targets = targets;
  }

  /** Everything after this runs by the clock. */
  run(startAtMs: number, endAtMs: number, script: readonly Step[]): void {
    this.startedAtMs = startAtMs;
    this.frameAtMs = startAtMs;
    this.reportAtMs = startAtMs + (this.plan.rtcpEveryMs ?? 0) / 2;
    this.endsAtMs = endAtMs;
    this.script = script;
    // What comes before the first step is heard.
    this.hears = new Set(script[0]?.hear ?? []);
  }

  get isBusy(): boolean {
    return this.startedAtMs > 0 && nowMs() < this.endsAtMs;
  }

  /** Does what is due, in the order of the schedule. */
  tick(): void {
    if (this.startedAtMs === 0) return;
    for (;;) {
      const step = this.script[this.stepsDone];
      const stepAtMs = step === undefined ? Number.POSITIVE_INFINITY : this.startedAtMs + step.atMs;
      const reportAtMs = this.plan.rtcpEveryMs === undefined ? Number.POSITIVE_INFINITY : this.reportAtMs;
      const dueMs = Math.min(stepAtMs, reportAtMs, this.frameAtMs);
      if (dueMs > nowMs() || dueMs >= this.endsAtMs) return;
      if (step !== undefined && dueMs === stepAtMs) this.take(step);
      else if (dueMs === reportAtMs) this.sendReport();
      else this.sendFrame();
    }
  }

  report(): TalkerReport {
    const { startedAtMs, sent, heard, strange, toDeadPaths } = this;
    return { startedAtMs, sent, heard, strange, toDeadPaths };
  }

  close(): void {
    for (const socket of [...this.rtp.values(), ...this.rtcp.values()]) socket.close();
  }

  private take(step: Step): void {
    this.stepsDone++;
    this.sends = step.send ?? this.sends;
    if (step.hear !== undefined) this.hears = new Set(step.hear);
    if (step.say !== undefined && step.say !== this.say) {
      this.say = step.say;
      this.isNewSpurt = true;
    }
    this.ptimeMs = step.ptimeMs ?? this.ptimeMs;
    this.ssrc = step.ssrc ?? this.ssrc;
    this.payloadType = step.payloadType ?? this.payloadType;
    if (step.eventPackets !== undefined) {
      this.eventPackets = step.eventPackets;
      this.eventTimestamp = this.mediaMs;
    }
  }

  private sendFrame(): void {
    const dueMs = this.frameAtMs;
    const isNoise = this.say === "dtx";
    const lastsMs = isNoise ? dtxIntervalMs : this.ptimeMs;
    this.frameAtMs += lastsMs;
    if (this.say === "talk" || isNoise) {
      for (let packet = 0; packet < this.plan.packetsPerFrame; packet++) this.sendRtp(dueMs, isNoise);
    }
    if (this.say !== "frozen") this.mediaMs += lastsMs;
  }

  private sendRtp(dueMs: number, isNoise: boolean): void {
    const { plan } = this;
    const index = this.index++;
    const isEvent = this.eventPackets > 0;
    if (isEvent) this.eventPackets--;
    const sentAtMs = nowMs();
    const scattered = (index * 0x9e3779b1) >>> 0;
    const head = {
      payloadType: this.payloadTypeNow(isEvent, isNoise),
      marker: this.isNewSpurt,
      sequence: plan.isBlind === true ? scattered >>> 8 : this.sequence++,
      timestamp: Math.round(((isEvent ? this.eventTimestamp : this.mediaMs) * plan.clockRateHz) / 1_000),
      ssrc: plan.isBlind === true ? scattered : this.ssrc,
    };
    this.isNewSpurt = false;
    const plain = rtpPacket(head, { party: plan.party, index, sentAtMs }, plan.payloadBytes);
    const packet =
      plan.sendsJunk === true ? junk(index) : (this.protector(head.ssrc)?.protect(plain) ?? plain);
    if (this.sends.length === 0) return;
    this.sent.push([index, 0, sentAtMs, sentAtMs - dueMs]);
    for (const name of this.sends) {
      if (this.sends.length > 1 && this.path(name)?.loses === index % lossPeriod) continue;
      for (const { host, rtpPort } of this.targets)
        this.dispatch(this.rtp, name, packet, { host, port: rtpPort });
    }
  }

  private payloadTypeNow(isEvent: boolean, isNoise: boolean): number {
    if (isEvent) return payloadTypes.event;
    return isNoise ? payloadTypes.comfortNoise : this.payloadType;
  }

  private sendReport(): void {
    const dueMs = this.reportAtMs;
    this.reportAtMs += this.plan.rtcpEveryMs ?? 0;
    const index = this.reports++;
    const sentAtMs = nowMs();
    const packet = rtcpPacket(
      {
        ssrc: this.ssrc,
        timestamp: Math.round((this.mediaMs * this.plan.clockRateHz) / 1_000),
        packetsSent: this.index,
        hears: this.peer,
        isBye: this.plan.saysBye,
        isReceiver: this.say === "listen",
      },
      { party: this.plan.party, index, sentAtMs },
    );
    const [name] = this.sends;
    if (name === undefined) return;
    this.sent.push([index, 1, sentAtMs, sentAtMs - dueMs]);
    for (const { host, rtcpPort } of this.targets)
      this.dispatch(this.rtcp, name, packet, { host, port: rtcpPort });
  }

  private path(name: string): Path | undefined {
    return this.plan.paths.find((path) => path.name === name);
  }

  private protector(ssrc: number): SrtpStream | undefined {
    const { ownKey } = this.plan;
    if (ownKey === undefined) return undefined;
    let found = this.protectors.get(ssrc);
    if (found === undefined) {
      found = new SrtpStream(ownKey);
      this.protectors.set(ssrc, found);
    }
    return found;
  }

  private dispatch(
    sockets: ReadonlyMap<string, Socket>,
    name: string,
    packet: Buffer,
    to: { readonly host: string; readonly port: number },
  ): void {
    const lagMs = this.path(name)?.lagMs ?? 0;
    const socket = sockets.get(name);
    if (socket === undefined) throw new Error(`no path ${name}`);
    const send = (): void => socket.send(packet, to.port, to.host, () => undefined);
    if (lagMs === 0) send();
    else setTimeout(send, lagMs);
  }

  private async bind(sockets: Map<string, Socket>, path: Path, port: number, at: number): Promise<void> {
    const isV6 = path.address.includes(":");
    const socket = createSocket({ type: isV6 ? "udp6" : "udp4", ipv6Only: isV6, recvBufferSize: 1 << 20 });
    sockets.set(path.name, socket);
    socket.on("message", (data) => this.hear(data, path.name, at));
    // Nobody at the other end is a finding of the counts.
    socket.on("error", () => undefined);
    socket.bind(port, path.address);
    await once(socket, "listening");
  }

  private hear(data: Buffer, path: string, at: number): void {
    // A run that was ordered late begins with what has come already.
    if (this.startedAtMs > 0 && !this.hears.has(path)) {
      this.toDeadPaths++;
      return;
    }
    const isReport = isRtcp(data);
    const identity = isReport ? readRtcp(data) : this.readMedia(data);
    if (identity === undefined) {
      this.strange++;
      return;
    }
    if (!isReport) this.noteHeard(data);
    const heardAtMs = nowMs();
    // After a stall the datagram may have waited since the loop last turned.
    const notBeforeMs = Math.min(heardAtMs, Math.max(this.alive.atMs, identity.sentAtMs));
    this.heard.push([identity.party, identity.index, isReport ? 1 : 0, heardAtMs, notBeforeMs, at]);
  }

  /** What is no SRTP of the peer's is read as it is: an attacker does not have the key. */
  private readMedia(data: Buffer): Identity | undefined {
    const plain = this.unprotector?.unprotect(data) ?? data;
    return readRtp(plain);
  }

  private noteHeard(data: Buffer): void {
    const ssrc = data.readUInt32BE(8);
    const sequence = data.readUInt16BE(2);
    if (this.peer?.ssrc !== ssrc) {
      this.peer = { ssrc, highest: sequence };
      return;
    }
    const ahead = (sequence - (this.peer.highest & 0xffff)) & 0xffff;
    if (ahead < 0x8000) this.peer.highest += ahead;
  }
}

/** Nothing, CRLF, a STUN Binding request, a DTLS ClientHello's first bytes, a TURN channel, zeros, RTP of no known type. */
function junk(index: number): Buffer {
  const stun = Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...Buffer.alloc(12, index)]);
  const hello = Buffer.from([22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1, ...Buffer.alloc(39, index)]);
  const unknown = Buffer.concat([Buffer.from([0x80, 77]), Buffer.alloc(40, index)]);
  const all = [
    Buffer.alloc(0),
    Buffer.from("\r\n"),
    stun,
    hello,
    Buffer.from([0x40, 0, 0, 0]),
    Buffer.alloc(32),
    unknown,
  ];
  return all[index % all.length] ?? unknown;
}
