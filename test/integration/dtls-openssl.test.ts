/** The OpenSSL engine against openssl's own command line, and against itself, over UDP on loopback. */
import assert from "node:assert/strict";
import type { FingerprintHash } from "../../src/core/plan/security.ts";
import { certificateLibrary, openSslLibrary } from "../../src/io/linux/dtls-library.ts";
import { openDtlsEngine } from "../../src/io/linux/dtls-openssl.ts";
import { suite } from "../support/suite.ts";
import { House } from "../unit/srtp/dtls-rig.ts";
import { materialOf, OpenSslPeer, UdpParty } from "./support/dtls-party.ts";

const { engine, faults } = openDtlsEngine();
assert(engine !== undefined, faults.join("; "));
const house = new House(engine);
const peer = new OpenSslPeer();
const rsaPeer = new OpenSslPeer(["rsa:2048"]);
const p384Peer = new OpenSslPeer(["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]);
/** Certificates of the other kinds of keys that TLS 1.2 signs with. */
const otherPeers = [
  ["RSA", rsaPeer],
  ["P-384", p384Peer],
  ["RSA-PSS", new OpenSslPeer(["rsa-pss"])],
  ["Ed25519", new OpenSslPeer(["ed25519"])],
  ["Ed448", new OpenSslPeer(["ed448"])],
] as const;

const names = [
  ["SRTP_AEAD_AES_128_GCM", "AEAD_AES_128_GCM"],
  ["SRTP_AEAD_AES_256_GCM", "AEAD_AES_256_GCM"],
  ["SRTP_AES128_CM_SHA1_80", "AES_CM_128_HMAC_SHA1_80"],
  ["SRTP_AES128_CM_SHA1_32", "AES_CM_128_HMAC_SHA1_32"],
] as const;

/** One of each cipher that our own library context offers. */
const ciphers = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-CCM", "AES256-CCM"];
const ciphersWithMac = ["AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA384"];
const ciphersOfRsa = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", ...ciphersWithMac];
/** Without P-256 a peer could not read our certificate (RFC 8422 section 5.1.1). */
const groups = ["X25519:P-256", "P-256"];

/** openssl exports 60 bytes whatever the profile; AEAD keys are of other sizes, and the first bytes are the same. */
function sameMaterial(ours: string, theirs: string): void {
  const size = Math.min(ours.length, theirs.length);
  assert(size >= 112, theirs);
  assert.equal(ours.slice(0, size), theirs.slice(0, size));
}

async function serve(options: {
  readonly isVouched: boolean;
  readonly profiles: string;
  readonly more?: readonly string[];
  readonly from?: OpenSslPeer;
}): Promise<{ readonly us: UdpParty; readonly suite: string }> {
  const us = await UdpParty.open(options);
  const { from = peer } = options;
  try {
    us.use(house.associate("server", [from.fingerprint()]));
    const theirs = from.connect(us.place, options.profiles, options.more);
    const { receive, send } = await us.keys();
    sameMaterial(materialOf(receive, send), await theirs);
    return { us, suite: receive.suite };
  } finally {
    us.close();
  }
}

async function freePort(): Promise<number> {
  const party = await UdpParty.open({ isVouched: true });
  const { port } = party.place;
  party.close();
  return port;
}

suite("dtls with openssl s_client", (test) => {
  for (const [profiles, expected] of names) {
    test(`server, ${profiles}`, async () => {
      assert.equal((await serve({ isVouched: true, profiles })).suite, expected);
    });
  }

  for (const [name, from] of otherPeers) {
    test(`server, a peer with a key of ${name}`, async () => {
      await serve({ isVouched: true, profiles: "SRTP_AES128_CM_SHA1_80", from });
    });
  }

  for (const cipher of [...ciphers, ...ciphersWithMac]) {
    test(`server, a peer with ${cipher} alone`, async () => {
      const more = ["-cipher", `ECDHE-ECDSA-${cipher}:@SECLEVEL=0`];
      await serve({ isVouched: true, profiles: "SRTP_AES128_CM_SHA1_80", more });
    });
  }

  for (const group of groups) {
    test(`server, a peer with ${group}`, async () => {
      await serve({ isVouched: true, profiles: "SRTP_AES128_CM_SHA1_80", more: ["-groups", group] });
    });
  }

  test("server, of all profiles the one we prefer", async () => {
    const profiles = names
      .map(([name]) => name)
      .reverse()
      .join(":");
    assert.equal((await serve({ isVouched: true, profiles })).suite, "AEAD_AES_128_GCM");
  });

  test("server to a stranger, which has to return a cookie", async () => {
    const before = house.counts.cookies;
    await serve({ isVouched: false, profiles: "SRTP_AES128_CM_SHA1_80" });
    assert(house.counts.cookies > before);
  });

  for (const isVouched of [true, false]) {
    test(`server, flights in many datagrams, ${isVouched ? "vouched" : "a stranger"}`, async () => {
      const more = ["-mtu", "256", "-alpn", "x".repeat(250)];
      const { us } = await serve({ isVouched, profiles: "SRTP_AES128_CM_SHA1_80", more });
      // The ClientHello alone takes three.
      assert(us.received.length >= 6 && Math.max(...us.received) <= 256, us.received.join());
      assert(Math.max(...us.sent) <= 1_200);
    });
  }

  test("server, a wrong fingerprint: nothing for either", async () => {
    const us = await UdpParty.open({ isVouched: true });
    try {
      us.use(house.associate("server", [{ hash: "sha-256", value: new Uint8Array(32).fill(1) }]));
      const theirs = peer.fail(us.place, "SRTP_AES128_CM_SHA1_80");
      assert.deepEqual(await us.end(), { kind: "failed", reason: "wrong-certificate" });
      assert.match(await theirs, /bad certificate/);
    } finally {
      us.close();
    }
  });

  test("server, no certificate at all", async () => {
    const us = await UdpParty.open({ isVouched: true });
    try {
      us.use(house.associate("server", [peer.fingerprint()]));
      void peer.bare(us.place, "SRTP_AES128_CM_SHA1_80");
      assert.deepEqual(await us.end(), { kind: "failed", reason: "handshake" });
    } finally {
      us.close();
    }
  });

  test("server, no profile in common", async () => {
    const us = await UdpParty.open({ isVouched: true });
    try {
      us.use(house.associate("server", [peer.fingerprint()]));
      void peer.withoutSrtp(us.place);
      assert.deepEqual(await us.end(), { kind: "failed", reason: "no-common-profile" });
    } finally {
      us.close();
    }
  });
});

suite("dtls with openssl s_server", (test) => {
  for (const [title, other, more] of [
    ["", peer, []],
    [", with a cookie", peer, ["-listen"]],
    [", with an RSA certificate", rsaPeer, []],
    // Of the others openssl's own client gets no answer from its server either.
    [", with a P-384 certificate", p384Peer, []],
    [", flights in many datagrams", peer, ["-mtu", "256"]],
    ...ciphersOfRsa.map(
      (cipher) =>
        [`, a peer with RSA and ${cipher} alone`, rsaPeer, ["-cipher", `ECDHE-RSA-${cipher}`]] as const,
    ),
  ] as const) {
    test(`client${title}`, async () => {
      const us = await UdpParty.open({ isVouched: true });
      try {
        us.use(house.associate("client", [other.fingerprint()]));
        const port = await freePort();
        const theirs = other.accept(port, "SRTP_AES128_CM_SHA1_80", more);
        // It listens some time after it was started; until then our ClientHellos are lost.
        us.aim({ ip: us.place.ip, port });
        const { receive, send } = await us.keys();
        assert.equal(materialOf(send, receive), await theirs);
      } finally {
        us.close();
      }
    });
  }

  test("client, a wrong fingerprint", async () => {
    const us = await UdpParty.open({ isVouched: true });
    try {
      us.use(house.associate("client", [rsaPeer.fingerprint()]));
      const port = await freePort();
      void peer.accept(port, "SRTP_AES128_CM_SHA1_80");
      us.aim({ ip: us.place.ip, port });
      assert.deepEqual(await us.end(), { kind: "failed", reason: "wrong-certificate" });
    } finally {
      us.close();
    }
  });
});

suite("dtls with itself", (test) => {
  test("certificates are read in the library context made for them", () => {
    assert.deepEqual(faults, []);
    assert.notEqual(certificateLibrary().library, openSslLibrary);
  });

  for (const hash of ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"] as FingerprintHash[]) {
    test(`both roles over UDP, ${hash}`, async () => {
      const server = await UdpParty.open({ isVouched: true });
      const client = await UdpParty.open({ isVouched: false });
      try {
        server.use(house.associate("server", [house.fingerprint(hash)]));
        client.use(house.associate("client", [house.fingerprint(hash)]));
        client.aim(server.place);
        const [ours, theirs] = [await server.keys(), await client.keys()];
        assert.deepEqual(ours.receive, theirs.send);
        assert.deepEqual(ours.send, theirs.receive);
        assert.notDeepEqual(ours.receive.masterKey, ours.send.masterKey);
      } finally {
        server.close();
        client.close();
      }
    });
  }

  test("no process of openssl is left behind", async () => {
    const peers = [peer, ...otherPeers.map(([, other]) => other)];
    for (const code of await Promise.all(peers.map((other) => other.close()))) assert.equal(code, 0);
    house.certificates.close();
  });
});
