/** Send and Data indications where they lie (RFC 8656 sections 11.2 and 11.4): read and written without allocation. */
import { stunAttributesMax } from "../core/limits.ts";
import {
  isComprehensionRequired,
  paddedSize,
  readUint16,
  readUint32,
  stunCookie,
  stunHeaderSizeBytes,
  writeUint16,
  writeUint32,
} from "../stun/wire.ts";
import type { DataFacts } from "./data-facts.ts";
import { isV4 } from "./data-facts.ts";
import { familyCode, turnAttribute, turnAttributes } from "./wire.ts";

/** Types of messages: method and class (RFC 8489 section 5). */
const sendIndication = 0x0016;
const dataIndication = 0x0017;

/** In front of a payload: STUN header, XOR-PEER-ADDRESS, and DATA's own header. */
export const dataHeaderSizeBytesMax = stunHeaderSizeBytes + 24 + 4;

/** What attributes of 64 KiB hold beside the longest peer address, padded. */
export const dataPayloadSizeBytesMax = 0xffff - 24 - 4 - 3;

export function isSendIndication(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  return sizeBytes >= stunHeaderSizeBytes && readUint16(bytes, offset) === sendIndication;
}

function isWholeStun(bytes: Uint8Array, offset: number, sizeBytes: number): boolean {
  return (
    readUint16(bytes, offset + 2) === sizeBytes - stunHeaderSizeBytes &&
    readUint32(bytes, offset + 4) === stunCookie &&
    sizeBytes % 4 === 0
  );
}

/** Fills in the peer (`target`), payload and DONT-FRAGMENT; false: nothing to be sent. No allocation. */
export function readSend(bytes: Uint8Array, offset: number, sizeBytes: number, facts: DataFacts): boolean {
  const end = offset + sizeBytes;
  if (!isWholeStun(bytes, offset, sizeBytes)) return false;
  let hasPeer = false;
  let hasData = false;
  facts.isUnfragmented = false;
  let count = 0;
  for (let at = offset + stunHeaderSizeBytes; at < end; ) {
    const type = readUint16(bytes, at);
    const valueSizeBytes = readUint16(bytes, at + 2);
    const value = at + 4;
    const next = value + paddedSize(valueSizeBytes);
    if (next > end || ++count > stunAttributesMax) return false;
    if (type === turnAttribute.xorPeerAddress && !hasPeer) {
      hasPeer = readPeerAt(bytes, offset, value, facts);
      if (!hasPeer) return false;
    } else if (type === turnAttribute.data && !hasData) {
      hasData = true;
      facts.offset = value;
      facts.sizeBytes = valueSizeBytes;
    } else if (type === turnAttribute.dontFragment) facts.isUnfragmented = true;
    else if (isComprehensionRequired(type) && !turnAttributes.has(type)) return false;
    at = next;
  }
  return hasPeer && hasData;
}

/** False: no address, or an IPv4 one in IPv6's clothes, which is nobody's peer. `message`: where it begins. */
function readPeerAt(bytes: Uint8Array, message: number, at: number, facts: DataFacts): boolean {
  const family = bytes[at + 1];
  const sizeBytes = readUint16(bytes, at - 2);
  const { target } = facts;
  facts.targetPort = readUint16(bytes, at + 2) ^ (stunCookie >>> 16);
  const first = readUint32(bytes, at + 4) ^ stunCookie;
  if (family === familyCode.v4 && sizeBytes === 8) {
    target[0] = 0;
    target[1] = 0;
    target[2] = 0xffff;
    target[3] = first;
    return true;
  }
  if (family !== familyCode.v6 || sizeBytes !== 20) return false;
  target[0] = first;
  for (let index = 1; index < 4; index++) {
    target[index] = readUint32(bytes, at + 4 + 4 * index) ^ readUint32(bytes, message + 4 + 4 * index);
  }
  return !isV4(target);
}

/**
 * Writes a Data indication around the payload at `offset`, whose peer is `source`, and says in `facts` where it now
 * begins and ends. There must be `dataHeaderSizeBytesMax` in front and three bytes behind. No allocation.
 */
export function writeData(bytes: Uint8Array, payload: DataFacts, transaction: Int32Array): void {
  const { source, offset: start, sizeBytes } = payload;
  const isShort = isV4(source);
  const peerSizeBytes = isShort ? 8 : 20;
  const offset = start - stunHeaderSizeBytes - (4 + peerSizeBytes) - 4;
  const wholeSizeBytes = paddedSize(start + sizeBytes - offset);
  writeUint16(bytes, offset, dataIndication);
  writeUint16(bytes, offset + 2, wholeSizeBytes - stunHeaderSizeBytes);
  writeUint32(bytes, offset + 4, stunCookie);
  for (let index = 0; index < 3; index++) writeUint32(bytes, offset + 8 + 4 * index, transaction[index] ?? 0);
  const peer = offset + stunHeaderSizeBytes;
  writeUint16(bytes, peer, turnAttribute.xorPeerAddress);
  writeUint16(bytes, peer + 2, peerSizeBytes);
  writeUint16(bytes, peer + 4, isShort ? familyCode.v4 : familyCode.v6);
  writeUint16(bytes, peer + 6, payload.sourcePort ^ (stunCookie >>> 16));
  if (isShort) writeUint32(bytes, peer + 8, (source[3] ?? 0) ^ stunCookie);
  else {
    for (let index = 0; index < 4; index++) {
      writeUint32(
        bytes,
        peer + 8 + 4 * index,
        (source[index] ?? 0) ^ readUint32(bytes, offset + 4 + 4 * index),
      );
    }
  }
  writeUint16(bytes, start - 4, turnAttribute.data);
  writeUint16(bytes, start - 2, sizeBytes);
  // Padding is part of the packet: what lay there before belonged to somebody else.
  bytes.fill(0, start + sizeBytes, offset + wholeSizeBytes);
  payload.offset = offset;
  payload.sizeBytes = wholeSizeBytes;
}
