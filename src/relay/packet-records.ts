/**
 * Datagrams between a worker and main: STUN and DTLS on their way up, answers and checks on their way down. A record
 * names a socket by its slot and the pair's generation; the bytes follow the header in the order of the wire.
 */
import { type Endpoint, ipFromWords } from "../core/address.ts";
import { pooledCopy } from "../core/bytes.ts";
import { packetSizeBytesMax } from "../core/limits.ts";
import type { RecordReader, RecordWriter } from "./driver.ts";
import { encodeEndpoint, type SlotRef } from "./slot-settings.ts";

/** Words of a record. `remote`: where it came from, or is to go. `bytes`: `sizeBytes` of them, four to a word. */
export const packetField = { slot: 0, generation: 1, remote: 2, sizeBytes: 7, bytes: 8 } as const;

/** 32-bit words of one record. */
export const packetWords = packetField.bytes + Math.ceil(packetSizeBytesMax / 4);

/** A datagram as main sees it. `at.slot` is odd for the RTCP socket. The bytes are the reader's own, and pooled. */
export interface CarriedPacket {
  readonly at: SlotRef;
  readonly remote: Endpoint;
  readonly bytes: Uint8Array;
}

/** Main's end of the way down. False: the ring is full, or no such datagram is ever sent; it is lost. */
export function writePacket(ring: RecordWriter, at: SlotRef, to: Endpoint, bytes: Uint8Array): boolean {
  if (bytes.length > packetSizeBytesMax) return false;
  const record = ring.begin();
  if (record < 0) return false;
  const { words } = ring;
  words[record + packetField.slot] = at.slot;
  words[record + packetField.generation] = at.generation;
  encodeEndpoint(words, record + packetField.remote, to);
  words[record + packetField.sizeBytes] = bytes.length;
  bytesOf(words, record, bytes.length).set(bytes);
  ring.commit();
  return true;
}

/** Main's end of the way up: takes the oldest datagram out of the ring; undefined when there is none. */
export function readPacket(ring: RecordReader): CarriedPacket | undefined {
  const record = ring.begin();
  if (record < 0) return undefined;
  const { words } = ring;
  const word = (field: number): number => words[record + field] ?? 0;
  const remote = packetField.remote;
  const packet = {
    at: { slot: word(packetField.slot), generation: word(packetField.generation) },
    remote: {
      ip: ipFromWords(word(remote), word(remote + 1), word(remote + 2), word(remote + 3)),
      port: word(remote + 4),
    },
    bytes: pooledCopy(bytesOf(words, record, word(packetField.sizeBytes))),
  };
  ring.release();
  return packet;
}

function bytesOf(words: Int32Array, record: number, sizeBytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * (record + packetField.bytes), sizeBytes);
}
