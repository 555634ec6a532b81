/**
 * Relay sockets in the workers: each has a number and a descriptor in one worker, or in two while its client moves from
 * one to the other. Two workers have two descriptors of the same socket, so either can close its own at any time.
 */
import type { IpAddress } from "../../core/address.ts";
import { turnListenersMax, turnSpareRelaysMax } from "../../core/limits.ts";
import type { RecordQueue } from "../../relay/command-queue.ts";
import { relayRecordAt, trafficField } from "../../relay/turn/turn-counters.ts";
import type { TurnDriver } from "../../relay/turn/turn-driver.ts";
import type { TurnCommand } from "../../relay/turn/turn-records.ts";
import type { RelayId } from "../../turn/actions.ts";
import type { BindOutcome, Traffic } from "./contract.ts";
import { Numbers } from "./numbers.ts";

/** Where a worker has a relay: its number among the relays there, and its descriptor. */
interface Post {
  readonly worker: number;
  readonly number: number;
  readonly handle: number;
}

interface WorkerRelay {
  readonly isV6: boolean;
  posts: readonly Post[];
  /** Descriptors that workers are still to close. */
  leaving: number;
  /** What was carried where it no longer is. */
  past: Traffic | undefined;
  /** Set once it is being closed: the port is free. */
  done: (() => void) | undefined;
}

export class WorkerRelays {
  readonly #driver: TurnDriver;
  readonly #queues: readonly RecordQueue<TurnCommand>[];
  readonly #relaysMax: number;
  readonly #relays = new Map<RelayId, WorkerRelay>();
  readonly #numbers: readonly Numbers[];
  /** By worker and number: whose it is, and what the counters stood at when it came. */
  readonly #owners: readonly (WorkerRelay | undefined)[][];
  readonly #before: readonly Float64Array[];
  readonly #counts: number[];

  constructor(driver: TurnDriver, queues: readonly RecordQueue<TurnCommand>[], allocationsMax: number) {
    this.#driver = driver;
    this.#queues = queues;
    this.#relaysMax = 2 * allocationsMax + turnSpareRelaysMax;
    this.#numbers = driver.links.map(() => new Numbers());
    this.#owners = driver.links.map(() => []);
    this.#before = driver.links.map(() => new Float64Array(trafficField.size * this.#relaysMax));
    this.#counts = driver.links.map(() => 0);
  }

  get size(): number {
    return this.#relays.size;
  }

  leastUsedWorker(): number {
    return this.#counts.indexOf(Math.min(...this.#counts));
  }

  bind(relay: RelayId, worker: number, ip: IpAddress, port: number): BindOutcome {
    if (this.#queues[worker]?.isOverloaded !== false) return "failed";
    const bound = this.#driver.bindRelay(ip, port);
    if (!bound.ok) return bound.reason === "port-taken" ? "port-taken" : "failed";
    const entry: WorkerRelay = {
      isV6: ip.includes(":"),
      posts: [],
      leaving: 0,
      past: undefined,
      done: undefined,
    };
    if (!this.#post(entry, worker, bound.handle, true)) return "failed";
    this.#relays.set(relay, entry);
    return "bound";
  }

  close(relay: RelayId, done: () => void): void {
    const entry = this.#relays.get(relay);
    if (entry === undefined) {
      done();
      return;
    }
    this.#relays.delete(relay);
    entry.done = done;
    for (const post of entry.posts) this.#release(entry, post);
    entry.posts = [];
    if (entry.leaving === 0) done();
  }

  /** The socket's number in that worker, made if it has none there; undefined: it cannot be had. */
  numberIn(relay: RelayId, worker: number): number | undefined {
    const entry = this.#relays.get(relay);
    const [post] = entry?.posts ?? [];
    if (entry === undefined || post === undefined) return undefined;
    const there = entry.posts.find((each) => each.worker === worker);
    if (there !== undefined) return turnListenersMax + there.number;
    const handle = this.#driver.duplicate(post.handle);
    const made = handle === undefined ? undefined : this.#post(entry, worker, handle, false);
    return made === undefined ? undefined : turnListenersMax + made.number;
  }

  /** From now on that worker alone reads it, if it has it. The others give it up. */
  settle(relay: RelayId, worker: number): void {
    for (const post of this.#settle(relay, worker)) this.#release(post.entry, post);
  }

  /** The same, but for the former worker's giving it up: the number it has to release. */
  settleLater(relay: RelayId, worker: number): number | undefined {
    const [left] = this.#settle(relay, worker);
    if (left === undefined) return undefined;
    left.entry.leaving++;
    return turnListenersMax + left.number;
  }

  #settle(relay: RelayId, worker: number): readonly (Post & { readonly entry: WorkerRelay })[] {
    const entry = this.#relays.get(relay);
    const there = entry?.posts.find((each) => each.worker === worker);
    if (entry === undefined || there === undefined) return [];
    const left = entry.posts.filter((post) => post !== there).map((post) => ({ ...post, entry }));
    // Read there before it is given up here: what waits in its queue is not lost.
    if (entry.posts[0] !== there) {
      this.#queues[worker]?.submit({ kind: "watch", socket: turnListenersMax + there.number });
    }
    entry.posts = [there];
    return left;
  }

  /** A worker has closed its descriptor. */
  handleReleased(worker: number, socket: number): void {
    const number = socket - turnListenersMax;
    const entry = this.#owners[worker]?.[number];
    const numbers = this.#numbers[worker];
    if (entry === undefined || numbers === undefined) return;
    entry.past ??= { packetsUp: 0, bytesUp: 0, packetsDown: 0, bytesDown: 0 };
    this.#add(entry.past, worker, number);
    this.#set(worker, number, undefined);
    numbers.giveBack(number);
    entry.leaving--;
    if (entry.leaving === 0 && entry.done !== undefined) entry.done();
  }

  /** Adds what the relay has carried. */
  count(relay: RelayId, sum: Traffic): void {
    const entry = this.#relays.get(relay);
    if (entry === undefined) return;
    for (const post of entry.posts) this.#add(sum, post.worker, post.number);
    const { past } = entry;
    if (past === undefined) return;
    sum.packetsUp += past.packetsUp;
    sum.bytesUp += past.bytesUp;
    sum.packetsDown += past.packetsDown;
    sum.bytesDown += past.bytesDown;
  }

  #post(entry: WorkerRelay, worker: number, handle: number, isWatched: boolean): Post | undefined {
    const number = this.#numbers[worker]?.take() ?? this.#relaysMax;
    if (number >= this.#relaysMax) {
      this.#numbers[worker]?.giveBack(number);
      this.#driver.discard(handle);
      return undefined;
    }
    const post = { worker, number, handle };
    entry.posts = [...entry.posts, post];
    this.#set(worker, number, entry);
    const counters = this.#driver.links[worker]?.counters;
    const at = relayRecordAt(number);
    if (counters !== undefined) {
      this.#before[worker]?.set(counters.subarray(at, at + trafficField.size), trafficField.size * number);
    }
    const { isV6 } = entry;
    const socket = turnListenersMax + number;
    this.#queues[worker]?.submit({ kind: "adopt", socket, handle, isV6, isWatched });
    return post;
  }

  #release(entry: WorkerRelay, { worker, number }: Post): void {
    entry.leaving++;
    this.#queues[worker]?.submit({ kind: "release", socket: turnListenersMax + number });
  }

  #set(worker: number, number: number, entry: WorkerRelay | undefined): void {
    const owners = this.#owners[worker];
    if (owners === undefined) return;
    owners[number] = entry;
    this.#counts[worker] = (this.#counts[worker] ?? 0) + (entry === undefined ? -1 : 1);
  }

  #add(sum: Traffic, worker: number, number: number): void {
    const counters = this.#driver.links[worker]?.counters;
    const before = this.#before[worker];
    const since = (field: number): number =>
      (counters?.[relayRecordAt(number) + field] ?? 0) - (before?.[trafficField.size * number + field] ?? 0);
    sum.packetsUp += since(trafficField.packetsUp);
    sum.bytesUp += since(trafficField.bytesUp);
    sum.packetsDown += since(trafficField.packetsDown);
    sum.bytesDown += since(trafficField.bytesDown);
  }
}
