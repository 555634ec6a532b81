/** Garbage collections of a worker's thread: as few and as short as can be, and counted. */
import { GCProfiler, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { workerField } from "../relay/counters.ts";

/** Folds what V8 says about collections into the worker's counters, then listens anew. */
export class CollectionWatch {
  readonly #record: Float64Array;
  #profiler = new GCProfiler();

  constructor(record: Float64Array) {
    this.#record = record;
    this.#profiler.start();
  }

  fold(): void {
    // The cost is in microseconds.
    for (const { cost } of this.#profiler.stop()?.statistics ?? []) {
      const record = this.#record;
      const add = (field: number, value: number): void => {
        record[field] = (record[field] ?? 0) + value;
      };
      add(workerField.collections, 1);
      add(workerField.collectionMsTotal, cost / 1000);
      record[workerField.collectionMsMax] = Math.max(record[workerField.collectionMsMax] ?? 0, cost / 1000);
    }
    this.#profiler = new GCProfiler();
    this.#profiler.start();
  }
}

const earlyCollectionsMax = 8;
/** Of new objects; the nursery holds eight times as much. */
const earlyGrowthBytes = 128 * 1024;
/** What a collection leaves when there is no more to wait for. */
const littleBytes = 4 * 1024;
const minor = { type: "minor" } as const;

type Collect = (options?: typeof minor) => void;

/**
 * Collections before V8 would have them. One of all that loading left behind: V8 does it some seconds later, when the loop
 * runs, and stops it for 20 ms. And the first few of what the loop allocates: what V8 notes about code while that becomes
 * fast stays, and is copied twice. At once that took up to 1.1 ms, and in portions half of it.
 */
export class EarlyCollections {
  readonly #usedBytes: () => number;
  /** Undefined: there are no more. With it goes the context that V8 gives the function in. */
  #collect: Collect | undefined;
  #left = earlyCollectionsMax;
  #keptBytes: number;

  constructor(collect: Collect | undefined = collector(), usedBytes = usedHeapBytes) {
    this.#collect = collect;
    this.#usedBytes = usedBytes;
    collect?.();
    this.#keptBytes = usedBytes();
  }

  /** Called now and then, off the packet path. */
  run(): void {
    if (this.#collect === undefined || this.#usedBytes() - this.#keptBytes < earlyGrowthBytes) return;
    this.#collect(minor);
    const before = this.#keptBytes;
    this.#keptBytes = this.#usedBytes();
    this.#left--;
    if (this.#left === 0 || this.#keptBytes - before < littleBytes) this.#collect = undefined;
  }
}

function usedHeapBytes(): number {
  return getHeapStatistics().used_heap_size;
}

/** Undefined where V8 has no such function. */
function collector(): Collect | undefined {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  return typeof collect === "function" ? (collect as Collect) : undefined;
}
