/**
 * strip, offer, except and ignore of a request, done on lists of codecs. There is no transcoder behind them: a codec
 * that is taken out of an offer is simply not used in the call.
 */
import type { Codec } from "./codec.ts";
import type { CodecEdit } from "./edits.ts";

/** Codecs that ride along with the others at the same clock rate (RFC 4733 section 2, RFC 3389 section 4, RFC 2198 section 3). */
const companions = new Set(["telephone-event", "cn", "red"]);

/**
 * What of an offer goes on to the other party. `ignore` strips as well: a codec the offerer is not to receive must
 * not be answered. Nothing may be left.
 */
export function editOfferedCodecs(offered: readonly Codec[], edit: CodecEdit): readonly Codec[] {
  return editCodecs(offered, offered, { ...edit, strip: [...edit.ignore, ...edit.strip] });
}

/**
 * What of an answer goes back to the offerer: only what was offered to the answerer or by the offerer, under the
 * same payload type unless `allowsOtherTypes`. If nothing would be left, everything stays.
 */
export function editAnsweredCodecs(answer: AnsweredCodecs, edit: CodecEdit): readonly Codec[] {
  const known = answer.answered.filter(
    (codec) =>
      answer.toAnswerer.some((other) => isSame(codec, other)) ||
      answer.byOfferer.some(
        (other) => isSame(codec, other) || (answer.allowsOtherTypes && isSameCodec(codec, other)),
      ),
  );
  const left = editCodecs(known, answer.answered, edit);
  return left.length === 0 ? answer.answered : left;
}

export interface AnsweredCodecs {
  readonly answered: readonly Codec[];
  /** As written into the offer. */
  readonly toAnswerer: readonly Codec[];
  /** As received in the offer. */
  readonly byOfferer: readonly Codec[];
  /** Payload types need not be those of the offer. */
  readonly allowsOtherTypes: boolean;
}

function isSame(a: Codec, b: Codec): boolean {
  return a.payloadType === b.payloadType && isSameCodec(a, b);
}

function isSameCodec(a: Codec, b: Codec): boolean {
  return a.clockRateHz === b.clockRateHz && a.channels === b.channels && commonName(a) === commonName(b);
}

/** Some write `G729a` (annex A) for what is one format on the wire, G729 (RFC 3551 section 4.5.6). */
function commonName({ name }: Codec): string {
  const lower = name.toLowerCase();
  return lower === "g729a" ? "g729" : lower;
}

function editCodecs(codecs: readonly Codec[], original: readonly Codec[], edit: CodecEdit): readonly Codec[] {
  if (edit.strip.length === 0 && edit.offer.length === 0) return codecs;
  const touchedRates = new Set<number>();
  const stripped = stripCodecs(codecs, edit, touchedRates);
  return dropStrayCompanions(restoreCodecs(stripped, original, edit.offer, touchedRates), touchedRates);
}

function stripCodecs(codecs: readonly Codec[], edit: CodecEdit, touchedRates: Set<number>): readonly Codec[] {
  const names = new Set(edit.strip.map((name) => name.toLowerCase()));
  const exceptions = new Set(edit.except.map((name) => name.toLowerCase()));
  const isAll = edit.strip.includes("all") || edit.strip.includes("full");
  return codecs.filter((codec) => {
    const isStripped = isNamed(codec, names) || (isAll && !isNamed(codec, exceptions));
    if (isStripped && !isCompanion(codec)) touchedRates.add(codec.clockRateHz);
    return !isStripped;
  });
}

/** `offer`: names that were stripped come back, in that order, before the companions. */
function restoreCodecs(
  codecs: readonly Codec[],
  original: readonly Codec[],
  offer: readonly string[],
  touchedRates: Set<number>,
): readonly Codec[] {
  const left = [...codecs];
  for (const name of offer) {
    const names = new Set([name.toLowerCase()]);
    if (left.some((codec) => isNamed(codec, names))) continue;
    for (const codec of original) {
      if (!isNamed(codec, names) || left.includes(codec)) continue;
      const firstCompanion = left.findIndex(isCompanion);
      left.splice(firstCompanion < 0 ? left.length : firstCompanion, 0, codec);
      touchedRates.add(codec.clockRateHz);
    }
  }
  return left;
}

/** Telephone events and comfort noise go with the last codec of their clock rate, once that rate was touched. */
function dropStrayCompanions(codecs: readonly Codec[], touchedRates: ReadonlySet<number>): readonly Codec[] {
  const rates = new Set<number>();
  for (const codec of codecs) if (!isCompanion(codec)) rates.add(codec.clockRateHz);
  return codecs.filter(
    (codec) => !isCompanion(codec) || rates.has(codec.clockRateHz) || !touchedRates.has(codec.clockRateHz),
  );
}

function isCompanion(codec: Codec): boolean {
  return companions.has(codec.name.toLowerCase());
}

/** `opus`, `opus/48000/2` or, with the channels always, `PCMA/8000/1`; without regard to case. */
function isNamed(codec: Codec, names: ReadonlySet<string>): boolean {
  if (names.size === 0 || codec.name === "") return false;
  const name = codec.name.toLowerCase();
  return (
    names.has(name) ||
    names.has(codec.encoding.toLowerCase()) ||
    names.has(`${name}/${codec.clockRateHz}/${codec.channels}`)
  );
}
