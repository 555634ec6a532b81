/** Valid messages with something wrong: bytes changed, cut, repeated, nested too deep, numbers too large. */
import { Buffer } from "node:buffer";
import fc from "fast-check";

interface Mutation {
  readonly kind: (typeof kinds)[number];
  /** Where, as a share of the message. */
  readonly at: number;
  readonly size: number;
  readonly byte: number;
  readonly text: string;
}

const kinds = [
  "set",
  "flip",
  "insert",
  "remove",
  "repeat",
  "cut",
  "number",
  "text",
  "nest",
  "splice",
] as const;

/** Bytes and words that mean something to one of the parsers. */
const texts = [
  "\0",
  " ",
  "\r\n",
  "\n\n",
  "e",
  "d",
  "l",
  "le",
  "i-0e",
  "i00e",
  "i9007199254740993e",
  "i-9223372036854775809e",
  "4294967296:",
  "99999999999999999999:",
  "-1:",
  "0:",
  "d0:0:e",
  "{}",
  "[[[[",
  "\\u0000",
  "\\ud800",
  '"__proto__":{"x":1},',
  "9:__proto__1:x",
  "1e999",
  "ÿþ",
  "&&",
  ";65536",
  ";-1",
  "%00",
  "%",
  "a=",
  "m=audio 65536 RTP/AVP 0\r\n",
  "c=IN IP4 999.1.1.1\r\n",
  "c=IN IP6 ::ffff:1.2.3.4%eth0\r\n",
  "a=rtpmap:128 x/0\r\n",
  "m=audio 1/32767 RTP/AVP\r\n",
] as const;

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom(...kinds),
  // Everywhere alike: fast-check's own bias is to the first and the last byte.
  at: fc.noBias(fc.integer({ min: 0, max: 999_999 })).map((value) => value / 1_000_000),
  size: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3_000 })),
  byte: fc.integer({ min: 0, max: 255 }),
  text: fc.constantFrom(...texts),
});

/** One of the messages, changed in none to six places. */
export function mutated(messages: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const base = fc.constantFrom(...messages);
  return fc
    .tuple(base, fc.array(mutation, { maxLength: 6 }), base)
    .map(([message, mutations, other]) =>
      mutations.reduce<Buffer>((bytes, one) => apply(bytes, one, other), Buffer.from(message)),
    );
}

/** Mostly mutated messages, now and then mere noise, never more than a datagram holds. */
export function hostile(messages: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  return fc
    .oneof({ weight: 12, arbitrary: mutated(messages) }, { weight: 1, arbitrary: noise })
    .map((bytes) => bytes.subarray(0, 65_507));
}

function apply(bytes: Buffer, { kind, at, size, byte, text }: Mutation, other: Uint8Array): Buffer {
  const start = Math.floor(at * bytes.length);
  const end = Math.min(bytes.length, start + size);
  const [head, part, tail] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)];
  switch (kind) {
    case "set":
      return Buffer.concat([head, Buffer.from([byte]), bytes.subarray(start + 1)]);
    case "flip":
      return Buffer.concat([head, Buffer.from(part.map((each) => each ^ byte)), tail]);
    case "insert":
      return Buffer.concat([head, Buffer.alloc(size, byte), bytes.subarray(start)]);
    case "remove":
      return Buffer.concat([head, tail]);
    case "repeat":
      return Buffer.concat([head, part, part, part, tail]);
    case "cut":
      return Buffer.from(head);
    case "number":
      return replaceNumber(bytes, start, byte);
    case "text":
      return Buffer.concat([head, Buffer.from(text, "latin1"), bytes.subarray(start)]);
    case "nest": {
      const { open, close } = nests[byte % nests.length] ?? nests[0];
      return Buffer.concat([
        head,
        Buffer.from(open.repeat(size)),
        part,
        Buffer.from(close.repeat(size)),
        tail,
      ]);
    }
    case "splice":
      return Buffer.concat([head, Buffer.from(other).subarray(Math.floor(at * other.length))]);
  }
}

const nests = [
  { open: "l", close: "e" },
  { open: "d1:a", close: "e" },
  { open: "[", close: "]" },
  { open: '{"a":', close: "}" },
] as const;

const numbers = [
  "0",
  "-1",
  "1",
  "65536",
  "2147483648",
  "4294967295",
  "18446744073709551616",
  "9".repeat(400),
  "1e9",
];

/** The next number in the text becomes another one. */
function replaceNumber(bytes: Buffer, start: number, choice: number): Buffer {
  const text = bytes.toString("latin1");
  const found = /[0-9]+/.exec(text.slice(start));
  if (found === null) return bytes;
  const at = start + found.index;
  const number = numbers[choice % numbers.length] ?? "";
  return Buffer.from(text.slice(0, at) + number + text.slice(at + found[0].length), "latin1");
}
