/**
 * SIP proxies as the station sees them: Kamailio asks with a cookie and asks again with the same one after a second,
 * five times in all. A proxy that crashes forgets its calls and comes back with other cookies.
 */
import { Buffer } from "node:buffer";
import { encodeMessage, type NgEncoding } from "../../../src/control/ng/message.ts";
import type { NgValue } from "../../../src/control/ng/value.ts";
import type { Endpoint } from "../../../src/core/address.ts";
import type { Chance } from "./chance.ts";
import type { Network } from "./network.ts";
import { type NgWords, ngScript, rtpproxyScript, type Script } from "./scripts.ts";
import type { Client, Station } from "./station.ts";
import type { World } from "./world.ts";

/** Kamailio's and OpenSIPS's defaults. */
const datagramAttempts = { count: 5, everyMs: 1_000 } as const;
/** A stream loses nothing, and nobody asks twice. */
const streamAttempts = { count: 1, everyMs: 120_000 } as const;
const streamDelayMs = 3;
const streamGapMs = 0.01;

export interface ProxyParts {
  readonly world: World;
  readonly chance: Chance;
  readonly network: Network;
  readonly station: Station;
  readonly endpoint: Endpoint;
  readonly name: string;
}

/** What the ways to ask have in common: scripts that run, and cookies that wait. */
abstract class SipProxy<Question> implements Client {
  readonly endpoint: Endpoint;
  readonly isProxy = true;
  protected readonly attempts: { readonly count: number; readonly everyMs: number } = datagramAttempts;
  protected readonly parts: ProxyParts;
  readonly #waiting = new Map<string, (reply: string | undefined) => void>();
  /** Counts crashes: what an earlier life left behind does nothing. */
  protected life = 1;
  #callCount = 0;
  #askedCount = 0;
  unansweredCount = 0;
  answeredCount = 0;

  constructor(parts: ProxyParts) {
    this.parts = parts;
    this.endpoint = parts.endpoint;
  }

  startCall(): void {
    const callId = `${this.parts.name}-${this.life}-${++this.#callCount}`;
    this.#advance(this.script(callId), [], this.life);
  }

  crash(): void {
    this.life++;
    this.#waiting.clear();
  }

  deliver(bytes: Uint8Array): void {
    this.parts.network.carry(bytes, (arrived) => {
      const text = Buffer.from(arrived).toString("latin1");
      const cookie = text.slice(0, text.indexOf(" "));
      this.take(cookie, text.slice(cookie.length + 1));
    });
  }

  protected take(cookie: string, reply: string): void {
    const done = this.#waiting.get(cookie);
    this.#waiting.delete(cookie);
    done?.(reply);
  }

  protected abstract script(callId: string): Script<Question>;
  protected abstract encode(cookie: string, question: Question): Uint8Array;
  protected abstract send(bytes: Uint8Array, cookie: string): void;

  #advance(script: Script<Question>, replies: readonly (string | undefined)[], life: number): void {
    if (life !== this.life) return;
    const { done, value } = script.next(replies);
    if (done === true) return;
    if (value.kind === "wait") {
      this.parts.world.after(value.durationMs, () => this.#advance(script, [], life));
      return;
    }
    const answers: (string | undefined)[] = [];
    let missing = value.questions.length;
    for (const [index, question] of value.questions.entries()) {
      this.#ask(question, (reply) => {
        answers[index] = reply;
        missing--;
        if (missing === 0) this.#advance(script, answers, life);
      });
    }
  }

  #ask(question: Question, done: (reply: string | undefined) => void): void {
    const cookie = `${this.life}_${++this.#askedCount}`;
    const bytes = this.encode(cookie, question);
    this.#waiting.set(cookie, (reply) => {
      if (reply === undefined) this.unansweredCount++;
      else this.answeredCount++;
      done(reply);
    });
    this.#attempt(cookie, bytes, this.attempts.count);
  }

  #attempt(cookie: string, bytes: Uint8Array, attemptsLeft: number): void {
    const done = this.#waiting.get(cookie);
    if (done === undefined) return;
    if (attemptsLeft === 0) {
      this.#waiting.delete(cookie);
      done(undefined);
      return;
    }
    this.send(bytes, cookie);
    this.parts.world.after(this.attempts.everyMs, () => this.#attempt(cookie, bytes, attemptsLeft - 1));
  }
}

export class NgProxy extends SipProxy<NgWords> {
  readonly #encoding: NgEncoding;

  constructor(parts: ProxyParts, encoding: NgEncoding) {
    super(parts);
    this.#encoding = encoding;
  }

  protected script(callId: string): Script<NgWords> {
    return ngScript(this.parts.chance, callId);
  }

  protected encode(cookie: string, words: NgWords): Uint8Array {
    return encodeMessage(cookie, this.#encoding, new Map<string, NgValue>(Object.entries(words)));
  }

  protected send(bytes: Uint8Array): void {
    const { network, station } = this.parts;
    network.carry(bytes, (arrived) => station.ngDatagram(arrived, this));
  }
}

export class RtpproxyProxy extends SipProxy<string> {
  protected script(callId: string): Script<string> {
    return rtpproxyScript(this.parts.chance, callId);
  }

  protected encode(cookie: string, command: string): Uint8Array {
    return Buffer.from(`${cookie} ${command}\n`, "latin1");
  }

  protected send(bytes: Uint8Array): void {
    const { network, station } = this.parts;
    network.carry(bytes, (arrived) => station.rtpproxyDatagram(arrived, this));
  }
}

/** The same protocol over a stream: no cookies, every command has its reply, in order. */
export class RtpproxyStreamProxy extends SipProxy<string> {
  protected override readonly attempts = streamAttempts;
  #lastArrivalMs = 0;
  readonly #outstanding: { readonly cookie: string; readonly life: number }[] = [];

  protected script(callId: string): Script<string> {
    return rtpproxyScript(this.parts.chance, callId);
  }

  protected encode(_cookie: string, command: string): Uint8Array {
    return Buffer.from(command, "latin1");
  }

  protected send(bytes: Uint8Array, cookie: string): void {
    const { world, station } = this.parts;
    const { life } = this;
    this.#outstanding.push({ cookie, life });
    const connection = {
      endpoint: this.endpoint,
      deliver: (reply: Uint8Array) => this.#deliverTo(life, reply),
    };
    // In order, and never two at one moment.
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs + streamGapMs, world.nowMs + streamDelayMs);
    world.after(this.#lastArrivalMs - world.nowMs, () => station.rtpproxyLine(bytes, life, connection));
  }

  #deliverTo(life: number, reply: Uint8Array): void {
    const text = Buffer.from(reply).toString("latin1");
    this.parts.world.after(streamDelayMs, () => {
      const at = this.#outstanding.findIndex((one) => one.life === life);
      const [asked] = this.#outstanding.splice(at, 1);
      if (asked !== undefined) this.take(asked.cookie, text);
    });
  }
}
