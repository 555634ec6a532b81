/**
 * Has the kernel give each worker the datagrams of its busy flows by one socket, so that many are read in one call
 * (`receive-batch.ts`). Takes CAP_BPF and CAP_NET_ADMIN. When the process ends, however it does, so does this.
 */
import { closeSync, openSync } from "node:fs";
import { BpfCalls, mapFlag, mapType } from "./bpf.ts";
import { close } from "./libc.ts";
import { flowKey, steeringProgram } from "./steering-program.ts";

/** BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP. */
const kind = { type: 30, attach: 36 } as const;

/** Descriptors of the two maps that workers write to; any thread may use them. */
export interface SteeringMaps {
  readonly flows: number;
  readonly receivers: number;
}

/** What one worker has of it. */
export interface SteeringShare {
  readonly maps: SteeringMaps;
  /** Its number. */
  readonly worker: number;
}

/** Of each worker: one socket for IPv4 and one for IPv6. */
export function receiverIndex(worker: number, isV6: boolean): number {
  return 2 * worker + (isV6 ? 1 : 0);
}

export class Steering {
  readonly maps: SteeringMaps;
  readonly #descriptors: readonly number[];

  private constructor(maps: SteeringMaps, descriptors: readonly number[]) {
    this.maps = maps;
    this.#descriptors = descriptors;
  }

  /** Undefined: this process may not, or the kernel cannot. `flowsMax`: of all workers. */
  static open(workers: number, flowsMax: number): Steering | undefined {
    const calls = new BpfCalls();
    const opened: number[] = [];
    const keep = (descriptor: number): number => {
      if (descriptor < 0) throw new Error("refused");
      opened.push(descriptor);
      return descriptor;
    };
    try {
      const flows = keep(
        calls.createMap({
          type: mapType.hash,
          keyBytes: flowKey.bytes,
          valueBytes: 4,
          entriesMax: flowsMax,
          flags: mapFlag.asNeeded,
        }),
      );
      const receivers = keep(
        calls.createMap({
          type: mapType.sockets,
          keyBytes: 4,
          valueBytes: 4,
          entriesMax: 2 * workers,
          flags: 0,
        }),
      );
      const program = keep(calls.load(kind, steeringProgram(flows, receivers)));
      const space = openSync("/proc/self/ns/net", "r");
      try {
        keep(calls.link(program, space, kind));
      } finally {
        closeSync(space);
      }
      return new Steering({ flows, receivers }, opened);
    } catch {
      for (const descriptor of opened) close(descriptor);
      return undefined;
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors) close(descriptor);
  }
}
