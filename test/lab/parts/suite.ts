/**
 * A suite whose tests are calls that all stand at once in one lab. The first test raises it and waits for all calls;
 * every test then demands what is its own of its call; the last one takes the lab down.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite } from "../../support/suite.ts";
import type { CallPlan } from "./call.ts";
import { describe, type Verdict } from "./judge.ts";
import { NatLab } from "./lab.ts";
import type { RelayKind } from "./servers.ts";

export interface Case {
  readonly plan: CallPlan;
  readonly demand: (verdict: Verdict) => void;
}

export interface LabSuite {
  readonly name: string;
  readonly relays?: readonly RelayKind[];
  readonly cases: readonly Case[];
  /** Calls that may stand at once; more wait for the next round. */
  readonly atOnceMax: number;
  /** After the last call, before the lab goes. */
  readonly after?: { readonly title: string; readonly check: (lab: NatLab) => Promise<void> };
}

const runLimitMs = 150_000;
const options = { timeoutMs: runLimitMs };

export function labSuite({ name, relays, cases, atOnceMax, after }: LabSuite): void {
  let raised: Promise<NatLab> | undefined;
  let fault: unknown;
  let held: Promise<ReadonlyMap<string, Verdict | Error>> | undefined;
  const raise = (): Promise<NatLab> => {
    raised ??= NatLab.raise("nat", relays);
    return raised;
  };
  const wanted = cases.filter(({ plan }) => isWanted(plan.title));
  const holdAll = async (): Promise<ReadonlyMap<string, Verdict | Error>> => {
    const lab = await raise();
    const found = new Map<string, Verdict | Error>();
    for (let first = 0; first < wanted.length; first += atOnceMax) {
      const plans = wanted.slice(first, first + atOnceMax).map(({ plan }) => plan);
      for (const [index, verdict] of (await lab.hold(plans)).entries()) {
        process.stdout.write(`${verdict instanceof Error ? String(verdict) : describe(verdict)}\n`);
        found.set(plans[index]?.title ?? "", verdict);
      }
    }
    const again = wanted.filter((each) => isDoubtful(each, found.get(each.plan.title))).slice(0, atOnceMax);
    const verdicts = again.length === 0 ? [] : await lab.hold(again.map(({ plan }) => plan));
    for (const [index, verdict] of verdicts.entries()) {
      const title = again[index]?.plan.title ?? "";
      process.stdout.write(`once more: ${verdict instanceof Error ? String(verdict) : describe(verdict)}\n`);
      found.set(title, verdict);
    }
    return found;
  };
  suite(name, (test) => {
    for (const { plan, demand } of wanted) {
      test(
        plan.title,
        async () => {
          held ??= holdAll().catch((error: unknown) => {
            fault = error;
            return new Map();
          });
          const verdict = (await held).get(plan.title);
          if (fault !== undefined) {
            const first = fault;
            fault = "the lab did not stand";
            throw first;
          }
          if (verdict instanceof Error) throw verdict;
          assert.ok(verdict !== undefined);
          demand(verdict);
        },
        options,
      );
    }
    if (after !== undefined) test(after.title, async () => after.check(await raise()), options);
    test("nothing is left behind", async () => {
      await (await raise()).drop();
      const left = execFileSync("ip", ["netns", "list"], { encoding: "utf8" });
      assert.doesNotMatch(left, new RegExp(`rtpferry-${process.pid}-`));
    });
  });
}

/** The lab's own senders were late by more than a packet: what such a call says of the relay is asked once more. */
const slipMsMax = 20;

function isDoubtful({ demand }: Case, verdict: Verdict | Error | undefined): boolean {
  if (verdict === undefined || verdict instanceof Error || verdict.slipMs < slipMsMax) return false;
  try {
    demand(verdict);
    return false;
  } catch {
    return true;
  }
}

/** `LAB_ONLY=words` runs the calls whose title has them, while one is being looked into. */
function isWanted(title: string): boolean {
  // biome-ignore lint/style/noProcessEnv: a filter for people.
  const only = process.env["LAB_ONLY"];
  return only === undefined || title.includes(only);
}

/** Where phones stood still for longer, and attackers used it, the run says nothing about the relay. */
const silentMsMax = 1_000;

interface Allowed {
  /** What a relay sends again after a switch. */
  readonly downTwice?: number;
  readonly downLost?: number;
  /** RTCP that may be lost each way. */
  readonly reportsLost?: number;
}

/** Nothing lost or late, nothing twice upwards, nothing leaked or injected. */
export function demandAll(verdict: Verdict, allowed: Allowed = {}): void {
  const { up, down } = verdict;
  const facts: readonly (readonly [string, number, number])[] = [
    ["lost upwards", up.lost, 0],
    ["late upwards", up.late, 0],
    ["twice upwards", up.twice, 0],
    ["lost downwards", down.lost, allowed.downLost ?? 0],
    ["late downwards", down.late, 0],
    ["twice downwards", down.twice, allowed.downTwice ?? 0],
    ["RTCP lost upwards", up.reportsLost, allowed.reportsLost ?? 0],
    ["RTCP lost downwards", down.reportsLost, allowed.reportsLost ?? 0],
    ["leaked or injected", intrusions(verdict), 0],
    ["altered or unknown", verdict.strange, 0],
    ["ms without phones", verdict.intrusionsInSilence > 0 ? verdict.silentMs : 0, silentMsMax],
  ];
  const faults = facts.filter(([, count, most]) => count > most).map(([what, count]) => `${count} ${what}`);
  if (up.sent + down.sent === 0) faults.push("nobody spoke");
  assert.equal(faults.join(", "), "", describe(verdict));
}

/** What was leaked or injected while the victims spoke as they meant to. */
function intrusions({ leaked, injected, injectedReports, intrusionsInSilence }: Verdict): number {
  return leaked + injected + injectedReports - intrusionsInSilence;
}
