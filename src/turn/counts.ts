/** What the TURN server counts; only upwards. */
export interface TurnCounts {
  /** Requests by STUN method. */
  readonly requests: Map<number, number>;
  successes: number;
  /** Error replies by their code. */
  readonly errors: Map<number, number>;
  /** Replies that went out once more to who asked once more. */
  repeated: number;
  /** Error replies not sent, because their source proved nothing and had had enough. */
  limited: number;
  /** What was no request, or none that we know. */
  ignored: number;
  allocations: number;
  releases: number;
  /** Clients that came back from another place with their ticket. */
  moves: number;
  /** Permissions, channels and connections that new settings took away. */
  revoked: number;
}

export function makeTurnCounts(): TurnCounts {
  return {
    requests: new Map(),
    successes: 0,
    errors: new Map(),
    repeated: 0,
    limited: 0,
    ignored: 0,
    allocations: 0,
    releases: 0,
    moves: 0,
    revoked: 0,
  };
}
