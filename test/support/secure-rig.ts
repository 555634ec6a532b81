/** Two parties facing each other through a worker's core, with keys, handshakes or ICE. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import type { PairSecurity, SrtpKey, SrtpSuite } from "../../src/core/plan/security.ts";
import { Handover } from "../../src/handover/handover.ts";
import { readWorker } from "../../src/relay/counter-view.ts";
import { suiteFacts } from "../../src/srtp/suites.ts";
import { settingsAt } from "./relay-rig.ts";
import { nodeCrypto, SrtpRig } from "./srtp-rig.ts";
import { WorkerRig } from "./worker-rig.ts";

export const at = (ip: string, port: number): Endpoint => ({ ip: ip as IpAddress, port });
export const localA = at("192.0.2.1", 30_000);
export const localB = at("192.0.2.1", 30_002);
export const phoneA = at("198.51.100.1", 4_000);
export const phoneB = at("198.51.100.2", 4_000);
export const stranger = at("203.0.113.66", 666);

export function keyOf(
  seed: number,
  suiteName: SrtpSuite = "AES_CM_128_HMAC_SHA1_80",
  own: Partial<SrtpKey> = {},
): SrtpKey {
  const { keyBytes, saltBytes } = suiteFacts(suiteName);
  return {
    suite: suiteName,
    masterKey: new Uint8Array(keyBytes).fill(seed),
    masterSalt: new Uint8Array(saltBytes).fill(seed + 1),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
    ...own,
  };
}

/** What a party with these keys sends and hears. */
export class Party {
  readonly #rig = new SrtpRig(nodeCrypto, 2);

  /** `own` protects what it sends, `other` what it hears. */
  constructor(own: SrtpKey, other: SrtpKey) {
    this.#rig.crypto.setKeys(0, [other], own);
  }

  protect(packet: Uint8Array, kind: "rtp" | "rtcp" = "rtp"): Buffer {
    const bytes = this.#rig.run("protect", kind, packet);
    return Buffer.from(typeof bytes === "number" ? assert.fail(`code ${bytes}`) : bytes);
  }

  open(packet: Uint8Array, kind: "rtp" | "rtcp" = "rtp"): Buffer {
    const bytes = this.#rig.run("unprotect", kind, packet);
    return Buffer.from(typeof bytes === "number" ? assert.fail(`code ${bytes}`) : bytes);
  }
}

export const sdes: PairSecurity = { kind: "sdes", receive: [], send: undefined };
export const dtls: PairSecurity = {
  kind: "dtls",
  role: "server",
  fingerprints: [],
  certificate: 1 as never,
  association: 1,
};
export const passed: PairSecurity = { kind: "passed" };

export function settings(party: Endpoint, own: Partial<PairSettings> = {}): PairSettings {
  return settingsAt(party, at(party.ip, party.port + 1), own);
}

/** A in slots 0 and 1, B in slots 2 and 3. */
export function facing(a: Partial<PairSettings>, b: Partial<PairSettings>, rig = realRig()): WorkerRig {
  rig.open(0, localA);
  rig.open(2, localB);
  rig.configure(0, settings(phoneA, a), 2);
  rig.configure(2, settings(phoneB, b), 0);
  return rig;
}

export function realRig(records = 64): WorkerRig {
  return new WorkerRig(16, { packetRecords: records }, (capacity, sink) => new Handover(capacity, sink));
}

export function keys(
  rig: WorkerRig,
  slot: number,
  receive: readonly SrtpKey[],
  send: SrtpKey | undefined,
  by?: Endpoint,
): void {
  rig.command({ kind: "keys", at: { slot, generation: 1 }, receive, send, provenBy: by });
}

export function reasons(rig: WorkerRig): Record<string, number> {
  const all = readWorker(rig.counters.worker).reasons;
  return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
}

export function sentBytes(rig: WorkerRig): Buffer[] {
  return rig.sent.splice(0).map(({ bytes }) => bytes);
}

export const fromA = keyOf(1);
export const toA = keyOf(2);
export const fromB = keyOf(3);
export const toB = keyOf(4);

/** A STUN message with these attributes. */
export function stun(type: number, attributes: readonly (readonly [number, Uint8Array])[]): Buffer {
  const body = attributes.map(([name, value]) => {
    const attribute = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    attribute.writeUInt16BE(name, 0);
    attribute.writeUInt16BE(value.length, 2);
    attribute.set(value, 4);
    return attribute;
  });
  const head = Buffer.alloc(20);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(Buffer.concat(body).length, 2);
  head.writeUInt32BE(0x2112a442, 4);
  return Buffer.concat([head, ...body]);
}

export function check(name: string): Buffer {
  return stun(0x0001, [
    [0x8022, Buffer.from("software")],
    [0x0006, Buffer.from(name)],
  ]);
}

export const ice = {
  localUfrag: "ourUfrag",
  localPassword: "0123456789012345678901",
  remote: undefined,
  isLite: false,
  isControlling: false,
  candidates: [],
  restart: 1,
};
