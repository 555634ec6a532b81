/** ng messages that are well-formed and make no sense: keys missing, doubled in meaning, or of a wrong kind. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { commandNames } from "../../../src/control/ng/command-names.ts";
import { flagWords } from "../../../src/control/ng/flag-words.ts";
import { keyWords } from "../../../src/control/ng/key-words.ts";
import { type NgWords, ngMessage, ngRequests, plainBody } from "./messages.ts";

const keys = [...keyWords.entries.flatMap(({ names }) => names), "unheard-of", "__proto__", ""];
const keyedWords = keyWords.entries.flatMap(({ names, words }) =>
  (words?.entries ?? []).map((word) => `${names[0]}-${word.names[0]}`),
);
const flags = [
  ...flagWords.entries.flatMap(({ names }) => names),
  ...keyedWords,
  "codec-strip-",
  "sdp-attr-add-audio-x",
];

const oddTexts = [
  "",
  "\0",
  "x".repeat(1_025),
  "-1",
  "1e3",
  "99999999999999999999",
  "IP4",
  "203.0.113.5",
  "::1",
  "evil",
  "twin",
  "a,b,,c",
  "=",
  "\r\nm=audio 1 RTP/AVP 0\r\n",
  "Invalid dialogue association",
  plainBody,
] as const;

const oddValue: fc.Arbitrary<NgWords[string]> = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.constantFrom(0, -1, 65_536, Number.MAX_SAFE_INTEGER),
  fc.array(fc.constantFrom(...oddTexts, ...flags), { maxLength: 5 }),
  fc.dictionary(
    fc.constantFrom(...keys, "audio", "add", "strip"),
    fc.constantFrom(...oddTexts, ["x"], { add: ["y"] }),
    {
      maxKeys: 3,
    },
  ),
);

const change = fc.oneof(
  fc.tuple(fc.constant("set" as const), fc.constantFrom(...keys), oddValue),
  fc.tuple(
    fc.constant("drop" as const),
    fc.constantFrom("call-id", "from-tag", "to-tag", "sdp", "flags"),
    oddValue,
  ),
  fc.tuple(
    fc.constant("set" as const),
    fc.constant("command"),
    fc.constantFrom(...commandNames.map(({ name }) => name), "", "OFFER", "offer ", "what?"),
  ),
  fc.tuple(fc.constant("set" as const), fc.constant("flags"), fc.subarray(flags, { maxLength: 4 })),
);

export const oddMessages: fc.Arbitrary<Buffer> = fc
  .record({
    words: fc.constantFrom(...ngRequests),
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
    encoding: fc.constantFrom("bencode" as const, "json" as const),
  })
  .map(({ words, changes, encoding }) => {
    const odd = new Map(Object.entries(words));
    for (const [kind, key, value] of changes) {
      if (kind === "set") odd.set(key, value);
      else odd.delete(key);
    }
    return Buffer.from(ngMessage("6_1", Object.fromEntries(odd), encoding));
  });
