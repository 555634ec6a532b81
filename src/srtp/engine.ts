/**
 * What the packet transforms need of a cryptographic library. An engine works in place on the memory packets lie in
 * (the worker's arena); all places are offsets of it, so an engine compiled to WebAssembly may have that memory as its
 * own. No call on a packet's way allocates.
 */
import { jumboSizeBytesMax } from "../core/limits.ts";

/** Keys of one packet stream as they come out of the key derivation (RFC 3711 section 4.3). */
export interface SessionKeys {
  /** `ctr`: AES counter mode. `gcm`: AES-GCM. `none`: nothing is enciphered. */
  readonly cipher: "ctr" | "gcm" | "none";
  /** 16, 24 or 32 bytes; empty under `none`. */
  readonly cipherKey: Uint8Array;
  /** Key of HMAC-SHA1, 20 bytes; undefined where no HMAC is asked for. */
  readonly macKey: Uint8Array | undefined;
}

export interface SrtpEngine {
  /** For the log. */
  readonly name: string;
  /** Offset of `scratchBytes` bytes that the transforms and the engine share, aligned to 16; see `scratchAt`. */
  readonly scratchOffset: number;
  /** A handle of these keys, from 0; -1 when all handles are in use. */
  open(keys: SessionKeys): number;
  /** Frees what the handle stands for, and wipes its keys. */
  close(handle: number): void;
  /**
   * AES in counter mode over the range, in place, from the counter block at `scratchAt.iv` on, whose last two bytes
   * count blocks and may not run over. False: not done.
   */
  ctr(handle: number, offset: number, sizeBytes: number): boolean;
  /** HMAC-SHA1 of the range into the 20 bytes at `scratchAt.mac`. May spoil `macSpoilBytes` behind the range. */
  hmac(handle: number, offset: number, sizeBytes: number): boolean;
  /** AES-GCM: enciphers in place under the 12 bytes at `scratchAt.iv`, writes the 16 bytes of the tag. */
  seal(
    handle: number,
    aadOffset: number,
    aadBytes: number,
    offset: number,
    sizeBytes: number,
    tagOffset: number,
  ): boolean;
  /**
   * AES-GCM: checks the tag and deciphers to `outOffset`, which is `offset` (in place) or does not overlap. False when
   * the tag is wrong; deciphering in place has then left the bytes as they were.
   */
  unseal(
    handle: number,
    aadOffset: number,
    aadBytes: number,
    offset: number,
    sizeBytes: number,
    tagOffset: number,
    outOffset: number,
  ): boolean;
}

/** Places in the scratch, as distances from `scratchOffset`. */
export const scratchAt = {
  /** Counter block of 16 bytes, or nonce of 12. */
  iv: 0,
  /** Result of `hmac`, 20 bytes. */
  mac: 16,
  /** A tag that was moved out of the packet, 16 bytes. */
  tag: 48,
  /** Associated data that is not contiguous in the packet, 16 bytes. */
  aad: 64,
  /** Key stream of the key derivation, 32 bytes. */
  derived: 96,
  /** Clear text nobody wants: of packets whose tag alone is checked. */
  discard: 128,
} as const;

export const scratchBytes = scratchAt.discard + jumboSizeBytesMax;

export const macBytes = 20;
/** SHA-1 pads with 9 to 72 bytes, which engines may write behind what they hash. */
export const macSpoilBytes = 72;
