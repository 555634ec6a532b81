/** The keys that edit codecs and attributes: `codec`, `sdp-attr`, `sdp-media-remove`, and their flag forms. */
import type { AttributeEdit, CodecEdit } from "../../sdp/edits.ts";
import { type NgRequest, quoted, withItems } from "./request.ts";
import { isDict, isList, type NgValue, wordsOf } from "./value.ts";
import { type Key, noteEffect, WordTable } from "./word-table.ts";

type Scope = AttributeEdit["scope"];
type Action = AttributeEdit["action"];

const scopes: ReadonlySet<string> = new Set<Scope>(["none", "global", "audio", "video"]);
const otherMedia: ReadonlySet<string> = new Set(["text", "application", "message", "image"]);

/** Script words cannot hold `=` or a space: they are written `--` and `..`. */
function unescaped(word: string): string {
  return word.replaceAll("--", "=").replaceAll("..", " ");
}

function codecKey(list: keyof CodecEdit, about: string): Key {
  return {
    names: [`codec-${list}`],
    effect: "applied",
    about,
    isFlagPrefix: true,
    read: (request, value) => request.media.codec[list].push(...wordsOf(value).map(unescaped)),
  };
}

function transcodingKey(name: string, about: string): Key {
  return { names: name.split("|"), effect: "warned", about, isFlagPrefix: true };
}

const codecKeys: readonly Key[] = [
  codecKey("strip", "take codecs out (`all`, `full` too)"),
  codecKey("offer", "offer these codecs alone"),
  codecKey("except", "spare these from `strip`"),
  codecKey("ignore", "leave these as they are"),
  transcodingKey("codec-mask", "transcoding: hide from the peer"),
  transcodingKey("codec-transcode|transcode", "transcoding: offer in addition"),
  transcodingKey("codec-accept", "transcoding: accept for the peer"),
  transcodingKey("codec-consume", "transcoding: accept and hide"),
  transcodingKey("codec-set", "transcoding: codec options"),
];
const codecTable = new WordTable(codecKeys);

function readCodecs(request: NgRequest, value: NgValue): void {
  if (!isDict(value)) {
    request.warnings.push("Value of 'codec' is no dictionary");
    return;
  }
  for (const [operation, list] of value) {
    const key = codecTable.find(`codec-${operation}`);
    if (key === undefined) {
      request.warnings.push(`Unknown 'codec' operation: ${quoted(operation)}`);
      continue;
    }
    noteEffect(request, key.effect, key.names[0] ?? "");
    key.read?.(request, list);
  }
}

/** `sdp-attr`; the texts of the refusals are rtpengine's. */
function readAttributes(request: NgRequest, value: NgValue): void {
  if (!isDict(value)) {
    request.refusal ??= "wrong type used";
    return;
  }
  for (const [section, operations] of value) {
    if (!isDict(operations)) {
      request.refusal ??= "wrong content given";
      return;
    }
    for (const [operation, list] of operations) {
      const action = operation.toLowerCase();
      if (action !== "add" && action !== "remove" && action !== "substitute") {
        request.refusal ??= "unknown manipulation command";
        return;
      }
      for (const item of isList(list) ? list : wordsOf(list)) edit(request, section, action, item);
    }
  }
}

/** One edit; `item` is an attribute, `old>new` or the pair [old, new]. */
function edit(request: NgRequest, section: string, action: Action, item: NgValue): void {
  const scope = section.toLowerCase();
  if (!scopes.has(scope)) {
    if (otherMedia.has(scope))
      request.lacks.push(`'sdp-attr' for ${scope} is not supported and has no effect`);
    else request.refusal ??= "unsupported sdp section";
    return;
  }
  const pair = isList(item) ? item : splitPair(item, action);
  const [first, second] = pair.map((part) => (typeof part === "string" ? attributeOf(part) : ""));
  if (first === undefined || first === "" || (action === "substitute" && (second ?? "") === "")) {
    request.warnings.push("Invalid 'sdp-attr' item");
    return;
  }
  const common = { scope: scope as Scope, attribute: first };
  request.media.attributes.push(
    action === "substitute" ? { ...common, action, replacement: second ?? "" } : { ...common, action },
  );
}

function splitPair(item: NgValue, action: Action): readonly NgValue[] {
  if (typeof item !== "string" || action !== "substitute") return [item];
  const at = item.indexOf(">");
  return at < 0 ? [item] : [item.slice(0, at), item.slice(at + 1)];
}

/** Line breaks would let a flag write lines of its own into a body. */
function attributeOf(text: string): string {
  const attribute = unescaped(text).replace(/[\r\n\0]/g, "");
  return attribute.startsWith("a=") ? attribute.slice(2) : attribute;
}

/** `sdp-attr-add-audio-foo`: the flag form, section and attribute in one word. */
function attributeKey(action: Action): Key {
  return {
    names: [`sdp-attr-${action}`],
    effect: "applied",
    about: "`<section>-<attribute>`; `--` stands for `=`, `..` for a space",
    isFlagPrefix: true,
    read: (request, value) => {
      for (const word of wordsOf(value)) {
        const at = word.indexOf("-");
        edit(request, word.slice(0, Math.max(at, 0)), action, word.slice(at + 1));
      }
    },
  };
}

function readMediaRemoval(request: NgRequest, value: NgValue): void {
  for (const word of wordsOf(value)) {
    const kind = word.toLowerCase();
    if (kind === "audio" || kind === "video" || kind === "other" || otherMedia.has(kind)) {
      request.media.removesMedia = withItems(request.media.removesMedia, kind);
    } else {
      request.refusal ??= "unsupported sdp section";
    }
  }
}

export const sdpKeys: readonly Key[] = [
  {
    names: ["codec", "codecs"],
    effect: "applied",
    about: "dictionary of the `codec-` keys",
    read: readCodecs,
  },
  ...codecKeys,
  {
    names: ["sdp-attr"],
    effect: "applied",
    about: "`{none, global, audio, video: {add, remove, substitute}}`",
    read: readAttributes,
  },
  attributeKey("add"),
  attributeKey("remove"),
  attributeKey("substitute"),
  { names: ["sdp-media-remove"], effect: "applied", about: "media to take out", read: readMediaRemoval },
  { names: ["extmap"], effect: "warned", about: "RTP header extensions to take out" },
];
