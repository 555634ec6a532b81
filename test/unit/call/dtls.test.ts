import assert from "node:assert/strict";
import type { PairSettings } from "../../../src/core/plan/plan.ts";
import type { CertificateId } from "../../../src/core/plan/security.ts";
import type { SetupRole } from "../../../src/sdp/fingerprint.ts";
import { suite } from "../../support/suite.ts";
import { answer, Lab, offer, portIn } from "./lab.ts";
import {
  body,
  FakeCertificates,
  type MediaShape,
  mediaOf,
  otherFingerprint,
  peerFingerprint,
  secureLab,
} from "./parties.ts";

const protocol = "UDP/TLS/RTP/SAVPF";

function shape(some: Partial<MediaShape> = {}): MediaShape {
  return { protocol, fingerprint: peerFingerprint, setup: "actpass", ...some };
}

function alice(some: Partial<MediaShape> = {}, version = 1): string {
  return body({ version, media: [shape(some)] });
}

function bob(some: Partial<MediaShape> = {}, version = 1): string {
  return body({ ip: "203.0.113.6", version, media: [shape({ port: 5000, setup: "active", ...some })] });
}

function dtlsOf(settings: PairSettings) {
  const { security } = settings;
  assert.ok(security.kind === "dtls", `DTLS is in force, not ${security.kind}`);
  return security;
}

suite("call: DTLS roles", (test) => {
  const answers: readonly (readonly [SetupRole | undefined, SetupRole, "client" | "server"])[] = [
    ["actpass", "active", "client"],
    ["active", "passive", "server"],
    ["passive", "active", "client"],
    [undefined, "passive", "server"],
  ];
  for (const [setup, answered, role] of answers) {
    test(`an offer of ${setup ?? "nothing"} is answered ${answered}`, () => {
      const lab = secureLab();
      const said = body({ media: [{ protocol, fingerprint: peerFingerprint, ...(setup ? { setup } : {}) }] });
      lab.body(offer({ sdp: said, options: { transportProtocol: "RTP/AVP" } }));
      const text = lab.body(answer());
      assert.equal(mediaOf(text).setup, answered);
      assert.equal(dtlsOf(lab.settingsOf(portIn(text))).role, role);
    });
  }

  test("DTLS=passive makes us the server where we may choose", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: alice(), options: { transportProtocol: "RTP/AVP", dtls: "passive" } }));
    const text = lab.body(answer());
    assert.equal(mediaOf(text).setup, "passive");
    assert.equal(dtlsOf(lab.settingsOf(portIn(text))).role, "server");
  });

  test("an answer says who is the client; silent answerers are passive", () => {
    const roles: readonly (readonly [string | undefined, "client" | "server"])[] = [
      ["active", "server"],
      ["passive", "client"],
      [undefined, "client"],
      ["actpass", "client"],
    ];
    for (const [setup, role] of roles) {
      const lab = secureLab();
      const toBob = lab.body(offer({ options: { transportProtocol: protocol } }));
      assert.equal(mediaOf(toBob).setup, "actpass");
      const media = [{ port: 5000, protocol, fingerprint: peerFingerprint, ...(setup ? { setup } : {}) }];
      lab.body(answer({ sdp: body({ ip: "203.0.113.6", media }) }));
      assert.equal(dtlsOf(lab.settingsOf(portIn(toBob))).role, role, setup);
    }
  });

  test("holdconn makes no association until somebody says otherwise", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: alice({ setup: "holdconn" }), options: { transportProtocol: "RTP/AVP" } }));
    const text = lab.body(answer());
    assert.equal(mediaOf(text).setup, "holdconn");
    assert.deepEqual(lab.settingsOf(portIn(text)).security, { kind: "sdes", receive: [], send: undefined });
    lab.body(offer({ to: "bob", sdp: alice({}, 2) }));
    assert.equal(mediaOf(lab.body(answer())).setup, "active");
    assert.equal(dtlsOf(lab.settingsOf(portIn(text))).association, 1);
  });

  test("before the answer the callee's handshake may come, but no certificate will do", () => {
    const lab = secureLab();
    const toBob = lab.body(offer({ options: { transportProtocol: protocol } }));
    assert.deepEqual(lab.settingsOf(portIn(toBob)).security, {
      kind: "dtls",
      role: "server",
      fingerprints: [],
      certificate: 1,
      association: 1,
    });
  });
});

suite("call: DTLS fingerprints", (test) => {
  test("in the peer's hash, sha-256 without one, or as DTLS-fingerprint says", () => {
    const sha1 = `sha-1 ${new Array(20).fill("AB").join(":")}`;
    const lab = secureLab();
    const toBob = lab.body(offer({ sdp: alice({ fingerprint: sha1 }) }));
    assert.equal(mediaOf(toBob).fingerprints[0]?.hash, "sha-1");
    const toAlice = lab.body(answer({ sdp: bob() }));
    assert.equal(mediaOf(toAlice).fingerprints[0]?.hash, "sha-1");
    const plain = secureLab().body(offer({ options: { transportProtocol: protocol } }));
    assert.equal(mediaOf(plain).fingerprints[0]?.hash, "sha-256");
    const options = { transportProtocol: protocol, fingerprintHash: "sha-512" } as const;
    assert.equal(mediaOf(secureLab().body(offer({ options }))).fingerprints[0]?.hash, "sha-512");
  });

  test("an association keeps its certificate when a newer one is made", () => {
    const certificates = new FakeCertificates();
    const lab = new Lab({ options: { certificates } });
    const toBob = lab.body(offer({ options: { transportProtocol: protocol } }));
    lab.body(answer({ sdp: bob() }));
    certificates.newest = 2 as CertificateId;
    const again = lab.body(offer({ to: "bob" }));
    assert.deepEqual(mediaOf(again).fingerprints, mediaOf(toBob).fingerprints);
    lab.body(answer({ sdp: bob({ fingerprint: otherFingerprint }, 2) }));
    assert.equal(dtlsOf(lab.settingsOf(portIn(toBob))).certificate, 1, "as it was offered");
    const other = lab.body(offer({ callId: "call-2", options: { transportProtocol: protocol } }));
    assert.notDeepEqual(mediaOf(other).fingerprints, mediaOf(toBob).fingerprints);
  });

  test("the hash a party was shown first stays, whatever its own is", () => {
    const shown = (text: string) => mediaOf(text).fingerprints.map(({ hash }) => hash);
    const his = { fingerprint: `sha-1 ${new Array(20).fill("AB").join(":")}` };
    for (const hash of [undefined, "sha-512"] as const) {
      const lab = secureLab();
      const options = { transportProtocol: protocol };
      const first = lab.body(offer({ options: { ...options, fingerprintHash: hash } }));
      assert.deepEqual(shown(first), [hash ?? "sha-256"]);
      lab.body(answer({ sdp: bob(his) }));
      assert.deepEqual(shown(lab.body(offer({ to: "bob", options }))), [hash ?? "sha-256"]);
    }
  });

  test("the hash stays when he offers, too, as long as his own fingerprint does", () => {
    const shown = (text: string) => mediaOf(text).fingerprints.map(({ hash }) => hash);
    const his = { fingerprint: `sha-1 ${new Array(20).fill("AB").join(":")}`, setup: "actpass" };
    const lab = secureLab();
    const toBob = lab.body(offer({ options: { transportProtocol: protocol } }));
    lab.body(answer({ sdp: bob({ ...his, setup: "active" }) }));
    const heard = (sdp: string) => {
      lab.body(offer({ from: "bob", to: "alice", sdp }));
      return lab.body(answer({ from: "bob", to: "alice" }));
    };
    assert.deepEqual(shown(heard(bob(his, 2))), ["sha-256"]);
    assert.equal(dtlsOf(lab.settingsOf(portIn(toBob))).association, 1);
    const others = `sha-1 ${new Array(20).fill("CD").join(":")}`;
    assert.deepEqual(shown(heard(bob({ ...his, fingerprint: others }, 3))), ["sha-1"]);
    assert.equal(dtlsOf(lab.settingsOf(portIn(toBob))).association, 2);
  });

  test("without DTLS here an offer of nothing else is refused, and leaves nothing behind", () => {
    const lab = new Lab();
    assert.deepEqual(lab.ask(offer({ sdp: alice() })), { kind: "refused", reason: "unsupported-protocol" });
    assert.deepEqual([lab.calls.callCount, lab.relay.open.size, lab.relay.pending.length], [0, 0, 0]);
  });
});

suite("call: DTLS associations", (test) => {
  function established(): { readonly lab: Lab; readonly port: number } {
    const lab = secureLab();
    lab.body(offer({ sdp: alice({ extra: ["a=tls-id:abcdefghijklmnopqrstuv"] }) }));
    return { lab, port: portIn(lab.body(answer({ sdp: bob() }))) };
  }

  function again(some: Partial<MediaShape>, setup?: string): ReturnType<typeof dtlsOf> {
    const { lab, port } = established();
    const extra = ["a=tls-id:abcdefghijklmnopqrstuv"];
    lab.body(offer({ to: "bob", sdp: alice({ extra, ...some, ...(setup ? { setup } : {}) }, 2) }));
    assert.equal(dtlsOf(lab.settingsOf(port)).association, 1, "the old one until the answer");
    lab.body(answer({ sdp: bob({}, 2) }));
    return dtlsOf(lab.settingsOf(port));
  }

  test("the same again keeps association and role", () => {
    const security = again({});
    assert.deepEqual([security.association, security.role], [1, "client"]);
  });

  test("another fingerprint, tls-id or role is a new one", () => {
    assert.equal(again({ fingerprint: otherFingerprint }).association, 2);
    assert.equal(again({ extra: ["a=tls-id:zyxwvutsrqponmlkjihgf"] }).association, 2);
    assert.deepEqual([again({}, "active").association, again({}, "active").role], [2, "server"]);
  });

  test("an ICE restart alone is none", () => {
    const lab = secureLab();
    lab.body(offer({ sdp: alice({ ice: { ufrag: "one1" } }) }));
    const port = portIn(lab.body(answer({ sdp: bob({ ice: { ufrag: "bobs" } }) })));
    lab.body(offer({ to: "bob", sdp: alice({ ice: { ufrag: "two2" } }, 2) }));
    lab.body(answer({ sdp: bob({ ice: { ufrag: "bobs" } }, 2) }));
    assert.equal(dtlsOf(lab.settingsOf(port)).association, 1);
    assert.equal(lab.settingsOf(port).ice?.restart, 2);
  });

  test("another device that answers is a new one", () => {
    const lab = secureLab();
    const port = portIn(lab.body(offer({ options: { transportProtocol: protocol } })));
    lab.body(answer({ to: "bob-1", sdp: bob() }));
    lab.body(answer({ to: "bob-2", sdp: bob({ fingerprint: otherFingerprint }) }));
    const security = dtlsOf(lab.settingsOf(port));
    assert.deepEqual(security.fingerprints, mediaOf(bob({ fingerprint: otherFingerprint })).fingerprints);
    assert.equal(security.association, 2);
  });

  test("tls-id: offered, answered to who has one, changed with the association, left out by no-tls-id", () => {
    const lab = secureLab();
    const extra = ["a=tls-id:abcdefghijklmnopqrstuv"];
    const tlsIdOf = (text: string): string => mediaOf(text).tlsId ?? "";
    const toBob = tlsIdOf(lab.body(offer({ sdp: alice({ extra }) })));
    const toAlice = tlsIdOf(lab.body(answer({ sdp: bob() })));
    for (const tlsId of [toBob, toAlice]) assert.match(tlsId, /^[0-9a-f]{40}$/);
    assert.equal(
      tlsIdOf(lab.body(offer({ to: "bob", sdp: alice({ extra, fingerprint: otherFingerprint }, 2) }))),
      toBob,
    );
    assert.notEqual(tlsIdOf(lab.body(answer({ sdp: bob({}, 2) }))), toAlice);
    const plain = secureLab();
    plain.body(offer({ sdp: alice() }));
    assert.equal(mediaOf(plain.body(answer({ sdp: bob() }))).tlsId, undefined);
    const off = { transportProtocol: protocol, showsTlsId: false };
    assert.equal(mediaOf(secureLab().body(offer({ options: off }))).tlsId, undefined);
  });

  test("what the relay tells of a handshake is in the report", () => {
    const { lab, port } = established();
    const pair = lab.pairOf(port);
    const report = () => {
      const reply = lab.ask({ kind: "query", callId: "call-1", fromTag: "alice", toTag: undefined });
      assert.ok(reply.kind === "report");
      return reply.report.legs.find(({ tag }) => tag === "alice")?.media[0]?.security;
    };
    assert.deepEqual(report(), { kind: "dtls", suite: undefined, isVerified: false, failure: undefined });
    const rtp = { pair, component: "rtp" } as const;
    lab.take(lab.calls.handleRelayEvent(lab.nowMs, { kind: "dtls-failed", ...rtp, reason: "timeout" }));
    assert.equal(report()?.failure, "timeout");
    const suite = "AEAD_AES_128_GCM";
    lab.take(lab.calls.handleRelayEvent(lab.nowMs, { kind: "dtls-connected", ...rtp, suite }));
    assert.deepEqual(report(), { kind: "dtls", suite, isVerified: true, failure: undefined });
    lab.body(offer({ to: "bob", sdp: alice({ fingerprint: otherFingerprint }, 2) }));
    lab.body(answer({ sdp: bob({}, 2) }));
    assert.equal(report()?.isVerified, false, "that was another certificate");
  });
});
