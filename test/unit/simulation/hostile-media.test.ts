/**
 * Hostile media through the real worker core and handover policy: every datagram comes to one counted end, whatever
 * it is, wherever it comes from, and whatever signalling does meanwhile.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import { packetSizeBytesMax } from "../../../src/core/limits.ts";
import type { PairId, PairSettings } from "../../../src/core/plan/plan.ts";
import type {
  BundleSettings,
  CertificateId,
  IceSettings,
  PairSecurity,
} from "../../../src/core/plan/security.ts";
import { fuzzRuns } from "../../support/fuzz-runs.ts";
import { handshakeKeys, MediaRig, mediaKey } from "../../support/hostile/media-rig.ts";
import { heapBytes } from "../../support/hostile/memory.ts";
import { packets } from "../../support/hostile/packets.ts";
import { nodeCrypto, SrtpRig } from "../../support/srtp-rig.ts";
import { suite } from "../../support/suite.ts";

/** Ends of datagrams that a flood as below must meet. */
const common = [
  "relay",
  "hold",
  "heldReleased",
  "heldExpired",
  "consumed",
  "malformed",
  "tooLarge",
  "stun",
  "dtls",
  "authFailed",
  "replayed",
  "stunRefused",
  "passedUp",
  "unroutable",
  "unsecured",
] as const;

/** Keys that legs of a call have among them: some shared by both parties, some by nobody. */
const keyring = [handshakeKeys[0], mediaKey(1), mediaKey(2), mediaKey(3)] as const;

type Event =
  | {
      readonly kind: "packet";
      readonly slot: number;
      readonly source: number;
      readonly bytes: Buffer;
      /** Index of the key that protects it, as a party would; beyond the keys: none. */
      readonly key: number;
      /** So many of them, 20 ms apart, sequence and timestamp counted up. */
      readonly count: number;
    }
  | { readonly kind: "configure"; readonly side: number; readonly settings: Shape }
  | { readonly kind: "reopen"; readonly side: number }
  | { readonly kind: "pass"; readonly durationMs: number };

interface Shape {
  readonly isSignalled: boolean;
  readonly transport: PairSettings["transport"];
  readonly rtcpMux: boolean;
  readonly mayReceive: boolean;
  readonly maySend: boolean;
  readonly hasPeer: boolean;
  readonly generation: number;
  readonly hintCount: number;
  readonly isIpUsable: boolean;
  readonly target: number;
  readonly learning: PairSettings["learning"];
  readonly hasSibling: boolean;
  readonly security: PairSecurity["kind"];
  /** Indices of keys, of SDES. */
  readonly receive: readonly number[];
  readonly send: number;
  readonly hasIce: boolean;
  readonly isBundled: boolean;
}

const sources: readonly Endpoint[] = [
  { ip: "203.0.113.5", port: 4_000 },
  { ip: "203.0.113.5", port: 4_001 },
  { ip: "203.0.113.5", port: 50_000 },
  { ip: "203.0.113.9", port: 4_000 },
  { ip: "192.0.2.200", port: 1 },
  { ip: "2001:db8::66", port: 65_535 },
  // Our own sockets: of this party and of the other.
  { ip: "198.51.100.1", port: 30_000 },
  { ip: "198.51.100.1", port: 30_002 },
].map(({ ip, port }) => ({ ip: ip as IpAddress, port }));

const sourceIndex = fc.nat(sources.length - 1);
const shape: fc.Arbitrary<Shape> = fc.record({
  isSignalled: fc.boolean(),
  transport: fc.constantFrom("rtp", "rtp", "rtp", "udptl", "raw"),
  rtcpMux: fc.boolean(),
  mayReceive: fc.integer({ min: 0, max: 5 }).map((value) => value > 0),
  maySend: fc.integer({ min: 0, max: 5 }).map((value) => value > 0),
  hasPeer: fc.integer({ min: 0, max: 5 }).map((value) => value > 0),
  generation: fc.integer({ min: 1, max: 4 }),
  hintCount: fc.nat(10),
  isIpUsable: fc.boolean(),
  target: sourceIndex,
  learning: fc.record({
    isAsymmetric: fc.boolean(),
    isStrict: fc.boolean(),
    followsAnySource: fc.boolean(),
    mode: fc.constantFrom("default", "off", "immediate", "delayed", "heuristic"),
  }),
  hasSibling: fc.boolean(),
  security: fc.constantFrom("none", "none", "passed", "sdes", "sdes", "dtls"),
  receive: fc.array(fc.nat(keyring.length - 1), { maxLength: 3 }),
  send: fc.nat(keyring.length),
  hasIce: fc.integer({ min: 0, max: 3 }).map((value) => value === 0),
  isBundled: fc.integer({ min: 0, max: 3 }).map((value) => value === 0),
});

const side = fc.nat(2);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("packet" as const),
      slot: fc.nat(5),
      source: sourceIndex,
      bytes: packets,
      key: fc.nat(keyring.length + 1),
      count: fc.constantFrom(1, 1, 1, 3, 70),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("configure" as const), side, settings: shape }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const), side }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      durationMs: fc.constantFrom(0.5, 20, 150, 900, 5_000, 40_000),
    }),
  },
);

const ice: IceSettings = {
  localUfrag: "ufrag",
  localPassword: "password-of-22-letters",
  remote: undefined,
  isLite: false,
  isControlling: false,
  candidates: [],
  restart: 1,
};

/** Three pairs of one call: two parties, and the first one's other media. */
class Call {
  readonly #rig: MediaRig;
  readonly #pairs: PairId[];
  /** What parties with these keys send. */
  readonly #parties = new SrtpRig(nodeCrypto, 2 * keyring.length);

  constructor(rig: MediaRig) {
    this.#rig = rig;
    for (const [index, key] of keyring.entries()) this.#parties.crypto.setKeys(2 * index, [], key);
    this.#pairs = [0, 1, 2].map(() => rig.open(1));
  }

  run(one: Event): void {
    if (one.kind === "packet") this.#receive(one);
    else if (one.kind === "configure") this.#configure(one.side, one.settings);
    else if (one.kind === "pass") this.#rig.pass(one.durationMs);
    else {
      this.#rig.close(this.#pair(one.side));
      this.#pairs[one.side] = this.#rig.open(1);
    }
    this.#rig.checkCounts();
  }

  end(): void {
    for (const pair of this.#pairs) this.#rig.close(pair);
    this.#rig.checkEmpty();
  }

  #receive({ slot, source: index, bytes, key, count }: Extract<Event, { readonly kind: "packet" }>): void {
    // The sockets that are open, in the order of their slots: three pairs.
    const open = [...this.#rig.sockets.open.keys()].sort((a, b) => a - b)[slot];
    const source = sources[index];
    if (open === undefined || source === undefined) return;
    const next = Buffer.from(bytes);
    for (let sent = 0; sent < count; sent++) {
      this.#rig.receive(open, source, this.#protect(next, key));
      if (count > 1) this.#rig.pass(20);
      if (next.length < 8) continue;
      next.writeUInt16BE((next.readUInt16BE(2) + 1) & 0xffff, 2);
      next.writeUInt32BE((next.readUInt32BE(4) + 160) >>> 0, 4);
    }
  }

  /** As it is where there is no such key, or it does not take the packet. */
  #protect(bytes: Buffer, key: number): Uint8Array {
    if (key >= keyring.length || bytes.length < 12 || bytes.length > packetSizeBytesMax) return bytes;
    const second = bytes[1] ?? 0;
    const kind = second >= 192 && second < 224 ? "rtcp" : "rtp";
    const out = this.#parties.run("protect", kind, bytes, 2 * key);
    return typeof out === "number" ? bytes : out;
  }

  #security({ security, receive, send, generation }: Shape): PairSecurity {
    if (security === "sdes") {
      const keys = receive.flatMap((index) => keyring[index] ?? []);
      return { kind: "sdes", receive: keys, send: keyring[send] };
    }
    if (security !== "dtls") return { kind: security };
    const certificate = 1 as CertificateId;
    const fingerprints = [{ hash: "sha-1", value: new Uint8Array(20) } as const];
    return { kind: "dtls", role: "server", fingerprints, certificate, association: generation };
  }

  /** The first party's two media travel together on the sockets of the first. */
  #bundle(index: number, { isBundled }: Shape): BundleSettings | undefined {
    if (!isBundled || index === 1) return undefined;
    return { carrier: this.#pair(0), mid: `${index}`, midExtension: 1, ssrcs: index === 0 ? [7] : [8] };
  }

  #configure(index: number, settings: Shape): void {
    const hints = Array.from({ length: settings.hintCount }, (_, at) => ({
      origin: at % 2 === 0 ? ("sdp" as const) : ("received-from" as const),
      endpoint: sources[(settings.target + at) % sources.length] ?? assert.fail(),
      isIpUsable: settings.isIpUsable,
      isIpShared: false,
    }));
    const target = sources[settings.target];
    this.#rig.configure(this.#pair(index), {
      ...settings,
      hints,
      peer: settings.hasPeer ? this.#pair(index === 0 ? 1 : 0) : undefined,
      rtpTarget: target,
      rtcpTarget:
        target === undefined ? undefined : { ...target, port: settings.rtcpMux ? target.port : 9_999 },
      payloadTypes: [0, 8].map((payloadType) => ({ payloadType, clockRateHz: 8_000 })),
      siblings: settings.hasSibling ? [this.#pair(index === 0 ? 2 : 0)] : [],
      security: this.#security(settings),
      ice: settings.hasIce ? ice : undefined,
      bundle: this.#bundle(index, settings),
    });
  }

  #pair(index: number): PairId {
    return this.#pairs[index] ?? assert.fail();
  }
}

function runCase(rig: MediaRig, first: Shape, second: Shape, events: readonly Event[]): void {
  const call = new Call(rig);
  call.run({ kind: "configure", side: 0, settings: first });
  call.run({ kind: "configure", side: 1, settings: second });
  for (const one of events) call.run(one);
  call.end();
}

suite("hostile: media", (test) => {
  test(
    "every datagram is relayed, held or refused once, and nothing is left",
    () => {
      let rig = new MediaRig();
      fc.assert(
        fc.property(
          shape,
          shape,
          fc.array(event, { maxLength: 30, size: "max" }),
          (first, second, events) => {
            try {
              runCase(rig, first, second, events);
            } catch (error) {
              rig = new MediaRig();
              throw error;
            }
          },
        ),
        { numRuns: fuzzRuns(5_000), includeErrorInReport: true },
      );
      // A flood that never gets far shows little.
      for (const name of common) {
        assert.ok(rig.count(name) > 0, `some datagrams met ${name}`);
      }
    },
    { timeoutMs: 3_600_000 },
  );

  test(
    "a flood leaves no memory behind",
    () => {
      const rig = new MediaRig();
      const samples = fc.sample(fc.tuple(shape, shape, fc.array(event, { maxLength: 30, size: "max" })), {
        numRuns: 200,
        seed: 1,
      });
      const flood = (): void => {
        for (const [first, second, events] of samples) runCase(rig, first, second, events);
      };
      flood();
      flood();
      const before = heapBytes();
      for (let round = 0; round < 10; round++) flood();
      assert.ok(heapBytes() - before < 1_000_000, `${heapBytes() - before} bytes more`);
    },
    { timeoutMs: 120_000 },
  );
});
