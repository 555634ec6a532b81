/** What the operator says about sources reaches the policy of the workers, through either driver. */
import assert from "node:assert/strict";
import { systemClock } from "../../src/io/clock.ts";
import type { SourceOptions } from "../../src/io/driver-options.ts";
import { Phone, RelayRig, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

interface Party {
  readonly ssrc: number;
  /** Packets it has sent already. */
  sent: number;
}

interface Trial {
  readonly driver: "epoll" | "dgram";
  readonly sources: Partial<SourceOptions>;
  /** The announced party has spoken before. */
  readonly isPhoneHeard: boolean;
  readonly limitMs: number;
}

/** A leg whose party is announced somewhere; somebody else speaks to it until believed. Undefined: never. */
async function believedAfterMs(trial: Trial): Promise<number | undefined> {
  const { driver, sources, isPhoneHeard, limitMs } = trial;
  const rig = await RelayRig.start({ driver, portMin: 42_900, portMax: 42_907, sources });
  const phones = await Promise.all(["127.0.0.2", "127.9.9.9", "127.0.0.1"].map((ip) => Phone.open(ip)));
  const [phone, stranger, peer] = phones;
  assert.ok(phone && stranger && peer);
  const [a, b] = [await rig.open(4), await rig.open(4)];
  rig.configure(a.pair, settingsAt(phone.endpoint, phone.endpoint, { peer: b.pair }));
  rig.configure(b.pair, settingsAt(peer.endpoint, peer.endpoint, { peer: a.pair }));
  const speak = async (from: Phone, party: Party): Promise<void> => {
    await from.send(rtpPacket(party.ssrc, party.sent++), a.local.rtp);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const known = { ssrc: 1, sent: 0 };
  if (isPhoneHeard) for (let count = 0; count < 3; count++) await speak(phone, known);
  const startMs = systemClock.monotonicMs();
  const unknown = { ssrc: 2, sent: 0 };
  const isBelieved = (): boolean => rig.relay.read(a.pair)?.rtp.provenSource?.ip === "127.9.9.9";
  while (!isBelieved() && systemClock.monotonicMs() - startMs < limitMs) await speak(stranger, unknown);
  const tookMs = isBelieved() ? systemClock.monotonicMs() - startMs : undefined;
  if (tookMs !== undefined)
    await until(() => peer.heard.some((packet) => packet.readUInt32BE(8) === 2), "its packets");
  await rig.relay.stop();
  for (const each of phones) each.close();
  return tookMs;
}

suite("settings of the handover", (test) => {
  for (const driver of ["epoll", "dgram"] as const) {
    for (const [title, isPhoneHeard, sources, others, leastMs] of [
      ["settle-time: so long an unknown address must be alone", false, { settleMs: 300 }, {}, 280],
      [
        "relearn-after-silence: so much silence, and a new stream is listened to",
        true,
        { settleMs: 100, relearnAfterSilenceMs: 400 },
        { settleMs: 100 },
        350,
      ],
    ] as const) {
      test(
        `${title} (${driver})`,
        async () => {
          // Other systems have no 127.0.0.2 of their own.
          if (process.platform !== "linux") return;
          const tookMs = await believedAfterMs({ driver, sources, isPhoneHeard, limitMs: 5_000 });
          assert.ok(tookMs !== undefined && tookMs >= leastMs, `${tookMs} ms`);
          const limitMs = 800;
          const neverMs = await believedAfterMs({ driver, sources: others, isPhoneHeard, limitMs });
          assert.equal(neverMs, undefined);
        },
        { timeoutMs: 15_000 },
      );
    }
  }
});
