/** Clients of a TURN server that know the protocol, and what is asked of their answers. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { formatEndpoint, type IpFamily } from "../../../src/core/address.ts";
import { type IntegrityHash, StunBuilder } from "../../../src/stun/builder.ts";
import { hasIntegrity, longTermKey, userhashOf } from "../../../src/stun/integrity.ts";
import { attributeOf, type StunMessage } from "../../../src/stun/message.ts";
import {
  encodeNumber,
  encodeText,
  encodeXorAddress,
  readErrorCode,
  readNumber,
  readText,
  readXorAddress,
} from "../../../src/stun/values.ts";
import { stunAttribute, stunMethod } from "../../../src/stun/wire.ts";
import type { TurnClient } from "../../../src/turn/actions.ts";
import type { Attribute } from "../../../src/turn/request.ts";
import { turnAttribute, turnMethod } from "../../../src/turn/wire.ts";
import { at, digests, type FakeRelay, type TurnRig } from "./rig.ts";

export interface Login {
  readonly username: string;
  readonly password: string;
  readonly realm: string;
  readonly hash: IntegrityHash;
  /** Speaks RFC 8489: chooses an algorithm, hides its name. */
  readonly algorithm: "md5" | "sha256" | undefined;
  readonly hidesName: boolean;
}

const usual: Login = {
  username: "ann",
  password: "secret",
  realm: "example.org",
  hash: "sha1",
  algorithm: undefined,
  hidesName: false,
};

let transactions = 0;

export function nextTransaction(): Uint8Array {
  transactions++;
  return Uint8Array.from(Buffer.from(transactions.toString(16).padStart(24, "0"), "hex"));
}

/** A client that does as the RFCs say: it is challenged, and then knows. */
export class Phone {
  readonly rig: TurnRig;
  client: TurnClient;
  readonly login: Login;
  nonce: string | undefined;
  /** The last request, for sending it once more. */
  lastBytes = new Uint8Array();
  #algorithms: Uint8Array | undefined;

  constructor(rig: TurnRig, client: TurnClient, login: Partial<Login> = {}) {
    this.rig = rig;
    this.client = client;
    this.login = { ...usual, ...login };
  }

  key(): Uint8Array {
    return longTermKey(digests, this.login.algorithm ?? "md5", this.login);
  }

  /** The answer, after as many challenges as it takes; undefined: none came. */
  ask(method: number, attributes: readonly TestAttribute[] = []): StunMessage | undefined {
    for (let tries = 0; ; tries++) {
      const transactionId = nextTransaction();
      this.lastBytes = new Uint8Array(this.encode(method, attributes, transactionId));
      const answer = this.rig.send(this.client, this.lastBytes)?.message;
      const code = answer === undefined ? undefined : codeOf(answer);
      if (
        answer === undefined ||
        tries === 2 ||
        !(code === 438 || (code === 401 && this.nonce === undefined))
      ) {
        if (answer !== undefined) this.check(answer);
        return answer;
      }
      this.nonce = readText(attributeOf(answer, stunAttribute.nonce)!);
      this.#algorithms = attributeOf(answer, stunAttribute.passwordAlgorithms)?.slice();
    }
  }

  /** Proven requests get sealed answers. */
  check(answer: StunMessage): void {
    const isUnproven = [undefined, 400, 401, 420].includes(codeOf(answer)) && answer.class === "error";
    if (this.nonce === undefined || isUnproven || answer.method === stunMethod.binding) return;
    assert.ok(
      hasIntegrity(answer, this.login.hash, this.key(), digests),
      "the answer is sealed as the request was",
    );
  }

  encode(method: number, attributes: readonly TestAttribute[], transactionId: Uint8Array): Uint8Array {
    const builder = new StunBuilder("request", method, transactionId);
    for (const [type, value] of attributes)
      builder.add(type, typeof value === "function" ? value(transactionId) : value);
    if (this.nonce === undefined) return builder.addFingerprint().build();
    const { username, realm, algorithm, hash, hidesName } = this.login;
    if (hidesName) builder.add(stunAttribute.userhash, userhashOf(digests, username, realm));
    else builder.add(stunAttribute.username, encodeText(username));
    builder.add(stunAttribute.realm, encodeText(realm)).add(stunAttribute.nonce, encodeText(this.nonce));
    if (algorithm !== undefined) {
      builder.add(stunAttribute.passwordAlgorithms, this.#algorithms ?? new Uint8Array());
      builder.add(stunAttribute.passwordAlgorithm, Uint8Array.of(0, algorithm === "md5" ? 1 : 2, 0, 0));
    }
    return builder.addIntegrity(digests, this.key(), hash).addFingerprint().build();
  }

  allocate(...more: readonly TestAttribute[]): StunMessage | undefined {
    return this.ask(turnMethod.allocate, [udpRelay, ...more]);
  }

  refresh(...more: readonly TestAttribute[]): StunMessage | undefined {
    return this.ask(turnMethod.refresh, more);
  }

  permit(...peers: readonly string[]): StunMessage | undefined {
    return this.ask(turnMethod.createPermission, peers.map(peerAttribute));
  }

  bind(channel: number, peer: string): StunMessage | undefined {
    return this.ask(turnMethod.channelBind, [channelAttribute(channel), peerAttribute(peer)]);
  }

  relay(family: IpFamily = 4): FakeRelay {
    const relays = this.rig.openRelays().filter((relay) => relay.family === family);
    const mine = [...this.rig.server.views()].find(({ client }) => client === this.client);
    const found = relays.find(({ local }) => mine?.relayed.some(({ port }) => port === local.port));
    assert.ok(found !== undefined, "this client has a relay");
    return found;
  }
}

/** Some values hang on the transaction id. */
export type TestAttribute = readonly [
  type: number,
  value: Uint8Array | ((transactionId: Uint8Array) => Uint8Array),
];

export function peerAttribute(text: string): TestAttribute {
  const endpoint = at(text);
  return [turnAttribute.xorPeerAddress, (transactionId) => encodeXorAddress(endpoint, transactionId)];
}

export function channelAttribute(channel: number): Attribute {
  return [turnAttribute.channelNumber, Uint8Array.of(channel >>> 8, channel & 255, 0, 0)];
}

export const udpRelay: Attribute = [turnAttribute.requestedTransport, Uint8Array.of(17, 0, 0, 0)];
export const tcpRelay: Attribute = [turnAttribute.requestedTransport, Uint8Array.of(6, 0, 0, 0)];

export function family(type: "requested" | "additional", code: number): Attribute {
  const isRequested = type === "requested";
  return [
    isRequested ? turnAttribute.requestedAddressFamily : turnAttribute.additionalAddressFamily,
    Uint8Array.of(code, 0, 0, 0),
  ];
}

export function lifetime(seconds: number): Attribute {
  return [turnAttribute.lifetime, encodeNumber(seconds)];
}

/** The code of an error reply; undefined: it is none. */
export function codeOf(message: StunMessage | undefined): number | undefined {
  const value = message?.class === "error" ? attributeOf(message, stunAttribute.errorCode) : undefined;
  return value === undefined ? undefined : readErrorCode(value)?.code;
}

export function assertCode(message: StunMessage | undefined, code: number, reason?: string): void {
  assert.ok(message !== undefined, `no answer instead of ${code}`);
  const value = attributeOf(message, stunAttribute.errorCode);
  const error = value === undefined ? { code: 200, reason: "success" } : readErrorCode(value);
  assert.equal(error?.code, code, error?.reason);
  if (reason !== undefined) assert.equal(error?.reason, reason);
}

export function assertSuccess(message: StunMessage | undefined): StunMessage {
  assert.ok(message !== undefined, "no answer instead of success");
  assert.equal(message.class, "success", `error ${codeOf(message)}`);
  return message;
}

export function lifetimeOf(message: StunMessage | undefined): number | undefined {
  const value = message === undefined ? undefined : attributeOf(message, turnAttribute.lifetime);
  return value === undefined ? undefined : readNumber(value);
}

export function addressesOf(message: StunMessage | undefined, type: number): string[] {
  assert.ok(message !== undefined);
  return message.attributes
    .filter((attribute) => attribute.type === type)
    .map(({ value }) => formatEndpoint(readXorAddress(value, message.transactionId)!));
}

export function channelData(channel: number, payload: string): Uint8Array {
  return Buffer.from([
    channel >>> 8,
    channel & 255,
    payload.length >>> 8,
    payload.length & 255,
    ...Buffer.from(payload, "latin1"),
  ]);
}

export function sendIndication(peer: string, payload: string, ...more: readonly Attribute[]): Uint8Array {
  const transactionId = nextTransaction();
  const builder = new StunBuilder("indication", turnMethod.send, transactionId);
  builder.add(turnAttribute.xorPeerAddress, encodeXorAddress(at(peer), transactionId));
  for (const [type, value] of more) builder.add(type, value);
  return builder.add(turnAttribute.data, Buffer.from(payload, "latin1")).build();
}

export function bindingRequest(...attributes: readonly Attribute[]): Uint8Array {
  const builder = new StunBuilder("request", stunMethod.binding, nextTransaction());
  for (const [type, value] of attributes) builder.add(type, value);
  return builder.build();
}
