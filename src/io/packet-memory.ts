/** Memory that packets lie in. It is WebAssembly's, so that ciphers compiled to that work in place. */
import type { WasmMemory } from "../srtp/wasm-engine.ts";

/** The part of the JavaScript API of WebAssembly used here; it comes with the browser's types otherwise. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => WasmMemory;
};

const pageBytes = 65_536;

/** It never moves, never grows and is never freed while its owner lives. Pages are resident once touched. */
export interface PacketMemory {
  readonly memory: WasmMemory;
  /** All of it: what was asked for, and more up to a whole page. */
  readonly bytes: Uint8Array;
}

export function allocatePacketMemory(sizeBytes: number): PacketMemory {
  const pages = Math.ceil(sizeBytes / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  return { memory, bytes: new Uint8Array(memory.buffer) };
}
