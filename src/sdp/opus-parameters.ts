/**
 * a=fmtp of Opus (RFC 7587 section 6.1) in one fixed order, as rtpengine writes it. What the list does not know, or
 * has a value it would not print, follows behind instead of being lost.
 */
const flags = ["stereo", "sprop-stereo", "useinbandfec", "usedtx", "cbr"];
const numbers = ["maxplaybackrate", "maxaveragebitrate", "sprop-maxcapturerate", "minptime"];
const order = [...flags, ...numbers];

export function orderOpusParameters(text: string): string {
  if (text === "") return text;
  const known = new Map<string, string>();
  const others: string[] = [];
  for (const part of text.split(";")) {
    const word = part.trim();
    const equals = word.indexOf("=");
    const key = word.slice(0, Math.max(equals, 0)).trimEnd();
    const value = word.slice(equals + 1).trimStart();
    if (isPrintable(key, value)) known.set(key, value);
    else if (word !== "") others.push(word);
  }
  const words = order.filter((key) => known.has(key)).map((key) => `${key}=${known.get(key)}`);
  return [...words, ...others].join("; ");
}

function isPrintable(key: string, value: string): boolean {
  if (flags.includes(key)) return value === "0" || value === "1";
  return numbers.includes(key) && /^[1-9]\d{0,8}$/.test(value);
}
