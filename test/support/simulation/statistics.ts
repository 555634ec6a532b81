/** The daemon's sums, as far as the control protocols ask for them; plain, so that replies depend on calls alone. */
import type { ServerStatistics } from "../../../src/control/ng/server-statistics.ts";
import type { RelayTotals } from "../../../src/control/rtpproxy/statistics.ts";

export function serverStatistics(sessions: number): ServerStatistics {
  return {
    uptimeSec: 1,
    sessions,
    rates: undefined,
    endedSessions: {
      deleted: 0,
      timeout: 0,
      "silent-timeout": 0,
      "offer-timeout": 0,
      "final-timeout": 0,
      killed: 0,
      shutdown: 0,
    },
    rejectedSessions: 0,
    callDurationMs: 0,
    relayed: { packets: 0, bytes: 0, errors: 0 },
    interfaces: [],
  };
}

export const relayTotals: RelayTotals = {
  sessionsCreated: 0,
  sessionsDestroyed: 0,
  sessionsTimedOut: 0,
  sessionsComplete: 0,
  sessionsActive: 0,
  streamsActive: 0,
  packetsReceived: 0,
  packetsRelayed: 0,
  packetsDiscarded: 0,
  totalDurationSec: 0,
  packetsInPerSec: 0,
  load: 0,
};
