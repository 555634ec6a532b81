/**
 * Which engine does SRTP here: the fastest that passes the self test. An engine that cannot be loaded, or whose output
 * is wrong, is stepped down from; what is wrong with it belongs in the log.
 */
import { messageOf } from "../core/thrown.ts";
import { type SrtpEngine, scratchBytes } from "../srtp/engine.ts";
import { findEngineFault } from "../srtp/self-test.ts";
import { WasmEngine, wasmEngineBytes } from "../srtp/wasm-engine.ts";
import type { OpenSslWay } from "./linux/srtp-openssl.ts";
import type { PacketMemory } from "./packet-memory.ts";

export interface SrtpEngineParts {
  readonly arena: PacketMemory;
  /** Offset of `srtpEngineBytes` bytes of it for the engine, aligned to 64. */
  readonly offset: number;
  /** See `srtpHandlesMax`. */
  readonly handlesMax: number;
}

export interface SrtpEngineChoice {
  /** Undefined: no SRTP here. */
  readonly engine: SrtpEngine | undefined;
  /** Engines that were stepped down from, and why. */
  readonly faults: readonly { readonly name: string; readonly fault: string }[];
}

/** A way to have an engine; may throw or reject. */
export interface SrtpEngineSource {
  readonly name: string;
  open(parts: SrtpEngineParts): SrtpEngine | Promise<SrtpEngine>;
}

/** Bytes of the arena for whichever engine it is; those that stay untouched cost no memory. */
export const srtpEngineBytes = Math.max(scratchBytes + 1_024, wasmEngineBytes);

function openSsl(way: OpenSslWay, name: string): SrtpEngineSource {
  return {
    name,
    // Loaded late: where there is no FFI the module itself fails.
    open: async (parts) => {
      const { OpenSslEngine, openSslEngineBytes } = await import("./linux/srtp-openssl.ts");
      if (openSslEngineBytes > srtpEngineBytes) throw new Error("the arena has too little room for it");
      return new OpenSslEngine({ ...parts, arena: parts.arena.bytes, way });
    },
  };
}

export const srtpEngineSources: readonly SrtpEngineSource[] = [
  openSsl("kept", "OpenSSL"),
  openSsl("contexts", "OpenSSL with EVP contexts"),
  openSsl("documented", "OpenSSL with EVP contexts and HMAC_CTX"),
  { name: "WebAssembly", open: (parts) => new WasmEngine({ ...parts, memory: parts.arena.memory }) },
];

/** Takes a few milliseconds. */
export async function openSrtpEngine(
  parts: SrtpEngineParts,
  sources: readonly SrtpEngineSource[] = srtpEngineSources,
): Promise<SrtpEngineChoice> {
  const faults: { name: string; fault: string }[] = [];
  for (const source of sources) {
    try {
      const engine = await source.open(parts);
      const fault = findEngineFault(engine, parts.arena.bytes);
      if (fault === undefined) return { engine, faults };
      faults.push({ name: source.name, fault });
    } catch (error) {
      faults.push({ name: source.name, fault: messageOf(error) });
    }
  }
  return { engine: undefined, faults };
}
