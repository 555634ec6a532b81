/**
 * Sets calls up and takes them down over ng, from inside the relay's namespace.
 *
 * One JSON job a line on standard input, one JSON result a line on standard output.
 */
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import type { Stream } from "./frames.ts";
import { benchNet } from "./net.ts";

export type ControlJob =
  | { readonly kind: "setup"; readonly calls: number; readonly prefix: string }
  | { readonly kind: "teardown"; readonly calls: number; readonly prefix: string }
  | { readonly kind: "rate"; readonly pairs: number; readonly inFlight: number; readonly prefix: string };

export type ControlResult =
  | { readonly kind: "setup"; readonly streams: readonly Stream[] }
  | { readonly kind: "teardown" }
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

function sdp(ip: string, port: number): string {
  const lines = [
    "v=0",
    `o=- 1 1 IN IP4 ${ip}`,
    "s=-",
    `c=IN IP4 ${ip}`,
    "t=0 0",
    `m=audio ${port} RTP/AVP 0 8 101`,
  ];
  const attributes = [
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=sendrecv",
  ];
  return `${[...lines, ...attributes].join("\r\n")}\r\n`;
}

function relayPort(reply: Reply): number {
  const port = /m=audio (\d+)/.exec(String(reply["sdp"]))?.[1];
  if (reply["result"] !== "ok" || port === undefined) throw new Error(`refused: ${JSON.stringify(reply)}`);
  return Number(port);
}

async function callPair(prefix: string, index: number): Promise<[number, number]> {
  const port = firstPartyPort + 2 * index;
  const flags = ["trust-address"];
  const common = {
    "call-id": `${prefix}-${index}`,
    "from-tag": `a${index}`,
    flags,
    ICE: "remove",
    replace: ["origin"],
  };
  const offer = await ask({ command: "offer", ...common, sdp: sdp(benchNet.partyIps[0], port) });
  const answer = await ask({
    command: "answer",
    ...common,
    "to-tag": `b${index}`,
    sdp: sdp(benchNet.partyIps[1], port),
  });
  return [relayPort(offer), relayPort(answer)];
}

async function setup(calls: number, prefix: string): Promise<ControlResult> {
  const streams: Stream[] = [];
  const [ipA, ipB] = benchNet.partyIps;
  for (let index = 0; index < calls; index++) {
    const [towardsB, towardsA] = await callPair(prefix, index);
    const port = firstPartyPort + 2 * index;
    streams.push({
      fromIp: ipA,
      fromPort: port,
      relayPort: towardsA,
      toIp: ipB,
      toPort: port,
      leavesFromPort: towardsB,
    });
    streams.push({
      fromIp: ipB,
      fromPort: port,
      relayPort: towardsB,
      toIp: ipA,
      toPort: port,
      leavesFromPort: towardsA,
    });
  }
  return { kind: "setup", streams };
}

async function teardown(calls: number, prefix: string): Promise<ControlResult> {
  for (let index = 0; index < calls; index++) {
    await ask({
      command: "delete",
      "call-id": `${prefix}-${index}`,
      "from-tag": `a${index}`,
      "delete-delay": 0,
    });
  }
  return { kind: "teardown" };
}

/** Offer and answer pairs as fast as the relay answers, with `inFlight` calls under way at once. */
async function rate(pairs: number, inFlight: number, prefix: string): Promise<ControlResult> {
  let next = 0;
  let slowestMs = 0;
  const start = performance.now();
  const lane = async (): Promise<void> => {
    for (let index = next++; index < pairs; index = next++) {
      const before = performance.now();
      await callPair(prefix, index);
      slowestMs = Math.max(slowestMs, performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const pairsPerSecond = pairs / ((performance.now() - start) / 1000);
  await teardown(pairs, prefix);
  return { kind: "rate", pairsPerSecond, slowestMs };
}

async function run(job: ControlJob): Promise<ControlResult> {
  switch (job.kind) {
    case "setup":
      return setup(job.calls, job.prefix);
    case "teardown":
      return teardown(job.calls, job.prefix);
    case "rate":
      return rate(job.pairs, job.inFlight, job.prefix);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as ControlJob))}\n`);
}
process.exit(0);
