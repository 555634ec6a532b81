/** One relay with calls set up and traffic under control: what every scenario is made of. */
import { fileURLToPath } from "node:url";
import { JsonChild } from "./child.ts";
import type { ControlJob, ControlResult, Protection } from "./control.ts";
import { busyMs, coreTime, processTimeMs, residentBytes } from "./cpu.ts";
import type { Stream } from "./frames.ts";
import type { GeneratorJob, GeneratorResult } from "./generator.ts";
import { benchNet, type LinkAddresses } from "./net.ts";
import { type RelayName, type RunningRelay, startRelay } from "./relays.ts";

const generatorCore = 0;
const relayCore = 1;
/** rtpengine fixes a party's address 3 s after signalling; nothing is measured before. */
const settleSeconds = 4;
const settlePacketsPerStreamSecond = 10;
const idleSeconds = 1;
/** A round in which the generator missed its rate by more than this says nothing. */
const rateToleranceFraction = 0.01;

export interface Load {
  readonly result: GeneratorResult;
  /** Busy time of the relay's core less its idle baseline, per delivered packet. */
  readonly coreNsPerPacket: number;
  readonly processNsPerPacket: number;
  /** Why the round counts for nothing, if so. */
  readonly void: string | undefined;
}

/** 20 ms of G.711. */
const voicePayloadBytes = 160;

interface MediaShape {
  readonly protection: Protection;
  readonly payloadBytes: number;
}

/** What flows in calls that were set up together: one stream each way, of packets of one size. */
export interface Traffic {
  readonly streams: readonly Stream[];
  readonly payloadBytes: number;
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

export class Lab {
  readonly relay: RunningRelay;
  private readonly links: LinkAddresses;
  private readonly generator: JsonChild<GeneratorJob, GeneratorResult>;
  private readonly control: JsonChild<ControlJob, ControlResult>;
  private calls = 0;
  private idleMsPerSecond = 0;
  private static runCount = 0;

  private constructor(relay: RunningRelay, links: LinkAddresses) {
    this.relay = relay;
    this.links = links;
    this.generator = new JsonChild(benchNet.generatorNamespace, generatorCore, script("generator.js"));
    this.control = new JsonChild(benchNet.relayNamespace, generatorCore, script("control.js"));
  }

  static async open(name: RelayName, links: LinkAddresses): Promise<Lab> {
    return new Lab(await startRelay(name), links);
  }

  /** Further calls; they have spoken for a while when this returns. */
  async setup(
    calls: number,
    { protection = "none", payloadBytes = voicePayloadBytes }: Partial<MediaShape> = {},
  ): Promise<Traffic> {
    const result = await this.control.ask({
      kind: "setup",
      first: this.calls,
      calls,
      prefix: "load",
      protection,
    });
    if (result.kind !== "setup") throw new Error("control answered something else");
    this.calls += calls;
    const traffic = { streams: result.streams, payloadBytes };
    await this.send(traffic, settlePacketsPerStreamSecond * traffic.streams.length, settleSeconds);
    // Idle as it is between loads: start-up and set-up are over.
    const before = coreTime(relayCore);
    await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
    this.idleMsPerSecond = busyMs(before, coreTime(relayCore)) / idleSeconds;
    return traffic;
  }

  async load(traffic: Traffic, packetsPerSecond: number, seconds: number): Promise<Load> {
    const coreBefore = coreTime(relayCore);
    const processBefore = processTimeMs(this.relay.pid);
    const start = performance.now();
    const result = await this.send(traffic, packetsPerSecond, seconds);
    const elapsedSeconds = (performance.now() - start) / 1000;
    const coreMs = busyMs(coreBefore, coreTime(relayCore)) - this.idleMsPerSecond * elapsedSeconds;
    const delivered = Math.max(1, result.delivered);
    return {
      result,
      coreNsPerPacket: (coreMs * 1e6) / delivered,
      processNsPerPacket: ((processTimeMs(this.relay.pid) - processBefore) * 1e6) / delivered,
      void: whyVoid(result, packetsPerSecond),
    };
  }

  async rate(pairs: number, inFlight: number): Promise<{ pairsPerSecond: number; slowestMs: number }> {
    const result = await this.control.ask({ kind: "rate", pairs, inFlight, prefix: `rate${Lab.runCount++}` });
    if (result.kind !== "rate") throw new Error("control answered something else");
    return result;
  }

  /** Full DTLS handshakes with the relay as server, `inFlight` at once. */
  async handshakes(calls: number, inFlight: number): Promise<{ perSecond: number; processMs: number }> {
    await this.control.ask({ kind: "prepare-handshakes", calls, prefix: `dtls${Lab.runCount++}` });
    const before = processTimeMs(this.relay.pid);
    const result = await this.control.ask({ kind: "handshakes", inFlight });
    if (result.kind !== "handshakes") throw new Error("control answered something else");
    const processMs = (processTimeMs(this.relay.pid) - before) / calls;
    return { perSecond: result.perSecond, processMs };
  }

  residentBytes(): number {
    return residentBytes(this.relay.pid);
  }

  async close(): Promise<void> {
    await this.generator.end();
    await this.control.end();
    await this.relay.stop();
  }

  private send(traffic: Traffic, packetsPerSecond: number, seconds: number): Promise<GeneratorResult> {
    return this.generator.ask({
      link: benchNet.generatorLink,
      relayIp: benchNet.relayIp,
      ...this.links,
      ...traffic,
      packetsPerSecond,
      seconds,
      run: ++Lab.runCount,
    });
  }
}

function whyVoid(result: GeneratorResult, packetsPerSecond: number): string | undefined {
  if (result.queueDrops > 0) return `the generator's queue dropped ${result.queueDrops}`;
  if (result.actualRate < packetsPerSecond * (1 - rateToleranceFraction)) {
    return `the generator sent ${Math.round(result.actualRate)} of ${packetsPerSecond} packets/s`;
  }
  return undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
