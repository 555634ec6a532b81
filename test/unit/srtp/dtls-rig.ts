/** Associations over a network in memory, with either engine; and a clock that is moved by hand. */
import type { Endpoint } from "../../../src/core/address.ts";
import { parseEndpoint } from "../../../src/core/address.ts";
import { Allowance } from "../../../src/core/allowance.ts";
import { dtlsStrangersBurstMax, dtlsStrangersPerSecMax } from "../../../src/core/limits.ts";
import type { Fingerprint } from "../../../src/core/plan/security.ts";
import type { MonotonicMs } from "../../../src/core/time.ts";
import { systemDigests } from "../../../src/io/digests.ts";
import { type DtlsCounts, makeDtlsCounts } from "../../../src/srtp/dtls/actions.ts";
import { type DtlsAction, DtlsAssociation } from "../../../src/srtp/dtls/association.ts";
import { Certificates } from "../../../src/srtp/dtls/certificates.ts";
import { CookieJar } from "../../../src/srtp/dtls/cookies.ts";
import type { DtlsEngine } from "../../../src/srtp/dtls/engine.ts";
import { Chance } from "../../support/simulation/chance.ts";

export const at = (ms: number): MonotonicMs => ms as MonotonicMs;

export function place(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`no endpoint: ${text}`);
  return endpoint;
}

/** One relay's worth of DTLS: engine, certificates, cookies and counts. */
export class House {
  readonly engine: DtlsEngine;
  readonly certificates: Certificates;
  readonly cookies: CookieJar;
  readonly counts: DtlsCounts = makeDtlsCounts();
  readonly strangers = new Allowance(1, dtlsStrangersPerSecMax, dtlsStrangersBurstMax);

  constructor(engine: DtlsEngine, seed = 1) {
    this.engine = engine;
    this.certificates = new Certificates({ engine, nowMs: at(0) });
    this.cookies = new CookieJar({ random: new Chance(seed), digests: systemDigests, nowMs: at(0) });
  }

  fingerprint(hash: Fingerprint["hash"] = "sha-256"): Fingerprint {
    return this.certificates.fingerprint(this.certificates.current(), hash);
  }

  associate(role: "client" | "server", fingerprints: readonly Fingerprint[], nowMs = 0): DtlsAssociation {
    const { engine, certificates, cookies, counts, strangers } = this;
    const certificate = certificates.current();
    return new DtlsAssociation({
      engine,
      certificates,
      cookies,
      counts,
      strangers,
      role,
      certificate,
      fingerprints,
      nowMs: at(nowMs),
    });
  }
}

export function sent(actions: readonly DtlsAction[]): readonly Uint8Array[] {
  return actions.flatMap((action) => (action.kind === "send" ? [action.bytes] : []));
}

export function kinds(actions: readonly DtlsAction[]): readonly string[] {
  return actions.map((action) => (action.kind === "failed" ? `failed ${action.reason}` : action.kind));
}

/** A party: an association and the place it sends from. */
export interface Party {
  readonly association: Pick<
    DtlsAssociation,
    "aim" | "handlePacket" | "handleTimeout" | "nextDeadlineMs" | "close"
  >;
  readonly place: Endpoint;
  /** What it told, without what it sent. */
  readonly told: DtlsAction[];
}

export function party(association: DtlsAssociation, where: string): Party {
  return { association, place: place(where), told: [] };
}

/** Carries datagrams between two parties until nothing is on its way; `passes` may lose some of them. */
export function carry(
  nowMs: number,
  parties: readonly [Party, Party],
  first: { readonly from: Party; readonly actions: readonly DtlsAction[] },
  options: { readonly isVouched: boolean; readonly passes?: (bytes: Uint8Array) => boolean },
): void {
  const queue = [first];
  let turn = queue.shift();
  while (turn !== undefined) {
    const { from, actions } = turn;
    const to = parties[0] === from ? parties[1] : parties[0];
    for (const action of actions) {
      if (action.kind !== "send") from.told.push(action);
      else if (options.passes?.(action.bytes) ?? true) {
        const answers = to.association.handlePacket(at(nowMs), from.place, action.bytes, options.isVouched);
        queue.push({ from: to, actions: answers });
      }
    }
    turn = queue.shift();
  }
}
