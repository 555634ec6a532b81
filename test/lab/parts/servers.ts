/** The relays under test and the proxies that command them: one proxy for each protocol. */
import { join } from "node:path";
import { Program } from "../../interop/lab/process.ts";
import { projectRoot } from "../../interop/lab/project-root.ts";
import { relayName } from "../../interop/lab/relay.ts";
import { type LabNetwork, place, sipPort } from "./network.ts";
import { preferred } from "./priority.ts";
import type { Place } from "./sip.ts";

export type Protocol = "ng" | "rtpproxy";
export const protocols: readonly Protocol[] = ["ng", "rtpproxy"];

/** `strict`: a relay that was configured so. */
export type RelayKind = "default" | "strict";

const relays = {
  default: { ip: place.relay, ip6: place.relay6, ngPort: 2_223, rtpproxyPort: 7_722, options: [] },
  strict: {
    ip: place.strictRelay,
    ip6: place.strictRelay6,
    ngPort: 2_224,
    rtpproxyPort: 7_723,
    options: ["--strict"],
  },
} as const;
const kinds = Object.keys(relays) as readonly RelayKind[];
const mediaPorts = { min: 30_000, max: 31_999 };
const configs = join(projectRoot(), "test/lab/kamailio");

/** Where the proxy for a protocol listens. */
export function proxyOf(protocol: Protocol, kind: RelayKind, family: 4 | 6): Place {
  const port = sipPort + 2 * kinds.indexOf(kind) + 10 * protocols.indexOf(protocol);
  return { host: family === 4 ? place.proxy : place.proxy6, port };
}

// biome-ignore lint/style/noProcessEnv: for looking into another build of the daemon.
const cli = process.env["RTPFERRY_CLI"] ?? join(projectRoot(), "dist/cli.js");

export class Servers {
  readonly programs: Program[] = [];
  private readonly network: LabNetwork;
  private readonly folder: string;

  constructor(network: LabNetwork, folder: string) {
    this.network = network;
    this.folder = folder;
  }

  async start(wanted: readonly RelayKind[]): Promise<void> {
    for (const kind of wanted) this.startRelay(kind);
    for (const [index, kind] of wanted.entries()) {
      await this.programs[index]?.listening(relays[kind].ngPort);
      await this.programs[index]?.listening(relays[kind].rtpproxyPort);
    }
    const proxies = wanted.flatMap((kind) => protocols.map((protocol) => this.startProxy(protocol, kind)));
    await Promise.all(proxies);
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.toReversed().map((program) => program.stop()));
  }

  private startRelay(kind: RelayKind): void {
    const { ip, ip6, ngPort, rtpproxyPort, options } = relays[kind];
    if (relayName() === "rtpengine") {
      this.launch(`rtpengine-${kind}`, rtpengineCommand(kind));
      return;
    }
    this.launch(`rtpferry-${kind}`, [
      ...[process.execPath, cli, "serve"],
      ...["--interface", ip, "--interface", ip6],
      ...["--listen-ng", `${ip}:${ngPort}`, "--listen-rtpproxy", `udp:${ip}:${rtpproxyPort}`],
      ...["--control-allow", `${place.proxy}/32`, "--control-allow", `${ip}/32`],
      ...["--port-min", String(mediaPorts.min), "--port-max", String(mediaPorts.max)],
      ...["--delete-delay", "1", "--ctl", join(this.folder, `${kind}.sock`), ...options],
    ]);
  }

  private async startProxy(protocol: Protocol, kind: RelayKind): Promise<void> {
    const { ip, ngPort, rtpproxyPort } = relays[kind];
    const { port } = proxyOf(protocol, kind, 4);
    const program = this.launch(`kamailio-${protocol}-${kind}`, [
      ...["kamailio", "-f", join(configs, "nat.cfg"), "-DD", "-E", "-Y", this.folder, "-m", "32", "-M", "8"],
      ...["-A", `RELAY_SOCKET="udp:${ip}:${protocol === "ng" ? ngPort : rtpproxyPort}"`],
      ...(protocol === "rtpproxy" ? ["-A", "WITH_RTPPROXY"] : []),
      ...["-l", `udp:${place.proxy}:${port}`, "-l", `udp:[${place.proxy6}]:${port}`],
    ]);
    await program.listening(port);
  }

  private launch(name: string, command: readonly string[]): Program {
    const program = new Program({
      name,
      namespace: this.network.namespace("core"),
      command: [...preferred, ...command],
      logFile: join(this.folder, `${name}.log`),
      cwd: this.folder,
    });
    this.programs.push(program);
    return program;
  }
}

/** Its strictness is a word of the command alone. */
function rtpengineCommand(kind: RelayKind): readonly string[] {
  const { ip, ip6, ngPort, rtpproxyPort } = relays[kind];
  return [
    ...["rtpengine", "--config-file=none", "--foreground", "--log-stderr", "--log-level=4", "--table=-1"],
    ...["--num-threads=2", `--interface=default/${ip}`, `--interface=default/${ip6}`],
    ...[`--listen-ng=${ip}:${ngPort}`, `--listen-udp=${ip}:${rtpproxyPort}`],
    ...[`--port-min=${mediaPorts.min}`, `--port-max=${mediaPorts.max}`, "--delete-delay=1"],
  ];
}
