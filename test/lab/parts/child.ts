/**
 * Runs inside a namespace for the test process: many parties' media and their SIP sockets. One JSON line in, one JSON
 * line out; SIP that comes in is told as it comes.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { nowMs } from "./clock.ts";
import { type Step, Talker, type TalkerPlan, type Target } from "./talker.ts";

export type ChildJob =
  | { readonly kind: "open"; readonly plan: TalkerPlan }
  | { readonly kind: "aim"; readonly party: number; readonly targets: readonly Target[] }
  | {
      readonly kind: "run";
      readonly party: number;
      readonly startAtMs: number;
      readonly endAtMs: number;
      readonly script: readonly Step[];
    }
  | { readonly kind: "report" | "close"; readonly party: number }
  | { readonly kind: "sip-open"; readonly name: string; readonly address: string; readonly port: number }
  | {
      readonly kind: "sip-send";
      readonly name: string;
      readonly host: string;
      readonly port: number;
      readonly text: string;
    };

export interface SipArrival {
  readonly sip: string;
  readonly text: string;
  readonly host: string;
  readonly port: number;
}

const talkers = new Map<number, Talker>();
const sipSockets = new Map<string, Socket>();
const alive = { atMs: nowMs() };
const tickMs = 1;

function tick(): void {
  for (const talker of talkers.values()) talker.tick();
  alive.atMs = nowMs();
  setTimeout(tick, [...talkers.values()].some((talker) => talker.isBusy) ? tickMs : 20 * tickMs);
}

function talker(party: number): Talker {
  const found = talkers.get(party);
  if (found === undefined) throw new Error(`no party ${party}`);
  return found;
}

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function openSip(name: string, address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  sipSockets.set(name, socket);
  socket.on("message", (data, from) => {
    const arrival: SipArrival = { sip: name, text: data.toString(), host: from.address, port: from.port };
    say(arrival);
  });
  socket.on("error", () => undefined);
  socket.bind(port, address);
  await once(socket, "listening");
}

async function perform(job: ChildJob): Promise<unknown> {
  switch (job.kind) {
    case "open": {
      const opened = new Talker(job.plan, alive);
      talkers.set(job.plan.party, opened);
      return opened.open();
    }
    case "aim":
      return talker(job.party).aim(job.targets);
    case "run":
      return talker(job.party).run(job.startAtMs, job.endAtMs, job.script);
    case "report":
      return talker(job.party).report();
    case "close":
      talker(job.party).close();
      talkers.delete(job.party);
      return;
    case "sip-open":
      return openSip(job.name, job.address, job.port);
    case "sip-send":
      sipSockets.get(job.name)?.send(job.text, job.port, job.host);
      return;
  }
}

tick();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, job } = JSON.parse(line) as { id: number; job: ChildJob };
  const answer = perform(job).then(
    (value) => ({ id, value }),
    (error: unknown) => ({ id, error: String(error) }),
  );
  void answer.then(say);
}
process.exit(0);
