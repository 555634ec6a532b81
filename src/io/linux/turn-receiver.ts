/** Reads TURN's sockets for a worker: listeners many datagrams at a time, relays as media sockets are read. */
import { turnListenersMax } from "../../core/limits.ts";
import type { TurnWorker } from "../../relay/turn/turn-worker.ts";
import type { DataFacts } from "../../turn/data-facts.ts";
import type { DatagramReader } from "./datagram-reader.ts";
import { socketAddress } from "./libc.ts";
import { readSocketIp } from "./sockets.ts";
import type { TurnSockets } from "./turn-sockets.ts";

/** TURN in this worker, and its sockets. */
export interface TurnPart {
  readonly worker: TurnWorker;
  readonly sockets: TurnSockets;
}

export class TurnReceiver {
  readonly #part: TurnPart;
  readonly #reader: DatagramReader;
  readonly #view: DataView;
  #unreported = 0;

  /** `view`: of the arena. */
  constructor(part: TurnPart, reader: DatagramReader, view: DataView) {
    this.#part = part;
    this.#reader = reader;
    this.#view = view;
  }

  /** Datagrams read beyond one a report, since the last call. */
  takeUnreported(): number {
    const unreported = this.#unreported;
    this.#unreported = 0;
    return unreported;
  }

  /** Reads a listener or a relay, a relay `readsMax` datagrams at most. */
  receive(socket: number, readsMax: number, nowMs: number): void {
    const fd = this.#part.sockets.descriptors[socket]!;
    // Closed since epoll reported it.
    if (fd === 0) return;
    if (socket < turnListenersMax) this.#receiveClients(socket, fd, nowMs);
    else this.#receivePeers(socket, fd, readsMax, nowMs);
  }

  /** All of a worker's clients are behind a few listeners, which have several datagrams at a time. */
  #receiveClients(socket: number, fd: number, nowMs: number): void {
    const { worker, sockets } = this.#part;
    const { inbox } = sockets;
    const received = inbox.receive(fd);
    if (received < 0) {
      worker.countReceiveTrouble();
      return;
    }
    this.#unreported += received - 1;
    for (let index = 0; index < received; index++) {
      this.#readSource(worker.facts, inbox.nameAt(index));
      worker.facts.socket = socket;
      worker.receive(inbox.offsetOf(index), inbox.sizeOf(index), nowMs);
    }
  }

  #receivePeers(socket: number, fd: number, readsMax: number, nowMs: number): void {
    const { worker, sockets } = this.#part;
    const { outbox } = sockets;
    for (let reads = 0; reads < readsMax; reads++) {
      const { posted } = worker;
      const sizeBytes = this.#reader.read(fd, outbox.addressOf(posted));
      if (sizeBytes < 0) {
        if (reads === 0) worker.countReceiveTrouble();
        return;
      }
      if (reads > 0) this.#unreported++;
      this.#readSource(worker.facts, this.#reader.source);
      worker.facts.socket = socket;
      worker.receive(outbox.offsetOf(posted), sizeBytes, nowMs);
    }
  }

  /** `source`: where the kernel wrote it. */
  #readSource(facts: DataFacts, source: number): void {
    facts.sourcePort = this.#view.getUint16(source + socketAddress.port);
    readSocketIp(this.#view, source, facts.source);
  }
}
