/**
 * Sends RTP at a given rate from the link of the generator's namespace and judges what the relay delivers there.
 *
 * One JSON job a line on standard input, one JSON result a line on standard output. Every job is bounded in time.
 */
import { createInterface } from "node:readline";
import { packetTailroomBytes } from "../src/core/limits.ts";
import { Arena } from "../src/io/linux/arena.ts";
import { frame, ipWord, rtpHeaderBytes, type Stream, stampFrame, writeFrame } from "./frames.ts";
import * as linux from "./linux.ts";
import { StreamCrypto, streamCryptoBytes, tagBytesOf } from "./stream-crypto.ts";

export interface GeneratorJob {
  readonly link: string;
  readonly relayIp: string;
  readonly generatorMac: string;
  readonly relayMac: string;
  readonly streams: readonly Stream[];
  readonly payloadBytes: number;
  readonly packetsPerSecond: number;
  readonly seconds: number;
  readonly run: number;
}

export interface GeneratorResult {
  readonly sent: number;
  readonly delivered: number;
  /** Arrived at another address or from another port than signalled, or not protected as agreed. */
  readonly misdirected: number;
  readonly actualRate: number;
  /** Packets that this side's own queue lost: the round says nothing then. */
  readonly queueDrops: number;
  readonly longestPauseMs: number;
  readonly latencyUs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
}

const batchMax = 64;
/** Room for a frame, its tags, and what is written behind a packet while its tag is made. */
function slotBytesOf(payloadBytes: number): number {
  return Math.ceil((frame.rtpOffset + rtpHeaderBytes + payloadBytes + packetTailroomBytes) / 64) * 64;
}

/** Memory of sender and receiver together. */
function arenaBytes(job: GeneratorJob): number {
  return slotBytesOf(job.payloadBytes) * (job.streams.length + batchMax) + streamCryptoBytes + 4096;
}

const afPacket = 17;
const sockRaw = 3;
const solPacket = 263;
const etherTypeIp = 0x0800;
const histogramUs = 100_000;
const jobSecondsMax = 60;

function packetSocket(link: string, protocol: number): number {
  const fd = linux.socket(afPacket, sockRaw, 0);
  if (fd < 0) throw new Error(`packet socket: errno ${linux.lastErrno()}`);
  const address = linux.region(20);
  address.view.setUint16(0, afPacket, true);
  address.view.setUint16(2, protocol, false);
  address.view.setInt32(4, linux.interfaceIndex(link), true);
  if (linux.bind(fd, address.address, 20) !== 0)
    throw new Error(`bind to ${link}: errno ${linux.lastErrno()}`);
  return fd;
}

/** `count` mmsghdr records of 64 bytes with one iovec each; returns their regions. */
function messageBatch(
  count: number,
  iovecs: readonly { readonly address: number; readonly sizeBytes: number }[],
): linux.Region {
  const headers = linux.region(64 * count);
  const vectors = linux.region(16 * count);
  for (let index = 0; index < count; index++) {
    const target = iovecs[index];
    if (target !== undefined) setVector(vectors, index, target.address, target.sizeBytes);
    headers.view.setBigUint64(64 * index + 16, BigInt(vectors.address + 16 * index), true);
    headers.view.setBigUint64(64 * index + 24, 1n, true);
  }
  return headers;
}

function setVector(vectors: linux.Region, index: number, address: number, sizeBytes: number): void {
  vectors.view.setBigUint64(16 * index, BigInt(address), true);
  vectors.view.setBigUint64(16 * index + 8, BigInt(sizeBytes), true);
}

class Sender {
  readonly fd: number;
  readonly arena: Arena;
  readonly crypto: StreamCrypto;
  readonly frames: number;
  readonly headers: linux.Region;
  readonly streamCount: number;
  readonly slotBytes: number;
  readonly rtpBytes: number;
  run = 0;
  sequence = 0;
  next = 0;

  constructor(job: GeneratorJob, arena: Arena, crypto: StreamCrypto) {
    this.arena = arena;
    this.crypto = crypto;
    this.fd = packetSocket(job.link, 0);
    linux.setIntOption(this.fd, solPacket, 20, 1); // PACKET_QDISC_BYPASS
    linux.setIntOption(this.fd, 1, 32, 8 << 20); // SO_SNDBUFFORCE
    this.streamCount = job.streams.length;
    this.slotBytes = slotBytesOf(job.payloadBytes);
    this.rtpBytes = rtpHeaderBytes + job.payloadBytes;
    this.frames = arena.reserve(this.slotBytes * this.streamCount);
    const { generatorMac: fromMac, relayMac: toMac, relayIp } = job;
    const vectors = job.streams.map((stream, index) => {
      const at = this.frames + this.slotBytes * index;
      const rtpBytes = this.rtpBytes + tagBytesOf(stream);
      writeFrame(arena.view, at, stream, { fromMac, toMac, relayIp, rtpBytes });
      arena.view.setUint32(at + frame.ssrcOffset, 0x1000_0000 + index);
      return { address: arena.address + at, sizeBytes: frame.rtpOffset + rtpBytes };
    });
    this.headers = messageBatch(this.streamCount, vectors);
  }

  /** Sends up to `wanted` packets, each the next stream's; returns how many. */
  send(wanted: number, nowNs: number): number {
    const count = Math.min(wanted, batchMax, this.streamCount - this.next);
    for (let index = this.next; index < this.next + count; index++) this.#fill(index, nowNs);
    let done = 0;
    while (done < count) {
      const sent = linux.sendmmsg(this.fd, this.headers.address + 64 * (this.next + done), count - done, 0);
      if (sent > 0) done += sent;
    }
    this.next += count;
    if (this.next === this.streamCount) {
      this.next = 0;
      this.sequence++;
    }
    return count;
  }

  /** All stamps anew, because the packet before was enciphered where it lies. */
  #fill(stream: number, nowNs: number): void {
    const at = this.frames + this.slotBytes * stream;
    const { view } = this.arena;
    view.setUint32(at + frame.runOffset, this.run);
    view.setUint32(at + frame.streamOffset, stream);
    stampFrame(view, at, this.sequence, nowNs);
    this.crypto.protect(stream, at + frame.rtpOffset, this.rtpBytes);
  }
}

class Receiver {
  readonly fd: number;
  readonly arena: Arena;
  readonly crypto: StreamCrypto;
  readonly slotBytes: number;
  readonly data: number;
  readonly control: linux.Region = linux.region(64 * batchMax);
  readonly headers: linux.Region;
  readonly toIp: Uint32Array;
  readonly toPort: Uint16Array;
  /** Stream by the relay's port it leaves from. */
  readonly byRelayPort: Int32Array = new Int32Array(65_536).fill(-1);
  readonly histogram: Uint32Array = new Uint32Array(histogramUs);
  delivered = 0;
  misdirected = 0;

  constructor(job: GeneratorJob, fd: number, arena: Arena, crypto: StreamCrypto) {
    this.arena = arena;
    this.crypto = crypto;
    this.slotBytes = slotBytesOf(job.payloadBytes);
    this.data = arena.reserve(this.slotBytes * batchMax);
    this.fd = fd;
    const slots = Array.from({ length: batchMax }, (_, index) => ({
      address: arena.address + this.data + this.slotBytes * index,
      sizeBytes: this.slotBytes - packetTailroomBytes / 2,
    }));
    this.headers = messageBatch(batchMax, slots);
    for (let index = 0; index < batchMax; index++) {
      this.headers.view.setBigUint64(64 * index + 32, BigInt(this.control.address + 64 * index), true);
    }
    this.toIp = Uint32Array.from(job.streams, (stream) => ipWord(stream.toIp));
    this.toPort = Uint16Array.from(job.streams, (stream) => stream.toPort);
    for (const [index, stream] of job.streams.entries()) this.byRelayPort[stream.leavesFromPort] = index;
  }

  reset(): void {
    this.delivered = 0;
    this.misdirected = 0;
    this.histogram.fill(0);
    this.queueDrops();
  }

  poll(run: number): number {
    for (let index = 0; index < batchMax; index++) this.headers.view.setUint32(64 * index + 40, 64, true);
    const count = linux.recvmmsg(this.fd, this.headers.address, batchMax, 0x40, 0);
    for (let index = 0; index < count; index++) this.judge(index, run);
    return count;
  }

  private judge(index: number, run: number): void {
    const at = this.data + this.slotBytes * index;
    const { view } = this.arena;
    if (view.getUint8(at + 23) !== 17) return;
    const stream = this.byRelayPort[view.getUint16(at + 34)] ?? -1;
    if (stream < 0) return;
    const rtpBytes = view.getUint16(at + 38) - 8;
    if (rtpBytes > this.slotBytes - frame.rtpOffset - packetTailroomBytes / 2) return;
    const isRight =
      view.getUint32(at + 30) === this.toIp[stream] &&
      view.getUint16(at + 36) === this.toPort[stream] &&
      this.crypto.unprotect(stream, at + frame.rtpOffset, rtpBytes);
    if (isRight && view.getUint32(at + frame.runOffset) !== run) return;
    if (!isRight || view.getUint32(at + frame.streamOffset) !== stream) {
      this.misdirected++;
      return;
    }
    this.delivered++;
    const control = this.control.view;
    const receivedNs =
      (control.getUint32(64 * index + 16, true) % 100_000) * 1e9 + control.getUint32(64 * index + 24, true);
    const latencyUs = Math.max(
      0,
      Math.min(histogramUs - 1, Math.floor((receivedNs - view.getFloat64(at + frame.sentNsOffset)) / 1000)),
    );
    this.histogram[latencyUs] = (this.histogram[latencyUs] ?? 0) + 1;
  }

  /** PACKET_STATISTICS: packets dropped here since the last call. */
  queueDrops(): number {
    const value = linux.region(12);
    const size = linux.region(4);
    size.view.setUint32(0, 8, true);
    linux.getsockopt(this.fd, solPacket, 6, value.address, size.address);
    return value.view.getUint32(4, true);
  }

  percentile(fraction: number): number {
    let left = Math.ceil(this.delivered * fraction);
    for (let us = 0; us < histogramUs; us++) {
      left -= this.histogram[us] ?? 0;
      if (left <= 0) return us;
    }
    return histogramUs;
  }
}

/** One for all receivers: each more would be given a copy of every frame, at the relay's expense. */
let receiveFd: number | undefined;

function receiveSocket(link: string): number {
  if (receiveFd === undefined) {
    receiveFd = packetSocket(link, etherTypeIp);
    linux.setIntOption(receiveFd, 1, 33, 64 << 20); // SO_RCVBUFFORCE
    linux.setIntOption(receiveFd, 1, 35, 1); // SO_TIMESTAMPNS
  }
  return receiveFd;
}

interface Ends {
  readonly sender: Sender;
  readonly receiver: Receiver;
}

/** Kept by streams and payload: sequence numbers go on, as SRTP wants them to. */
const ends = new Map<string, Ends>();

function endsOf(job: GeneratorJob): Ends {
  const key = JSON.stringify([job.streams, job.payloadBytes]);
  const known = ends.get(key);
  if (known !== undefined) return known;
  const arena = new Arena(arenaBytes(job));
  const crypto = new StreamCrypto(arena, job.streams);
  const made = {
    sender: new Sender(job, arena, crypto),
    receiver: new Receiver(job, receiveSocket(job.link), arena, crypto),
  };
  ends.set(key, made);
  return made;
}

function runJob(job: GeneratorJob): GeneratorResult {
  const { sender, receiver } = endsOf(job);
  sender.run = job.run;
  while (receiver.poll(job.run) > 0);
  receiver.reset();
  const durationNs = Math.min(job.seconds, jobSecondsMax) * 1e9;
  const startNs = linux.realtimeNs();
  let lastNs = startNs;
  let sent = 0;
  let longestPauseNs = 0;
  for (let nowNs = startNs; nowNs - startNs < durationNs; nowNs = linux.realtimeNs()) {
    longestPauseNs = Math.max(longestPauseNs, nowNs - lastNs);
    lastNs = nowNs;
    const due = Math.floor(((nowNs - startNs) * job.packetsPerSecond) / 1e9);
    if (due > sent) sent += sender.send(due - sent, nowNs);
    receiver.poll(job.run);
  }
  const actualRate = sent / ((linux.realtimeNs() - startNs) / 1e9);
  const drainUntilNs = linux.realtimeNs() + 150e6;
  while (linux.realtimeNs() < drainUntilNs) receiver.poll(job.run);
  const percentiles = {
    p50: receiver.percentile(0.5),
    p99: receiver.percentile(0.99),
    p999: receiver.percentile(0.999),
    max: receiver.percentile(1),
  };
  return {
    sent,
    delivered: receiver.delivered,
    misdirected: receiver.misdirected,
    actualRate,
    queueDrops: receiver.queueDrops(),
    longestPauseMs: longestPauseNs / 1e6,
    latencyUs: percentiles,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(runJob(JSON.parse(line) as GeneratorJob))}\n`);
}
process.exit(0);
