/** A call of two phones over a relay on loopback, in which both speak packet by packet. */

import assert from "node:assert/strict";
import type { Endpoint } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import { Phone, type RelayRig, rtpPacket, settingsAt, startCall, until } from "./relay-rig.ts";

/** Packets to one place after which a port is surely busy. */
export const enough = 40;

export const sequencesOf = ({ heard }: Phone): readonly number[] =>
  heard.map((bytes) => bytes.readUInt16BE(2));
export const oneTo = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => index + 1);
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Two phones of one family in a call over a rig's relay. */
export class Call {
  readonly a: Phone;
  readonly b: Phone;
  /** What the pair of each is, where it is sent to. */
  readonly pairs: readonly [Awaited<ReturnType<RelayRig["open"]>>, Awaited<ReturnType<RelayRig["open"]>>];
  #sequence = 0;

  private constructor(a: Phone, b: Phone, pairs: Call["pairs"]) {
    this.a = a;
    this.b = b;
    this.pairs = pairs;
  }

  /** `ips`: of the phones; calls of one group are in one worker. */
  static async start(
    rig: RelayRig,
    family: 4 | 6 = 4,
    ips?: readonly [string, string],
    group = 1,
  ): Promise<Call> {
    const loopback = family === 6 ? "::1" : "127.0.0.1";
    const a = await Phone.open(ips?.[0] ?? loopback);
    const b = await Phone.open(ips?.[1] ?? loopback);
    const pairs = [await rig.open(family, group), await rig.open(family, group)] as const;
    rig.configure(pairs[0].pair, settingsOf(a.endpoint, { peer: pairs[1].pair }));
    rig.configure(pairs[1].pair, settingsOf(b.endpoint, { peer: pairs[0].pair }));
    return new Call(a, b, pairs);
  }

  get portA(): number {
    return this.pairs[0].local.rtp.port;
  }

  get portB(): number {
    return this.pairs[1].local.rtp.port;
  }

  /** Both speak, one packet each at a time; `mobile` in place of b. */
  async speak(packets: number, paceMs: number, mobile: Phone | undefined): Promise<void> {
    for (let each = 0; each < packets; each++) {
      const sequence = ++this.#sequence;
      await this.a.send(rtpPacket(7, sequence), this.pairs[0].local.rtp);
      await mobile?.send(rtpPacket(9, sequence), this.pairs[1].local.rtp);
      await new Promise((resolve) => setTimeout(resolve, paceMs));
    }
  }

  get last(): number {
    return this.#sequence;
  }

  close(): void {
    this.a.close();
    this.b.close();
  }
}

function settingsOf(rtp: Endpoint, own: Partial<PairSettings>): PairSettings {
  return settingsAt(rtp, { ...rtp, port: rtp.port + 1 }, own);
}

/** Both phones of a call send in bursts of all sizes, and hear all, in order, from the port they send to. */
export async function speakInBursts(
  rig: RelayRig,
  families: readonly [4 | 6, 4 | 6],
): Promise<readonly [Phone, Phone]> {
  const { phones, ports } = await startCall(rig, families);
  let sequence = 0;
  // One at a time until both ports are busy, then many at once.
  for (const burst of [...Array<number>(2 * enough).fill(1), 5, 31, 32, 33, 100, 1]) {
    for (let each = 0; each < burst; each++) {
      sequence++;
      await phones[0].send(rtpPacket(7, sequence), ports[0]);
      await phones[1].send(rtpPacket(9, sequence), ports[1]);
    }
    await pause(1);
  }
  await until(() => phones.every(({ heard }) => heard.length >= sequence), "all");
  for (const [side, phone] of phones.entries()) {
    assert.deepEqual(sequencesOf(phone), oneTo(sequence));
    assert.deepEqual(phone.heard.at(-1), rtpPacket(side === 0 ? 9 : 7, sequence), "not a byte is another");
    assert.ok(phone.sources.every(({ port }) => port === ports[side]!.port));
  }
  return phones;
}

/** A call in which b moves to another network while a stranger sends: who is where. */
export interface Move {
  readonly call: Call;
  readonly stranger: Phone;
  readonly cellular: Phone;
}

/** Nothing is lost and the stranger gets nowhere. `whenBusy` looks at the call before all that. */
export async function moveAmidStranger(rig: RelayRig, whenBusy: (call: Call) => void): Promise<Move> {
  const call = await Call.start(rig, 4, ["127.0.0.1", "127.0.0.2"]);
  const stranger = await Phone.open("127.0.0.9");
  const cellular = await Phone.open("127.0.0.3");
  await call.speak(enough, 20, call.b);
  whenBusy(call);
  await stranger.send(rtpPacket(666, 1), call.pairs[1].local.rtp);
  await until(() => rig.relay.read(call.pairs[1].pair)!.rtp.errorsIn > 0, "the stranger's packet");
  await call.speak(3, 20, undefined);
  await call.speak(2 * enough, 20, cellular);
  await until(() => cellular.heard.at(-1)?.readUInt16BE(2) === call.last, "the last packet");
  const heard = sequencesOf(cellular);
  assert.deepEqual(
    heard,
    oneTo(call.last).slice(-heard.length),
    "nothing lost and nothing twice on the new way",
  );
  assert.ok(heard.length > 2 * enough, "what went to the dead address was sent again");
  assert.equal(stranger.heard.length, 0);
  assert.equal(call.a.heard.filter((bytes) => bytes.readUInt32BE(8) === 666).length, 0);
  return { call, stranger, cellular };
}
