/** An association on a real socket of loopback, and openssl's own client and server as its peers. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endpoint, IpAddress } from "../../../src/core/address.ts";
import type { Fingerprint, FingerprintHash, SrtpKey } from "../../../src/core/plan/security.ts";
import { systemClock } from "../../../src/io/clock.ts";
import type { DtlsAction, DtlsAssociation } from "../../../src/srtp/dtls/association.ts";

const loopback = "127.0.0.1" as IpAddress;

export class UdpParty {
  readonly told: DtlsAction[] = [];
  /** Sizes of all datagrams received and sent. */
  readonly received: number[] = [];
  readonly sent: number[] = [];
  readonly #socket: Socket;
  readonly #isVouched: boolean;
  #association: DtlsAssociation | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, isVouched: boolean) {
    this.#socket = socket;
    this.#isVouched = isVouched;
    socket.on("message", (bytes, { address, port }) => {
      this.received.push(bytes.length);
      const source = { ip: address as IpAddress, port };
      const nowMs = systemClock.monotonicMs();
      this.#act(this.#association?.handlePacket(nowMs, source, bytes, this.#isVouched) ?? []);
    });
  }

  static async open(options: { readonly isVouched: boolean }): Promise<UdpParty> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => {
      socket.bind(0, loopback, resolve);
    });
    return new UdpParty(socket, options.isVouched);
  }

  get place(): Endpoint {
    return { ip: loopback, port: this.#socket.address().port };
  }

  use(association: DtlsAssociation): void {
    this.#association = association;
  }

  aim(target: Endpoint): void {
    this.#act(this.#association?.aim(systemClock.monotonicMs(), target) ?? []);
  }

  /** The first thing told other than a datagram. */
  async end(): Promise<DtlsAction> {
    while (this.told.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.told[0]!;
  }

  async keys(): Promise<{ readonly receive: SrtpKey; readonly send: SrtpKey }> {
    const end = await this.end();
    if (end.kind !== "connected") throw new Error(`not connected: ${JSON.stringify(end)}`);
    return end;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#association?.close();
    this.#socket.close();
  }

  #act(actions: readonly DtlsAction[]): void {
    for (const action of actions) {
      if (action.kind === "send") {
        this.sent.push(action.bytes.length);
        this.#socket.send(action.bytes, action.to.port, action.to.ip);
      } else {
        this.told.push(action);
        this.#wake();
      }
    }
    clearTimeout(this.#timer);
    const deadline = this.#association?.nextDeadlineMs();
    if (deadline === undefined) return;
    const waitMs = Math.max(0, Math.ceil(deadline - systemClock.monotonicMs()));
    this.#timer = setTimeout(() => {
      this.#act(this.#association?.handleTimeout(systemClock.monotonicMs()) ?? []);
    }, waitMs);
  }
}

/** The exported material as it is in `openssl`'s output: client's key, server's key, client's salt, server's salt. */
export function materialOf(client: SrtpKey, server: SrtpKey): string {
  const parts = [client.masterKey, server.masterKey, client.masterSalt, server.masterSalt];
  return Buffer.concat(parts).toString("hex").toUpperCase();
}

/** A folder with a certificate that openssl made, and its processes. */
export class OpenSslPeer {
  readonly #folder = mkdtempSync(join(tmpdir(), "rtpferry-dtls-"));
  readonly #running: ChildProcess[] = [];
  readonly #der: Uint8Array;

  constructor(newKey: readonly string[] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]) {
    const made = spawnSync(
      "openssl",
      ["req", "-x509", "-newkey", ...newKey, "-nodes", "-subj", "/CN=peer", "-days", "2"].concat([
        "-keyout",
        this.#path("key.pem"),
        "-out",
        this.#path("cert.pem"),
      ]),
      { encoding: "utf8" },
    );
    if (made.status !== 0) throw new Error(`openssl req: ${made.stderr}`);
    this.#der = new X509Certificate(readFileSync(this.#path("cert.pem"))).raw;
  }

  fingerprint(hash: FingerprintHash = "sha-256"): Fingerprint {
    return { hash, value: createHash(hash.replace("-", "")).update(this.#der).digest() };
  }

  /** Begins a handshake with this place; resolves with the keying material it exports, or its output if it fails. */
  connect(to: Endpoint, profiles: string, more: readonly string[] = []): Promise<string> {
    return this.#run(["s_client", "-connect", `${to.ip}:${to.port}`, ...this.#common(profiles), ...more]);
  }

  /** Like `connect`; resolves with all its output once it has given up. */
  fail(to: Endpoint, profiles: string): Promise<string> {
    return this.#run(["s_client", "-connect", `${to.ip}:${to.port}`, ...this.#common(profiles)], /$^/);
  }

  /** Like `connect`, without showing a certificate. */
  bare(to: Endpoint, profiles: string): Promise<string> {
    return this.#run(["s_client", "-dtls1_2", "-connect", `${to.ip}:${to.port}`, "-use_srtp", profiles]);
  }

  /** Like `connect`, as a client that knows nothing of SRTP. */
  withoutSrtp(to: Endpoint): Promise<string> {
    return this.#run(["s_client", "-dtls1_2", "-connect", `${to.ip}:${to.port}`, ...this.#certificate()]);
  }

  /** Waits for one handshake on a port. */
  accept(port: number, profiles: string, more: readonly string[] = []): Promise<string> {
    const own = ["-accept", `127.0.0.1:${port}`, "-naccept", "1", "-Verify", "1"];
    return this.#run(["s_server", ...own, ...this.#common(profiles), ...more]);
  }

  /** Ends its processes; resolves with the number of those that do not go. */
  async close(): Promise<number> {
    const ended = this.#running.map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      const end = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      return end;
    });
    await Promise.all(ended);
    rmSync(this.#folder, { recursive: true });
    return this.#running.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .length;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #common(profiles: string): readonly string[] {
    const keying = ["-use_srtp", profiles, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "60"];
    return ["-dtls1_2", "-timeout", ...this.#certificate(), ...keying];
  }

  #certificate(): readonly string[] {
    return ["-cert", this.#path("cert.pem"), "-key", this.#path("key.pem")];
  }

  /** Resolves with what the pattern finds in the output, or at the end with all of it. */
  #run(args: readonly string[], pattern = /Keying material: ([0-9A-F]+)/): Promise<string> {
    const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#running.push(child);
    return new Promise((resolve) => {
      let output = "";
      const read = (chunk: Buffer): void => {
        output += chunk.toString("latin1");
        const found = pattern.exec(output)?.[1];
        if (found !== undefined) resolve(found);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.on("close", () => resolve(output));
    });
  }
}
