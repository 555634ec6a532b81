/**
 * Every setting there is, once: the command line, the file, their help, their checks, `systemd/rtpferry.toml` and
 * docs/configuration.md all come from this table, and `Config` is its type.
 */
import { type ListenSpec, parseListenSpec } from "../core/listen-spec.ts";
import {
  choice,
  derivedInteger,
  flag,
  integer,
  list,
  mebibytes,
  type Option,
  optional,
  seconds,
} from "./option.ts";
import { turnSchema } from "./turn-schema.ts";
import {
  type AddressRange,
  type InterfaceSpec,
  parseInterface,
  parseListen,
  parseNotifySocket,
  parsePath,
  parseRange,
  parseUnixPath,
} from "./values.ts";

const daySec = 86_400;

export const schema = {
  interfaces: list<InterfaceSpec>({
    key: "interface",
    argument: "[NAME/]ADDR[!ADVERTISED]",
    defaults: ["127.0.0.1"],
    mayBeNone: false,
    parse: parseInterface,
    help: "Local address that carries media, IPv4 or IPv6; ADVERTISED is written into SDP instead of it, NAME is what a proxy's direction flag names. The first of a family is the default one.",
  }),
  listenNg: list({
    key: "listen-ng",
    argument: "HOST:PORT",
    defaults: ["127.0.0.1:2223"],
    mayBeNone: true,
    parse: parseListen,
    help: "UDP address of the ng protocol (Kamailio's and OpenSIPS's rtpengine module).",
  }),
  listenRtpproxy: list<ListenSpec>({
    key: "listen-rtpproxy",
    argument: "SPEC",
    defaults: ["udp:127.0.0.1:7722"],
    mayBeNone: true,
    parse: parseListenSpec,
    help: "Address of the rtpproxy protocol: udp:HOST:PORT, udp6:HOST:PORT, tcp:HOST:PORT, unix:PATH or cunix:PATH; the paths take ,mode=0660 and ,group=NAME.",
  }),
  rtpproxyNotify: list<string>({
    key: "rtpproxy-notify",
    example: "unix:/run/kamailio/timeout.sock",
    argument: "SOCKET",
    defaults: [],
    mayBeNone: true,
    parse: parseNotifySocket,
    help: "Stream socket, unix:PATH or tcp:HOST:PORT, that a U command may name to be told when its session times out (rtpproxy's -n).",
  }),
  controlAllow: list<AddressRange>({
    key: "control-allow",
    argument: "CIDR",
    defaults: ["127.0.0.0/8", "::1/128"],
    mayBeNone: false,
    parse: parseRange,
    help: "Who may send to the control listeners; everybody else is dropped without an answer. Replaces the default, so list loopback too if a proxy on this machine uses it.",
  }),
  listenHttp: optional({
    key: "listen-http",
    example: "127.0.0.1:9101",
    argument: "HOST:PORT",
    parse: parseListen,
    help: "Serves /metrics and /healthz. Whoever reaches the address may read them.",
  }),
  ctl: optional({
    key: "ctl",
    example: "/run/rtpferry/ctl.sock",
    argument: "PATH",
    defaultNote:
      "$RUNTIME_DIRECTORY/ctl.sock, $XDG_RUNTIME_DIR/rtpferry/ctl.sock or /tmp/rtpferry-UID/ctl.sock",
    parse: parseUnixPath,
    help: "Unix socket of `rtpferry ctl`, mode 0600.",
  }),
  portMin: integer({
    key: "port-min",
    min: 1_024,
    max: 65_534,
    default: 30_000,
    help: "First media port of every interface.",
  }),
  portMax: integer({
    key: "port-max",
    min: 1_025,
    max: 65_535,
    default: 40_000,
    help: "Last media port of every interface.",
  }),
  timeoutMs: seconds({
    key: "timeout",
    min: 1,
    max: daySec,
    default: 60,
    help: "Ends a call in which no stream has carried media for so long.",
  }),
  silentTimeoutMs: seconds({
    key: "silent-timeout",
    min: 1,
    max: 30 * daySec,
    default: 3_600,
    help: "The same for a call that is on hold or muted in all its streams.",
  }),
  offerTimeoutMs: seconds({
    key: "offer-timeout",
    min: 1,
    max: 30 * daySec,
    default: 3_600,
    help: "Ends a call that was never answered.",
  }),
  finalTimeoutMs: seconds({
    key: "final-timeout",
    min: 0,
    max: 365 * daySec,
    default: 0,
    help: "Ends every call at this age; 0 never does.",
  }),
  deleteDelayMs: seconds({
    key: "delete-delay",
    min: 0,
    max: daySec,
    default: 30,
    help: "How long a deleted call keeps its ports, for packets that are still on their way.",
  }),
  tos: integer({
    key: "tos",
    min: 0,
    max: 255,
    default: 0,
    help: "TOS or traffic class byte of media packets; 184 is EF (expedited forwarding).",
  }),
  maxSessions: derivedInteger({
    key: "max-sessions",
    example: "2500",
    min: 1,
    max: 1_000_000,
    defaultNote: "one for every four media ports",
    help: "Calls at once; further offers are refused so that the proxy takes its next relay.",
  }),
  workers: integer({
    key: "workers",
    min: 0,
    max: 256,
    default: 0,
    help: "Threads that relay media; 0 takes one for each processor.",
  }),
  io: choice({
    key: "io",
    words: ["auto", "epoll", "dgram"],
    default: "auto",
    help: "How packets are read and written: epoll is the fast way on Linux, dgram runs anywhere, auto takes epoll where it works.",
  }),
  coalesce: choice({
    key: "coalesce",
    words: ["on", "off"],
    default: "on",
    help: "Under load, let packets gather for up to 300 microseconds before they are relayed: a fifth less processor time for a delay nobody hears.",
  }),
  batchSend: choice({
    key: "batch-send",
    words: ["on", "off"],
    default: "on",
    help: "With epoll and CAP_NET_RAW, send the packets of many ports in one system call through a raw socket: a seventh less processor time. Without the capability they leave one by one, as with off. Routing rules and IPsec policies that name UDP or its ports do not see packets of a raw socket: where there are any, off.",
  }),
  batchReceive: choice({
    key: "batch-receive",
    words: ["on", "off"],
    default: "on",
    help: "Where packets are sent in batches, and with CAP_BPF and CAP_NET_ADMIN (Linux 5.9), also have the kernel hand a worker the packets of many ports by one socket, to be read in one system call. Only what comes from where the port sends: everybody else is heard at the port itself. Without the capabilities packets are read one by one, as with off.",
  }),
  trustedMedia: list<AddressRange>({
    key: "trusted-media",
    example: "192.0.2.0/24",
    argument: "CIDR",
    defaults: [],
    mayBeNone: true,
    parse: parseRange,
    help: "Networks of your own media servers and trunks: of several first speakers that nobody announced, theirs is believed.",
  }),
  signallingProxies: list<AddressRange>({
    key: "signalling-proxies",
    example: "198.51.100.10",
    argument: "CIDR",
    defaults: [],
    mayBeNone: true,
    defaultNote: "the control clients",
    parse: parseRange,
    help: "Addresses of SIP proxies: SIP that came from there says nothing about where media comes from.",
  }),
  settleTimeMs: seconds({
    key: "settle-time",
    min: 1,
    max: 60,
    default: 3,
    help: "How long an address that nobody announced must be alone before it is believed, where the party's own is known; and how long a first speaker may still be replaced by a likelier one.",
  }),
  strict: flag({
    key: "strict",
    help: "Every leg as with strict-source: media from announced addresses and by cryptographic proof alone, never from a first speaker. Phones behind NAT need ICE, SRTP or a proxy that names their address.",
  }),
  relearnAfterSilenceMs: seconds({
    key: "relearn-after-silence",
    min: 0,
    max: 3_600,
    default: 0,
    help: "Lets a new source take a leg, as a first speaker does, once the old one has been silent for so long, although nobody signalled; for trunks that move media by themselves. Whoever finds the port may then take the leg of a silent party. 0 never does.",
  }),
  replayMemoryBytes: mebibytes({
    key: "replay-memory",
    min: 0,
    max: 1_024,
    default: 8,
    help: "Memory of each worker for packets that just went out, up to 200 ms of them: sent again when a party turns out to have moved meanwhile. 0 sends nothing again.",
  }),
  ...turnSchema,
  logLevel: choice({
    key: "log-level",
    words: ["debug", "info", "warn", "error", "silent"],
    default: "info",
    help: "The least important log lines that are written.",
  }),
  pidfile: optional({
    key: "pidfile",
    example: "/run/rtpferry/rtpferry.pid",
    argument: "FILE",
    parse: parsePath,
    help: "Holds the process id while the daemon runs.",
  }),
} as const;

type ValueOf<Row> = Row extends Option<infer Value> ? Value : never;

export type ConfigName = keyof typeof schema;

/** What the rows say, before defaults that depend on other values. */
export type Draft = { readonly [Name in ConfigName]: ValueOf<(typeof schema)[Name]> };

/** All settings after checks, frozen. Durations are in milliseconds; names are otherwise those of the schema. */
export type Config = Omit<Draft, "maxSessions"> & {
  /** Calls at once. */
  readonly maxSessions: number;
};

/** The rows in their order, for those who need no types. */
export const rows: readonly (readonly [ConfigName, Option<unknown>])[] = Object.entries(schema) as [
  ConfigName,
  Option<unknown>,
][];

/** The row of a written key. */
export function rowOf(key: string): Option<unknown> | undefined {
  return rows.find(([, row]) => row.key === key)?.[1];
}
