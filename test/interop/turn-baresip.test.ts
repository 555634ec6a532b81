/**
 * baresip to baresip through Kamailio and the relay, in networks that let out nothing but SIP and TURN over UDP: with
 * ICE, which finds its way over the relay's own TURN server, and with a relayed address in plain SDP. Each side hears
 * the other's tone.
 */
import { suite } from "../support/suite.ts";
import { Baresip, type BaresipSecurity } from "./lab/baresip.ts";
import type { Lab } from "./lab/lab.ts";
import { address } from "./lab/network.ts";
import { relayName } from "./lab/relay.ts";
import { expectTone } from "./lab/tone.ts";
import { rule, type TurnServer, type TurnUser, turnPort, withTurnLab } from "./lab/turn.ts";
import { byLabel } from "./lab/turn-judge.ts";
import { demandNone } from "./lab/web-judge.ts";

const proxy = `${address.proxy}:5060`;
const hosts = ["caller", "callee"] as const;
type HostOf = (typeof hosts)[number];
const tones = { caller: 440, callee: 660 };
const users: Readonly<Record<HostOf, TurnUser>> = { caller: "lasting", callee: "hourly" };
const callSeconds = 10;
const heardSecondsMin = 3;
/** baresip's library gives ICE up when the ACK finds one of its checks unanswered; the call is placed once more then. */
const ownRace = /CONNCHECK already Pending/;
/** baresip takes the port above its own for TLS. */
const firstSipPort = { caller: 6_000, callee: 7_000 };
/** Of each call, each way, over TURN: 50 packets a second, and some of the first go astray while ICE still checks. */
const packetsMin = 2 * 50 * heardSecondsMin;

const encryptions = { plain: undefined, dtls: "dtls_srtp" } as const;
/** A user name for each: the proxy reads its flags from it. */
const kinds = ["plain-ice", "dtls-ice", "plain", "dtls"] as const;
type Kind = (typeof kinds)[number];

function securityOf(kind: Kind, turn: TurnServer, host: HostOf): BaresipSecurity {
  const [encryption] = kind.split("-");
  return {
    encryption: encryptions[encryption as keyof typeof encryptions],
    hasIce: kind.endsWith("-ice"),
    hasRtcpMux: false,
    turn: turn.forBaresip(users[host]),
  };
}

/** Between the phones and the relay nothing passes but TURN; dropped on arrival, as a sender sees nothing of a firewall. */
async function shut(lab: Lab): Promise<void> {
  const table = ["add table inet way", "add chain inet way in { type filter hook input priority 0; }"];
  const add = "add rule inet way in";
  const phones = `{ ${address.caller}, ${address.callee} }`;
  const phones6 = `{ ${address.caller6}, ${address.callee6} }`;
  const core = [
    `${add} ip daddr ${address.relay} ip saddr ${phones} udp dport != ${turnPort} drop`,
    `${add} ip6 daddr ${address.relay6} ip6 saddr ${phones6} meta l4proto udp drop`,
  ];
  const phone = [`${add} ip saddr ${address.relay} udp sport != ${turnPort} drop`];
  for (const [host, rules] of [
    ["core", core],
    ["caller", phone],
    ["callee", phone],
  ] as const) {
    await rule(lab, host, [...table, ...rules]);
  }
}

async function call(lab: Lab, turn: TurnServer, kind: Kind, attempt = 0): Promise<readonly string[]> {
  const index = kinds.indexOf(kind) + attempt * kinds.length;
  const ports = { caller: firstSipPort.caller + 2 * index, callee: firstSipPort.callee + 2 * index };
  const callee = await Baresip.start(lab, {
    ...{ name: `${attempt}-callee:${kind}`, host: "callee", address: address.callee, proxy },
    ...{ toneHz: tones.callee, lifeSeconds: 3 * callSeconds, sipPort: ports.callee },
    security: securityOf(kind, turn, "callee"),
  });
  const caller = await Baresip.start(lab, {
    ...{ name: `${attempt}-caller:${kind}`, host: "caller", address: address.caller, proxy },
    ...{ toneHz: tones.caller, lifeSeconds: callSeconds, sipPort: ports.caller },
    dial: `sip:${kind}@${address.callee}:${ports.callee}`,
    security: securityOf(kind, turn, "caller"),
  });
  await caller.program.exitCode(4 * callSeconds * 1_000);
  await callee.program.stop();
  const phones = { caller, callee };
  const faults = hosts.flatMap((host) => {
    const other = host === "caller" ? "callee" : "caller";
    try {
      const heard = expectTone(`${kind}, ${host}`, phones[host].recording(), {
        ...{ toneHz: tones[other], secondsMin: heardSecondsMin },
      });
      process.stdout.write(`${heard}\n`);
      return [];
    } catch (error) {
      return [`${kind}: ${String(error)}`];
    }
  });
  const isRace = [caller, callee].some(({ program }) =>
    ownRace.test(program.logTail(Number.POSITIVE_INFINITY)),
  );
  return faults.length > 0 && isRace && attempt === 0 ? call(lab, turn, kind, 1) : faults;
}

async function converse(lab: Lab, turn: TurnServer): Promise<void> {
  await shut(lab);
  const found = await Promise.all(kinds.map((kind) => call(lab, turn, kind)));
  const carried = byLabel(await lab.relay.statistics(), "rtpferry_turn_packets_relayed_total");
  process.stdout.write(`over TURN: ${JSON.stringify(carried)}\n`);
  const scarce = ["up", "down"].filter((way) => (carried[way] ?? 0) < kinds.length * packetsMin);
  demandNone([...found.flat(), ...scarce.map((way) => `only ${carried[way]} packets went ${way} by TURN`)]);
}

suite("interop: baresip through TURN", (test) => {
  // Only ours is a TURN server.
  if (relayName() !== "rtpferry") return;
  test("with ICE, and without", () => withTurnLab(converse, { config: "secure" }), { timeoutMs: 60_000 });
});
