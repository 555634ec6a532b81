/** What one ng message asks for, as it is gathered from keys, flags and `rtpp-flags`; the last word on a matter counts. */

import type { MediaOptions, SdesOptions } from "../../call/requests.ts";
import { identifierSizeBytesMax } from "../../core/limits.ts";
import { defaultLearning, type LearningPolicy } from "../../core/plan/plan.ts";
import type { SrtpSuite } from "../../core/plan/security.ts";
import type { AttributeEdit, CodecEdit } from "../../sdp/edits.ts";

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

/** `MediaOptions` that can still be written to; handed over as it is. Its sets grow by `withItems`. */
export interface MediaDraft extends Mutable<MediaOptions> {
  learning: Mutable<LearningPolicy>;
  readonly codec: { readonly [List in keyof CodecEdit]: string[] };
  readonly attributes: AttributeEdit[];
  readonly sdes: SdesDraft;
}

type SuiteList = "only" | "without" | "order" | "offererPreference";
type SdesDraft = Mutable<Omit<SdesOptions, SuiteList>> & { readonly [List in SuiteList]: SrtpSuite[] };

export interface NgRequest {
  readonly command: string;
  callId: string | undefined;
  fromTag: string | undefined;
  toTag: string | undefined;
  viaBranch: string | undefined;
  sdp: string | undefined;
  /** Flag `to-tag`: a delete shall use the to-tag. */
  usesToTag: boolean;
  /** Flag `fatal`: a delete that finds nothing is an error. */
  isFatal: boolean;
  /** Flag `fast`: a delete is answered without statistics. */
  isFast: boolean;
  /** `supports` names `load limit`: the client understands that result. */
  supportsLoadLimit: boolean;
  deleteDelaySec: number | undefined;
  /** `list`: how many calls. */
  limit: number;
  readonly media: MediaDraft;
  /** For the log: words nobody knows, values that make no sense. */
  readonly warnings: string[];
  /** For the log and the reply: words we know and cannot follow, without harm to the call. */
  readonly lacks: string[];
  /** Why an offer or answer with these words must not be carried out; the first reason stands. */
  refusal: string | undefined;
  /** The error text for an identifier beyond the limit, whatever the command. */
  tooLong: string | undefined;
}

export function newRequest(command: string): NgRequest {
  return {
    command,
    callId: undefined,
    fromTag: undefined,
    toTag: undefined,
    viaBranch: undefined,
    sdp: undefined,
    usesToTag: false,
    isFatal: false,
    isFast: false,
    supportsLoadLimit: false,
    deleteDelaySec: undefined,
    limit: 32,
    media: newMediaDraft(),
    warnings: [],
    lacks: [],
    refusal: undefined,
    tooLong: undefined,
  };
}

/** One for all requests: few have any. */
const noItems: ReadonlySet<never> = new Set<never>();

export function withItems<Item>(set: ReadonlySet<Item>, ...items: readonly Item[]): ReadonlySet<Item> {
  const grown = new Set(set);
  for (const item of items) grown.add(item);
  return grown;
}

/** The defaults of all flags and keys. */
export function newMediaDraft(): MediaDraft {
  return {
    receivedFrom: undefined,
    trustsSdpAddress: true,
    learning: { ...defaultLearning },
    portLatching: undefined,
    resets: false,
    addressFamily: undefined,
    mediaAddress: undefined,
    direction: undefined,
    tos: undefined,
    replace: noItems,
    keepsDirection: false,
    rtcpAttribute: "port",
    generatesMid: false,
    loopProtect: false,
    rtcpMux: noItems,
    transportProtocol: undefined,
    ice: "default",
    codec: { strip: [], offer: [], except: [], ignore: [] },
    allowsOtherTypes: false,
    mayEmptyMedia: false,
    attributes: [],
    removesMedia: noItems,
    label: undefined,
    toLabel: undefined,
    isFragment: false,
    iceLite: undefined,
    tricklesIce: false,
    isIce2: false,
    rejectsIce: false,
    bundle: noItems,
    sdes: newSdesDraft(),
    dtls: "default",
    fingerprintHash: undefined,
    showsTlsId: true,
    recrypts: false,
    passthrough: undefined,
    osrtp: noItems,
  };
}

function newSdesDraft(): MediaDraft["sdes"] {
  return {
    isOff: false,
    only: [],
    without: [],
    order: [],
    offererPreference: [],
    wantsUnencryptedRtp: undefined,
    wantsUnencryptedRtcp: undefined,
    wantsUnauthenticatedRtp: undefined,
    showsLifetime: false,
    isStatic: false,
    addsNone: false,
    isPreferred: false,
  };
}

/** An identifier: empty counts as absent, and one beyond the limit makes the request refused. */
export function identifier(request: NgRequest, name: string, text: string): string | undefined {
  if (text.length > identifierSizeBytesMax) {
    request.tooLong ??= `Value of '${name}' is longer than ${identifierSizeBytesMax} bytes`;
    return undefined;
  }
  return text === "" ? undefined : text;
}

/** A word from the wire, fit for a log line or an error text: printable and short. */
export function quoted(word: string): string {
  const start = word.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
  return word.length > 64 ? `'${start}...'` : `'${start}'`;
}
