/**
 * Calls that begin the moment the relay answers on its control socket: workers that have only just started must carry
 * every packet of them. Several starts, as what goes wrong here would go wrong now and then.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "../support/suite.ts";
import { Agent } from "./lab/agent.ts";
import { address, Network } from "./lab/network.ts";
import { until } from "./lab/process.ts";
import { type RelayUnderTest, relayName, startRelay, sumOf } from "./lab/relay.ts";

const starts = 6;
const calls = 40;
const send = { count: 25, intervalMs: 20, whenHeard: false };
const ngPort = 2223;
const firstPort = 10_000;
/** What calls hold; there is no time to count before the first one. */
const heldMetrics = ["rtpferry_calls", "rtpferry_port_pairs_used", "rtpferry_sockets_open"];
const sides = { caller: address.caller, callee: address.callee } as const;
type SideName = keyof typeof sides;

interface Lab {
  readonly core: Agent;
  readonly phones: Readonly<Record<SideName, Agent>>;
}

function ssrcOf(side: SideName, call: number): number {
  return (side === "caller" ? 1 : 2) * 0x10000 + call;
}

function portOf(call: number): number {
  return firstPort + 2 * call;
}

function sdpOf(side: SideName, call: number): string {
  const ip = sides[side];
  const lines = ["v=0", `o=lab 1 1 IN IP4 ${ip}`, "s=-", `c=IN IP4 ${ip}`, "t=0 0"];
  return `${[...lines, `m=audio ${portOf(call)} RTP/AVP 0`].join("\r\n")}\r\n`;
}

async function ask(core: Agent, command: Readonly<Record<string, unknown>>): Promise<string> {
  const cookie = `${String(command["call-id"])}-${String(command["command"])}`;
  const reply = await core.askUdp(address.relay, ngPort, `${cookie} ${JSON.stringify(command)}`);
  if (!reply.includes('"ok"')) throw new Error(`${cookie}: ${reply}`);
  return reply;
}

/** Offer, answer, and both phones speak as soon as they know where to. */
async function place({ core, phones }: Lab, call: number): Promise<void> {
  const names = { "call-id": `start-${call}`, "from-tag": "caller" };
  const speak = async (side: SideName, reply: string): Promise<void> => {
    const port = Number(/m=audio (\d+)/.exec(reply)?.[1]);
    await phones[side].aim(ssrcOf(side, call), address.relay, port);
    await phones[side].start(ssrcOf(side, call), send);
  };
  const offered = await ask(core, { command: "offer", ...names, sdp: sdpOf("caller", call) });
  const answer = { command: "answer", ...names, "to-tag": "callee", sdp: sdpOf("callee", call) };
  const answered = await ask(core, answer);
  await Promise.all([speak("callee", offered), speak("caller", answered)]);
}

async function startOnce(lab: Lab, relay: RelayUnderTest): Promise<void> {
  const all = Array.from({ length: calls }, (_, call) => call);
  await Promise.all(all.map((call) => place(lab, call)));
  const heardAll = async (side: SideName): Promise<boolean> => {
    const reports = await lab.phones[side].reports(all.map((call) => ssrcOf(side, call)));
    return reports.every(({ heard }) => heard.length === 1 && heard[0]?.packets === send.count);
  };
  await until(`${send.count} packets each way in ${calls} calls`, 5_000, async () => {
    return (await heardAll("caller")) && (await heardAll("callee"));
  });
  for (const call of all)
    await ask(lab.core, { command: "delete", "call-id": `start-${call}`, "from-tag": "" });
  await until("all released", 5_000, async () => {
    if (relayName() === "rtpengine") return (await relay.counts()).calls === 0;
    const text = await relay.statistics();
    return heldMetrics.every((metric) => sumOf(text, metric) === 0);
  });
}

suite("interop: calls at once after the start", (test) => {
  test(
    `${calls} calls at the first moment, ${starts} times`,
    async () => {
      const network = await Network.raise("start");
      const folder = mkdtempSync(join(tmpdir(), "rtpferry-interop-start-"));
      const lab: Lab = {
        core: new Agent(network.namespace("core")),
        phones: {
          caller: new Agent(network.namespace("caller")),
          callee: new Agent(network.namespace("callee")),
        },
      };
      const place = { namespace: network.namespace("core"), folder, agent: lab.core };
      try {
        for (let start = 0; start < starts; start++) {
          await openPhones(lab);
          const relay = await startRelay(place);
          try {
            await startOnce(lab, relay);
          } finally {
            await relay.program.stop();
            await closePhones(lab);
          }
        }
      } finally {
        await Promise.all([lab.core.end(), lab.phones.caller.end(), lab.phones.callee.end()]);
        await network.drop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    { timeoutMs: 60_000 },
  );
});

const sideNames: readonly SideName[] = ["caller", "callee"];

async function openPhones({ phones }: Lab): Promise<void> {
  for (const side of sideNames) {
    const plans = Array.from({ length: calls }, (_, call) => ({
      ssrc: ssrcOf(side, call),
      address: sides[side],
      port: portOf(call),
    }));
    await phones[side].openPhones(plans, false);
  }
}

async function closePhones({ phones }: Lab): Promise<void> {
  for (const side of sideNames) {
    await phones[side].closePhones(Array.from({ length: calls }, (_, call) => ssrcOf(side, call)));
  }
}
