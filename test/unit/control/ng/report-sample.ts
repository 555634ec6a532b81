/** A call's report, its counters and a control room that knows them, for the tests of statistics. */
import assert from "node:assert/strict";
import type { CallReport, LegReport, MediaReport } from "../../../../src/call/report.ts";
import { decodeBencode } from "../../../../src/control/ng/bencode.ts";
import type { SourceReader } from "../../../../src/control/ng/handover-words.ts";
import { isDict, isList, type NgValue } from "../../../../src/control/ng/value.ts";
import type { IpAddress } from "../../../../src/core/address.ts";
import type { PairCounters, SocketCounters } from "../../../../src/core/plan/counters.ts";
import type { PairId } from "../../../../src/core/plan/plan.ts";
import type { MonotonicMs, UnixMs } from "../../../../src/core/time.ts";
import { bencoded, latin1, Rig, startUnixMs } from "./rig.ts";

export const ip = (text: string): IpAddress => text as IpAddress;

function plain(value: NgValue | undefined): unknown {
  if (isList(value)) return value.map(plain);
  if (isDict(value)) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]));
  return value;
}

/** The dictionary of a reply datagram as plain objects. */
export function dictOf(reply: string | undefined): Record<string, unknown> {
  assert.ok(reply !== undefined);
  const dict = decodeBencode(latin1(reply.slice(reply.indexOf(" ") + 1)));
  assert.ok(dict !== undefined);
  return plain(dict) as Record<string, unknown>;
}

const media: MediaReport = {
  index: 0,
  type: "audio",
  protocol: "RTP/AVP",
  codec: "PCMU/8000",
  isActive: true,
  direction: "sendrecv",
  rtcpMux: false,
  isAsymmetric: false,
  isStrict: true,
  followsAnySource: false,
  pair: 1 as PairId,
  local: { ip: ip("203.0.113.1"), advertisedIp: ip("203.0.113.1"), port: 30_000 },
  advertised: { ip: ip("192.0.2.1"), port: 5_000 },
  advertisedRtcp: { ip: ip("192.0.2.9"), port: 5_003 },
};

export const caller: LegReport = {
  legId: 0,
  tag: "f",
  viaBranch: undefined,
  aliases: [],
  label: "caller",
  createdAt: (startUnixMs + 1_500) as UnixMs,
  peers: [1],
  media: [media],
};
const callee: LegReport = {
  legId: 1,
  tag: "t",
  viaBranch: "b1",
  aliases: ["t0"],
  label: undefined,
  createdAt: (startUnixMs + 1_500) as UnixMs,
  peers: [0],
  media: [
    {
      ...media,
      pair: 2 as PairId,
      rtcpMux: true,
      direction: "recvonly",
      advertised: undefined,
      advertisedRtcp: undefined,
      codec: undefined,
    },
  ],
};
const branch: LegReport = {
  ...callee,
  legId: 2,
  tag: undefined,
  viaBranch: "b2",
  aliases: [],
  peers: [],
  media: [],
};

export const report: CallReport = {
  callId: "c",
  createdAt: (startUnixMs + 1_234.5) as UnixMs,
  lastSignalAt: (startUnixMs + 2_000) as UnixMs,
  ageMs: 1_000,
  isDeleted: false,
  legs: [caller, callee, branch],
};

function socket(packets: number, lastPacketMs: number | undefined): SocketCounters {
  return {
    packetsIn: packets,
    bytesIn: packets * 172,
    packetsOut: packets + 1,
    bytesOut: packets * 172 + 172,
    errorsIn: 2,
    errorsOut: 1,
    lastPacketAt: lastPacketMs as MonotonicMs | undefined,
    provenSource: lastPacketMs === undefined ? undefined : { ip: ip("192.0.2.1"), port: 5_004 },
    evidence: undefined,
    sendTarget: lastPacketMs === undefined ? undefined : { ip: ip("192.0.2.1"), port: 5_004 },
  };
}

const counters: PairCounters = {
  rtp: socket(750, 900),
  rtcp: socket(3, undefined),
  streams: [
    {
      ssrc: 0x1234567,
      packets: 750,
      bytes: 120_000,
      payloadType: 0,
      lastSequence: 749,
      lastTimestamp: 120_000,
      packetsLost: 4,
      jitterMs: 1.6,
      lastPacketAt: 900 as MonotonicMs,
    },
  ],
};

export const query = bencoded({ command: "query", "call-id": "c" });

export function rigWithTraffic(sources?: SourceReader): Rig {
  const rig = new Rig(sources === undefined ? {} : { sources });
  rig.pairs.set(1, counters);
  return rig;
}
