/** What a person reads when the daemon is up: where it listens, and what to write into the proxy's configuration. */
import { type Endpoint, familyOf, formatEndpoint, isUnspecified } from "../core/address.ts";
import { formatListenSpec, type ListenSpec } from "../core/listen-spec.ts";
import type { Config } from "./schema.ts";
import { formatTurnListen, type TurnListenSpec } from "./turn-values.ts";
import { formatInterface } from "./values.ts";
import { version } from "./version.ts";

/** What was really opened: endpoints whose port was 0 carry the one they got. */
export type BannerFacts = Pick<
  Config,
  "interfaces" | "listenNg" | "listenRtpproxy" | "listenTurn" | "listenHttp" | "ctl" | "portMin" | "portMax"
> & {
  /** Driver and threads, such as `epoll, 2 workers`. */
  readonly engine: string;
};

const labelWidth = 11;

/** Text lines, none of them wider than a terminal unless a path is. */
export function bannerLines(facts: BannerFacts): readonly string[] {
  const lines = [`rtpferry ${version} is up (${facts.engine})`];
  const add = (label: string, text: string): void => {
    lines.push(`  ${label.padEnd(labelWidth)}${text}`);
  };
  for (const spec of facts.interfaces) {
    add("media", `${formatInterface(spec)}, ports ${facts.portMin} to ${facts.portMax}`);
  }
  for (const endpoint of facts.listenNg) {
    add("ng", `udp ${formatEndpoint(endpoint)}`);
    const socket = proxyAddress("udp", endpoint);
    add("", `Kamailio, OpenSIPS:  modparam("rtpengine", "rtpengine_sock", "${socket}")`);
  }
  for (const spec of facts.listenRtpproxy) {
    add("rtpproxy", formatListenSpec(spec));
    add("", `${readersOf(spec)}:  modparam("rtpproxy", "rtpproxy_sock", "${proxySocket(spec)}")`);
  }
  for (const spec of facts.listenTurn) {
    add("turn", formatTurnListen(spec));
    add("", `browsers:  iceServers: [{ urls: "${turnUri(spec, facts)}", username, credential }]`);
  }
  if (facts.listenHttp !== undefined) add("http", `http://${formatEndpoint(facts.listenHttp)}/metrics`);
  if (facts.ctl !== undefined) add("ctl", `rtpferry ctl --ctl ${facts.ctl} list`);
  return lines;
}

/** As clients name it (RFC 7065 section 3.1); behind a static NAT by the address the world knows. */
function turnUri({ transport, endpoint: { ip, port } }: TurnListenSpec, { interfaces }: BannerFacts): string {
  const shown = interfaces.find((each) => each.ip === ip)?.advertisedIp ?? ip;
  const host = isUnspecified(ip) ? `ADDRESS:${port}` : formatEndpoint({ ip: shown, port });
  const scheme = transport === "tls" || transport === "dtls" ? "turns" : "turn";
  return `${scheme}:${host}?transport=${transport === "udp" || transport === "dtls" ? "udp" : "tcp"}`;
}

/** Persistent connections are OpenSIPS's alone. */
function readersOf(spec: ListenSpec): string {
  return spec.kind === "udp" || spec.kind === "unix" ? "Kamailio, OpenSIPS" : "OpenSIPS";
}

function proxySocket(spec: ListenSpec): string {
  return "path" in spec ? `${spec.kind}:${spec.path}` : proxyAddress(spec.kind, spec.endpoint);
}

/** A wildcard is no address to send to: the reader has to put in one of this machine's. */
function proxyAddress(kind: "udp" | "tcp", { ip, port }: Endpoint): string {
  const scheme = familyOf(ip) === 6 ? `${kind}6` : kind;
  return `${scheme}:${isUnspecified(ip) ? `ADDRESS:${port}` : formatEndpoint({ ip, port })}`;
}
