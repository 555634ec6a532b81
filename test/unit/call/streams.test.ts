import assert from "node:assert/strict";
import type {
  CallReply,
  LookupRequest,
  StreamDeleteRequest,
  StreamOptions,
  UpdateRequest,
} from "../../../src/call/requests.ts";
import { suite } from "../../support/suite.ts";
import { defaultInterfaces, ip, Lab, plainStream } from "./lab.ts";

interface Shape {
  readonly callId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly media?: number;
  readonly remote?: readonly [string, number];
  readonly options?: Partial<StreamOptions>;
}

function key(shape: Shape) {
  return {
    callId: shape.callId ?? "cid",
    fromTag: shape.from ?? "ft",
    toTag: shape.to,
    mediaIndex: shape.media ?? 0,
  };
}

function endpoint(shape: Shape) {
  const [address, port] = shape.remote ?? ["203.0.113.5", 4000];
  return { ip: ip(address), port };
}

function update(shape: Shape = {}): UpdateRequest {
  const options = { ...plainStream, ...shape.options };
  return { kind: "update", key: key(shape), remote: endpoint(shape), options, notify: undefined };
}

function lookup(shape: Shape = {}): LookupRequest {
  const options = { ...plainStream, ...shape.options };
  const full = { to: "tt", remote: ["203.0.113.6", 5000], ...shape } as const;
  return { kind: "lookup", key: key(full), remote: endpoint(full), options };
}

function remove(shape: Partial<StreamDeleteRequest> = {}): StreamDeleteRequest {
  return {
    kind: "delete-stream",
    callId: "cid",
    fromTag: "ft",
    toTag: undefined,
    mediaIndex: undefined,
    isWeak: false,
    ...shape,
  };
}

function portOf(reply: CallReply): number {
  assert.equal(reply.kind, "endpoint", JSON.stringify(reply));
  return reply.kind === "endpoint" ? reply.endpoint.port : -1;
}

suite("call: rtpproxy streams", (test) => {
  test("strict by configuration holds for sessions of rtpproxy too", () => {
    const lab = new Lab({ options: { isStrict: true } });
    const toCallee = portOf(lab.ask(update({ options: { isAsymmetric: true } })));
    const toCaller = portOf(lab.ask(lookup()));
    for (const port of [toCallee, toCaller]) assert.equal(lab.settingsOf(port).learning.isStrict, true);
    assert.equal(lab.settingsOf(toCaller).learning.isAsymmetric, true);
  });

  test("U makes the session and replies where the callee sends; L where the caller does", () => {
    const lab = new Lab();
    const first = lab.ask(update());
    assert.deepEqual(first, { kind: "endpoint", endpoint: { ip: ip("198.51.100.1"), port: portOf(first) } });
    const second = portOf(lab.ask(lookup()));
    assert.notEqual(second, portOf(first));
    const facingCaller = lab.settingsOf(second);
    assert.deepEqual(facingCaller.rtpTarget, { ip: ip("203.0.113.5"), port: 4000 });
    assert.deepEqual(facingCaller.rtcpTarget, { ip: ip("203.0.113.5"), port: 4001 });
    assert.equal(facingCaller.hints[0]?.origin, "command");
    assert.equal(facingCaller.peer, lab.pairOf(portOf(first)));
    assert.deepEqual(lab.settingsOf(portOf(first)).rtpTarget, { ip: ip("203.0.113.6"), port: 5000 });
  });

  test("L on an unknown session or stream", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(lookup()), { kind: "refused", reason: "unknown-call" });
    lab.ask(update());
    assert.deepEqual(lab.ask(lookup({ media: 1 })), { kind: "refused", reason: "unknown-call" });
    assert.deepEqual(lab.ask(lookup({ from: "x", to: "y" })), { kind: "refused", reason: "unknown-call" });
    assert.equal(lab.relay.open.size, 2);
  });

  test("repeated U and L keep the ports, also with both tags and from the callee", () => {
    const lab = new Lab();
    const toBob = portOf(lab.ask(update()));
    const toAlice = portOf(lab.ask(lookup()));
    assert.equal(portOf(lab.ask(lookup())), toAlice);
    assert.equal(portOf(lab.ask(update({ to: "tt" }))), toBob);
    assert.equal(portOf(lab.ask(update({ from: "tt", to: "ft", remote: ["203.0.113.6", 5002] }))), toAlice);
    assert.equal(portOf(lab.ask(lookup({ from: "tt", to: "ft", remote: ["203.0.113.5", 4000] }))), toBob);
    assert.equal(lab.settingsOf(toBob).rtpTarget?.port, 5002);
    assert.equal(lab.relay.open.size, 2);
  });

  test("a second to-tag is the same leg", () => {
    const lab = new Lab();
    const toBob = portOf(lab.ask(update()));
    const toAlice = portOf(lab.ask(lookup({ to: "tt1" })));
    assert.equal(portOf(lab.ask(lookup({ to: "tt2", remote: ["203.0.113.7", 7000] }))), toAlice);
    assert.equal(lab.settingsOf(toBob).rtpTarget?.ip, "203.0.113.7");
    assert.equal(lab.settingsOf(toBob).generation, 2);
  });

  test("several streams a session; hold by 0.0.0.0 or port 0 keeps the address", () => {
    const lab = new Lab();
    lab.ask(update());
    lab.ask(update({ media: 1, remote: ["203.0.113.5", 4002] }));
    assert.equal(lab.relay.open.size, 4);
    const toAlice = portOf(lab.ask(lookup()));
    const { generation } = lab.settingsOf(toAlice);
    for (const remote of [
      ["0.0.0.0", 4000],
      ["203.0.113.5", 0],
    ] as const) {
      lab.ask(update({ to: "tt", remote }));
      assert.equal(lab.settingsOf(toAlice).mayReceive, false);
      assert.equal(lab.settingsOf(toAlice).rtpTarget?.port, 4000);
      assert.equal(lab.settingsOf(toAlice).generation, generation);
    }
    lab.ask(update({ to: "tt" }));
    assert.equal(lab.settingsOf(toAlice).mayReceive, true);
  });

  test("bridge letters, local address, family, asymmetric, new port", () => {
    const lab = new Lab();
    assert.equal(portOf(lab.ask(update({ options: { bridge: ["external", "internal"] } }))) > 0, true);
    assert.deepEqual(
      [...lab.relay.open.values()].map((pair) => pair.interfaceName),
      ["inside", "default"],
    );
    const local = lab.ask(update({ callId: "two", options: { localIp: ip("10.0.0.1") } }));
    assert.equal(local.kind === "endpoint" && local.endpoint.ip, "10.0.0.1");
    const wrong = lab.ask(update({ callId: "three", options: { localIp: ip("10.9.9.9") } }));
    assert.deepEqual(wrong, { kind: "refused", reason: "unsupported-address" });
    const six = lab.ask(update({ callId: "four", remote: ["2001:db8:9::1", 4000], options: { family: 6 } }));
    assert.equal(six.kind === "endpoint" && six.endpoint.ip, "2001:db8::1");
    lab.ask(update({ callId: "five", options: { isAsymmetric: true } }));
    const toAlice = portOf(lab.ask(lookup({ callId: "five" })));
    assert.equal(lab.settingsOf(toAlice).learning.isAsymmetric, true);
    const moved = portOf(lab.ask(lookup({ callId: "five", options: { wantsNewPort: true } })));
    assert.notEqual(moved, toAlice);
    assert.equal(lab.calls.callCount, 4);
    assert.equal(lab.relay.open.size, 8);
  });

  test("bridge letters between addresses of one name take the first and the second", () => {
    const interfaces = defaultInterfaces.slice(0, 2);
    const lab = new Lab({ options: { interfaces } });
    const reply = lab.ask(update({ options: { bridge: ["internal", "external"] } }));
    assert.equal(reply.kind === "endpoint" && reply.endpoint.ip, "2001:db8::1");
    assert.deepEqual(
      [...lab.relay.open.values()].map(({ family, localIp }) => [family, localIp]),
      [
        [4, "198.51.100.1"],
        [6, "2001:db8::1"],
      ],
    );
    const answered = lab.ask(lookup({ remote: ["2001:db8:9::2", 5000], options: { family: 6 } }));
    assert.equal(answered.kind === "endpoint" && answered.endpoint.ip, "198.51.100.1");
    assert.equal(lab.relay.open.size, 2);
  });

  test("D by the caller's tag, by both, or by the callee's with an empty from-tag", () => {
    for (const shape of [{}, { toTag: "tt" }, { fromTag: "", toTag: "tt" }, { fromTag: "tt", toTag: "ft" }]) {
      const lab = new Lab();
      lab.ask(update());
      lab.ask(lookup());
      assert.deepEqual(lab.ask(remove(shape)), { kind: "done" });
      assert.equal(lab.calls.callCount, 0);
      assert.equal(lab.relay.open.size, 0);
      assert.deepEqual(lab.ask(remove(shape)), { kind: "refused", reason: "unknown-call" });
    }
  });

  test("D of one stream leaves the others, D of the last ends the call", () => {
    const lab = new Lab();
    lab.ask(update());
    lab.ask(update({ media: 1, remote: ["203.0.113.5", 4002] }));
    lab.ask(remove({ mediaIndex: 0 }));
    assert.equal(lab.relay.open.size, 2);
    lab.ask(remove({ mediaIndex: 1 }));
    assert.equal(lab.calls.callCount, 0);
  });

  test("weak and strong: the session ends when both are taken back", () => {
    const lab = new Lab();
    lab.ask(update({ options: { isWeak: true } }));
    lab.ask(lookup());
    lab.ask(remove());
    assert.equal(lab.calls.callCount, 1, "the weak one still holds it");
    lab.ask(remove({ isWeak: true }));
    assert.equal(lab.calls.callCount, 0);
  });

  test("Q reports a known stream; X ends everything and notifies by its report", () => {
    const lab = new Lab();
    const notify = { socket: "unix:/x", tag: "T1" };
    lab.ask({ ...update(), notify });
    const query = {
      kind: "query-stream",
      callId: "cid",
      fromTag: "ft",
      toTag: undefined,
      mediaIndex: 0,
    } as const;
    assert.equal(lab.ask(query).kind, "report");
    assert.deepEqual(lab.ask({ ...query, fromTag: "zz" }), { kind: "refused", reason: "unknown-call" });
    assert.deepEqual(lab.ask({ kind: "delete-all" }), { kind: "done" });
    assert.deepEqual(lab.ended[0]?.notify, notify);
    assert.equal(lab.relay.open.size, 0);
  });
});
