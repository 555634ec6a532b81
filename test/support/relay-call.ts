/** A call of two phones over a relay on loopback, in which both speak packet by packet. */
import type { Endpoint } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import { Phone, type RelayRig, rtpPacket, settingsAt } from "./relay-rig.ts";

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
