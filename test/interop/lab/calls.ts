/** Places SIPp calls between two hosts of a lab and judges what their phones heard. */
import { type Direction, describe, directions } from "./judge.ts";
import type { Lab } from "./lab.ts";
import { address, type HostName } from "./network.ts";
import type { SendPlan } from "./rtp-phone.ts";
import type { Party } from "./sipp.ts";

export interface Side {
  readonly host: HostName;
  readonly sipAddress: string;
  /** In the SDP; the SIP address when not given. */
  readonly mediaAddress?: string;
  /** Where the phone's sockets really are. */
  readonly phoneAddress?: string;
  /** Where the proxy finds it, when that is not its SIP address and a free port. */
  readonly reachedAt?: { readonly host: string; readonly port: number };
}

export const sides = {
  caller: { host: "caller", sipAddress: address.caller },
  caller6: { host: "caller", sipAddress: address.caller6 },
  callee: { host: "callee", sipAddress: address.callee },
  callee6: { host: "callee", sipAddress: address.callee6 },
} as const satisfies Record<string, Side>;

export interface CallPlan {
  /** Distinct within a lab. */
  readonly name: string;
  readonly from: Side;
  readonly to: Side;
  readonly callerScenario: string;
  readonly calleeScenario: string;
  readonly calls: number;
  readonly callerSends: SendPlan;
  readonly calleeSends: SendPlan;
  /** The caller has a second pair of media ports to move to. */
  readonly callerMoves?: boolean;
  /** SIP proxy of the caller. */
  readonly proxy?: string;
  readonly targetUser?: string;
  readonly extraHeader?: string;
  readonly callsPerSecond?: number;
  readonly atOnceMax?: number;
}

export interface PlacedCalls {
  readonly name: string;
  readonly caller: Party;
  readonly callee: Party;
  /** Waits for both SIPps and gives both directions of every call. */
  finished(limitMs: number): Promise<readonly Direction[]>;
}

const proxyPort = 5060;
const linesMax = 6;

export async function placeCalls(lab: Lab, plan: CallPlan): Promise<PlacedCalls> {
  const callee = await answer(lab, {
    name: `${plan.name}-callee`,
    side: plan.to,
    scenario: plan.calleeScenario,
    calls: plan.calls,
    send: plan.calleeSends,
  });
  const isV6 = plan.from.sipAddress.includes(":");
  const caller = await lab.party({
    ...place(plan.from),
    name: `${plan.name}-caller`,
    scenario: plan.callerScenario,
    calls: plan.calls,
    send: plan.callerSends,
    withSecondPair: plan.callerMoves === true,
    dial: {
      proxy: plan.proxy ?? `${isV6 ? `[${address.proxy6}]` : address.proxy}:${proxyPort}`,
      target: `${plan.targetUser ?? "callee"}@${reachedAt(plan.to, callee)}`,
      extraHeader: plan.extraHeader ?? "User-Agent: lab",
      callsPerSecond: plan.callsPerSecond ?? 10,
      atOnceMax: plan.atOnceMax ?? plan.calls,
    },
  });
  return {
    name: plan.name,
    caller,
    callee,
    finished: async (limitMs) => {
      await caller.finished(limitMs);
      await callee.finished(limitMs);
      expectThroughRelay([caller, callee]);
      return directions(caller, callee);
    },
  };
}

interface AnswerPlan {
  readonly name: string;
  readonly side: Side;
  readonly scenario: string;
  readonly calls: number;
  readonly send: SendPlan;
}

/** A party that waits for calls. */
export function answer(lab: Lab, plan: AnswerPlan): Promise<Party> {
  const { side, ...rest } = plan;
  return lab.party({ ...rest, ...place(side) });
}

/** Where a proxy finds a party, as it stands in a SIP URI. */
export function reachedAt(side: Side, party: Party): string {
  if (side.reachedAt !== undefined) return `${side.reachedAt.host}:${side.reachedAt.port}`;
  const host = side.sipAddress.includes(":") ? `[${side.sipAddress}]` : side.sipAddress;
  return `${host}:${party.plan.sipPort}`;
}

function place(side: Side): {
  readonly host: HostName;
  readonly sipAddress: string;
  readonly sipPort?: number;
  readonly mediaAddress: string;
  readonly phoneAddress: string;
} {
  const mediaAddress = side.mediaAddress ?? side.sipAddress;
  return {
    host: side.host,
    sipAddress: side.sipAddress,
    mediaAddress,
    phoneAddress: side.phoneAddress ?? mediaAddress,
    ...(side.reachedAt === undefined ? {} : { sipPort: side.reachedAt.port }),
  };
}

/** Calls that flow past the relay prove nothing. */
function expectThroughRelay(parties: readonly Party[]): void {
  for (const party of parties) {
    for (const host of party.aimedAt) {
      if (host !== address.relay && host !== address.relay6) {
        throw new Error(`${party.plan.name} was told to send to ${host}, past the relay`);
      }
    }
  }
}

/** One line for the log of the run, and one for each direction that is not complete. */
export function show(name: string, found: readonly Direction[]): void {
  const sum = (pick: (one: Direction) => number): number =>
    found.reduce((total, one) => total + pick(one), 0);
  const lines = [
    `${name}: ${found.length} directions, ${sum((one) => one.heard)} of ${sum((one) => one.sent)} RTP, ` +
      `${sum((one) => one.reportsHeard)} of ${sum((one) => one.reportsSent)} RTCP`,
    ...found.filter((one) => one.heard < one.sent || one.reportsHeard < one.reportsSent).map(describe),
  ];
  process.stdout.write(`${lines.slice(0, linesMax).join("\n    ")}\n`);
}
