/** The demo's SIP proxy, as far as a relay sees one: ng commands in JSON over UDP. */
import { createSocket, type Socket } from "node:dgram";
import type { Endpoint } from "../core/address.ts";

export type NgReply = Readonly<Record<string, unknown>>;

const timeoutMs = 2_000;

export class NgClient {
  readonly #socket: Socket = createSocket("udp4");
  readonly #relay: Endpoint;
  #cookie = 0;

  constructor(relay: Endpoint) {
    this.#relay = relay;
  }

  /** Throws with the relay's own words if it refuses. */
  async ask(command: NgReply): Promise<NgReply> {
    const cookie = `demo${this.#cookie++}`;
    const answered = new Promise<NgReply>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the relay did not answer")), timeoutMs);
      this.#socket.once("message", (message) => {
        clearTimeout(timer);
        resolve(JSON.parse(message.toString().slice(cookie.length + 1)) as NgReply);
      });
    });
    this.#socket.send(`${cookie} ${JSON.stringify(command)}`, this.#relay.port, this.#relay.ip);
    const reply = await answered;
    if (reply["result"] !== "ok") throw new Error(`the relay refused: ${String(reply["error-reason"])}`);
    return reply;
  }

  close(): void {
    this.#socket.close();
  }
}
