/** What the lab itself says and reads of SDP: the plain endpoint's descriptions, and where a description sends media. */
import type { MediaKind } from "./plain-stream.ts";

export interface PlainMedia {
  readonly kind: MediaKind;
  readonly port: number;
  readonly payloadType: number;
  /** Signalled if given. */
  readonly ssrc?: number | undefined;
}

export interface MediaPlace {
  readonly host: string;
  readonly port: number;
  readonly rtcpPort: number;
  /** The number of the codec the lab sends: PCMU or VP8. */
  readonly payloadType: number;
}

const codecs = { audio: "PCMU/8000", video: "VP8/90000" } as const;
/** What the plain endpoint calls its codecs when it offers; it answers with the offerer's numbers. */
export const ownPayloadTypes = { audio: 0, video: 100 } as const;

export function plainSdp(host: string, media: readonly PlainMedia[]): string {
  const lines = ["v=0", `o=plain 1 1 IN IP4 ${host}`, "s=-", `c=IN IP4 ${host}`, "t=0 0"];
  for (const { kind, port, payloadType, ssrc } of media) {
    lines.push(`m=${kind} ${port} RTP/AVP ${payloadType}`, `a=rtpmap:${payloadType} ${codecs[kind]}`);
    if (ssrc !== undefined) lines.push(`a=ssrc:${ssrc} cname:plain`);
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** Where m-line `index` wants its media. */
export function mediaPlace(sdp: string, index: number, kind: MediaKind): MediaPlace {
  const [session = "", ...sections] = sdp.split(/^(?=m=)/m);
  const section = sections[index] ?? "";
  const port = Number(new RegExp(`^m=${kind} (\\d+) `).exec(section)?.[1] ?? 0);
  const host = connection(section) ?? connection(session);
  const name = codecs[kind].replace("/", "\\/");
  const payloadType = new RegExp(`^a=rtpmap:(\\d+) ${name}`, "mi").exec(section)?.[1];
  if (port === 0 || host === undefined || payloadType === undefined) {
    throw new Error(`no way to send ${kind} in\n${sdp}`);
  }
  const rtcpPort = Number(/^a=rtcp:(\d+)/m.exec(section)?.[1] ?? port + 1);
  return { host, port, rtcpPort, payloadType: Number(payloadType) };
}

function connection(part: string): string | undefined {
  return /^c=IN IP[46] ([^\s/]+)/m.exec(part)?.[1];
}

/** The description with names of multicast DNS for the addresses of its candidates. */
export function hidden(sdp: string): string {
  const name = "8d2f1c1e-0b7e-4d57-a6c1-5f0a7d3e9b42.local";
  return sdp.replaceAll(/^(a=candidate:\S+ \d \S+ \d+) \S+/gm, `$1 ${name}`);
}
