/**
 * SRTCP packets (RFC 3711 section 3.4, RFC 7714 section 9). The word E|index says whether the packet is enciphered.
 *
 *     counter mode and NULL:  8 bytes | rest, enciphered | E|index | MKI | tag
 *     AES-GCM:                8 bytes | rest, enciphered | tag | E|index | MKI
 */
import { srtpCode } from "./codes.ts";
import type { SrtpContext } from "./context.ts";
import { type SessionTable, sessionField, sessionFlag } from "./session-table.ts";
import type { Workbench } from "./workbench.ts";

/** The first header and the sender's SSRC stay readable. */
const headerBytes = 8;
const indexBytes = 4;
const indexMask = 0x7fff_ffff;
/** The E flag, as int32. */
const indexFlag = 1 << 31;
/** 2^31 packets are all a key may protect (RFC 3711 section 9.2). */
const indexCount = 0x8000_0000;

export class RtcpTransform {
  readonly #bench: Workbench;
  readonly #sessions: SessionTable;
  /** The last packet accepted or protected had the highest index of its SSRC. */
  isNewest = false;

  constructor(bench: Workbench) {
    this.#bench = bench;
    this.#sessions = bench.sessions;
  }

  /** Size of the RTCP packet, or a code. Without `reveals` tag and index are checked and no byte is changed. */
  receive(session: number, offset: number, sizeBytes: number, reveals: boolean): number {
    const bench = this.#bench;
    const sessions = this.#sessions;
    const settings = sessions.words[session]!;
    const tagBytes = settings & 0xff;
    const mkiBytes = (settings >>> 8) & 0xff;
    const isAead = (settings & sessionFlag.isAead) !== 0;
    const clearBytes = sizeBytes - indexBytes - mkiBytes - tagBytes;
    if (clearBytes < headerBytes || bench.bytes[offset]! >>> 6 !== 2) return srtpCode.malformed;
    const end = offset + clearBytes;
    const wordOffset = isAead ? end + tagBytes : end;
    if (mkiBytes > 0 && !bench.isMki(wordOffset + indexBytes, session)) return srtpCode.failed;
    const word = bench.read32(wordOffset);
    const refusal = sessions.locateRtcp(session, bench.read32(offset + 4), word & indexMask);
    if (refusal !== 0) return refusal;
    const isGenuine = isAead
      ? this.#unseal(session, offset, clearBytes, word, reveals)
      : this.#check(session, offset, clearBytes, reveals) &&
        (!reveals || this.#apply(session, offset, clearBytes, word));
    if (!isGenuine) return srtpCode.failed;
    this.isNewest = sessions.commit();
    return reveals ? clearBytes : sizeBytes;
  }

  /** Size of the SRTCP packet, or a code. */
  send({ rtcp: session, nextRtcpIndex }: SrtpContext, offset: number, sizeBytes: number): number {
    const bench = this.#bench;
    if (sizeBytes < headerBytes || bench.bytes[offset]! >>> 6 !== 2) return srtpCode.malformed;
    const index = nextRtcpIndex[0]!;
    if (index === indexCount) return srtpCode.exhausted;
    const sessions = this.#sessions;
    const settings = sessions.words[session]!;
    const word = (settings & sessionFlag.enciphers) === 0 ? index : index | indexFlag;
    const isDone =
      (settings & sessionFlag.isAead) === 0
        ? this.#apply(session, offset, sizeBytes, word) && this.#sign(session, offset, sizeBytes, word)
        : this.#seal(session, offset, sizeBytes, word);
    if (!isDone) return srtpCode.failed;
    nextRtcpIndex[0] = index + 1;
    sessions.locateRtcp(session, bench.read32(offset + 4), index);
    sessions.commit();
    this.isNewest = true;
    return sizeBytes + indexBytes + (settings & 0xff) + ((settings >>> 8) & 0xff);
  }

  /** Enters a packet that somebody else protected with this key: our own go on behind it. 0 or a code. */
  note({ rtcp: session, nextRtcpIndex }: SrtpContext, offset: number, sizeBytes: number): number {
    const sessions = this.#sessions;
    const settings = sessions.words[session]!;
    const tagBytes = settings & 0xff;
    const mkiBytes = (settings >>> 8) & 0xff;
    const trailerBytes = indexBytes + mkiBytes + ((settings & sessionFlag.isAead) === 0 ? tagBytes : 0);
    if (sizeBytes < headerBytes + indexBytes + mkiBytes + tagBytes) return srtpCode.malformed;
    const index = this.#bench.read32(offset + sizeBytes - trailerBytes) & indexMask;
    // Others may count each SSRC for itself, so an index below ours is refused only where this SSRC had it.
    const refusal = sessions.locateRtcp(session, this.#bench.read32(offset + 4), index);
    if (refusal !== 0) return refusal;
    sessions.commit();
    if (index >= nextRtcpIndex[0]!) nextRtcpIndex[0] = index + 1;
    return 0;
  }

  /** Counter mode, which enciphers and deciphers alike, if the word's E flag is set. */
  #apply(session: number, offset: number, sizeBytes: number, word: number): boolean {
    const { words } = this.#sessions;
    const hasCipher = (words[session]! & sessionFlag.hasCipher) !== 0;
    if (!hasCipher || !isEncipheredWord(word) || sizeBytes === headerBytes) return true;
    const bench = this.#bench;
    const index = word & indexMask;
    bench.writeIv(session, 0, bench.read32(offset + 4), index >>> 16, index << 16);
    const handle = words[session + sessionField.handle]!;
    return bench.engine.ctr(handle, offset + headerBytes, sizeBytes - headerBytes);
  }

  /** Authenticated is the packet with E|index behind it (RFC 3711 section 3.4). */
  #check(session: number, offset: number, clearBytes: number, reveals: boolean): boolean {
    const bench = this.#bench;
    const { words } = this.#sessions;
    const tagBytes = words[session]! & 0xff;
    const mkiBytes = (words[session]! >>> 8) & 0xff;
    const end = offset + clearBytes + indexBytes;
    bench.save(end, mkiBytes + tagBytes);
    const isGenuine =
      bench.engine.hmac(words[session + sessionField.handle]!, offset, clearBytes + indexBytes) &&
      bench.isSavedTag(mkiBytes, tagBytes);
    if (!isGenuine || !reveals) bench.restore(end, mkiBytes + tagBytes);
    return isGenuine;
  }

  #sign(session: number, offset: number, sizeBytes: number, word: number): boolean {
    const bench = this.#bench;
    const { words } = this.#sessions;
    const mkiBytes = (words[session]! >>> 8) & 0xff;
    const end = offset + sizeBytes + indexBytes;
    bench.write32(offset + sizeBytes, word);
    const handle = words[session + sessionField.handle]!;
    if (!bench.engine.hmac(handle, offset, sizeBytes + indexBytes)) return false;
    if (mkiBytes > 0) bench.writeMki(end, session);
    bench.copy(bench.mac, end + mkiBytes, words[session]! & 0xff);
    return true;
  }

  /** Authenticated alone are header and E|index, or the whole packet and E|index (RFC 7714 sections 9.2 and 9.3). */
  #unseal(session: number, offset: number, clearBytes: number, word: number, reveals: boolean): boolean {
    const bench = this.#bench;
    const { words } = this.#sessions;
    const handle = words[session + sessionField.handle]!;
    const end = offset + clearBytes;
    this.#writeNonce(session, offset, word);
    if (isEncipheredWord(word)) {
      this.#writeAad(offset, word);
      const payload = offset + headerBytes;
      const out = reveals ? payload : bench.discard;
      return bench.engine.unseal(handle, bench.aad, 12, payload, clearBytes - headerBytes, end, out);
    }
    // The word stands behind the tag: for the check it moves to where the tag is.
    bench.copy(end, bench.tag, words[session]! & 0xff);
    bench.write32(end, word);
    const aadEnd = end + indexBytes;
    const isGenuine = bench.engine.unseal(
      handle,
      offset,
      clearBytes + indexBytes,
      aadEnd,
      0,
      bench.tag,
      aadEnd,
    );
    bench.copy(bench.tag, end, indexBytes);
    return isGenuine;
  }

  #seal(session: number, offset: number, sizeBytes: number, word: number): boolean {
    const bench = this.#bench;
    const { words } = this.#sessions;
    const handle = words[session + sessionField.handle]!;
    const tagBytes = words[session]! & 0xff;
    const end = offset + sizeBytes;
    this.#writeNonce(session, offset, word);
    if (isEncipheredWord(word)) {
      this.#writeAad(offset, word);
      const payload = offset + headerBytes;
      if (!bench.engine.seal(handle, bench.aad, 12, payload, sizeBytes - headerBytes, end)) return false;
    } else {
      bench.write32(end, word);
      const aadBytes = sizeBytes + indexBytes;
      if (!bench.engine.seal(handle, offset, aadBytes, offset + aadBytes, 0, bench.tag)) return false;
      bench.copy(bench.tag, end, tagBytes);
    }
    bench.write32(end + tagBytes, word);
    if (((words[session]! >>> 8) & 0xff) > 0) bench.writeMki(end + tagBytes + indexBytes, session);
    return true;
  }

  #writeNonce(session: number, offset: number, word: number): void {
    const ssrc = this.#bench.read32(offset + 4);
    this.#bench.writeIv(session, ssrc >>> 16, ssrc << 16, word & indexMask, 0);
  }

  #writeAad(offset: number, word: number): void {
    const bench = this.#bench;
    bench.copy(offset, bench.aad, headerBytes);
    bench.write32(bench.aad + headerBytes, word);
  }
}

/** E|index comes as int32. */
function isEncipheredWord(word: number): boolean {
  return word < 0;
}
