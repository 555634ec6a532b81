/**
 * Reads an SDP body (RFC 8866 section 5) into lines.
 *
 * Lenient where the field is: LF or CRLF, missing o=, s= and t=, anything after an empty line is ignored. Strict where
 * leniency would hide what media is routed by: v=, o=, c=, m=, and what may stand below an m= line.
 */
import { formatsPerMediaMax, mediaPerCallMax, sdpLinesMax, sdpSizeBytesMax } from "../core/limits.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { lastLine } from "./attribute.ts";
import { parseConnection } from "./connection.ts";
import type { MediaSection, SdpLine, SdpRefusal, SessionDescription } from "./description.ts";
import { parseOrigin } from "./origin.ts";
import { numberOf, wordsOf } from "./words.ts";

type Refusal = SdpRefusal["what"];
type OpenSection = MediaSection & { readonly lines: SdpLine[] };

/** Largest port count of an m= line that is accepted (`49170/10`). */
const portCountMax = 10;
const sessionOnlyTypes = "vostuep";
const knownTypes = "vosiuepcbtrzkam";
const code = { carriageReturn: 0x0d, equals: 0x3d } as const;

/** Never throws; `text` is latin1. */
export function parseSdp(text: string): Result<SessionDescription, SdpRefusal> {
  if (text.length > sdpSizeBytesMax) return refused({ what: "too-large", at: 1 });
  const reader = new Reader();
  let at = 0;
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const next = end < 0 ? text.length : end;
    const stop = beforeReturns(text, start, next);
    if (stop === start) break;
    at++;
    const problem = reader.take(text, start, stop, at);
    if (problem !== undefined) return refused({ what: problem, at });
    start = next + 1;
  }
  return at === 0 ? refused({ what: "empty", at: 1 }) : ok({ session: reader.session, media: reader.media });
}

function beforeReturns(text: string, start: number, end: number): number {
  let stop = end;
  while (stop > start && text.charCodeAt(stop - 1) === code.carriageReturn) stop--;
  return stop;
}

class Reader {
  readonly session: SdpLine[] = [];
  readonly media: OpenSection[] = [];
  private section: OpenSection | undefined;

  /** The line between `start` and `stop`, the `at`-th. */
  take(text: string, start: number, stop: number, at: number): Refusal | undefined {
    const type = text.charAt(start);
    if (stop - start < 2 || text.charCodeAt(start + 1) !== code.equals || !knownTypes.includes(type)) {
      return "not-a-line";
    }
    const value = text.slice(start + 2, stop);
    if (hasControl(value)) return "not-a-line";
    if (at === 1) return this.takeVersion(type, value);
    if (at > sdpLinesMax) return "too-many-lines";
    if (type === "m") return this.open(value);
    const lines = this.section?.lines ?? this.session;
    const problem = this.problemOf(type, value, lines);
    if (problem === undefined) lines.push({ type, value });
    return problem;
  }

  private takeVersion(type: string, value: string): Refusal | undefined {
    if (type !== "v" || value !== "0") return "bad-version";
    this.session.push({ type, value });
    return undefined;
  }

  private open(value: string): Refusal | undefined {
    if (this.media.length === mediaPerCallMax) return "too-many-media";
    const section = parseMediaLine(value);
    if (typeof section === "string") return section;
    this.media.push(section);
    this.section = section;
    return undefined;
  }

  private problemOf(type: string, value: string, lines: readonly SdpLine[]): Refusal | undefined {
    if (type === "a") return undefined;
    if (type === "v" || (this.section !== undefined && sessionOnlyTypes.includes(type)))
      return "misplaced-line";
    if (type !== "o" && type !== "c") return undefined;
    if (lastLine(lines, type) !== undefined) return "misplaced-line";
    if (type === "o") return parseOrigin(value) === undefined ? "bad-origin" : undefined;
    return parseConnection(value) === undefined ? "bad-connection" : undefined;
  }
}

/** A bare CR or a NUL would be read as a line end by some and not by others. */
function hasControl(value: string): boolean {
  return value.includes("\r") || value.includes("\0");
}

/** `audio 49170/2 RTP/AVP 0 8` (RFC 8866 section 5.14). */
function parseMediaLine(value: string): OpenSection | "bad-media" | "too-many-formats" {
  const words = wordsOf(value);
  const [kind, portText, protocol] = words;
  if (kind === undefined || portText === undefined || protocol === undefined) return "bad-media";
  const slash = portText.indexOf("/");
  const port = numberOf(slash < 0 ? portText : portText.slice(0, slash), 5);
  const portCount = slash < 0 ? 1 : numberOf(portText.slice(slash + 1), 3);
  if (port === undefined || portCount === undefined) return "bad-media";
  if (port > 65535 || portCount < 1 || portCount > portCountMax) return "bad-media";
  const formats = words.slice(3);
  if (formats.length > formatsPerMediaMax) return "too-many-formats";
  return { kind, port, portCount, protocol, formats, lines: [] };
}
