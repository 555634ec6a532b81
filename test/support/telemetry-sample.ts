/** A call and a snapshot with every field set, for the tests of their views. */
import type { CallReport } from "../../src/call/report.ts";
import type { IpAddress } from "../../src/core/address.ts";
import type { PairCounters, SocketCounters } from "../../src/core/plan/counters.ts";
import type { Evidence, PairId } from "../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../src/core/time.ts";
import type { SlotView } from "../../src/handover/view.ts";
import { noTransports } from "../../src/relay/transports/transport-counts.ts";
import type { RelayReader } from "../../src/telemetry/call-view.ts";
import { evidences, type TelemetrySnapshot } from "../../src/telemetry/snapshot.ts";
import type { NoteRecord } from "../../src/telemetry/source-history.ts";

const ip = (text: string) => text as IpAddress;
export const pairA = 1 as PairId;
export const pairB = 2 as PairId;

function socket(packetsIn: number, packetsOut: number): SocketCounters {
  return {
    packetsIn,
    packetsOut,
    bytesIn: packetsIn * 172,
    bytesOut: packetsOut * 172,
    errorsIn: 3,
    errorsOut: 1,
    lastPacketAt: 9_000 as MonotonicMs,
    provenSource: { ip: ip("192.0.2.7"), port: 40_000 },
    evidence: "signalled",
    sendTarget: { ip: ip("192.0.2.7"), port: 40_000 },
  };
}

const silent: SocketCounters = {
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  errorsIn: 0,
  errorsOut: 0,
  lastPacketAt: undefined,
  provenSource: undefined,
  evidence: undefined,
  sendTarget: undefined,
};

const pairs = new Map<PairId, PairCounters>([
  [
    pairA,
    {
      rtp: socket(750, 748),
      rtcp: silent,
      streams: [
        {
          ssrc: 0xdeadbeef,
          packets: 750,
          bytes: 129_000,
          payloadType: 0,
          lastSequence: 1,
          lastTimestamp: 2,
          packetsLost: 2,
          jitterMs: 0.4444,
          lastPacketAt: 9_000 as MonotonicMs,
        },
      ],
    },
  ],
]);

export const counters: RelayReader = {
  read: (pair) => pairs.get(pair),
  transport: (pair) =>
    pair === pairA
      ? {
          kind: "dtls",
          suite: undefined,
          ice: { state: "selected", selected: { rtp: { ip: ip("192.0.2.7"), port: 40_000 } } },
          handshakes: { rtp: { kind: "connected", suite: "AEAD_AES_128_GCM" } },
        }
      : undefined,
  lastPacketAt: (pair) => pairs.get(pair)?.rtp.lastPacketAt,
  sources: (pair) => (pair === pairA ? { rtp: sources, rtcp: noSources } : undefined),
  history: (pair) => (pair === pairA ? history : []),
};

const noSources: SlotView = {
  candidates: [],
  remembered: [],
  struck: [],
  twin: undefined,
  switches: 0,
};

const sources: SlotView = {
  candidates: [
    {
      source: { ip: ip("203.0.113.66"), port: 6_000 },
      claim: "continuity",
      rank: "stream",
      packets: 3,
      ageMs: 60.4,
    },
  ],
  remembered: [{ ip: ip("198.51.100.7"), port: 5_000 }],
  struck: [{ source: { ip: ip("203.0.113.99"), port: 9 }, forMs: 8_200.3 }],
  twin: { ip: ip("198.51.100.8"), port: 5_002 },
  switches: 1,
};

const history: readonly NoteRecord[] = [
  {
    atMs: 2_000 as MonotonicMs,
    component: "rtp",
    note: "proven",
    source: { ip: ip("198.51.100.7"), port: 5_000 },
    before: undefined,
    evidence: "first-speaker",
  },
  {
    atMs: 5_500 as MonotonicMs,
    component: "rtp",
    note: "switched",
    source: { ip: ip("192.0.2.7"), port: 40_000 },
    before: { ip: ip("198.51.100.7"), port: 5_000 },
    evidence: "signalled",
  },
];

export function report(callId = "a84b4c76e66710"): CallReport {
  const leg = {
    viaBranch: undefined,
    aliases: [],
    label: undefined,
    createdAt: 1_700_000_000_000 as UnixMs,
    peers: [],
  };
  const media = {
    index: 0,
    type: "audio",
    protocol: "RTP/AVP",
    codec: "PCMU/8000",
    isActive: true,
    direction: "sendrecv",
    rtcpMux: false,
    isAsymmetric: false,
    isStrict: false,
    followsAnySource: false,
    advertised: { ip: ip("192.0.2.7"), port: 40_000 },
    advertisedRtcp: { ip: ip("192.0.2.7"), port: 40_001 },
  } as const;
  const local = { ip: ip("10.0.0.5"), advertisedIp: ip("203.0.113.7"), port: 30_000 };
  return {
    callId,
    createdAt: 1_700_000_000_000 as UnixMs,
    lastSignalAt: 1_700_000_000_500 as UnixMs,
    ageMs: 61_204.4,
    isDeleted: false,
    legs: [
      { ...leg, legId: 1, tag: "caller", media: [{ ...media, pair: pairA, local }] },
      {
        ...leg,
        legId: 2,
        tag: undefined,
        media: [
          { ...media, pair: undefined, local: undefined, advertised: undefined, advertisedRtcp: undefined },
        ],
      },
    ],
  };
}

const noEvidence = Object.fromEntries(evidences.map((evidence) => [evidence, 0])) as Record<Evidence, number>;

export function snapshot(): TelemetrySnapshot {
  return {
    version: "9.9.9",
    startedAt: 1_700_000_000_000 as UnixMs,
    calls: {
      current: 3,
      maximum: 2_500,
      created: 10,
      ended: {
        deleted: 5,
        timeout: 2,
        "silent-timeout": 0,
        "offer-timeout": 0,
        "final-timeout": 0,
        killed: 0,
        shutdown: 0,
      },
    },
    interfaces: [{ name: 'pub"lic', ip: "10.0.0.5", pairsFree: 4_990, pairsUsed: 10 }],
    openFailures: { "no-ports": 1, "no-interface": 0, "no-descriptors": 0, overloaded: 0 },
    workers: [
      {
        index: 0,
        packetsRelayed: 1_500,
        bytesRelayed: 258_000,
        packetsDropped: { stranger: 7, malformed: 0 },
        handovers: { proven: 6, switched: 2 },
        handoversUntold: 1,
        replays: 2,
        packetsReplayed: 17,
        replayBytes: 3_440,
        socketsOpen: 20,
        heldBytes: 344,
        wakeups: 1_200,
        batches: 800,
        batchRefusals: 3,
        receiveBatches: 700,
        receiveDrops: 2,
        collections: 2,
        collectionMsTotal: 1.5,
        collectionMsMax: 0.9,
        heartbeatAgeMs: 120,
      },
    ],
    believed: {
      proven: { ...noEvidence, signalled: 4, "first-speaker": 2 },
      switched: { ...noEvidence, continuity: 2 },
    },
    transports: {
      ...noTransports(),
      handshakes: 4,
      handshakesFailed: { ...noTransports().handshakesFailed, "wrong-certificate": 1 },
      iceSelected: 6,
      iceFailed: { "no-valid-pair": 2, "consent-lost": 1 },
      unsent: 3,
    },
    dtls: { handshakes: 5, cookies: 7, ignored: 8, fragments: 0, limited: 9, failures: 1 },
    turn: {
      allocations: 2,
      allocationsLimit: 20_000,
      reservations: 1,
      connections: 1,
      relays: 4,
      streams: { tcp: 1, tls: 1, dtls: 1 },
      streamsTotal: { accepted: 9, refused: 1, failed: 2 },
      isDraining: false,
      requests: { allocate: 5, refresh: 7 },
      successes: 8,
      errors: { "401": 3, "438": 1 },
      repeated: 1,
      limited: 2,
      ignored: 3,
      created: 4,
      ended: { "refreshed-away": 1, expired: 1, "client-closed": 0, dropped: 0, drained: 0 },
      moves: 1,
      revoked: 1,
      traffic: { packetsUp: 100, bytesUp: 17_200, packetsDown: 98, bytesDown: 16_856 },
      tcpBytes: { up: 5_000, down: 6_000 },
      refused: { noPermission: 2, overCap: 0 },
    },
    control: {
      requests: [{ protocol: "ng", command: "offer", result: "ok", count: 10 }],
      drops: [{ protocol: "ng", reason: "source-not-allowed", count: 4 }],
      repliesRemembered: 12,
      repliesRememberedBytes: 8_192,
    },
    process: {
      residentBytes: 80 * 1024 * 1024,
      heapBytes: 10 * 1024 * 1024,
      externalBytes: 30 * 1024 * 1024,
      cpuUserMs: 2_500,
      cpuSystemMs: 500,
      loopDelayMs: { p50: 0.1, p99: 1, max: 12.25 },
    },
  };
}
