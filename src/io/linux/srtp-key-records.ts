/**
 * What a handle's keys come to, one record after another: a thousand contexts in turn come from memory each time, and
 * what lies together comes together. The fields of a handle begin at `handle * keyRecord.words`.
 */
export const keyRecord = {
  /** State of SHA-1 after the HMAC key's inner block, and after its outer block. */
  inner: 0,
  outer: 5,
  /** Of AES in counter mode: OpenSSL's count of rounds, and the round keys of up to 256 bits. */
  rounds: 10,
  roundKeys: 11,
  words: 72,
} as const;

export class KeyRecords {
  words = new Int32Array(keyRecord.words * 64);

  /** Makes room for the handle's record. */
  reserve(handle: number): void {
    while ((handle + 1) * keyRecord.words > this.words.length) {
      const grown = new Int32Array(this.words.length * 2);
      grown.set(this.words);
      this.words.fill(0);
      this.words = grown;
    }
  }

  wipe(handle: number): void {
    this.words.fill(0, handle * keyRecord.words, (handle + 1) * keyRecord.words);
  }
}
