/** SRTP for one worker: the engine that passes the self test, and the keys of its slots. */
import type { SrtpAbility } from "../relay/driver.ts";
import { cryptoPlaces } from "../relay/protection.ts";
import { PacketCrypto, srtpHandlesMax } from "../srtp/packet-crypto.ts";
import type { PacketMemory } from "./packet-memory.ts";
import { openSrtpEngine } from "./srtp-engine.ts";

export interface OpenedCrypto {
  /** Undefined: no SRTP here. */
  readonly crypto: PacketCrypto | undefined;
  readonly ability: SrtpAbility;
}

/** `offset`: of `srtpEngineBytes` bytes of the arena, aligned to 64. */
export async function openPacketCrypto(
  arena: PacketMemory,
  offset: number,
  capacitySlots: number,
): Promise<OpenedCrypto> {
  const places = cryptoPlaces(capacitySlots);
  const { engine, faults } = await openSrtpEngine({ arena, offset, handlesMax: srtpHandlesMax(places) });
  const crypto = engine === undefined ? undefined : new PacketCrypto(engine, arena.bytes, places);
  return { crypto, ability: { engine: engine?.name, faults } };
}
