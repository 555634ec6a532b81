/** What a browser counted against what the other side did, and whether anything crossed a wire in clear. */
import type { StatsRow } from "./browser.ts";
import type { Datagram } from "./capture.ts";
import { clearMarker, type MediaKind } from "./plain-stream.ts";
import type { PlainExchange } from "./web-call.ts";

export interface Expectation {
  /** Less than this many packets each way is no conversation. */
  readonly packetsMin: Readonly<Record<MediaKind, number>>;
  /** How many packets may come before the other end has its keys; every later one counts as lost. None otherwise. */
  readonly earlyMax?: number;
}

const faultsShown = 30;

/** Throws with what is wrong, if anything is. */
export function demandNone(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new Error(`${faults.length} faults:\n${faults.slice(0, faultsShown).join("\n")}`);
}

/** Everything that is wrong with the exchange of a browser with a plain endpoint; empty if nothing is. */
export function faultsWithPlain(
  stats: readonly StatsRow[],
  exchanges: readonly PlainExchange[],
  { packetsMin }: Expectation,
): readonly string[] {
  return exchanges.flatMap(({ kind, payloadType, plain }) => {
    const out = row(stats, "outbound-rtp", kind);
    const heard = plain.heard.find(({ ssrc }) => ssrc === out.ssrc);
    const received = row(stats, "inbound-rtp", kind);
    if (heard === undefined && received.packetsReceived === undefined) return [`${kind}: nothing heard`];
    const foreign = plain.heard.filter(({ ssrc }) => ssrc !== out.ssrc);
    const facts: readonly (readonly [string, boolean])[] = [
      [
        `${out.packetsSent} sent, ${heard?.packets} heard`,
        (out.packetsSent ?? 0) >= packetsMin[kind] && heard?.packets === out.packetsSent,
      ],
      [`${heard?.lost} lost, ${heard?.duplicates} twice`, heard?.lost === 0 && heard.duplicates === 0],
      [
        `payload types ${heard?.payloadTypes}, not ${payloadType}`,
        String(heard?.payloadTypes) === `${payloadType}`,
      ],
      [`other senders: ${JSON.stringify(foreign)}`, foreign.length === 0],
      [`${plain.strange} strange datagrams`, plain.strange === 0],
      [
        `${plain.sent} sent to the browser, ${received.packetsReceived} received`,
        plain.sent >= packetsMin[kind] && received.packetsReceived === plain.sent,
      ],
      [`the browser lost ${received.packetsLost}`, received.packetsLost === 0],
      [`no report of the browser: ${JSON.stringify(plain.rtcp)}`, (plain.rtcp[200] ?? 0) > 0],
      [
        `${plain.reportsOnUs} reports on the plain sender, ${plain.lossReported} lost`,
        plain.reportsOnUs > 0 && plain.lossReported === 0,
      ],
      [
        "no sender report for the browser",
        stats.some((one) => one.type === "remote-outbound-rtp" && one.kind === kind),
      ],
      ["the plain side's reports name losses", row(stats, "remote-inbound-rtp", kind).packetsLost === 0],
      [`energy ${received.totalAudioEnergy}`, kind === "video" || (received.totalAudioEnergy ?? 0) > 0],
    ];
    return facts.filter(([, isRight]) => !isRight).map(([what]) => `${kind}: ${what}`);
  });
}

/** The same for what one browser sent another. */
export function faultsBetween(
  sender: readonly StatsRow[],
  receiver: readonly StatsRow[],
  kinds: readonly MediaKind[],
  { packetsMin, earlyMax = 0 }: Expectation,
): readonly string[] {
  return kinds.flatMap((kind) => {
    const sent = row(sender, "outbound-rtp", kind);
    const received = row(receiver, "inbound-rtp", kind);
    const reported = row(sender, "remote-inbound-rtp", kind);
    if (received.packetsReceived === undefined) return [`${kind}: nothing heard`];
    // What a browser resends and pads with has an SSRC of its own, and counts as sent.
    const resent = sent.retransmittedPacketsSent ?? 0;
    const facts: readonly (readonly [string, boolean])[] = [
      [`ssrc ${sent.ssrc} is heard as ${received.ssrc}`, sent.ssrc === received.ssrc],
      [
        `${sent.packetsSent} sent, ${resent} of them again, ${received.packetsReceived} received`,
        (sent.packetsSent ?? 0) - resent >= packetsMin[kind] &&
          (received.packetsReceived ?? 0) >= (sent.packetsSent ?? 0) - resent - earlyMax,
      ],
      [`lost ${received.packetsLost}`, received.packetsLost === 0],
      [`reports name ${reported.packetsLost} losses`, reported.packetsLost === 0],
      ["no sender report", receiver.some((one) => one.type === "remote-outbound-rtp" && one.kind === kind)],
      [
        `energy ${received.totalAudioEnergy}, frames ${received.framesDecoded}`,
        (kind === "audio" ? (received.totalAudioEnergy ?? 0) : (received.framesDecoded ?? 0)) > 0,
      ],
    ];
    return facts.filter(([, isRight]) => !isRight).map(([what]) => `${kind}: ${what}`);
  });
}

function row(stats: readonly StatsRow[], type: string, kind: MediaKind): Partial<StatsRow> {
  return stats.find((one) => one.type === type && one.kind === kind) ?? {};
}

export interface OtherWire {
  readonly datagrams: readonly Datagram[];
  readonly isPlain: boolean;
}

/**
 * Whether a browser's wire is silent about the media: compares every RTP packet on it with the same one on the other
 * side's wire, looks for the plain endpoint's marker, and expects payloads to begin as those of a cipher do.
 */
export function wireFaults(
  browserWire: readonly Datagram[],
  other: OtherWire,
  matchesMin: number,
): readonly string[] {
  const twins = new Map(
    other.datagrams.flatMap(({ bytes }) => (isRtp(bytes) ? [[keyOf(bytes), bytes]] : [])),
  );
  const secured = browserWire.map(({ bytes }) => bytes).filter(isRtp);
  const pairs = secured.flatMap((packet) => {
    const twin = twins.get(keyOf(packet));
    return twin === undefined ? [] : [[payloadOf(packet), payloadOf(twin)] as const];
  });
  const equal = pairs.filter(([one, two]) => isSameStart(one, two)).length;
  const facts: readonly (readonly [string, boolean])[] = [
    [`${pairs.length} packets on both wires`, pairs.length >= matchesMin],
    [`${equal} payloads are the same on both`, equal === 0],
    [`the marker stands in ${marked(browserWire)} datagrams`, marked(browserWire) === 0],
    ["the marker is not even on the plain wire", !other.isPlain || marked(other.datagrams) > 0],
    [`first bytes do not vary: ${describeVariety(secured)}`, varies(secured)],
  ];
  return facts.filter(([, isRight]) => !isRight).map(([what]) => `wire: ${what}`);
}

/** One may be longer by its authentication tag. */
function isSameStart(one: Buffer, two: Buffer): boolean {
  const size = Math.min(one.length, two.length);
  return one.subarray(0, size).equals(two.subarray(0, size));
}

function marked(wire: readonly Datagram[]): number {
  return wire.filter(({ bytes }) => bytes.includes(clearMarker, 0, "latin1")).length;
}

/** Streams shorter than this say little about their bytes. */
const varietyPacketsMin = 100;
/** A cipher's first bytes take about 82 values in 100 packets, and more than 250 in many; an encoder's a handful. */
const varietyMin = 60;

function varieties(packets: readonly Buffer[]): ReadonlyMap<number, { count: number; bytes: Set<number> }> {
  const bySsrc = new Map<number, { count: number; bytes: Set<number> }>();
  for (const packet of packets) {
    const ssrc = packet.readUInt32BE(8);
    const found = bySsrc.get(ssrc) ?? { count: 0, bytes: new Set() };
    bySsrc.set(ssrc, found);
    found.count++;
    found.bytes.add(payloadOf(packet)[0] ?? 0);
  }
  return bySsrc;
}

function varies(packets: readonly Buffer[]): boolean {
  const long = [...varieties(packets).values()].filter(({ count }) => count >= varietyPacketsMin);
  return long.length > 0 && long.every(({ bytes }) => bytes.size >= varietyMin);
}

function describeVariety(packets: readonly Buffer[]): string {
  return [...varieties(packets)]
    .map(([ssrc, { count, bytes }]) => `${ssrc} ${bytes.size} of ${count}`)
    .join(", ");
}

/** RTP by its first two bytes (RFC 7983 section 7, RFC 5761 section 4). */
function isRtp(bytes: Buffer): boolean {
  const [first = 0, second = 0] = bytes;
  return bytes.length >= 12 && first >= 128 && first < 192 && (second < 192 || second >= 224);
}

/** What the relay leaves as it is: SSRC, sequence number and timestamp. */
function keyOf(packet: Buffer): string {
  return packet.toString("latin1", 2, 12);
}

function payloadOf(packet: Buffer): Buffer {
  const first = packet[0] ?? 0;
  const afterSources = 12 + (first & 15) * 4;
  if ((first & 0x10) === 0 || packet.length < afterSources + 4) return packet.subarray(afterSources);
  return packet.subarray(afterSources + 4 + packet.readUInt16BE(afterSources + 2) * 4);
}
