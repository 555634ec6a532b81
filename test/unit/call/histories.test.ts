/** Random histories against a fake relay: whatever happens, no port leaks and every request has one reply. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { CallRequest, MediaOptions, RequestId } from "../../../src/call/requests.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { suite } from "../../support/suite.ts";
import { answer, ip, Lab, offer, plainStream, sdp } from "./lab.ts";

type Step =
  | { readonly kind: "request"; readonly request: CallRequest }
  | { readonly kind: "settle"; readonly index: number }
  | { readonly kind: "fail"; readonly index: number }
  | { readonly kind: "pass"; readonly durationMs: number }
  | { readonly kind: "kill"; readonly callId: string }
  | { readonly kind: "prove"; readonly index: number };

const callId = fc.constantFrom("c1", "c2", "c3");
const tag = fc.constantFrom("a", "b", "c", "d");
const maybeTag = fc.option(tag, { nil: undefined });
const branch = fc.option(fc.constantFrom("z1", "z2", "z3"), { nil: undefined });

const body = fc
  .record({
    address: fc.constantFrom("203.0.113.5", "192.168.0.9", "0.0.0.0", "2001:db8:2::5"),
    port: fc.constantFrom(0, 4000, 5000, 65_535),
    video: fc.constantFrom(undefined, 0, 4002),
    version: fc.integer({ min: 1, max: 3 }),
    isMux: fc.boolean(),
    protocol: fc.constantFrom("RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "UDPTL"),
    isBroken: fc.integer({ min: 0, max: 20 }),
  })
  .map((shape) => {
    const media = [`m=audio ${shape.port} ${shape.protocol} 0 8`];
    if (shape.isMux) media.push("a=rtcp-mux");
    if (shape.video !== undefined) media.push(`m=video ${shape.video} RTP/AVP 96`);
    const text = sdp({ ip: shape.address, version: shape.version, media });
    return shape.isBroken === 0 ? text.slice(0, text.length / 2) : text;
  });

const options: fc.Arbitrary<Partial<MediaOptions>> = fc.record(
  {
    portLatching: fc.constantFrom(undefined, true, false),
    addressFamily: fc.constantFrom(undefined, 4, 6),
    direction: fc.constantFrom(undefined, ["default", "inside"], ["inside", "nowhere"]),
    removesMedia: fc.constantFrom(new Set<string>(), new Set(["video"])),
    rtcpMux: fc.constantFrom(new Set<"offer">(), new Set(["require"] as const), new Set(["demux"] as const)),
    receivedFrom: fc.constantFrom(undefined, ip("203.0.113.77")),
    resets: fc.boolean(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Partial<MediaOptions>>;

const offers: fc.Arbitrary<CallRequest> = fc
  .record({ callId, from: tag, to: maybeTag, branch, sdp: body, options })
  .map(({ to, branch: via, ...rest }) =>
    offer({ ...rest, ...(to === undefined ? {} : { to }), ...(via === undefined ? {} : { branch: via }) }),
  );

const answers: fc.Arbitrary<CallRequest> = fc
  .record({ callId, from: tag, to: tag, branch, sdp: body, options })
  .map(({ branch: via, ...rest }) => answer({ ...rest, ...(via === undefined ? {} : { branch: via }) }));

const deletes: fc.Arbitrary<CallRequest> = fc
  .record({
    callId,
    fromTag: maybeTag,
    toTag: maybeTag,
    viaBranch: branch,
    deleteDelaySec: fc.constantFrom(undefined, 0, 1),
  })
  .map((shape) => ({ kind: "delete", ...shape }));

const streams: fc.Arbitrary<CallRequest> = fc
  .record({
    kind: fc.constantFrom("update" as const, "lookup" as const),
    callId,
    fromTag: tag,
    toTag: maybeTag,
    mediaIndex: fc.integer({ min: 0, max: 2 }),
    port: fc.constantFrom(0, 4000, 5000),
    wantsNewPort: fc.boolean(),
    isWeak: fc.boolean(),
  })
  .map(({ kind, port, wantsNewPort, isWeak, ...key }) => ({
    kind,
    key,
    remote: { ip: ip("203.0.113.5"), port },
    options: { ...plainStream, wantsNewPort, isWeak },
    notify: undefined,
  }));

const streamDeletes: fc.Arbitrary<CallRequest> = fc
  .record({
    callId,
    fromTag: fc.constantFrom("", "a", "b"),
    toTag: maybeTag,
    mediaIndex: fc.constantFrom(undefined, 0, 1),
    isWeak: fc.boolean(),
  })
  .map((shape) => ({ kind: "delete-stream", ...shape }));

const others: fc.Arbitrary<CallRequest> = fc.oneof(
  fc
    .record({ callId, fromTag: maybeTag, toTag: maybeTag })
    .map((shape) => ({ kind: "query" as const, ...shape })),
  fc.constant({ kind: "list" as const, limit: 2 }),
  fc.constant({ kind: "delete-all" as const }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .oneof(
        { weight: 6, arbitrary: offers },
        { weight: 4, arbitrary: answers },
        { weight: 2, arbitrary: streams },
        { weight: 2, arbitrary: deletes },
        { weight: 1, arbitrary: streamDeletes },
        { weight: 1, arbitrary: others },
      )
      .map((request) => ({ kind: "request" as const, request })),
  },
  { weight: 20, arbitrary: fc.nat(7).map((index) => ({ kind: "settle" as const, index })) },
  { weight: 1, arbitrary: fc.nat(7).map((index) => ({ kind: "fail" as const, index })) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(10, 900, 6_000, 61_000)
      .map((durationMs) => ({ kind: "pass" as const, durationMs })),
  },
  { weight: 1, arbitrary: callId.map((id) => ({ kind: "kill" as const, callId: id })) },
  { weight: 2, arbitrary: fc.nat(5).map((index) => ({ kind: "prove" as const, index })) },
);

function run(lab: Lab, one: Step, sent: RequestId[]): void {
  switch (one.kind) {
    case "request":
      sent.push(lab.send(one.request));
      break;
    case "settle":
      lab.settleOne(one.index % Math.max(1, lab.relay.pending.length));
      break;
    case "fail":
      lab.relay.failure = "no-ports";
      lab.settleOne(one.index % Math.max(1, lab.relay.pending.length));
      lab.relay.failure = undefined;
      break;
    case "pass":
      lab.advance(one.durationMs);
      break;
    case "kill":
      lab.take(lab.calls.kill(lab.nowMs, one.callId) ?? []);
      break;
    case "prove": {
      const pair = [...lab.relay.open.keys()][one.index];
      if (pair === undefined) break;
      const source = { ip: ip("203.0.113.5"), port: 4000 };
      const event = { kind: "source-proven", pair, component: "rtp", source, evidence: "signalled" } as const;
      lab.take(lab.calls.handleRelayEvent(lab.nowMs, event));
      break;
    }
  }
}

/** Every open pair is named by exactly one leg of one call, or is on its way there. */
function checkBooks(lab: Lab): void {
  const named = new Set<number>();
  for (const call of lab.calls.snapshot().calls) {
    for (const open of call.work?.opens ?? []) {
      assert.ok(!named.has(open.pair), "a pair belongs to one place");
      named.add(open.pair);
    }
    for (const leg of call.legs) {
      for (const { pair } of leg.media) {
        if (pair === undefined) continue;
        assert.ok(!named.has(pair.id), "a pair belongs to one place");
        named.add(pair.id);
        assert.ok(lab.relay.open.has(pair.id), "a pair of a call is open");
        assert.equal(lab.relay.open.get(pair.id)?.group, call.group);
      }
    }
  }
  for (const [pair, settings] of lab.relay.settings) {
    assert.ok(named.has(pair), "an open pair belongs to a call");
    const { peer } = settings;
    if (peer !== undefined) {
      assert.ok(lab.relay.open.has(peer), "a peer is open");
      assert.equal(lab.relay.open.get(peer)?.group, lab.relay.open.get(pair)?.group, "within one call");
    }
  }
}

suite("call: random histories", (test) => {
  test(
    "no leak, one reply a request, pairs of one call only",
    () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
          const lab = new Lab({ isManual: true, options: { deleteDelayMs: 2_000 } });
          const sent: RequestId[] = [];
          for (const one of steps) {
            run(lab, one, sent);
            checkBooks(lab);
          }
          lab.settle();
          lab.advance(10_000);
          assert.deepEqual(
            [...lab.replies.keys()].sort(byNumber),
            sent.sort(byNumber),
            "each request has a reply",
          );
          lab.send({ kind: "delete-all" });
          lab.settle();
          lab.advance(10_000);
          lab.take(lab.calls.endAll(lab.nowMs));
          assert.equal(lab.calls.callCount, 0);
          assert.equal(lab.relay.open.size, 0, "no port is left");
          assert.equal(lab.relay.pending.length, 0);
          assert.equal(lab.calls.nextDeadlineMs(), undefined);
        }),
        { numRuns: fuzzRuns(2_000) },
      );
    },
    { timeoutMs: 600_000 },
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}
