/** The TURN server for metrics and for `rtpferry ctl turn`: numbers and texts, no key, password or ticket. */
import type { CtlAnswer } from "./ctl-commands.ts";

/** Payload that was carried: up to peers, down to clients. */
export interface TurnTraffic {
  readonly packetsUp: number;
  readonly bytesUp: number;
  readonly packetsDown: number;
  readonly bytesDown: number;
}

export interface TurnTelemetry {
  readonly allocations: number;
  readonly allocationsLimit: number;
  readonly reservations: number;
  /** TCP connections with peers. */
  readonly connections: number;
  /** Sockets of relays, those kept for a reservation included. */
  readonly relays: number;
  /** By transport, now. */
  readonly streams: Readonly<Record<string, number>>;
  /** Since start, by what became of them: `accepted`, `refused`, `failed`. */
  readonly streamsTotal: Readonly<Record<string, number>>;
  readonly isDraining: boolean;
  /** By the names of methods, and errors by their codes. */
  readonly requests: Readonly<Record<string, number>>;
  readonly successes: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Replies sent once more, replies kept back from sources that proved nothing, and what was no request. */
  readonly repeated: number;
  readonly limited: number;
  readonly ignored: number;
  readonly created: number;
  readonly ended: Readonly<Record<string, number>>;
  readonly moves: number;
  readonly revoked: number;
  readonly traffic: TurnTraffic;
  /** Bytes of TCP relays. */
  readonly tcpBytes: { readonly up: number; readonly down: number };
  /** Packets that went no further, by the reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** One allocation for the operator. */
export interface TurnAllocationRow {
  readonly allocation: number;
  readonly user: string;
  /** `udp` or `tcp`: of the relay. */
  readonly relay: string;
  /** `tls 192.0.2.7:40000`, or null while the client is away. */
  readonly client: string | null;
  readonly relayed: readonly string[];
  readonly expiresInMs: number;
  readonly permissions: readonly string[];
  /** `0x4000 192.0.2.9:5004`. */
  readonly channels: readonly string[];
  readonly connections: number;
  readonly traffic: TurnTraffic;
}

export interface TurnDetail {
  readonly isDraining: boolean;
  readonly allocations: readonly TurnAllocationRow[];
}

export interface TurnControl {
  view(): TurnDetail;
  drain(): void;
}

/** `turn` gives a TurnDetail, `turn drain` `{ draining: true, allocations }`. */
export function answerTurn(turn: TurnControl | undefined, action: unknown): CtlAnswer {
  if (turn === undefined) return { ok: false, error: "there is no TURN server; see listen-turn" };
  if (action === undefined || action === "") return { ok: true, result: turn.view() };
  if (action !== "drain") return { ok: false, error: "turn knows the word drain alone" };
  turn.drain();
  return { ok: true, result: { draining: true, allocations: turn.view().allocations.length } };
}
