/** Two browsers that hand each other their descriptions, without a relay in between but the one ICE finds. */
import type { Browser, ConnectionPlan, IceWay, StatsRow } from "./browser.ts";
import type { MediaKind } from "./plain-stream.ts";
import { type Expectation, faultsBetween } from "./web-judge.ts";

export interface PagePairParts {
  /** Distinct within a lab. */
  readonly name: string;
  readonly caller: Browser;
  readonly callee: Browser;
  readonly callerIce: IceWay;
  readonly calleeIce: IceWay;
}

const kinds: readonly MediaKind[] = ["audio", "video"];
const expectation: Expectation = { packetsMin: { audio: 120, video: 20 } };
const messages = { count: 150, intervalMs: 15 };
const talkMs = 3_000;
/** On a busy machine what a browser counts, and its reports, come late. */
const settleLimitMs = 5_000;
const pollMs = 300;

export class PagePair {
  private readonly parts: PagePairParts;

  constructor(parts: PagePairParts) {
    this.parts = parts;
  }

  /** Milliseconds from the answer to `connected` at the caller; rejects if either end is not connected in time. */
  async connect(limitMs: number): Promise<number> {
    const { name, caller, callee, callerIce, calleeIce } = this.parts;
    const plan = (ice: IceWay): ConnectionPlan => ({
      ...{ bundlePolicy: "balanced", kinds, isSilent: true, hasChannel: true, ice },
    });
    await Promise.all([caller.open(name, plan(callerIce)), callee.open(name, plan(calleeIce))]);
    await caller.accept(name, await callee.answer(name, await caller.offer(name)));
    const [connectMs] = await Promise.all([caller.connected(name, limitMs), callee.connected(name, limitMs)]);
    return connectMs;
  }

  /** Sound, pictures and messages, both ways at once. */
  async talk(): Promise<void> {
    const { name } = this.parts;
    await Promise.all(this.both.map((browser) => browser.speak(name)));
    await Promise.all([
      ...this.both.map((browser) => browser.sendMessages(name, messages.count, messages.intervalMs)),
      pause(talkMs),
    ]);
    await Promise.all(this.both.map((browser) => browser.quiet(name)));
  }

  /** What was lost, once everything has arrived or the time for it is up. */
  async faults(): Promise<readonly string[]> {
    const endMs = performance.now() + settleLimitMs;
    let found = await this.faultsNow();
    while (found.length > 0 && performance.now() < endMs) {
      await pause(pollMs);
      found = await this.faultsNow();
    }
    return found;
  }

  async stats(): Promise<readonly [caller: readonly StatsRow[], callee: readonly StatsRow[]]> {
    const { name, caller, callee } = this.parts;
    return Promise.all([caller.stats(name), callee.stats(name)]);
  }

  async close(): Promise<void> {
    const { name } = this.parts;
    await Promise.all(this.both.map((browser) => browser.close(name)));
  }

  private get both(): readonly Browser[] {
    return [this.parts.caller, this.parts.callee];
  }

  private async faultsNow(): Promise<readonly string[]> {
    const { name, caller, callee } = this.parts;
    const [ofCaller, ofCallee] = await this.stats();
    const [callerChannel, calleeChannel] = await Promise.all([caller.channel(name), callee.channel(name)]);
    const missing = [
      { who: "callee", sent: callerChannel.sent, received: calleeChannel.received },
      { who: "caller", sent: calleeChannel.sent, received: callerChannel.received },
    ].filter(({ sent, received }) => sent < messages.count || received < sent);
    return [
      ...faultsBetween(ofCaller, ofCallee, kinds, expectation).map((fault) => `to the callee: ${fault}`),
      ...faultsBetween(ofCallee, ofCaller, kinds, expectation).map((fault) => `to the caller: ${fault}`),
      ...missing.map(({ who, sent, received }) => `to the ${who}: ${received} of ${sent} messages`),
    ];
  }
}

/** Packets sent, as a line for the log of a run. */
export function sentIn(stats: readonly StatsRow[]): string {
  const rows = stats.filter(({ type }) => type === "outbound-rtp");
  return rows.map(({ kind, packetsSent }) => `${packetsSent} ${kind}`).join(", ");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
