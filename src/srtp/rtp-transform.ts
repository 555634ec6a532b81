/**
 * SRTP packets (RFC 3711 section 3.1, RFC 7714 section 8).
 *
 *     counter mode and NULL:  header | payload, enciphered | MKI | tag
 *     AES-GCM:                header | payload, enciphered | tag | MKI
 */
import { isRtpPacket, read16, rtpHeaderBytes, rtpSequence } from "../rtp/rtp.ts";
import { srtpCode } from "./codes.ts";
import { type SessionTable, sessionField, sessionFlag } from "./session-table.ts";
import type { Workbench } from "./workbench.ts";

export class RtpTransform {
  readonly #bench: Workbench;
  readonly #sessions: SessionTable;
  /** The last packet accepted or protected had the highest index of its SSRC. */
  isNewest = false;
  /** The packet refused last came before, and its tag is right: somebody sent it once more. */
  isRepeated = false;

  constructor(bench: Workbench) {
    this.#bench = bench;
    this.#sessions = bench.sessions;
  }

  /**
   * Size of the RTP packet, or a code. Without `reveals` tag and index are checked and no byte is changed. What has no
   * tag moves the index only if its source is trusted.
   */
  receive(session: number, offset: number, sizeBytes: number, reveals: boolean, isTrusted: boolean): number {
    const bench = this.#bench;
    const sessions = this.#sessions;
    const settings = sessions.words[session]!;
    const tagBytes = settings & 0xff;
    const mkiBytes = (settings >>> 8) & 0xff;
    const isAead = (settings & sessionFlag.isAead) !== 0;
    const clearBytes = sizeBytes - tagBytes - mkiBytes;
    const headerBytes = headerSize(bench.bytes, offset, clearBytes);
    if (headerBytes < 0) return srtpCode.malformed;
    if (mkiBytes > 0 && !bench.isMki(offset + clearBytes + (isAead ? tagBytes : 0), session)) {
      return srtpCode.failed;
    }
    const ssrc = bench.read32(offset + 8);
    const refusal = sessions.locateRtp(session, ssrc, rtpSequence(bench.bytes, offset), tagBytes > 0);
    this.isRepeated =
      refusal === srtpCode.replayed &&
      (isAead
        ? this.#unseal(session, offset, headerBytes, clearBytes, false)
        : this.#check(session, offset, clearBytes, false));
    if (refusal !== 0) return refusal;
    const isGenuine = isAead
      ? this.#unseal(session, offset, headerBytes, clearBytes, reveals)
      : this.#check(session, offset, clearBytes, reveals) &&
        (!reveals || this.#apply(session, offset, headerBytes, clearBytes));
    if (!isGenuine) return srtpCode.failed;
    this.isNewest = tagBytes > 0 || isTrusted ? sessions.commit() : sessions.isNewest;
    return reveals ? clearBytes : sizeBytes;
  }

  /** Size of the SRTP packet, or a code. An index is used once: what a receiver would refuse as replayed stays here. */
  send(session: number, offset: number, sizeBytes: number, takesNew: boolean): number {
    const bench = this.#bench;
    const headerBytes = headerSize(bench.bytes, offset, sizeBytes);
    if (headerBytes < 0) return srtpCode.malformed;
    const sessions = this.#sessions;
    const ssrc = bench.read32(offset + 8);
    const refusal = sessions.locateRtp(session, ssrc, rtpSequence(bench.bytes, offset), true, takesNew);
    if (refusal !== 0) return refusal;
    const settings = sessions.words[session]!;
    const isDone =
      (settings & sessionFlag.isAead) === 0
        ? this.#apply(session, offset, headerBytes, sizeBytes) && this.#sign(session, offset, sizeBytes)
        : this.#seal(session, offset, headerBytes, sizeBytes);
    if (!isDone) return srtpCode.failed;
    this.isNewest = sessions.commit();
    return sizeBytes + (settings & 0xff) + ((settings >>> 8) & 0xff);
  }

  /** Enters a packet that somebody else protected with this key; 0 or a code. */
  note(session: number, offset: number, sizeBytes: number): number {
    const bench = this.#bench;
    if (sizeBytes < rtpHeaderBytes) return srtpCode.malformed;
    const sessions = this.#sessions;
    const ssrc = bench.read32(offset + 8);
    const refusal = sessions.locateRtp(session, ssrc, rtpSequence(bench.bytes, offset), true);
    if (refusal === 0) sessions.commit();
    return refusal;
  }

  /** Counter mode, which enciphers and deciphers alike. */
  #apply(session: number, offset: number, headerBytes: number, sizeBytes: number): boolean {
    const sessions = this.#sessions;
    if ((sessions.words[session]! & sessionFlag.enciphers) === 0 || sizeBytes === headerBytes) return true;
    const bench = this.#bench;
    const ssrc = bench.read32(offset + 8);
    bench.writeIv(session, 0, ssrc, sessions.rollover, rtpSequence(bench.bytes, offset) << 16);
    const handle = sessions.words[session + sessionField.handle]!;
    return bench.engine.ctr(handle, offset + headerBytes, sizeBytes - headerBytes);
  }

  /** Authenticated is the packet and behind it the rollover counter (RFC 3711 section 4.2). */
  #check(session: number, offset: number, clearBytes: number, reveals: boolean): boolean {
    const { words, rollover } = this.#sessions;
    const tagBytes = words[session]! & 0xff;
    if (tagBytes === 0) return true;
    const bench = this.#bench;
    const end = offset + clearBytes;
    const mkiBytes = (words[session]! >>> 8) & 0xff;
    bench.save(end, mkiBytes + tagBytes);
    bench.write32(end, rollover);
    const isGenuine =
      bench.engine.hmac(words[session + sessionField.handle]!, offset, clearBytes + 4) &&
      bench.isSavedTag(mkiBytes, tagBytes);
    if (!isGenuine || !reveals) bench.restore(end, mkiBytes + tagBytes);
    return isGenuine;
  }

  #sign(session: number, offset: number, sizeBytes: number): boolean {
    const bench = this.#bench;
    const { words, rollover } = this.#sessions;
    const tagBytes = words[session]! & 0xff;
    const mkiBytes = (words[session]! >>> 8) & 0xff;
    const end = offset + sizeBytes;
    if (tagBytes > 0) {
      bench.write32(end, rollover);
      if (!bench.engine.hmac(words[session + sessionField.handle]!, offset, sizeBytes + 4)) return false;
      bench.copy(bench.mac, end + mkiBytes, tagBytes);
    }
    if (mkiBytes > 0) bench.writeMki(end, session);
    return true;
  }

  #unseal(
    session: number,
    offset: number,
    headerBytes: number,
    clearBytes: number,
    reveals: boolean,
  ): boolean {
    const bench = this.#bench;
    const aadBytes = this.#prepareNonce(session, offset, headerBytes, clearBytes);
    const end = offset + clearBytes;
    const payload = offset + aadBytes;
    const out = reveals ? payload : bench.discard;
    const handle = this.#sessions.words[session + sessionField.handle]!;
    return bench.engine.unseal(handle, offset, aadBytes, payload, end - payload, end, out);
  }

  #seal(session: number, offset: number, headerBytes: number, sizeBytes: number): boolean {
    const bench = this.#bench;
    const aadBytes = this.#prepareNonce(session, offset, headerBytes, sizeBytes);
    const end = offset + sizeBytes;
    const payload = offset + aadBytes;
    const { words } = this.#sessions;
    const handle = words[session + sessionField.handle]!;
    if (!bench.engine.seal(handle, offset, aadBytes, payload, end - payload, end)) return false;
    if (((words[session]! >>> 8) & 0xff) > 0) bench.writeMki(end + (words[session]! & 0xff), session);
    return true;
  }

  /** Bytes that are authenticated alone: the header, or the packet where nothing is to be enciphered. */
  #prepareNonce(session: number, offset: number, headerBytes: number, sizeBytes: number): number {
    const bench = this.#bench;
    const { words, rollover } = this.#sessions;
    const ssrc = bench.read32(offset + 8);
    const low = (rollover << 16) | rtpSequence(bench.bytes, offset);
    bench.writeIv(session, ssrc >>> 16, (ssrc << 16) | (rollover >>> 16), low, 0);
    return (words[session]! & sessionFlag.enciphers) === 0 ? sizeBytes : headerBytes;
  }
}

/** Bytes in front of the payload: fixed header, CSRCs, extension. -1 if they do not fit. */
function headerSize(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  if (!isRtpPacket(bytes, offset, sizeBytes)) return -1;
  const first = bytes[offset]!;
  const fixedBytes = rtpHeaderBytes + 4 * (first & 15);
  return (first & 0x10) === 0 ? fixedBytes : fixedBytes + 4 + 4 * read16(bytes, offset + fixedBytes + 2);
}
