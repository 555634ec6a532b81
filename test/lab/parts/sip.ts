/** A small SIP caller and callee, whose messages go through the real proxy from wherever their phones are. */
import { randomBytes } from "node:crypto";
import type { SipArrival } from "./child.ts";
import type { Host } from "./host.ts";
import { sipPort } from "./network.ts";

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface SipSettings {
  /** Distinct within the lab. */
  readonly name: string;
  readonly proxy: Place;
  /** Words for the relay, which the proxy's script adds to its own. */
  readonly words: string;
}

const answerLimitMs = 5_000;
const retransmitMs = 500;

interface Message {
  readonly start: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

function parse(text: string): Message {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [start = "", ...lines] = head.split("\r\n");
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { start, headers, body: rest.join("\r\n\r\n") };
}

function all(message: Message, name: string): readonly string[] {
  return message.headers.filter(([each]) => each === name).map(([, value]) => value);
}

function first(message: Message, name: string): string {
  return all(message, name)[0] ?? "";
}

function uri(header: string): string {
  return /<([^>]+)>/.exec(header)?.[1] ?? header;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function withBody(lines: readonly string[], body: string): string {
  const type = body === "" ? [] : ["Content-Type: application/sdp"];
  return [...lines, ...type, `Content-Length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}

/** Answers every INVITE with the SDP it is given for it, and everything else with 200. */
export class Callee {
  private readonly host: Host;
  private readonly name: string;
  private readonly words: string;
  private readonly tag = randomBytes(4).toString("hex");
  private readonly answer: (offer: string) => string;
  private address = "";

  constructor(
    host: Host,
    settings: { readonly name: string; readonly words: string },
    answer: (offer: string) => string,
  ) {
    this.host = host;
    this.name = `${settings.name}-callee`;
    this.words = settings.words;
    this.answer = answer;
  }

  async open(address: string): Promise<void> {
    this.address = address;
    await this.host.openSip(this.name, { address, port: sipPort }, (arrival) => this.receive(arrival));
  }

  private receive({ text, host, port }: SipArrival): void {
    const message = parse(text);
    const method = message.start.split(" ")[0];
    if (method === "ACK" || method === "SIP/2.0") return;
    const to = first(message, "to");
    const body = method === "INVITE" ? this.tryToAnswer(message.body) : "";
    const lines = [
      body === undefined ? "SIP/2.0 488 Not Acceptable Here" : "SIP/2.0 200 OK",
      ...all(message, "via").map((via) => `Via: ${via}`),
      ...all(message, "record-route").map((route) => `Record-Route: ${route}`),
      `From: ${first(message, "from")}`,
      `To: ${to.includes("tag=") ? to : `${to};tag=${this.tag}`}`,
      `Call-ID: ${first(message, "call-id")}`,
      `CSeq: ${first(message, "cseq")}`,
      `Contact: <sip:far@${bracketed(this.address)}:${sipPort}>`,
      `X-Media: ${this.words}`,
    ];
    void this.host.sendSip(this.name, { host, port }, withBody(lines, body ?? ""));
  }

  /** Undefined for an offer that goes past the relay, or holds nothing. */
  private tryToAnswer(offer: string): string | undefined {
    try {
      return this.answer(offer);
    } catch {
      return undefined;
    }
  }
}

/** One dialogue from its INVITE to its BYE; between requests the phone may have another SIP socket. */
export class Caller {
  private readonly host: Host;
  private readonly settings: SipSettings;
  private readonly tag = randomBytes(4).toString("hex");
  private readonly waiting = new Map<string, (message: Message) => void>();
  private readonly target: string;
  private readonly places = new Map<string, Place>();
  private remote:
    | { readonly to: string; readonly uri: string; readonly routes: readonly string[] }
    | undefined;
  private sequence = 0;
  private socket = "";

  constructor(host: Host, settings: SipSettings, callee: string) {
    this.host = host;
    this.settings = settings;
    this.target = `sip:far@${bracketed(callee)}:${sipPort}`;
  }

  /** Opens a socket on a network; requests go from the one last chosen. */
  async open(network: string, address: string): Promise<void> {
    const name = `${this.settings.name}-${network}`;
    this.places.set(name, { host: address, port: sipPort });
    await this.host.openSip(name, { address, port: sipPort }, ({ text }) => this.receive(text));
    this.use(network);
  }

  use(network: string): void {
    this.socket = `${this.settings.name}-${network}`;
  }

  /** The SDP of the answer. */
  async invite(sdp: string): Promise<string> {
    const message = await this.request("INVITE", sdp);
    const isFirst = this.remote === undefined;
    this.remote ??= {
      to: first(message, "to"),
      uri: uri(first(message, "contact")),
      routes: all(message, "record-route").toReversed(),
    };
    if (isFirst && message.body === "") throw new Error(`${this.settings.name}: an answer without SDP`);
    await this.send(this.write("ACK", this.sequence, ""));
    return message.body;
  }

  async bye(): Promise<void> {
    await this.request("BYE", "");
  }

  private async request(method: "INVITE" | "BYE", body: string): Promise<Message> {
    const text = this.write(method, ++this.sequence, body);
    const key = `${this.sequence} ${method}`;
    const answered = new Promise<Message>((resolve) => this.waiting.set(key, resolve));
    let limit: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      const why = `${this.settings.name}: no answer to ${method}`;
      limit = setTimeout(() => reject(new Error(why)), answerLimitMs);
    });
    const again = setInterval(() => void this.send(text), retransmitMs);
    try {
      await this.send(text);
      const message = await Promise.race([answered, expired]);
      if (!message.start.startsWith("SIP/2.0 2")) throw new Error(`${this.settings.name}: ${message.start}`);
      return message;
    } finally {
      clearInterval(again);
      clearTimeout(limit);
      this.waiting.delete(key);
    }
  }

  private receive(text: string): void {
    const message = parse(text);
    if (/^SIP\/2\.0 1/.test(message.start)) return;
    this.waiting.get(first(message, "cseq"))?.(message);
  }

  private write(method: string, sequence: number, body: string): string {
    const { settings, remote } = this;
    const own = this.places.get(this.socket) ?? settings.proxy;
    const at = `${bracketed(own.host)}:${own.port}`;
    const lines = [
      `${method} ${remote?.uri ?? this.target} SIP/2.0`,
      `Via: SIP/2.0/UDP ${at};rport;branch=z9hG4bK${this.tag}${sequence}${method}`,
      ...(remote?.routes ?? []).map((route) => `Route: ${route}`),
      `From: <sip:mobile@lab.invalid>;tag=${this.tag}`,
      `To: ${remote?.to ?? `<${this.target}>`}`,
      `Call-ID: ${settings.name}-${this.tag}`,
      `CSeq: ${sequence} ${method}`,
      `Contact: <sip:mobile@${at}>`,
      "Max-Forwards: 70",
      `X-Media: ${settings.words}`,
    ];
    return withBody(lines, body);
  }

  private send(text: string): Promise<void> {
    return this.host.sendSip(this.socket, this.settings.proxy, text);
  }
}
