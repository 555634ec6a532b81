/** Packet memory that system calls may write to, and how it is divided. */
import type { WasmMemory } from "../../srtp/wasm-engine.ts";
import { allocatePacketMemory, type PacketMemory } from "../packet-memory.ts";
import { addressOf } from "./libc.ts";

const lineBytes = 64;

export class Arena implements PacketMemory {
  readonly memory: WasmMemory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same as words. One object for all who read them: each would be one more line in the cache. */
  readonly words: Int32Array;
  /** Address of offset 0. */
  readonly address: number;
  #used = 0;

  constructor(sizeBytes: number) {
    const { memory, bytes } = allocatePacketMemory(sizeBytes);
    this.memory = memory;
    this.bytes = bytes;
    this.view = new DataView(memory.buffer);
    this.words = new Int32Array(memory.buffer);
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
