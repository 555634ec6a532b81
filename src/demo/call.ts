/**
 * `npm run demo`: one relay, one call between two phones through it over real UDP, and every second what flows.
 * Uses ports of its own, so it runs beside a daemon.
 */
import { createSocket } from "node:dgram";
import type { Endpoint, IpAddress } from "../core/address.ts";
import { NgClient, type NgReply } from "./ng-client.ts";
import { DemoPhone } from "./phone.ts";

const loopback = "127.0.0.1" as IpAddress;
const callSecondsDefault = 10;

/** Starts a relay whose ng socket is `ng`; the composition root hands it in. */
export type StartRelay = (ng: Endpoint) => Promise<{ stop(): Promise<void> }>;
export type Print = (line: string) => void;

export async function playCall(
  startRelay: StartRelay,
  print: Print,
  callSeconds: number = callSecondsDefault,
): Promise<void> {
  const ng: Endpoint = { ip: loopback, port: await freePort() };
  const relay = await startRelay(ng);
  const proxy = new NgClient(ng);
  const alice = await DemoPhone.open("alice", loopback, 0x0a11ce);
  const bob = await DemoPhone.open("bob", loopback, 0x000b0b);
  try {
    const call = { "call-id": "demo", "from-tag": "alice" };
    const offer = await proxy.ask({ command: "offer", ...call, sdp: sdpOf(alice) });
    const answer = await proxy.ask({ command: "answer", ...call, "to-tag": "bob", sdp: sdpOf(bob) });
    const relayForBob = mediaPort(offer);
    const relayForAlice = mediaPort(answer);
    print(
      `alice 127.0.0.1:${alice.port} <-> relay ${relayForAlice} | ${relayForBob} <-> bob 127.0.0.1:${bob.port}`,
    );
    alice.talkTo({ ip: loopback, port: relayForAlice });
    bob.talkTo({ ip: loopback, port: relayForBob });
    for (let second = 1; second <= callSeconds; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      print(progress(second, [alice, bob], await proxy.ask({ command: "query", "call-id": "demo" })));
    }
    await proxy.ask({ command: "delete", ...call, "delete-delay": 0 });
    print("call ended");
  } finally {
    await Promise.all([alice.close(), bob.close()]);
    proxy.close();
    await relay.stop();
  }
}

function progress(second: number, phones: readonly DemoPhone[], query: NgReply): string {
  const totals = query["totals"] as { RTP?: { packets?: number } } | undefined;
  const legs = phones.map(
    (phone) => `${phone.name}: sent ${phone.sent}, hears ${phone.heard}, lost ${phone.lost}`,
  );
  return `${String(second).padStart(3)} s   ${legs.join("   ")}   relayed ${totals?.RTP?.packets ?? 0}`;
}

function sdpOf(phone: DemoPhone): string {
  const lines = ["v=0", `o=${phone.name} 1 1 IN IP4 127.0.0.1`, "s=demo", "c=IN IP4 127.0.0.1", "t=0 0"];
  return `${[...lines, `m=audio ${phone.port} RTP/AVP 0`, "a=rtpmap:0 PCMU/8000"].join("\r\n")}\r\n`;
}

function mediaPort(reply: NgReply): number {
  const port = /^m=audio (\d+)/m.exec(String(reply["sdp"]))?.[1];
  if (port === undefined) throw new Error("the relay's SDP names no port");
  return Number(port);
}

async function freePort(): Promise<number> {
  const probe = createSocket("udp4");
  await new Promise<void>((resolve) => probe.bind(0, loopback, resolve));
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return port;
}
