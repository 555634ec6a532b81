/**
 * SRTCP packets (RFC 3711 section 3.4, RFC 7714 section 9). The word E|index says whether the packet is enciphered.
 *
 *     counter mode and NULL:  8 bytes | rest, enciphered | E|index | MKI | tag
 *     AES-GCM:                8 bytes | rest, enciphered | tag | E|index | MKI
 */
import { srtpCode } from "./codes.ts";
import type { SrtpContext } from "./context.ts";
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
  /** The last packet accepted or protected had the highest index of its SSRC. */
  isNewest = false;

  constructor(bench: Workbench) {
    this.#bench = bench;
  }

  /** Size of the RTCP packet, or a code. Without `reveals` tag and index are checked and no byte is changed. */
  receive(context: SrtpContext, offset: number, sizeBytes: number, reveals: boolean): number {
    const bench = this.#bench;
    const { isAead, rtcpTagBytes } = context.facts;
    const { mki } = context;
    const clearBytes = sizeBytes - indexBytes - mki.length - rtcpTagBytes;
    if (clearBytes < headerBytes || bench.bytes[offset]! >>> 6 !== 2) return srtpCode.malformed;
    const end = offset + clearBytes;
    const wordOffset = isAead ? end + rtcpTagBytes : end;
    if (!bench.isMki(wordOffset + indexBytes, mki)) return srtpCode.failed;
    const word = bench.read32(wordOffset);
    const streams = context.rtcpStreams;
    const refusal = streams.locateRtcp(bench.read32(offset + 4), word & indexMask);
    if (refusal !== 0) return refusal;
    const isGenuine = isAead
      ? this.#unseal(context, offset, clearBytes, word, reveals)
      : this.#check(context, offset, clearBytes, reveals) &&
        (!reveals || this.#apply(context, offset, clearBytes, word));
    if (!isGenuine) return srtpCode.failed;
    this.isNewest = streams.commit();
    return reveals ? clearBytes : sizeBytes;
  }

  /** Size of the SRTCP packet, or a code. */
  send(context: SrtpContext, offset: number, sizeBytes: number): number {
    const bench = this.#bench;
    if (sizeBytes < headerBytes || bench.bytes[offset]! >>> 6 !== 2) return srtpCode.malformed;
    const index = context.nextRtcpIndex[0]!;
    if (index === indexCount) return srtpCode.exhausted;
    const { cipher, isAead, rtcpTagBytes } = context.facts;
    const isEnciphered = cipher !== "none" && context.key.encryptsRtcp;
    const word = isEnciphered ? index | indexFlag : index;
    const isDone = isAead
      ? this.#seal(context, offset, sizeBytes, word)
      : this.#apply(context, offset, sizeBytes, word) && this.#sign(context, offset, sizeBytes, word);
    if (!isDone) return srtpCode.failed;
    context.nextRtcpIndex[0] = index + 1;
    context.rtcpStreams.locateRtcp(bench.read32(offset + 4), index);
    context.rtcpStreams.commit();
    this.isNewest = true;
    return sizeBytes + indexBytes + context.mki.length + rtcpTagBytes;
  }

  /** Enters a packet that somebody else protected with this key: our own go on behind it. 0 or a code. */
  note(context: SrtpContext, offset: number, sizeBytes: number): number {
    const { isAead, rtcpTagBytes } = context.facts;
    const trailerBytes = indexBytes + context.mki.length + (isAead ? 0 : rtcpTagBytes);
    if (sizeBytes < headerBytes + indexBytes + context.mki.length + rtcpTagBytes) return srtpCode.malformed;
    const index = this.#bench.read32(offset + sizeBytes - trailerBytes) & indexMask;
    // Others may count each SSRC for itself, so an index below ours is refused only where this SSRC had it.
    const refusal = context.rtcpStreams.locateRtcp(this.#bench.read32(offset + 4), index);
    if (refusal !== 0) return refusal;
    context.rtcpStreams.commit();
    if (index >= context.nextRtcpIndex[0]!) context.nextRtcpIndex[0] = index + 1;
    return 0;
  }

  /** Counter mode, which enciphers and deciphers alike, if the word's E flag is set. */
  #apply(context: SrtpContext, offset: number, sizeBytes: number, word: number): boolean {
    if (context.facts.cipher === "none" || !isEncipheredWord(word) || sizeBytes === headerBytes) return true;
    const bench = this.#bench;
    const { handle, salt } = context.rtcp;
    bench.writeCounter(salt, offset + 4, 0, word & indexMask);
    return bench.engine.ctr(handle, offset + headerBytes, sizeBytes - headerBytes);
  }

  /** Authenticated is the packet with E|index behind it (RFC 3711 section 3.4). */
  #check(context: SrtpContext, offset: number, clearBytes: number, reveals: boolean): boolean {
    const bench = this.#bench;
    const { rtcpTagBytes } = context.facts;
    const mkiBytes = context.mki.length;
    const end = offset + clearBytes + indexBytes;
    bench.save(end, mkiBytes + rtcpTagBytes);
    const isGenuine =
      bench.engine.hmac(context.rtcp.handle, offset, clearBytes + indexBytes) &&
      bench.isSavedTag(mkiBytes, rtcpTagBytes);
    if (!isGenuine || !reveals) bench.restore(end, mkiBytes + rtcpTagBytes);
    return isGenuine;
  }

  #sign(context: SrtpContext, offset: number, sizeBytes: number, word: number): boolean {
    const bench = this.#bench;
    const { mki } = context;
    const end = offset + sizeBytes + indexBytes;
    bench.write32(offset + sizeBytes, word);
    if (!bench.engine.hmac(context.rtcp.handle, offset, sizeBytes + indexBytes)) return false;
    bench.writeMki(end, mki);
    bench.copy(bench.mac, end + mki.length, context.facts.rtcpTagBytes);
    return true;
  }

  /** Authenticated alone are header and E|index, or the whole packet and E|index (RFC 7714 sections 9.2 and 9.3). */
  #unseal(context: SrtpContext, offset: number, clearBytes: number, word: number, reveals: boolean): boolean {
    const bench = this.#bench;
    const { handle, salt } = context.rtcp;
    const end = offset + clearBytes;
    bench.writeNonce(salt, offset + 4, 0, word & indexMask);
    if (isEncipheredWord(word)) {
      this.#writeAad(offset, word);
      const payload = offset + headerBytes;
      const out = reveals ? payload : bench.discard;
      return bench.engine.unseal(handle, bench.aad, 12, payload, clearBytes - headerBytes, end, out);
    }
    // The word stands behind the tag: for the check it moves to where the tag is.
    const { rtcpTagBytes } = context.facts;
    bench.copy(end, bench.tag, rtcpTagBytes);
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

  #seal(context: SrtpContext, offset: number, sizeBytes: number, word: number): boolean {
    const bench = this.#bench;
    const { handle, salt } = context.rtcp;
    const { rtcpTagBytes } = context.facts;
    const end = offset + sizeBytes;
    bench.writeNonce(salt, offset + 4, 0, word & indexMask);
    if (isEncipheredWord(word)) {
      this.#writeAad(offset, word);
      const payload = offset + headerBytes;
      if (!bench.engine.seal(handle, bench.aad, 12, payload, sizeBytes - headerBytes, end)) return false;
    } else {
      bench.write32(end, word);
      const aadBytes = sizeBytes + indexBytes;
      if (!bench.engine.seal(handle, offset, aadBytes, offset + aadBytes, 0, bench.tag)) return false;
      bench.copy(bench.tag, end, rtcpTagBytes);
    }
    bench.write32(end + rtcpTagBytes, word);
    bench.writeMki(end + rtcpTagBytes + indexBytes, context.mki);
    return true;
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
