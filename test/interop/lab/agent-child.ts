/**
 * Runs inside a namespace for the test process: plays the media half of many phones, and asks the relay.
 * One JSON line in, one JSON line out.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { get } from "node:http";
import { createInterface } from "node:readline";
import { PlainStream, type StreamPlan, type StreamTarget } from "./plain-stream.ts";
import { type PhonePlan, RtpPhone, type SendPlan } from "./rtp-phone.ts";

export type AgentJob =
  | { readonly kind: "open"; readonly phones: readonly PhonePlan[]; readonly withSecondPair: boolean }
  | { readonly kind: "aim"; readonly ssrc: number; readonly host: string; readonly port: number }
  | { readonly kind: "start"; readonly ssrc: number; readonly plan: SendPlan }
  | { readonly kind: "pause" | "resume" | "finish" | "move"; readonly ssrc: number }
  | { readonly kind: "report" | "close"; readonly ssrcs: readonly number[] }
  | { readonly kind: "open-stream"; readonly plan: StreamPlan }
  | { readonly kind: "aim-stream"; readonly ssrc: number; readonly target: StreamTarget }
  | {
      readonly kind: "start-stream" | "stop-stream" | "report-stream" | "close-stream";
      readonly ssrc: number;
    }
  | { readonly kind: "udp"; readonly host: string; readonly port: number; readonly text: string }
  | { readonly kind: "http"; readonly url: string };

const phones = new Map<number, RtpPhone>();
const streams = new Map<number, PlainStream>();
const tickMs = 2;
let isTicking = false;

function tick(): void {
  const nowMs = performance.now();
  let isBusy = false;
  for (const phone of phones.values()) {
    if (!phone.isSending) continue;
    isBusy = true;
    phone.tick(nowMs);
  }
  isTicking = isBusy;
  if (isBusy) setTimeout(tick, tickMs);
}

function phone(ssrc: number): RtpPhone {
  const found = phones.get(ssrc);
  if (found === undefined) throw new Error(`no phone ${ssrc}`);
  return found;
}

async function openPhones(plans: readonly PhonePlan[], withSecondPair: boolean): Promise<void> {
  for (const plan of plans) {
    const opened = new RtpPhone(plan);
    await opened.open(withSecondPair);
    phones.set(plan.ssrc, opened);
  }
}

function closePhones(ssrcs: readonly number[]): void {
  for (const ssrc of ssrcs) {
    phones.get(ssrc)?.close();
    phones.delete(ssrc);
  }
}

function stream(ssrc: number): PlainStream {
  const found = streams.get(ssrc);
  if (found === undefined) throw new Error(`no stream ${ssrc}`);
  return found;
}

async function openStream(plan: StreamPlan): Promise<void> {
  const opened = new PlainStream(plan);
  await opened.open();
  streams.set(plan.ssrc, opened);
}

function closeStream(ssrc: number): void {
  streams.get(ssrc)?.close();
  streams.delete(ssrc);
}

async function askUdp(host: string, port: number, text: string): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    socket.send(text, port, host);
    const [reply] = (await once(socket, "message", { signal: AbortSignal.timeout(3_000) })) as [Buffer];
    return reply.toString("latin1");
  } finally {
    socket.close();
  }
}

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 3_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks).toString()));
    });
    request.on("error", reject);
  });
}

async function perform(job: AgentJob): Promise<unknown> {
  switch (job.kind) {
    case "open":
      return openPhones(job.phones, job.withSecondPair);
    case "aim":
      return phone(job.ssrc).aim(job.host, job.port);
    case "start":
      phone(job.ssrc).start(job.plan, performance.now());
      if (!isTicking) tick();
      return;
    case "pause":
      return phone(job.ssrc).pause();
    case "resume":
      return phone(job.ssrc).resume(performance.now());
    case "finish":
      return phone(job.ssrc).finish();
    case "move":
      return phone(job.ssrc).moveToSecondPair();
    case "report":
      return job.ssrcs.map((ssrc) => phone(ssrc).report());
    case "close":
      return closePhones(job.ssrcs);
    case "open-stream":
      return openStream(job.plan);
    case "aim-stream":
      return stream(job.ssrc).aim(job.target);
    case "start-stream":
      return stream(job.ssrc).start();
    case "stop-stream":
      return stream(job.ssrc).stop();
    case "report-stream":
      return stream(job.ssrc).report();
    case "close-stream":
      return closeStream(job.ssrc);
    case "udp":
      return askUdp(job.host, job.port, job.text);
    case "http":
      return fetchText(job.url);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, job } = JSON.parse(line) as { id: number; job: AgentJob };
  const answer = perform(job).then(
    (value) => ({ id, value }),
    (error: unknown) => ({ id, error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(await answer)}\n`);
}
process.exit(0);
