/**
 * Memory that system calls may write to: one WebAssembly memory, so that ciphers compiled to WebAssembly can work in
 * place later. It never moves, never grows and is never freed while its owner lives. Pages are resident once touched.
 */
import { addressOf } from "./libc.ts";

/** The part of the JavaScript API of WebAssembly used here; it comes with the browser's types otherwise. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

const pageBytes = 65_536;
const lineBytes = 64;

export class Arena {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Address of offset 0. */
  readonly address: number;
  #used = 0;

  constructor(sizeBytes: number) {
    const pages = Math.ceil(sizeBytes / pageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.address = addressOf(memory.buffer);
  }

  /** Offset of a fresh stretch, aligned to a cache line. */
  reserve(sizeBytes: number): number {
    const offset = this.#used;
    this.#used += Math.ceil(sizeBytes / lineBytes) * lineBytes;
    if (this.#used > this.bytes.length) throw new Error("arena: too small for what is laid out in it");
    return offset;
  }
}
