/** Where a control listener is: the texts of `--listen-rtpproxy` as values, shared by config and io. */
import { type Endpoint, familyOf, formatEndpoint, parseIp } from "./address.ts";
import { ok, type Result, refused } from "./result.ts";

export type ListenSpec = InternetListenSpec | UnixListenSpec;

/** `udp`: one datagram is one command; `tcp`: lines over lasting connections. */
export interface InternetListenSpec {
  readonly kind: "udp" | "tcp";
  /** Port 0 takes a free one. A wildcard address stands for every address of this machine. */
  readonly endpoint: Endpoint;
}

/** `unix`: one command a connection; `cunix`: lines over lasting connections. */
export interface UnixListenSpec {
  readonly kind: "unix" | "cunix";
  readonly path: string;
  /** Permission bits of the socket file. */
  readonly mode: number;
  /** Name or number of the group that owns the socket file; undefined keeps the daemon's own. */
  readonly group: string | undefined;
}

/** Owner and group may write, which is what connecting needs; others may not. */
export const unixModeDefault = 0o660;

/** sun_path of Linux has 108 bytes, the last of them zero (unix(7)). */
const unixPathSizeBytesMax = 107;

const forms = "udp:HOST:PORT, udp6:HOST:PORT, tcp:HOST:PORT, tcp6:HOST:PORT, unix:PATH or cunix:PATH";

/** Reads a listener's text; the refusal says what would be right. */
export function parseListenSpec(text: string): Result<ListenSpec, string> {
  const colon = text.indexOf(":");
  const scheme = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  switch (scheme) {
    case "udp":
    case "udp6":
      return internet("udp", scheme === "udp6", rest);
    case "tcp":
    case "tcp6":
      return internet("tcp", scheme === "tcp6", rest);
    case "unix":
    case "cunix":
      return unix(scheme, rest);
    default:
      return refused(forms);
  }
}

/** The way back from `parseListenSpec`. */
export function formatListenSpec(spec: ListenSpec): string {
  if ("endpoint" in spec) {
    const digit = familyOf(spec.endpoint.ip) === 6 ? "6" : "";
    return `${spec.kind}${digit}:${formatEndpoint(spec.endpoint)}`;
  }
  const mode = spec.mode === unixModeDefault ? "" : `,mode=0${spec.mode.toString(8)}`;
  return `${spec.kind}:${spec.path}${mode}${spec.group === undefined ? "" : `,group=${spec.group}`}`;
}

/** The last colon divides host and port, so that rtpproxy's `udp6:::1:22222` is read as well as `udp6:[::1]:22222`. */
function internet(kind: "udp" | "tcp", wantsV6: boolean, text: string): Result<ListenSpec, string> {
  const wanted = `${kind}${wantsV6 ? "6:[::1]" : ":127.0.0.1"}:22222 (host names are not looked up)`;
  const split = text.lastIndexOf(":");
  const portText = text.slice(split + 1);
  if (split <= 0 || !/^[0-9]{1,5}$/.test(portText) || Number(portText) > 65_535) return refused(wanted);
  const host = text.slice(0, split);
  const isBracketed = host.startsWith("[") && host.endsWith("]");
  const ip = parseIp(isBracketed ? host.slice(1, -1) : host);
  if (ip === undefined) return refused(wanted);
  const isV6 = familyOf(ip) === 6;
  if (isV6 ? !(wantsV6 || isBracketed) : wantsV6 || isBracketed) return refused(wanted);
  return ok({ kind, endpoint: { ip, port: Number(portText) } });
}

function unix(kind: "unix" | "cunix", text: string): Result<ListenSpec, string> {
  const [path = "", ...settings] = text.split(",");
  if (path === "" || path.includes("\0") || new TextEncoder().encode(path).length > unixPathSizeBytesMax) {
    return refused(`${kind}:PATH with a path of at most ${unixPathSizeBytesMax} bytes`);
  }
  let mode = unixModeDefault;
  let group: string | undefined;
  for (const setting of settings) {
    const [key, value = ""] = setting.split("=", 2);
    if (key === "mode" && /^0?[0-7]{3}$/.test(value)) mode = Number.parseInt(value, 8);
    else if (key === "group" && /^[A-Za-z0-9_.-]{1,64}$/.test(value)) group = value;
    else return refused(`${kind}:PATH,mode=0660,group=NAME`);
  }
  return ok({ kind, path, mode, group });
}
