/** One client over DTLS: its association, and its seat among the streams once the handshake is done. */
import { Allowance } from "../../core/allowance.ts";
import {
  turnFirstWordMsMax,
  turnPendingSendsMax,
  turnQuietMsMax,
  turnStrangerMessagesBurstMax,
  turnStrangerMessagesPerSecMax,
} from "../../core/limits.ts";
import type { ClientHello } from "../../srtp/dtls/datagram.ts";
import type { TurnClient } from "../../turn/actions.ts";
import type { StreamHub, StreamSeat } from "./contract.ts";
import type { DtlsServerConnection, DtlsServerProgress } from "./dtls-server.ts";

export interface DtlsClientParts {
  readonly client: TurnClient;
  readonly connection: DtlsServerConnection;
  /** The ClientHello that began it. */
  readonly hello: ClientHello;
  readonly hub: StreamHub;
  readonly transmit: (bytes: Uint8Array, done: () => void) => void;
  /** Once, whoever ended it. */
  readonly onEnd: (client: TurnClient, wasConnected: boolean) => void;
}

export class DtlsClient implements StreamSeat {
  readonly client: TurnClient;
  isServing = false;
  isConnected = false;
  readonly #parts: DtlsClientParts;
  readonly #identity: Uint8Array;
  readonly #strangerMessages = new Allowance(1, turnStrangerMessagesPerSecMax, turnStrangerMessagesBurstMax);
  readonly #sinceMs = performance.now();
  #heardMs = this.#sinceMs;
  #hasSpoken = false;
  #isOver = false;
  #pendingSends = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: DtlsClientParts) {
    this.client = parts.client;
    this.#parts = parts;
    this.#identity = Uint8Array.from(parts.hello.facts?.identity ?? []);
  }

  /** The ClientHello that began this comes once more; another one is a client that starts anew. */
  isBegunBy({ facts, messageSeq }: ClientHello): boolean {
    if (messageSeq !== 1 || facts === undefined) return facts === undefined;
    const { identity } = facts;
    return (
      identity.length === this.#identity.length && this.#identity.every((byte, at) => byte === identity[at])
    );
  }

  receive(datagram: Uint8Array): void {
    if (this.#isOver) return;
    this.#take(this.#parts.connection.receive(datagram));
  }

  send(bytes: Uint8Array, isMedia: boolean): boolean {
    if (this.#isOver || !this.isConnected) return false;
    if (isMedia && this.#pendingSends >= turnPendingSendsMax) return false;
    const datagram = this.#parts.connection.send(bytes);
    if (datagram !== undefined) this.#transmit(datagram);
    return datagram !== undefined;
  }

  /** Bytes of datagrams make no stream. */
  giveAway(): undefined {
    return undefined;
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { connection, hub, client, onEnd } = this.#parts;
    for (const datagram of connection.shutdown()) this.#transmit(datagram);
    connection.free();
    onEnd(client, this.isConnected);
    if (this.isConnected) hub.leave(this);
  }

  /** To be called now and then. */
  closeIfStuck(nowMs: number, handshakeMsMax: number): void {
    const ageMs = nowMs - this.#sinceMs;
    const isMute =
      !this.#hasSpoken && ageMs > (this.isConnected ? turnFirstWordMsMax + handshakeMsMax : handshakeMsMax);
    const isQuiet = !this.isServing && nowMs - this.#heardMs > turnQuietMsMax;
    if (isMute || isQuiet) this.close();
  }

  #take({ datagrams, messages, state }: DtlsServerProgress): void {
    for (const datagram of datagrams) this.#transmit(datagram);
    if (state === "connected" && !this.isConnected) {
      this.isConnected = true;
      if (!this.#parts.hub.enter(this)) {
        this.close();
        return;
      }
    }
    for (const message of messages) {
      this.#heardMs = performance.now();
      this.#hasSpoken = true;
      if (!this.isServing && !this.#strangerMessages.take(0, this.#heardMs)) {
        this.close();
        return;
      }
      this.#parts.hub.receive(this, message);
      if (this.#isOver) return;
    }
    if (state === "over") this.close();
    else this.#arm();
  }

  /** Lost flights of the handshake are sent again. */
  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const delayMs = this.#parts.connection.timeoutMs();
    if (delayMs === undefined) return;
    this.#timer = setTimeout(
      () => {
        if (!this.#isOver) this.#take(this.#parts.connection.handleTimeout());
      },
      Math.max(20, Math.ceil(delayMs)),
    );
    this.#timer.unref();
  }

  #transmit(datagram: Uint8Array): void {
    this.#pendingSends++;
    this.#parts.transmit(datagram, () => {
      this.#pendingSends--;
    });
  }
}
