/** A proxy as the relay sees one: ng commands in bencode, from the relay's own namespace. */
import { decodeBencode, encodeBencode } from "../../../src/control/ng/bencode.ts";
import { isDict, type NgDict, type NgValue } from "../../../src/control/ng/value.ts";
import type { Agent } from "./agent.ts";
import { address } from "./network.ts";
import { ngPort } from "./relay.ts";

/** What a script says of a call: keys as they stand on the wire. */
export type NgWords = Readonly<Record<string, string | number | readonly string[]>>;

export class NgProxy {
  private readonly agent: Agent;
  private count = 0;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  /** The SDP of the relay's reply; rejects with the relay's own words if it refuses. */
  async rewrite(command: "offer" | "answer", sdp: string, words: NgWords): Promise<string> {
    const reply = await this.ask(command, { sdp, ...words });
    const rewritten = reply.get("sdp");
    if (typeof rewritten !== "string") throw new Error(`${command}: no SDP in the reply`);
    return rewritten;
  }

  async delete(callId: string, fromTag: string): Promise<void> {
    await this.ask("delete", { "call-id": callId, "from-tag": fromTag, "delete-delay": 0 });
  }

  private async ask(command: string, words: NgWords): Promise<NgDict> {
    const cookie = `lab_${process.pid}_${this.count++}`;
    const message = new Map<string, NgValue>([["supports", ["load limit"]], ...Object.entries(words)]);
    message.set("command", command);
    const reply = await this.agent.askUdp(address.relay, ngPort, `${cookie} ${encodeBencode(message)}`);
    const dict = decodeBencode(Buffer.from(reply.slice(cookie.length + 1), "latin1"));
    if (!isDict(dict)) throw new Error(`${command}: no dictionary: ${reply}`);
    if (dict.get("result") !== "ok") throw new Error(`${command}: ${String(dict.get("error-reason"))}`);
    return dict;
  }
}
