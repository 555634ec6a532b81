/**
 * Sets calls up and takes them down over ng, from inside the relay's namespace.
 *
 * One JSON job a line on standard input, one JSON result a line on standard output.
 */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import type { InlineKey, Stream } from "./frames.ts";
import { DtlsClients } from "./handshakes.ts";
import { benchNet } from "./net.ts";

/**
 * none: plain RTP on both sides. bridged: plain on the one, SRTP on the other. rekeyed: SRTP with another suite on each
 * side. passed: SRTP with the same keys on both sides.
 */
export type Protection = "none" | "bridged" | "rekeyed" | "passed";

interface SetupJob {
  readonly kind: "setup";
  /** No two calls may have the same index: it makes their parties' ports. */
  readonly first: number;
  readonly calls: number;
  readonly prefix: string;
  readonly protection: Protection;
}

export type ControlJob =
  | SetupJob
  /** Calls whose caller speaks DTLS, then all their handshakes. */
  | { readonly kind: "prepare-handshakes"; readonly calls: number; readonly prefix: string }
  | { readonly kind: "handshakes"; readonly inFlight: number }
  | { readonly kind: "rate"; readonly pairs: number; readonly inFlight: number; readonly prefix: string };

export type ControlResult =
  | { readonly kind: "setup"; readonly streams: readonly Stream[] }
  | { readonly kind: "prepared" }
  | { readonly kind: "handshakes"; readonly perSecond: number }
  | { readonly kind: "rate"; readonly pairsPerSecond: number; readonly slowestMs: number };

const controlPort = 2223;
const firstPartyPort = 10_000;
const replyTimeoutMs = 2_000;
const triesMax = 3;

type Reply = Readonly<Record<string, unknown>>;
const waiting = new Map<string, (reply: Reply) => void>();
const socket = createSocket("udp4");
socket.on("message", (message) => {
  const text = message.toString("latin1");
  const space = text.indexOf(" ");
  waiting.get(text.slice(0, space))?.(JSON.parse(text.slice(space + 1)) as Reply);
});
await new Promise<void>((resolve) => socket.bind(0, benchNet.relayIp, resolve));

let cookieCount = 0;

async function ask(command: Reply): Promise<Reply> {
  const cookie = `bench${cookieCount++}`;
  const message = `${cookie} ${JSON.stringify(command)}`;
  for (let attempt = 0; attempt < triesMax; attempt++) {
    let timer: NodeJS.Timeout | undefined;
    const reply = await new Promise<Reply | undefined>((resolve) => {
      waiting.set(cookie, resolve);
      timer = setTimeout(() => resolve(undefined), replyTimeoutMs);
      socket.send(message, controlPort, benchNet.relayIp);
    });
    clearTimeout(timer);
    waiting.delete(cookie);
    if (reply !== undefined) return reply;
  }
  throw new Error(`no reply to ${String(command["command"])}`);
}

/** A crypto line of an SDP. */
interface CryptoLine extends InlineKey {
  readonly tag: string;
}

function sdp(ip: string, port: number, crypto?: CryptoLine): string {
  const profile = crypto === undefined ? "RTP/AVP" : "RTP/SAVP";
  const lines = [
    "v=0",
    `o=- 1 1 IN IP4 ${ip}`,
    "s=-",
    `c=IN IP4 ${ip}`,
    "t=0 0",
    `m=audio ${port} ${profile} 0 8 101`,
  ];
  const attributes = [
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000",
    ...(crypto === undefined ? [] : [`a=crypto:${crypto.tag} ${crypto.suite} inline:${crypto.inline}`]),
    "a=sendrecv",
  ];
  return `${[...lines, ...attributes].join("\r\n")}\r\n`;
}

/** A fresh key of a party's own. Both suites have 16 bytes of key and 14 of salt. */
function ownLine(tag: string, suite: InlineKey["suite"]): CryptoLine {
  return { tag, suite, inline: randomBytes(30).toString("base64") };
}

/** The relay's crypto line of a suite. */
function relayLine(reply: Reply, suite: InlineKey["suite"]): CryptoLine {
  for (const [, tag = "", name, inline = ""] of String(reply["sdp"]).matchAll(
    /^a=crypto:(\d+) (\S+) inline:([\w+/=]+)/gm,
  )) {
    if (name === suite) return { tag, suite, inline };
  }
  throw new Error(`no ${suite} in ${String(reply["sdp"])}`);
}

function relayPort(reply: Reply): number {
  const port = /m=audio (\d+)/.exec(String(reply["sdp"]))?.[1];
  if (reply["result"] !== "ok" || port === undefined) throw new Error(`refused: ${JSON.stringify(reply)}`);
  return Number(port);
}

const strong = "AES_CM_128_HMAC_SHA1_80";
const short = "AES_CM_128_HMAC_SHA1_32";

interface Side {
  readonly relayPort: number;
  /** What this party protects with, and what the relay does towards it. */
  readonly own: InlineKey | undefined;
  readonly relay: InlineKey | undefined;
}

/** Sets one call up; what the caller's and the callee's side came to. */
async function callPair(prefix: string, index: number, protection: Protection): Promise<[Side, Side]> {
  const port = firstPartyPort + 2 * index;
  const common = {
    "call-id": `${prefix}-${index}`,
    "from-tag": `a${index}`,
    flags: ["trust-address"],
    ICE: "remove",
    ...(protection === "none" ? {} : { DTLS: "off" }),
    replace: ["origin"],
  };
  const callerLine = protection === "rekeyed" || protection === "passed" ? ownLine("1", strong) : undefined;
  const offer = await ask({
    command: "offer",
    ...common,
    ...(protection === "bridged" ? { "transport-protocol": "RTP/SAVP" } : {}),
    sdp: sdp(benchNet.partyIps[0], port, callerLine),
  });
  const calleeSuite = protection === "rekeyed" ? short : strong;
  const towardsCallee = protection === "none" ? undefined : relayLine(offer, calleeSuite);
  const calleeLine = towardsCallee === undefined ? undefined : ownLine(towardsCallee.tag, calleeSuite);
  const answer = await ask({
    command: "answer",
    ...common,
    "to-tag": `b${index}`,
    ...(protection === "bridged" ? { "transport-protocol": "RTP/AVP" } : {}),
    sdp: sdp(benchNet.partyIps[1], port, calleeLine),
  });
  const towardsCaller = callerLine === undefined ? undefined : relayLine(answer, strong);
  return [
    { relayPort: relayPort(answer), own: callerLine, relay: towardsCaller },
    { relayPort: relayPort(offer), own: calleeLine, relay: towardsCallee },
  ];
}

async function setup({ first, calls, prefix, protection }: SetupJob): Promise<ControlResult> {
  const streams: Stream[] = [];
  const [ipA, ipB] = benchNet.partyIps;
  for (let index = first; index < first + calls; index++) {
    const [caller, callee] = await callPair(prefix, index, protection);
    const port = firstPartyPort + 2 * index;
    streams.push(stream([ipA, ipB], port, caller, callee), stream([ipB, ipA], port, callee, caller));
  }
  return { kind: "setup", streams };
}

function stream([fromIp, toIp]: readonly [string, string], port: number, from: Side, to: Side): Stream {
  return {
    fromIp,
    fromPort: port,
    relayPort: from.relayPort,
    toIp,
    toPort: port,
    leavesFromPort: to.relayPort,
    fromKey: from.own,
    toKey: to.relay,
  };
}

async function remove(prefix: string, index: number): Promise<void> {
  await ask({
    command: "delete",
    "call-id": `${prefix}-${index}`,
    "from-tag": `a${index}`,
    "delete-delay": 0,
  });
}

/** Offer and answer pairs as fast as the relay answers, with `inFlight` calls under way at once. */
async function rate(pairs: number, inFlight: number, prefix: string): Promise<ControlResult> {
  let next = 0;
  let slowestMs = 0;
  const start = performance.now();
  const lane = async (): Promise<void> => {
    for (let index = next++; index < pairs; index = next++) {
      const before = performance.now();
      await callPair(prefix, index, "none");
      slowestMs = Math.max(slowestMs, performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const pairsPerSecond = pairs / ((performance.now() - start) / 1000);
  for (let index = 0; index < pairs; index++) await remove(prefix, index);
  return { kind: "rate", pairsPerSecond, slowestMs };
}

const clients = new DtlsClients();
let prepared: { readonly shake: () => Promise<void>; readonly close: () => Promise<void> }[] = [];

async function prepareHandshakes(calls: number, prefix: string): Promise<ControlResult> {
  // Calls of the round before would only use up sockets: many rounds are made.
  for (const { close } of prepared) await close();
  prepared = [];
  for (let index = 0; index < calls; index++) {
    const socket = await clients.bind(benchNet.relayIp);
    const common = { "call-id": `${prefix}-${index}`, "from-tag": `a${index}`, ICE: "remove", SDES: ["off"] };
    const offered = sdp(benchNet.relayIp, socket.address().port)
      .replace("RTP/AVP", "UDP/TLS/RTP/SAVP")
      .concat(`a=setup:active\r\na=fingerprint:${clients.fingerprint}\r\na=rtcp-mux\r\n`);
    await ask({ command: "offer", ...common, "transport-protocol": "RTP/AVP", sdp: offered });
    const answer = await ask({
      command: "answer",
      ...common,
      "to-tag": `b${index}`,
      sdp: sdp(benchNet.partyIps[1], firstPartyPort + 2 * index),
    });
    const port = relayPort(answer);
    prepared.push({
      shake: () => clients.shake(socket, benchNet.relayIp, port),
      close: async () => {
        socket.close();
        await remove(prefix, index);
      },
    });
  }
  return { kind: "prepared" };
}

/** All prepared handshakes, `inFlight` at once. */
async function shakeAll(inFlight: number): Promise<ControlResult> {
  const waiting = prepared.values();
  const start = performance.now();
  const lane = async (): Promise<void> => {
    for (const { shake } of waiting) await shake();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { kind: "handshakes", perSecond: prepared.length / ((performance.now() - start) / 1000) };
}

async function run(job: ControlJob): Promise<ControlResult> {
  switch (job.kind) {
    case "setup":
      return setup(job);
    case "prepare-handshakes":
      return prepareHandshakes(job.calls, job.prefix);
    case "handshakes":
      return shakeAll(job.inFlight);
    case "rate":
      return rate(job.pairs, job.inFlight, job.prefix);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as ControlJob))}\n`);
}
process.exit(0);
