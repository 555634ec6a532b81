import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { CallsSnapshot } from "../../../src/call/call-store.ts";
import { suite } from "../../support/suite.ts";
import { answer, ip, type Lab, offer, plainStream, portIn, sdp } from "./lab.ts";
import { body, cryptoLine, peerFingerprint, secureLab } from "./parties.ts";

const line = cryptoLine(1, "AES_CM_128_HMAC_SHA1_80", 1);

/** JSON that keeps undefined, bytes, sets and maps. */
function encode(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, one: unknown) => {
    if (one === undefined) return { $: "undefined" };
    if (one instanceof Uint8Array) return { $: "bytes", items: [...one] };
    if (one instanceof Set) return { $: "set", items: [...one] };
    if (one instanceof Map) return { $: "map", items: [...one] };
    return one;
  });
  return Buffer.from(text, "utf8");
}

function decode(bytes: Uint8Array): unknown {
  return restore(JSON.parse(Buffer.from(bytes).toString("utf8")));
}

function restore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restore);
  if (typeof value !== "object" || value === null) return value;
  if ("$" in value && value.$ === "undefined") return undefined;
  if ("$" in value && "items" in value && Array.isArray(value.items)) {
    if (value.$ === "bytes") return Uint8Array.from(value.items.map(Number));
    if (value.$ === "set") return new Set(value.items.map(restore));
    if (value.$ === "map") return new Map(value.items.map((item) => restore(item) as [unknown, unknown]));
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, restore(one)]));
}

/** Nothing but plain objects, arrays, sets and values; every object once, so nothing is a cycle. */
function assertPlain(value: unknown, above: readonly unknown[] = []): void {
  assert.notEqual(typeof value, "function");
  if (typeof value !== "object" || value === null) return;
  assert.ok(!above.includes(value), "a cycle");
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Uint8Array.prototype) return;
  assert.ok(prototype === Object.prototype || prototype === Array.prototype || prototype === Set.prototype);
  const inner = value instanceof Set ? [...value] : Object.values(value);
  for (const one of inner) assertPlain(one, [...above, value]);
}

const secured = body({
  session: ["a=group:BUNDLE 0 1"],
  media: [
    {
      mid: "0",
      hasMux: true,
      protocol: "UDP/TLS/RTP/SAVPF",
      fingerprint: peerFingerprint,
      ice: { ufrag: "uuuu" },
    },
    { mid: "1", kind: "video", port: 4002, types: "96", protocol: "RTP/SAVP", crypto: [line] },
  ],
});

/**
 * Calls in every stage: ringing, answered, forked, on hold, bridged, by rtpproxy, deleted, waiting for ports; every
 * third has keys, ICE and a bundle.
 */
function fill(lab: Lab, count: number): void {
  for (let index = 0; index < count; index++) {
    const callId = `call-${index}`;
    const stage = index % 8;
    if (stage === 5) {
      const key = { callId, fromTag: "ft", toTag: undefined, mediaIndex: 0 };
      const remote = { ip: ip("203.0.113.5"), port: 4000 };
      lab.send({ kind: "update", key, remote, options: plainStream, notify: { socket: "s", tag: "t" } });
      lab.settle();
      continue;
    }
    lab.send(
      offer({
        callId,
        branch: "b1",
        sdp: index % 3 === 0 ? secured : sdp({ port: 4000 + 2 * index }),
        options: { rtcpMux: new Set(["offer"]) },
      }),
    );
    if (stage === 7) {
      lab.send(answer({ callId, branch: "b1" }));
      continue;
    }
    lab.settle();
    if (stage === 0) continue;
    if (stage === 2) lab.send(offer({ callId, branch: "b2", options: { addressFamily: 6 } }));
    lab.settle();
    lab.send(answer({ callId, branch: "b1" }));
    if (stage === 3) lab.send(offer({ callId, to: "bob", sdp: sdp({ version: 2, extra: ["a=sendonly"] }) }));
    if (stage === 4) lab.send(answer({ callId, to: "bob-2", branch: "b1" }));
    if (stage === 6) {
      const tags = { fromTag: undefined, toTag: undefined, viaBranch: undefined, deleteDelaySec: undefined };
      lab.send({ kind: "delete", callId, ...tags });
    }
  }
}

suite("call: state as bytes", (test) => {
  test("1,000 live calls turn into bytes and back", () => {
    const lab = secureLab({ isManual: true });
    fill(lab, 1_000);
    const before = lab.calls.snapshot();
    assert.equal(before.calls.length, 1_000);
    assertPlain(before);
    assert.deepEqual(decode(encode(before)), before);
  });

  test("calls that came back go on as if nothing had been", () => {
    const [lab, copy] = [secureLab({ isManual: true }), secureLab({ isManual: true })];
    for (const one of [lab, copy]) fill(one, 24);
    const restored = secureLab({ isManual: true });
    restored.calls.restore(decode(encode(lab.calls.snapshot())) as CallsSnapshot);
    assert.equal(restored.calls.nextDeadlineMs(), lab.calls.nextDeadlineMs());
    assert.deepEqual(restored.calls.snapshot(), copy.calls.snapshot());
    const now = { monotonicMs: lab.nowMs, unixMs: lab.calls.snapshot().calls[0]?.createdAt };
    const again = offer({ callId: "call-1", to: "bob" });
    const id = 9_999 as Parameters<typeof lab.calls.handleRequest>[1];
    const moment = now as Parameters<typeof lab.calls.handleRequest>[0];
    const actions = restored.calls.handleRequest(moment, id, again);
    assert.deepEqual(actions, copy.calls.handleRequest(moment, id, again));
    const reply = actions.find((action) => action.kind === "reply")?.reply;
    assert.ok(reply?.kind === "sdp" && portIn(reply.sdp) > 0);
  });

  test("a body that went through before is still known after a restart, whatever the new process drew", () => {
    const lab = secureLab();
    const loopProtect = { loopProtect: true };
    const body = lab.body(offer({ callId: "first", options: loopProtect }));
    const before = lab.calls.snapshot();
    const restored = secureLab();
    restored.calls.restore({ ...before, loopMark: "0123456789ab" });
    assert.equal(restored.calls.snapshot().loopMark, "0123456789ab");
    restored.calls.restore(before);
    assert.deepEqual(restored.calls.snapshot(), before);
    assert.equal(restored.body(offer({ callId: "second", sdp: body, options: loopProtect })), body);
  });
});
