/** What the server's and the client's half of an association have in common. */
import type { Endpoint } from "../../core/address.ts";
import type { Allowance } from "../../core/allowance.ts";
import type { DtlsFailure } from "../../core/plan/plan.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { DtlsAction, DtlsCounts } from "./actions.ts";
import type { CookieJar } from "./cookies.ts";
import type { DtlsDatagram } from "./datagram.ts";
import type { DtlsConnection, KeyingMaterial } from "./engine.ts";
import { splitKeying } from "./profiles.ts";

export interface AssociationSide {
  handlePacket(
    nowMs: MonotonicMs,
    source: Endpoint,
    datagram: DtlsDatagram,
    isVouched: boolean,
  ): readonly DtlsAction[];
  aim(nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[];
  handleTimeout(nowMs: MonotonicMs): readonly DtlsAction[];
  nextDeadlineMs(): MonotonicMs | undefined;
  close(): void;
}

export interface SideParts {
  readonly cookies: CookieJar;
  readonly counts: DtlsCounts;
  readonly strangers: Allowance;
  readonly nowMs: MonotonicMs;
  /** A new connection with the association's certificate, role and idea of who the peer is. */
  open(hasCookie: boolean): DtlsConnection;
}

export function sends(to: Endpoint, datagrams: readonly Uint8Array[]): DtlsAction[] {
  return datagrams.map((bytes) => ({ kind: "send", to, bytes }));
}

export function connected(source: Endpoint, keying: KeyingMaterial, role: "client" | "server"): DtlsAction {
  return { kind: "connected", source, ...splitKeying(keying, role) };
}

/** Tells of the first failure and keeps quiet about those that follow. */
export class FailureTeller {
  #hasTold = false;

  tell(reason: DtlsFailure): readonly DtlsAction[] {
    if (this.#hasTold) return [];
    this.#hasTold = true;
    return [{ kind: "failed", reason }];
  }
}
