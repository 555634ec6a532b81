/**
 * SRTP packets (RFC 3711 section 3.1, RFC 7714 section 8).
 *
 *     counter mode and NULL:  header | payload, enciphered | MKI | tag
 *     AES-GCM:                header | payload, enciphered | tag | MKI
 */
import { isRtpPacket, read16, rtpHeaderBytes, rtpSequence } from "../rtp/rtp.ts";
import { srtpCode } from "./codes.ts";
import type { SrtpContext } from "./context.ts";
import type { Workbench } from "./workbench.ts";

export class RtpTransform {
  readonly #bench: Workbench;
  /** The last packet accepted or protected had the highest index of its SSRC. */
  isNewest = false;

  constructor(bench: Workbench) {
    this.#bench = bench;
  }

  /** Size of the RTP packet, or a code. Without `reveals` tag and index are checked and no byte is changed. */
  receive(context: SrtpContext, offset: number, sizeBytes: number, reveals: boolean): number {
    const bench = this.#bench;
    const { isAead } = context.facts;
    const clearBytes = sizeBytes - context.rtpTagBytes - context.mki.length;
    const headerBytes = headerSize(bench.bytes, offset, clearBytes);
    if (headerBytes < 0) return srtpCode.malformed;
    if (!bench.isMki(offset + clearBytes + (isAead ? context.rtpTagBytes : 0), context.mki)) {
      return srtpCode.failed;
    }
    const sequence = rtpSequence(bench.bytes, offset);
    const streams = context.rtpStreams;
    const refusal = streams.locateRtp(bench.read32(offset + 8), sequence, context.rtpTagBytes > 0);
    if (refusal !== 0) return refusal;
    const isGenuine = isAead
      ? this.#unseal(context, offset, headerBytes, clearBytes, reveals)
      : this.#check(context, offset, clearBytes, reveals) &&
        (!reveals || this.#apply(context, offset, headerBytes, clearBytes));
    if (!isGenuine) return srtpCode.failed;
    this.isNewest = streams.commit();
    return reveals ? clearBytes : sizeBytes;
  }

  /** Size of the SRTP packet, or a code. An index is used once: what a receiver would refuse as replayed stays here. */
  send(context: SrtpContext, offset: number, sizeBytes: number): number {
    const bench = this.#bench;
    const headerBytes = headerSize(bench.bytes, offset, sizeBytes);
    if (headerBytes < 0) return srtpCode.malformed;
    const streams = context.rtpStreams;
    const refusal = streams.locateRtp(bench.read32(offset + 8), rtpSequence(bench.bytes, offset), true);
    if (refusal !== 0) return refusal;
    const isDone = context.facts.isAead
      ? this.#seal(context, offset, headerBytes, sizeBytes)
      : this.#apply(context, offset, headerBytes, sizeBytes) && this.#sign(context, offset, sizeBytes);
    if (!isDone) return srtpCode.failed;
    this.isNewest = streams.commit();
    return sizeBytes + context.rtpTagBytes + context.mki.length;
  }

  /** Enters a packet that somebody else protected with this key; 0 or a code. */
  note(context: SrtpContext, offset: number, sizeBytes: number): number {
    const bench = this.#bench;
    if (sizeBytes < rtpHeaderBytes) return srtpCode.malformed;
    const streams = context.rtpStreams;
    const refusal = streams.locateRtp(bench.read32(offset + 8), rtpSequence(bench.bytes, offset), true);
    if (refusal === 0) streams.commit();
    return refusal;
  }

  /** Counter mode, which enciphers and deciphers alike. */
  #apply(context: SrtpContext, offset: number, headerBytes: number, sizeBytes: number): boolean {
    if (context.facts.cipher === "none" || !context.key.encryptsRtp || sizeBytes === headerBytes) return true;
    const bench = this.#bench;
    const { handle, salt } = context.rtp;
    const { rollover } = context.rtpStreams;
    bench.writeCounter(salt, offset + 8, rollover >>> 16, lowIndex(rollover, bench.bytes, offset));
    return bench.engine.ctr(handle, offset + headerBytes, sizeBytes - headerBytes);
  }

  /** Authenticated is the packet and behind it the rollover counter (RFC 3711 section 4.2). */
  #check(context: SrtpContext, offset: number, clearBytes: number, reveals: boolean): boolean {
    const tagBytes = context.rtpTagBytes;
    if (tagBytes === 0) return true;
    const bench = this.#bench;
    const end = offset + clearBytes;
    const mkiBytes = context.mki.length;
    bench.save(end, mkiBytes + tagBytes);
    bench.write32(end, context.rtpStreams.rollover);
    const isGenuine =
      bench.engine.hmac(context.rtp.handle, offset, clearBytes + 4) && bench.isSavedTag(mkiBytes, tagBytes);
    if (!isGenuine || !reveals) bench.restore(end, mkiBytes + tagBytes);
    return isGenuine;
  }

  #sign(context: SrtpContext, offset: number, sizeBytes: number): boolean {
    const bench = this.#bench;
    const { mki, rtpTagBytes } = context;
    const end = offset + sizeBytes;
    if (rtpTagBytes > 0) {
      bench.write32(end, context.rtpStreams.rollover);
      if (!bench.engine.hmac(context.rtp.handle, offset, sizeBytes + 4)) return false;
      bench.copy(bench.mac, end + mki.length, rtpTagBytes);
    }
    bench.writeMki(end, mki);
    return true;
  }

  #unseal(
    context: SrtpContext,
    offset: number,
    headerBytes: number,
    clearBytes: number,
    reveals: boolean,
  ): boolean {
    const bench = this.#bench;
    const aadBytes = this.#prepareNonce(context, offset, headerBytes, clearBytes);
    const end = offset + clearBytes;
    const payload = offset + aadBytes;
    const out = reveals ? payload : bench.discard;
    return bench.engine.unseal(context.rtp.handle, offset, aadBytes, payload, end - payload, end, out);
  }

  #seal(context: SrtpContext, offset: number, headerBytes: number, sizeBytes: number): boolean {
    const bench = this.#bench;
    const aadBytes = this.#prepareNonce(context, offset, headerBytes, sizeBytes);
    const end = offset + sizeBytes;
    const payload = offset + aadBytes;
    if (!bench.engine.seal(context.rtp.handle, offset, aadBytes, payload, end - payload, end)) return false;
    bench.writeMki(end + context.rtpTagBytes, context.mki);
    return true;
  }

  /** Bytes that are authenticated alone: the header, or the packet where nothing is to be enciphered. */
  #prepareNonce(context: SrtpContext, offset: number, headerBytes: number, sizeBytes: number): number {
    const bench = this.#bench;
    const { rollover } = context.rtpStreams;
    bench.writeNonce(context.rtp.salt, offset + 8, rollover >>> 16, lowIndex(rollover, bench.bytes, offset));
    return context.key.encryptsRtp ? headerBytes : sizeBytes;
  }
}

/** Lower 32 bits of the 48-bit index. */
function lowIndex(rollover: number, bytes: Uint8Array, offset: number): number {
  return (rollover << 16) | rtpSequence(bytes, offset);
}

/** Bytes in front of the payload: fixed header, CSRCs, extension. -1 if they do not fit. */
function headerSize(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  if (!isRtpPacket(bytes, offset, sizeBytes)) return -1;
  const first = bytes[offset]!;
  const fixedBytes = rtpHeaderBytes + 4 * (first & 15);
  return (first & 0x10) === 0 ? fixedBytes : fixedBytes + 4 + 4 * read16(bytes, offset + fixedBytes + 2);
}
