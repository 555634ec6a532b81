/**
 * One connection of a client over TCP or TLS: messages cut out of what comes, and a bounded queue for what goes.
 *
 * A client that reads slowly loses media, as it would over UDP. Replies are never dropped: where even they find no
 * room the connection ends. Whoever has no allocation gets much less room, in both directions.
 */
import type { Socket } from "node:net";
import { Allowance } from "../../core/allowance.ts";
import {
  turnBurstSizeBytesMax,
  turnFirstWordMsMax,
  turnQueueSizeBytesMax,
  turnQuietMsMax,
  turnStrangerMessageSizeBytesMax,
  turnStrangerMessagesBurstMax,
  turnStrangerMessagesPerSecMax,
  turnStrangerQueueSizeBytesMax,
} from "../../core/limits.ts";
import type { TurnClient } from "../../turn/actions.ts";
import { StreamFramer } from "../../turn/stream-framer.ts";
import type { GivenStream, StreamHub, StreamSeat } from "./contract.ts";

export interface StreamClientParts {
  readonly socket: Socket;
  readonly client: TurnClient;
  readonly hub: StreamHub;
  /** Once, whoever ended it. */
  readonly onEnd: (client: TurnClient) => void;
}

export class StreamClient implements StreamSeat {
  readonly client: TurnClient;
  isServing = false;
  readonly #parts: StreamClientParts;
  readonly #framer = new StreamFramer();
  readonly #strangerMessages = new Allowance(1, turnStrangerMessagesPerSecMax, turnStrangerMessagesBurstMax);
  readonly #sinceMs = performance.now();
  #heardMs = this.#sinceMs;
  /** A whole message was there. */
  #hasSpoken = false;
  #partSinceMs: number | undefined;
  /**
   * Written in this turn of the loop. node's TLS hands nothing over before the turn is over, so these bytes say nothing
   * of how fast the client reads.
   */
  #turnSizeBytes = 0;
  /** Its bytes are somebody else's now (RFC 6062 section 4.4). */
  #isGivenAway = false;
  #isOver = false;

  constructor(parts: StreamClientParts) {
    this.client = parts.client;
    this.#parts = parts;
    const { socket } = parts;
    socket.on("data", this.#onData);
    socket.once("close", () => this.close());
    socket.on("error", () => undefined);
  }

  send(bytes: Uint8Array, isMedia: boolean): boolean {
    const { socket } = this.#parts;
    if (this.#isOver || this.#isGivenAway || socket.destroyed) return false;
    const { writableLength } = socket;
    const sizeBytes = writableLength + bytes.length;
    const beforeTurn = Math.max(0, writableLength - this.#turnSizeBytes) + bytes.length;
    if (isMedia && (beforeTurn > turnQueueSizeBytesMax || sizeBytes > turnBurstSizeBytesMax)) return false;
    // Without an allocation there is little to be said: who lets answers pile up is no client.
    const isStranger = !this.isServing && !isMedia;
    if (sizeBytes > (isStranger ? turnStrangerQueueSizeBytesMax : 2 * turnBurstSizeBytesMax)) {
      this.close();
      return false;
    }
    if (this.#turnSizeBytes === 0) setImmediate(this.#endTurn);
    this.#turnSizeBytes += bytes.length;
    socket.write(bytes);
    return true;
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { socket, hub, client, onEnd } = this.#parts;
    socket.destroy();
    // Told before its place is given up: whatever belongs to the stream goes first.
    onEnd(client);
    hub.leave(this);
  }

  /** From now on nothing is read or sent here; its end is still told. */
  giveAway(): GivenStream {
    const { socket } = this.#parts;
    this.#isGivenAway = true;
    socket.off("data", this.#onData);
    socket.pause();
    return { socket, rest: this.#framer.takeRest() };
  }

  /** To be called now and then. */
  closeIfStuck(nowMs: number): void {
    if (this.#isGivenAway) return;
    const isMute = !this.#hasSpoken && nowMs - this.#sinceMs > turnFirstWordMsMax;
    const isQuiet = !this.isServing && nowMs - this.#heardMs > turnQuietMsMax;
    const isStuck = this.#partSinceMs !== undefined && nowMs - this.#partSinceMs > turnQuietMsMax;
    if (isMute || isQuiet || isStuck) this.close();
  }

  #next(): Uint8Array | undefined {
    this.#framer.messageSizeBytesMax = this.isServing
      ? Number.POSITIVE_INFINITY
      : turnStrangerMessageSizeBytesMax;
    return this.#framer.next();
  }

  readonly #endTurn = (): void => {
    this.#turnSizeBytes = 0;
  };

  readonly #onData = (chunk: Uint8Array): void => {
    this.#heardMs = performance.now();
    this.#framer.push(chunk);
    let message = this.#next();
    if (message !== undefined) this.#partSinceMs = undefined;
    while (message !== undefined) {
      this.#hasSpoken = true;
      if (!this.isServing && !this.#strangerMessages.take(0, this.#heardMs)) {
        this.close();
        return;
      }
      this.#parts.hub.receive(this, message);
      if (this.#isGivenAway || this.#isOver) return;
      message = this.#next();
    }
    if (this.#framer.isBroken) this.close();
    else if (!this.#framer.hasPart) this.#partSinceMs = undefined;
    else this.#partSinceMs ??= this.#heardMs;
  };
}
