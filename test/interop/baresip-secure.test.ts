/**
 * baresip to baresip through Kamailio, in every pairing of plain RTP, SDES and DTLS-SRTP, with and without ICE, and with
 * the AEAD suites: each side hears the other's tone, and only what was agreed upon protects it.
 */
import { suite } from "../support/suite.ts";
import { Baresip, type BaresipSecurity } from "./lab/baresip.ts";
import { type Lab, withLab } from "./lab/lab.ts";
import { address } from "./lab/network.ts";
import { relayName } from "./lab/relay.ts";
import { expectTone } from "./lab/tone.ts";
import { demandNone } from "./lab/web-judge.ts";

const proxy = `${address.proxy}:5060`;
const tones = { caller: 440, callee: 660 };
const callSeconds = 7;
const heardSecondsMin = 3;
/** baresip takes the port above its own for TLS. */
const firstSipPort = { caller: 6_000, callee: 7_000 };
/** Added to the number of a call that is placed again. */
const secondTry = 100;
/** Calls that are set up at the same moment. */
const callsAtOnce = 9;

const encryptions = { plain: undefined, osrtp: "srtp", sdes: "srtp-mand", dtls: "dtls_srtp" } as const;
type Encryption = keyof typeof encryptions;

/** What baresip logs of the protection and the way it uses, by words of the kind. */
const proofs: readonly (readonly [string, RegExp])[] = [
  ["gcm128", /SRTP is Enabled \(cryptosuite=AEAD_AES_128_GCM\)/],
  ["gcm256", /SRTP is Enabled \(cryptosuite=AEAD_AES_256_GCM\)/],
  ["osrtp", /SRTP is Enabled \(cryptosuite=/],
  ["sdes", /SRTP is Enabled \(cryptosuite=/],
  ["dtls", /DTLS-SRTP complete \(audio\/RTP\)/],
  ["ice", /mnat 'ice' connected/],
];
/**
 * baresip's library gives ICE up when the ACK finds one of its checks unanswered, as it may on a busy machine; the call
 * is placed once more then.
 */
const ownRace = /CONNCHECK already Pending/;

/** The kind of an endpoint is its user name; the proxy reads its flags from it. */
function securityOf(kind: string): BaresipSecurity {
  const [first] = kind.split("-");
  return {
    encryption: encryptions[first as Encryption],
    hasIce: kind.includes("-ice"),
    hasRtcpMux: kind.includes("-mux"),
  };
}

type Pairing = readonly [caller: string, callee: string];

const kinds = ["plain", "plain-ice", "sdes", "sdes-ice", "dtls", "dtls-ice"];
const pairings: readonly Pairing[] = kinds.flatMap((caller) =>
  kinds.map((callee): Pairing => [caller, callee]),
);
/** The peer drops what SDES says it may not offer from the caller's offer too, and has nothing to answer with. */
const callersOfAead =
  relayName() === "rtpengine" ? ["plain", "dtls-ice"] : ["plain", "dtls-ice", "sdes", "sdes-ice"];
/** The peer answers a caller that offers SRTP opportunistically with plain RTP. */
const opportunistic: readonly Pairing[] =
  relayName() === "rtpengine"
    ? []
    : [
        ["osrtp", "osrtp"],
        ["osrtp", "plain"],
        ["plain", "osrtp"],
        ["osrtp", "dtls-ice"],
      ];
const more: readonly Pairing[] = [
  ...opportunistic,
  ...callersOfAead.flatMap((caller): Pairing[] => [
    [caller, "sdes-gcm128"],
    [caller, "sdes-gcm256"],
  ]),
  ...["plain-mux", "sdes-mux", "dtls-mux-ice"].flatMap((caller): Pairing[] => [
    [caller, "plain"],
    [caller, "sdes-mux-ice"],
    [caller, "dtls-mux"],
  ]),
];

interface Phones {
  readonly caller: Baresip;
  readonly callee: Baresip;
}

async function call(lab: Lab, number: number, [callerKind, calleeKind]: Pairing): Promise<Phones> {
  const ports = { caller: firstSipPort.caller + 2 * number, callee: firstSipPort.callee + 2 * number };
  const callee = await Baresip.start(lab, {
    ...{ name: `${number}-callee:${calleeKind}`, host: "callee", address: address.callee, proxy },
    ...{ toneHz: tones.callee, lifeSeconds: 4 * callSeconds, sipPort: ports.callee },
    security: securityOf(calleeKind),
  });
  const caller = await Baresip.start(lab, {
    ...{ name: `${number}-caller:${callerKind}`, host: "caller", address: address.caller, proxy },
    ...{ toneHz: tones.caller, lifeSeconds: callSeconds, sipPort: ports.caller },
    dial: `sip:${calleeKind}@${address.callee}:${ports.callee}`,
    security: securityOf(callerKind),
  });
  await caller.program.exitCode(4 * callSeconds * 1_000);
  await callee.program.stop();
  return { caller, callee };
}

function judge({ caller, callee }: Phones, [callerKind, calleeKind]: Pairing): readonly string[] {
  const sides = [
    { who: "caller", phone: caller, kind: callerKind, toneHz: tones.callee },
    { who: "callee", phone: callee, kind: calleeKind, toneHz: tones.caller },
  ];
  return sides.flatMap(({ who, phone, kind, toneHz }) => {
    const unproven = proofs.filter(([word, proof]) => kind.includes(word) && !proof.test(logOf(phone)));
    try {
      expectTone(who, phone.recording(), { toneHz, secondsMin: heardSecondsMin });
    } catch (error) {
      return [String(error)];
    }
    return unproven.map(([word]) => `${who} shows no ${word}`);
  });
}

function logOf({ program }: Baresip): string {
  return program.logTail(Number.POSITIVE_INFINITY);
}

async function converse(lab: Lab, number: number, pairing: Pairing): Promise<readonly string[]> {
  const phones = await call(lab, number, pairing);
  let faults = judge(phones, pairing);
  if (faults.length > 0 && [phones.caller, phones.callee].some((phone) => ownRace.test(logOf(phone)))) {
    faults = judge(await call(lab, number + secondTry, pairing), pairing);
  }
  return faults.map((fault) => `${pairing.join(" to ")}: ${fault}`);
}

async function converseAll(lab: Lab, wanted: readonly Pairing[]): Promise<void> {
  const faults: string[] = [];
  for (let first = 0; first < wanted.length; first += callsAtOnce) {
    const batch = wanted.slice(first, first + callsAtOnce);
    const found = await Promise.all(batch.map((pairing, index) => converse(lab, first + index, pairing)));
    faults.push(...found.flat());
  }
  demandNone(faults);
}

suite("interop: baresip with SRTP, DTLS and ICE", (test) => {
  for (const [what, wanted] of [
    ["plain, SDES, DTLS, with and without ICE, all pairings", pairings],
    ["AEAD suites, opportunistic SRTP, rtcp-mux", more],
  ] as const) {
    test(what, () => withLab("rtpengine", (lab) => converseAll(lab, wanted), { config: "secure" }), {
      timeoutMs: 100_000,
    });
  }
});
