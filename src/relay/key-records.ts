/**
 * SRTP keys as words of a `keys` command: a count, then the send key and the receive keys, latest first, each as long
 * as it has to be. What the record has no room for, the oldest keys, is left out.
 */
import { receiveKeysPerPairMax } from "../core/limits.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { srtpSuites } from "../srtp/suites.ts";

export interface DecodedKeys {
  readonly receive: readonly SrtpKey[];
  readonly send: SrtpKey | undefined;
}

const field = { hasSend: 0, receiveCount: 1, first: 2 } as const;

/** Of one key: suite and flags, the three sizes, then the bytes of key, salt and MKI, each from a new word on. */
const keyField = { suite: 0, flags: 1, sizes: 2, bytes: 3 } as const;

const flag = { hasMki: 1, encryptsRtp: 2, encryptsRtcp: 4, authenticatesRtp: 8 } as const;

/** Writes the keys from `at` on, not beyond `end`. */
export function encodeKeys(
  words: Int32Array,
  at: number,
  end: number,
  receive: readonly SrtpKey[],
  send: SrtpKey | undefined,
): void {
  words[at + field.hasSend] = send === undefined ? 0 : 1;
  let next = at + field.first;
  if (send !== undefined) next = encodeKey(words, next, send);
  let count = 0;
  for (const key of receive.slice(0, receiveKeysPerPairMax)) {
    if (next + keyWords(key) > end) break;
    next = encodeKey(words, next, key);
    count++;
  }
  words[at + field.receiveCount] = count;
}

export function decodeKeys(words: Int32Array, at: number): DecodedKeys {
  let next = at + field.first;
  const take = (): SrtpKey => {
    const key = decodeKey(words, next);
    next += keyWords(key);
    return key;
  };
  const send = words[at + field.hasSend] === 1 ? take() : undefined;
  const receive: SrtpKey[] = [];
  for (let left = words[at + field.receiveCount] ?? 0; left > 0; left--) receive.push(take());
  return { receive, send };
}

function keyWords({ masterKey, masterSalt, mki }: SrtpKey): number {
  return keyField.bytes + wordsOf(masterKey.length) + wordsOf(masterSalt.length) + wordsOf(mki?.length ?? 0);
}

function wordsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4);
}

function encodeKey(words: Int32Array, at: number, key: SrtpKey): number {
  const { masterKey, masterSalt, mki } = key;
  const mkiBytes = mki ?? new Uint8Array(0);
  words[at + keyField.suite] = srtpSuites.indexOf(key.suite);
  words[at + keyField.flags] =
    (mki === undefined ? 0 : flag.hasMki) |
    (key.encryptsRtp ? flag.encryptsRtp : 0) |
    (key.encryptsRtcp ? flag.encryptsRtcp : 0) |
    (key.authenticatesRtp ? flag.authenticatesRtp : 0);
  words[at + keyField.sizes] = masterKey.length | (masterSalt.length << 8) | (mkiBytes.length << 16);
  let next = at + keyField.bytes;
  for (const bytes of [masterKey, masterSalt, mkiBytes]) {
    bytesOf(words, next, bytes.length).set(bytes);
    next += wordsOf(bytes.length);
  }
  return next;
}

function decodeKey(words: Int32Array, at: number): SrtpKey {
  const suite = srtpSuites[words[at + keyField.suite]!];
  if (suite === undefined) throw new Error("relay: a key of no suite");
  const flags = words[at + keyField.flags]!;
  const sizes = words[at + keyField.sizes]!;
  const keyBytes = sizes & 0xff;
  const saltBytes = (sizes >>> 8) & 0xff;
  const salt = at + keyField.bytes + wordsOf(keyBytes);
  const mki = salt + wordsOf(saltBytes);
  return {
    suite,
    masterKey: bytesOf(words, at + keyField.bytes, keyBytes).slice(),
    masterSalt: bytesOf(words, salt, saltBytes).slice(),
    mki: (flags & flag.hasMki) === 0 ? undefined : bytesOf(words, mki, (sizes >>> 16) & 0xff).slice(),
    encryptsRtp: (flags & flag.encryptsRtp) !== 0,
    encryptsRtcp: (flags & flag.encryptsRtcp) !== 0,
    authenticatesRtp: (flags & flag.authenticatesRtp) !== 0,
  };
}

function bytesOf(words: Int32Array, at: number, sizeBytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * at, sizeBytes);
}
