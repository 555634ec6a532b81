/** What was heard against what was said, per call and direction. */
import type { PhoneReport } from "./rtp-phone.ts";
import type { Party } from "./sipp.ts";

export interface Direction {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  readonly heard: number;
  readonly duplicates: number;
  /** Running numbers lost, as [first, last] pairs. */
  readonly lost: readonly (readonly [number, number])[];
  readonly reportsSent: number;
  readonly reportsHeard: number;
  /** Senders heard that are not the other party, and datagrams that were altered. */
  readonly foreign: number;
}

/** Both directions of every call of the two parties. */
export async function directions(one: Party, other: Party): Promise<readonly Direction[]> {
  const [ones, others] = [await one.reports(), await other.reports()];
  return [...ones].flatMap(([callId, said]) => {
    const answered = others.get(callId);
    if (answered === undefined) return [];
    return [
      direction(callId, [one, said], [other, answered]),
      direction(callId, [other, answered], [one, said]),
    ];
  });
}

type Side = readonly [Party, PhoneReport];

function direction(callId: string, [from, said]: Side, [to, listened]: Side): Direction {
  const heard = listened.heard.find((one) => one.ssrc === said.ssrc);
  const tail: [number, number][] =
    (heard?.highest ?? -1) < said.sent - 1 ? [[(heard?.highest ?? -1) + 1, said.sent - 1]] : [];
  return {
    callId,
    from: from.plan.name,
    to: to.plan.name,
    sent: said.sent,
    heard: heard?.packets ?? 0,
    duplicates: heard?.duplicates ?? 0,
    lost: [...(heard?.gaps ?? []), ...tail],
    reportsSent: said.reportsSent,
    reportsHeard: heard?.reports ?? 0,
    foreign: listened.strange + listened.heard.filter((one) => one.ssrc !== said.ssrc).length,
  };
}

export function describe(one: Direction): string {
  const lost = one.lost.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
  return (
    `${one.callId} ${one.from} -> ${one.to}: ${one.heard} of ${one.sent} RTP` +
    `${lost === "" ? "" : ` (lost ${lost})`}, ${one.reportsHeard} of ${one.reportsSent} RTCP` +
    `${one.duplicates > 0 ? `, ${one.duplicates} twice` : ""}${one.foreign > 0 ? `, ${one.foreign} foreign` : ""}`
  );
}

const shownMax = 6;

export interface Demand {
  readonly calls: number;
  readonly packets: number;
  /** Losses below this running number are allowed; 0 demands every packet. */
  readonly lossAllowedBelow?: number;
  readonly allowsForeign?: boolean;
  /** Packets that may come twice; 0 where nothing is said. */
  readonly twiceMax?: number;
  /** RTCP must pass as a whole, at all, or is not judged. */
  readonly reports?: "all" | "some" | "any";
}

/** Throws with one line per direction that falls short. */
export function demand(found: readonly Direction[], wanted: Demand): void {
  const faults = found.filter((one) => !satisfies(one, wanted)).map(describe);
  if (found.length !== wanted.calls * 2) {
    faults.push(`${found.length / 2} calls with both sides, not ${wanted.calls}`);
  }
  if (faults.length > 0)
    throw new Error(`${faults.length} directions fall short:\n${faults.slice(0, shownMax).join("\n")}`);
}

function satisfies(one: Direction, wanted: Demand): boolean {
  const lossAllowedBelow = wanted.lossAllowedBelow ?? 0;
  const reports = wanted.reports ?? "all";
  return (
    one.sent === wanted.packets &&
    one.lost.every(([, last]) => last < lossAllowedBelow) &&
    one.duplicates <= (wanted.twiceMax ?? 0) &&
    (wanted.allowsForeign === true || one.foreign === 0) &&
    (reports === "any" || one.reportsHeard >= (reports === "all" ? one.reportsSent : 1))
  );
}
