/**
 * Reception statistics of one RTP stream (RFC 3550 appendix A.1, A.3 and A.8) in sixteen doubles of a larger table.
 *
 * Packets given here have been accepted before, so there is no probation; a jump that A.1 would not believe takes
 * two packets in a row to restart the count, and what was lost before the restart stays counted.
 */

/** Fields of one record; `size` doubles from record to record. */
export const reception = {
  /** 0 free, 1 in use. */
  isUsed: 0,
  /** As unsigned. */
  ssrc: 1,
  packets: 2,
  bytes: 3,
  payloadType: 4,
  /** Highest sequence number seen, 0 to 65535. */
  lastSequence: 5,
  /** RTP timestamp of the latest packet, as unsigned. */
  lastTimestamp: 6,
  /** Expected minus received; kept current so that a reader needs no other field. */
  packetsLost: 7,
  /** RFC 3550 appendix A.8, in timestamp units. */
  jitter: 8,
  lastPacketAt: 9,
  clockRateHz: 10,
  /** Extended sequence numbers: cycles * 65536 + sequence. */
  baseExtended: 11,
  highestExtended: 12,
  /** Packets since the base; `lostBefore` carries what was lost in earlier runs. */
  receivedSinceBase: 13,
  lostBefore: 14,
  /** The sequence number that would confirm a restart, or -1. */
  restartSequence: 15,
  size: 16,
} as const;

/** RFC 3550 appendix A.1. */
const dropoutMax = 3_000;
const misorderMax = 100;

/** Starts a record for a stream whose first packet is about to be given to `receivePacket`. */
export function startStream(table: Float64Array, at: number, ssrc: number, sequence: number): void {
  table.fill(0, at, at + reception.size);
  table[at + reception.ssrc] = ssrc >>> 0;
  table[at + reception.isUsed] = 1;
  restart(table, at, sequence);
}

/** Takes one packet into the record at `at`. `clockRateHz` 0: unknown, jitter stands still. No allocation. */
export function receivePacket(
  table: Float64Array,
  at: number,
  sequence: number,
  timestamp: number,
  payloadType: number,
  clockRateHz: number,
  sizeBytes: number,
  nowMs: number,
): void {
  if (clockRateHz > 0) updateJitter(table, at, timestamp, payloadType, clockRateHz, nowMs);
  table[at + reception.packets]!++;
  table[at + reception.bytes]! += sizeBytes;
  table[at + reception.payloadType] = payloadType;
  table[at + reception.lastTimestamp] = timestamp >>> 0;
  table[at + reception.lastPacketAt] = nowMs;
  table[at + reception.clockRateHz] = clockRateHz;
  updateSequence(table, at, sequence);
}

function updateSequence(table: Float64Array, at: number, sequence: number): void {
  const highest = table[at + reception.highestExtended]!;
  const delta = (sequence - (highest & 0xffff)) & 0xffff;
  if (delta < dropoutMax) {
    table[at + reception.highestExtended] = highest + delta;
    table[at + reception.lastSequence] = sequence;
    table[at + reception.restartSequence] = -1;
  } else if (delta <= 0x10000 - misorderMax) {
    if (sequence !== table[at + reception.restartSequence]) {
      // Received, but believed only if its successor comes too.
      table[at + reception.restartSequence] = (sequence + 1) & 0xffff;
      return;
    }
    table[at + reception.lostBefore] = table[at + reception.packetsLost]!;
    restart(table, at, sequence);
    // The packet before this one, received without being counted, belongs to the new run too.
    table[at + reception.baseExtended]!--;
    table[at + reception.receivedSinceBase]!++;
  }
  table[at + reception.receivedSinceBase]!++;
  const expected = table[at + reception.highestExtended]! - table[at + reception.baseExtended]! + 1;
  table[at + reception.packetsLost] =
    table[at + reception.lostBefore]! + expected - table[at + reception.receivedSinceBase]!;
}

function restart(table: Float64Array, at: number, sequence: number): void {
  // One cycle up front keeps extended numbers positive when the base moves back by one.
  table[at + reception.baseExtended] = 0x10000 + sequence;
  table[at + reception.highestExtended] = 0x10000 + sequence;
  table[at + reception.lastSequence] = sequence;
  table[at + reception.receivedSinceBase] = 0;
  table[at + reception.restartSequence] = -1;
}

/** A.8 with both differences taken against the packet before, so no transit time has to be kept in 32 bits. */
function updateJitter(
  table: Float64Array,
  at: number,
  timestamp: number,
  payloadType: number,
  clockRateHz: number,
  nowMs: number,
): void {
  const isComparable =
    table[at + reception.packets]! > 0 &&
    table[at + reception.payloadType] === payloadType &&
    table[at + reception.clockRateHz] === clockRateHz;
  if (!isComparable) return;
  const arrivalUnits = ((nowMs - table[at + reception.lastPacketAt]!) * clockRateHz) / 1000;
  const mediaUnits = (timestamp - table[at + reception.lastTimestamp]!) | 0;
  const difference = Math.abs(arrivalUnits - mediaUnits);
  // A change of talkspurt or of the sender's clock is no jitter; one second is beyond any queue.
  if (difference > clockRateHz) return;
  table[at + reception.jitter]! += (difference - table[at + reception.jitter]!) / 16;
}
