/** Programs and tables in the kernel, by the bpf(2) system call. */
import { Arena } from "./arena.ts";
import { syscall } from "./libc.ts";
import { writeAddress } from "./message-vector.ts";

/** Numbers of bpf(2) among the system calls (asm/unistd_64.h, asm-generic/unistd.h). */
const callNumber = process.arch === "x64" ? 321 : 280;

/** enum bpf_cmd, and how many bytes of its argument each reads (linux/bpf.h). */
const command = {
  createMap: { code: 0, bytes: 72 },
  update: { code: 2, bytes: 32 },
  remove: { code: 3, bytes: 32 },
  load: { code: 5, bytes: 72 },
  createLink: { code: 28, bytes: 16 },
} as const;
const argumentBytes = 72;

/** enum bpf_map_type. */
export const mapType = { hash: 1, sockets: 15 } as const;
/** BPF_F_NO_PREALLOC: memory for the entries there are, not for all there may be. */
export const mapFlag = { asNeeded: 1 } as const;

/** What a map is made of; sizes in bytes. */
export interface MapShape {
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
  readonly flags: number;
}

/** What a program is and where it is attached: enum bpf_prog_type, enum bpf_attach_type. */
export interface ProgramKind {
  readonly type: number;
  readonly attach: number;
}

const instructionBytes = 8;
const keyBytesMax = 64;
const instructionsMax = 256;

/** The calls, over one scratch arena. Results are descriptors, or negative; errno tells why. */
export class BpfCalls {
  readonly #arena = new Arena(1024 + instructionsMax * instructionBytes);
  readonly #argument = this.#arena.reserve(argumentBytes);
  readonly #key = this.#arena.reserve(keyBytesMax);
  readonly #value = this.#arena.reserve(8);
  readonly #licence = this.#arena.reserve(16);
  readonly #program = this.#arena.reserve(instructionsMax * instructionBytes);
  /** Where `update` and `remove` find a map's key. */
  readonly key = new DataView(this.#arena.memory.buffer, this.#key, keyBytesMax);

  constructor() {
    this.#arena.bytes.set(Buffer.from("Dual MIT/GPL\0", "latin1"), this.#licence);
  }

  createMap({ type, keyBytes, valueBytes, entriesMax, flags }: MapShape): number {
    this.#begin();
    for (const [index, field] of [type, keyBytes, valueBytes, entriesMax, flags].entries()) {
      this.#setWord(4 * index, field);
    }
    return this.#call(command.createMap);
  }

  /** Writes the entry of `key`. False, and errno tells why. */
  update(map: number, value: number): boolean {
    this.#begin();
    this.#setWord(0, map);
    this.#setAddress(8, this.#key);
    this.#setAddress(16, this.#value);
    this.#arena.view.setInt32(this.#value, value, true);
    return this.#call(command.update) === 0;
  }

  /** Removes the entry of `key`, if there is one. */
  remove(map: number): void {
    this.#begin();
    this.#setWord(0, map);
    this.#setAddress(8, this.#key);
    this.#call(command.remove);
  }

  /** Has the kernel check a program and keep it. */
  load({ type, attach }: ProgramKind, program: Uint8Array): number {
    this.#begin();
    this.#arena.bytes.set(program, this.#program);
    this.#setWord(0, type);
    this.#setWord(4, program.length / instructionBytes);
    this.#setAddress(8, this.#program);
    this.#setAddress(16, this.#licence);
    this.#setWord(68, attach);
    return this.#call(command.load);
  }

  /** Attaches a program to what `target` names; closing the descriptor detaches it. */
  link(program: number, target: number, { attach }: ProgramKind): number {
    this.#begin();
    this.#setWord(0, program);
    this.#setWord(4, target);
    this.#setWord(8, attach);
    return this.#call(command.createLink);
  }

  #begin(): void {
    this.#arena.bytes.fill(0, this.#argument, this.#argument + argumentBytes);
  }

  #setWord(at: number, value: number): void {
    this.#arena.view.setInt32(this.#argument + at, value, true);
  }

  #setAddress(at: number, offset: number): void {
    writeAddress(this.#arena, this.#argument + at, offset);
  }

  #call({ code, bytes }: { readonly code: number; readonly bytes: number }): number {
    return syscall(callNumber, code, this.#arena.address + this.#argument, bytes);
  }
}
