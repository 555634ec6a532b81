import assert from "node:assert/strict";
import type { CertificateId, Fingerprint } from "../../../src/core/plan/security.ts";
import { Certificates } from "../../../src/srtp/dtls/certificates.ts";
import type { CertificateView } from "../../../src/srtp/dtls/engine.ts";
import { isNamed } from "../../../src/srtp/dtls/peer-certificate.ts";
import { dtlsProfiles, keyingSizeBytes, splitKeying } from "../../../src/srtp/dtls/profiles.ts";
import { suite } from "../../support/suite.ts";
import { FakeCertificate, FakeEngine } from "./dtls-fake-engine.ts";
import { at } from "./dtls-rig.ts";

const dayMs = 86_400_000;
const id = (number: number): CertificateId => number as CertificateId;

suite("dtls certificates", (test) => {
  test("one at start, another every day, the newest eight stay", () => {
    const certificates = new Certificates({ engine: new FakeEngine(1), nowMs: at(0) });
    assert.equal(certificates.current(), 1);
    assert.equal(certificates.nextDeadlineMs(), dayMs);
    certificates.handleTimeout(at(dayMs - 1));
    assert.equal(certificates.current(), 1);
    for (let day = 1; day <= 10; day++) certificates.handleTimeout(at(day * dayMs));
    assert.equal(certificates.current(), 11);
    assert.deepEqual(
      [3, 4, 11, 12].map((number) => certificates.has(id(number))),
      [false, true, true, false],
    );
  });

  test("one that is named stays until it is released, and is freed then", () => {
    const certificates = new Certificates({ engine: new FakeEngine(1), nowMs: at(0) });
    const first = certificates.retain(id(1));
    certificates.retain(id(1));
    for (let day = 1; day <= 20; day++) certificates.handleTimeout(at(day * dayMs));
    assert(first instanceof FakeCertificate && first.isOpen);
    assert.deepEqual(certificates.fingerprint(id(1), "sha-1").value, first.digest("sha-1"));
    certificates.release(id(1));
    assert(certificates.has(id(1)) && first.isOpen);
    certificates.release(id(1));
    assert(!certificates.has(id(1)) && !first.isOpen);
  });

  test("their number is bounded: with all in use the newest serves on", () => {
    const certificates = new Certificates({ engine: new FakeEngine(1), nowMs: at(0) });
    for (let day = 1; day <= 100; day++) {
      certificates.retain(certificates.current());
      certificates.handleTimeout(at(day * dayMs));
    }
    assert.equal(certificates.current(), 64);
    for (let day = 1; day <= 64; day++) if (day < 64) certificates.release(id(day));
    certificates.handleTimeout(at(101 * dayMs));
    assert.equal(certificates.current(), 65);
  });
});

/** A certificate whose hash of each kind is its name. */
const named: CertificateView = { digest: (hash) => Buffer.from(hash) };
const right = (hash: Fingerprint["hash"]): Fingerprint => ({ hash, value: Buffer.from(hash) });
const wrong = (hash: Fingerprint["hash"]): Fingerprint => ({ hash, value: Buffer.from(hash).fill(1) });

suite("dtls peer certificate", (test) => {
  test("any fingerprint of the strongest hash will do, weaker ones do not count", () => {
    assert.equal(isNamed(named, [right("sha-256")]), true);
    assert.equal(isNamed(named, [wrong("sha-256")]), false);
    assert.equal(isNamed(named, [wrong("sha-256"), right("sha-256")]), true);
    assert.equal(isNamed(named, [wrong("sha-1"), right("sha-256")]), true);
    assert.equal(isNamed(named, [right("sha-1"), wrong("sha-256")]), false);
    assert.equal(isNamed(named, [right("sha-512"), wrong("sha-384")]), true);
  });

  test("no fingerprint, an empty or a cut one names nobody", () => {
    assert.equal(isNamed(named, []), false);
    assert.equal(isNamed(named, [{ hash: "sha-1", value: Buffer.alloc(0) }]), false);
    assert.equal(
      isNamed({ digest: () => Buffer.alloc(0) }, [{ hash: "sha-1", value: Buffer.alloc(0) }]),
      false,
    );
    assert.equal(isNamed(named, [{ hash: "sha-1", value: Buffer.from("sha-") }]), false);
  });
});

suite("dtls profiles", (test) => {
  test("client's key, server's key, client's salt, server's salt", () => {
    for (const { number, suite: name, keyBytes, saltBytes } of dtlsProfiles) {
      const bytes = Buffer.concat([
        Buffer.alloc(keyBytes, 1),
        Buffer.alloc(keyBytes, 2),
        Buffer.alloc(saltBytes, 3),
        Buffer.alloc(saltBytes, 4),
      ]);
      const client = splitKeying({ profile: number, bytes }, "client");
      const server = splitKeying({ profile: number, bytes }, "server");
      assert.equal(client.send.suite, name);
      assert.deepEqual(Buffer.from(client.send.masterKey), Buffer.alloc(keyBytes, 1));
      assert.deepEqual(Buffer.from(client.send.masterSalt), Buffer.alloc(saltBytes, 3));
      assert.deepEqual(Buffer.from(client.receive.masterKey), Buffer.alloc(keyBytes, 2));
      assert.deepEqual(Buffer.from(client.receive.masterSalt), Buffer.alloc(saltBytes, 4));
      assert.deepEqual(server.receive, client.send);
      assert.deepEqual(server.send, client.receive);
    }
    assert.deepEqual(dtlsProfiles.map(keyingSizeBytes).sort(), [56, 60, 60, 88]);
  });
});
