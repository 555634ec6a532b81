/** DTLS clients of the bench: each has a socket of its own, takes the active role and accepts whatever certificate comes. */
import { createSocket, type Socket } from "node:dgram";
import { openDtlsEngine } from "../src/io/linux/dtls-openssl.ts";
import type { DtlsCertificate, DtlsConnection, DtlsEngine, DtlsProgress } from "../src/srtp/dtls/engine.ts";

const deadlineMs = 5_000;

export class DtlsClients {
  readonly #engine: DtlsEngine;
  readonly #certificate: DtlsCertificate;

  constructor() {
    const { engine, faults } = openDtlsEngine();
    if (engine === undefined) throw new Error(`no DTLS here: ${faults.join("; ")}`);
    this.#engine = engine;
    this.#certificate = engine.createCertificate();
  }

  /** For a=fingerprint. */
  get fingerprint(): string {
    const hex = Buffer.from(this.#certificate.digest("sha-256")).toString("hex").toUpperCase();
    return `sha-256 ${hex.match(/../g)?.join(":") ?? ""}`;
  }

  async bind(ip: string): Promise<Socket> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, ip, resolve));
    return socket;
  }

  /** One handshake with the relay's port, to its end. */
  async shake(socket: Socket, ip: string, port: number): Promise<void> {
    const connection = this.#engine.open({
      role: "client",
      certificate: this.#certificate,
      hasCookie: false,
      accepts: () => true,
    });
    try {
      await this.#run(connection, socket, { ip, port });
    } finally {
      connection.close();
    }
  }

  #run(
    connection: DtlsConnection,
    socket: Socket,
    to: { readonly ip: string; readonly port: number },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      let again: NodeJS.Timeout | undefined;
      const end = (error?: Error): void => {
        clearTimeout(again);
        clearTimeout(deadline);
        socket.removeAllListeners("message");
        if (error === undefined) resolve();
        else reject(error);
      };
      const deadline = setTimeout(() => end(new Error("a handshake took too long")), deadlineMs);
      const take = ({ datagrams, outcome }: DtlsProgress): void => {
        for (const datagram of datagrams) socket.send(datagram, to.port, to.ip);
        clearTimeout(again);
        if (outcome.kind === "connected") end();
        else if (outcome.kind === "failed") end(new Error(`a handshake failed: ${outcome.reason}`));
        else again = setTimeout(() => take(connection.handleTimeout()), (connection.timeoutMs() ?? 50) + 1);
      };
      // What else comes, STUN or RTCP, is not for this test.
      socket.on("message", (message) => {
        const first = message[0] ?? 0;
        if (first >= 20 && first < 64) take(connection.receive(message));
      });
      take(connection.start());
    });
  }
}
