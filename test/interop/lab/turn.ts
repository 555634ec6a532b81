/** The relay's TURN server in a lab: its options and files, and what clients are told of it. */
import { execFileSync } from "node:child_process";
import { createHash, createHmac, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BaresipTurn } from "./baresip.ts";
import type { IceServer, IceWay } from "./browser.ts";
import { type Lab, type LabOptions, withLab } from "./lab.ts";
import { address, type HostName } from "./network.ts";

/** What carries a client's messages. */
export type TurnWay = "udp" | "tcp" | "tls";
/** One with a lasting password, or one with a name and a password for an hour (TURN REST). */
export type TurnUser = "lasting" | "hourly";

export const turnPort = 3_478;
const ports = { udp: turnPort, tcp: turnPort, tls: 5_349 } as const;
const realm = "turn.test";
const lasting = { username: "alice", password: "wonderland" };
/** The web service signs with the newest; the others are good as well. */
const secrets = ["before", "now"];
const hourSec = 3_600;
const ruleLimitMs = 5_000;

export class TurnServer {
  /** SHA-256 of the certificate's public key, for `Browser.start`. */
  readonly trustedKey: string;
  readonly options: readonly string[];
  private readonly folder: string;

  constructor(more: readonly string[] = []) {
    this.folder = mkdtempSync(join(tmpdir(), "rtpferry-turn-"));
    const [users, secretsFile] = ["users", "secrets"].map((name) => join(this.folder, name));
    this.write("users", [`${lasting.username}:${lasting.password}`]);
    this.write("secrets", secrets);
    const certificate = this.certify();
    this.trustedKey = keyOf(certificate);
    this.options = [
      ...(["udp", "tcp", "tls"] as const).flatMap((way) => [
        "--listen-turn",
        `${way}:${address.relay}:${ports[way]}`,
      ]),
      ...["--turn-realm", realm, "--turn-user", `@${users}`, "--turn-secret", `@${secretsFile}`],
      ...["--turn-cert", certificate, "--turn-key", join(this.folder, "key.pem"), ...more],
    ];
  }

  /** For a page that goes through us and no other way. */
  relayOnly(way: TurnWay, user: TurnUser): IceWay {
    return { iceTransportPolicy: "relay", iceServers: [this.server(way, user)] };
  }

  server(way: TurnWay, user: TurnUser): IceServer {
    const scheme = way === "tls" ? "turns" : "turn";
    const urls = `${scheme}:${address.relay}:${ports[way]}?transport=${way === "udp" ? "udp" : "tcp"}`;
    return { urls, ...credentials(user) };
  }

  /** The same for baresip, which reaches it over UDP. */
  forBaresip(user: TurnUser): BaresipTurn {
    const { username, credential } = credentials(user);
    return { uri: `turn:${address.relay}:${ports.udp}`, username, password: credential };
  }

  drop(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private write(name: string, lines: readonly string[]): void {
    writeFileSync(join(this.folder, name), `${lines.join("\n")}\n`, { mode: 0o600 });
  }

  /** Signed by itself; the path of the certificate. */
  private certify(): string {
    const file = join(this.folder, "certificate.pem");
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", "/CN=turn.test", "-addext", `subjectAltName=IP:${address.relay}`],
        ...["-keyout", join(this.folder, "key.pem"), "-out", file],
      ],
      { stdio: "ignore" },
    );
    return file;
  }
}

function keyOf(file: string): string {
  const { publicKey } = new X509Certificate(readFileSync(file));
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}

function credentials(user: TurnUser): { readonly username: string; readonly credential: string } {
  if (user === "lasting") return { username: lasting.username, credential: lasting.password };
  const username = `${Math.floor(Date.now() / 1_000) + hourSec}:page`;
  const credential = createHmac("sha1", secrets.at(-1) ?? "")
    .update(username)
    .digest("base64");
  return { username, credential };
}

export interface TurnLabOptions extends Pick<LabOptions, "config"> {
  /** More options of the relay. */
  readonly more?: readonly string[];
  /** The relay stands behind a static NAT, and says so. */
  readonly isMapped?: boolean;
}

/** A lab whose relay is a TURN server too. */
export async function withTurnLab(
  body: (lab: Lab, turn: TurnServer) => Promise<void>,
  { config = "none", more = [], isMapped = false }: TurnLabOptions = {},
): Promise<void> {
  const turn = new TurnServer(more);
  const mapped = isMapped ? { advertisedIp: address.relayOutside } : {};
  const run = async (lab: Lab): Promise<void> => {
    if (isMapped) await mapStatically(lab);
    await body(lab, turn);
  };
  try {
    await withLab("rtpengine", run, { config, relayOptions: turn.options, ...mapped });
  } finally {
    turn.drop();
  }
}

/** Phones reach the relay by its outside address. Nothing is tracked: a media port is sent to from either end first. */
async function mapStatically(lab: Lab): Promise<void> {
  await rule(lab, "core", [
    "add table ip outside",
    "add chain ip outside in { type filter hook prerouting priority raw; }",
    `add rule ip outside in ip daddr ${address.relayOutside} notrack ip daddr set ${address.relay}`,
  ]);
  const route = ["ip", "route", "add", address.relayOutside, "via", address.relay];
  const program = await lab.program("callee", "route-callee", route);
  if ((await program.exitCode(ruleLimitMs)) !== 0) throw new Error(program.logTail());
}

/** Lines of nft, carried out in a host. */
export async function rule(lab: Lab, host: HostName, lines: readonly string[]): Promise<void> {
  const program = await lab.program(host, `nft-${host}`, ["nft", lines.join("; ")]);
  if ((await program.exitCode(ruleLimitMs)) !== 0) throw new Error(program.logTail());
}
