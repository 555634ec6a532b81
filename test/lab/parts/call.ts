/** One call of the lab: two phones behind NATs, SIP through the proxy, and whoever attacks it meanwhile. */
import { randomBytes } from "node:crypto";
import { nowMs } from "./clock.ts";
import type { Host } from "./host.ts";
import { neighbourAddress, ownAddress, place, publicAddress, spoofPorts } from "./network.ts";
import { type Protocol, proxyOf, type RelayKind } from "./servers.ts";
import { Callee, Caller } from "./sip.ts";
import type { Path, Step, TalkerPlan, TalkerReport, Target } from "./talker.ts";

/** The mobile's paths: each network, and a second port in it. */
export type MobilePath = "wifi" | "wifi-rebound" | "cell" | "cell-rebound";

export interface Attack {
  readonly from: "attacker" | "neighbour";
  /** The relay's port that the mobile sends to, the far party's, or both. */
  readonly at: "mobile" | "far" | "both";
  /**
   * A false source: a new one for every packet; the mobile's public address with a new port for every packet; or the
   * very address and port the mobile is proven for, or the one it will move to, which IPv6 without translation gives
   * away.
   */
  readonly spoofs?: "anywhere" | "wifi" | "proven" | "next";
  /** Takes SSRC, sequence numbers and times from this party's stream, and is so many packets ahead of it. */
  readonly knows?: { readonly stream: "mobile" | "far"; readonly aheadBy: number };
  readonly talker?: Partial<TalkerPlan>;
  readonly script: readonly Step[];
}

export interface Reinvite {
  readonly atMs: number;
  readonly network: "wifi" | "cell";
  /** RTP port in the new SDP. */
  readonly path?: MobilePath;
}

export interface CallPlan {
  readonly title: string;
  readonly protocol: Protocol;
  readonly relay?: RelayKind;
  readonly family?: 4 | 6;
  /** For the relay. */
  readonly words?: string;
  /** SDES, both sides; the relay passes it through. */
  readonly isSecure?: boolean;
  readonly isVideo?: boolean;
  readonly mobile?: Partial<TalkerPlan>;
  readonly far?: Partial<TalkerPlan>;
  readonly lastsMs: number;
  readonly script: readonly Step[];
  readonly farScript?: readonly Step[];
  readonly reinvites?: readonly Reinvite[];
  readonly attacks?: readonly Attack[];
  /** Lag of what the mobile sends by cell. */
  readonly cellLagMs?: number;
  readonly wifiLagMs?: number;
  /** While it sends on both, each network loses every fourth packet, never the same one. */
  readonly losesInTurn?: boolean;
}

export interface CallRecord {
  readonly plan: CallPlan;
  readonly mobile: { readonly plan: TalkerPlan; readonly report: TalkerReport };
  readonly far: { readonly plan: TalkerPlan; readonly report: TalkerReport };
  readonly attackers: readonly { readonly plan: TalkerPlan; readonly report: TalkerReport }[];
}

export type Hosts = Readonly<Record<"phone" | "far" | "attacker" | "neighbour", Host>>;

// biome-ignore lint/style/noProcessEnv: for comparing relays and their settings, such as `media-handover`.
const wordsForAll = process.env["LAB_WORDS"] ?? "";
const mediaPort = 10_000;
const startDelayMs = 60;
const silenceBeforeEndMs = 200;
/** After the last packet, for what is on its way. */
const lingerMs = 500;

const audio = { ptimeMs: 20, payloadType: 0, clockRateHz: 8_000, payloadBytes: 160, packetsPerFrame: 1 };
const video = { ptimeMs: 33, payloadType: 97, clockRateHz: 90_000, payloadBytes: 1_000, packetsPerFrame: 8 };

export class Call {
  private readonly hosts: Hosts;
  private readonly plan: CallPlan;
  private readonly number: number;
  private readonly family: 4 | 6;
  private readonly keys = { mobile: newKey(), far: newKey() };
  private readonly mobile: TalkerPlan;
  private readonly far: TalkerPlan;
  private readonly attackers: readonly TalkerPlan[];
  private readonly caller: Caller;
  private readonly callee: Callee;
  private version = 1;
  private farTarget: Target | undefined;

  constructor(hosts: Hosts, plan: CallPlan, number: number) {
    this.hosts = hosts;
    this.plan = plan;
    this.number = number;
    this.family = plan.family ?? 4;
    this.mobile = this.mobilePlan();
    this.far = this.farPlan();
    this.attackers = (plan.attacks ?? []).map((attack, index) => this.attackerPlan(attack, index));
    const proxy = proxyOf(plan.protocol, plan.relay ?? "default", this.family);
    const settings = { name: `lab-${number}`, proxy, words: `${plan.words ?? ""} ${wordsForAll}`.trim() };
    this.caller = new Caller(hosts.phone, settings, publicAddress("home", number, this.family));
    this.callee = new Callee(hosts.far, settings, (offer) => this.answer(offer));
  }

  async hold(): Promise<CallRecord> {
    const { hosts, plan, mobile, far } = this;
    await hosts.phone.open(mobile);
    await hosts.far.open(far);
    for (const [index, attacker] of this.attackers.entries()) await this.attackHost(index).open(attacker);
    for (const network of ["cell", "wifi"] as const) {
      await this.caller.open(network, ownAddress(network, this.number, this.family));
    }
    await this.callee.open(ownAddress("home", this.number, this.family));
    const mobileTarget = targetOf(await this.caller.invite(this.sdp("mobile", "wifi", "wifi")));
    const startAtMs = nowMs() + startDelayMs;
    await this.startMedia(mobileTarget, startAtMs);
    await this.reinvite(startAtMs);
    await sleepUntil(startAtMs + plan.lastsMs + lingerMs);
    const record = await this.record();
    await this.caller.bye();
    return record;
  }

  private async startMedia(mobileTarget: Target, startAtMs: number): Promise<void> {
    const { hosts, plan, mobile, far, farTarget } = this;
    if (farTarget === undefined) throw new Error("the far party was not called");
    const window = { startAtMs, endAtMs: startAtMs + plan.lastsMs };
    // Attackers fall silent first: a phone that has hung up is no longer one that speaks.
    const attackWindow = { startAtMs, endAtMs: window.endAtMs - silenceBeforeEndMs };
    const targets = { mobile: [mobileTarget], far: [farTarget], both: [mobileTarget, farTarget] };
    await Promise.all([
      hosts.phone.aim(mobile.party, targets.mobile),
      hosts.far.aim(far.party, targets.far),
      ...(plan.attacks ?? []).map((attack, index) =>
        this.attackHost(index).aim(this.attackParty(index), targets[attack.at]),
      ),
    ]);
    await Promise.all([
      hosts.phone.run(mobile.party, window, plan.script),
      hosts.far.run(far.party, window, plan.farScript ?? [{ atMs: 0, send: ["home"], hear: ["home"] }]),
      ...(plan.attacks ?? []).map(({ script }, index) =>
        this.attackHost(index).run(this.attackParty(index), attackWindow, script),
      ),
    ]);
  }

  private async reinvite(startAtMs: number): Promise<void> {
    for (const { atMs, network, path } of this.plan.reinvites ?? []) {
      await sleepUntil(startAtMs + atMs);
      this.caller.use(network);
      this.version++;
      const answer = await this.caller.invite(this.sdp("mobile", network, path ?? network));
      await this.hosts.phone.aim(this.mobile.party, [targetOf(answer)]);
      if (this.farTarget !== undefined) await this.hosts.far.aim(this.far.party, [this.farTarget]);
    }
  }

  private async record(): Promise<CallRecord> {
    const { hosts, plan, mobile, far } = this;
    const take = async (host: Host, talker: TalkerPlan) => {
      const report = await host.report(talker.party);
      await host.close(talker.party);
      return { plan: talker, report };
    };
    return {
      plan,
      mobile: await take(hosts.phone, mobile),
      far: await take(hosts.far, far),
      attackers: await Promise.all(this.attackers.map((each, index) => take(this.attackHost(index), each))),
    };
  }

  /** Keeps where the far party is to send, and answers. */
  private answer(offer: string): string {
    this.farTarget = targetOf(offer);
    return this.sdp("far", "home", "home");
  }

  private sdp(who: "mobile" | "far", network: "wifi" | "cell" | "home", path: string): string {
    const talker = who === "mobile" ? this.mobile : this.far;
    const { port } = talker.paths.find(({ name }) => name === path) ?? { port: mediaPort };
    const address = ownAddress(network, this.number, this.family);
    const isSecure = this.plan.isSecure === true;
    const kind = this.plan.isVideo === true ? "video" : "audio";
    const formats =
      kind === "video"
        ? { numbers: "97", lines: ["a=rtpmap:97 VP8/90000"] }
        : {
            numbers: "0 8 13 101",
            lines: ["a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000"],
          };
    return [
      "v=0",
      `o=${who} ${this.number} ${this.version} IN IP${this.family} ${address}`,
      "s=-",
      `c=IN IP${this.family} ${address}`,
      "t=0 0",
      `m=${kind} ${port} RTP/${isSecure ? "S" : ""}AVP ${formats.numbers}`,
      ...formats.lines,
      ...(isSecure ? [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${this.keys[who]}`] : []),
      "a=sendrecv",
      "",
    ].join("\r\n");
  }

  private mobilePlan(): TalkerPlan {
    const { plan } = this;
    const path = (name: MobilePath, network: "wifi" | "cell", offset: number): Path => ({
      name,
      address: ownAddress(network, this.number, this.family),
      port: mediaPort + offset,
      lagMs: (network === "cell" ? plan.cellLagMs : plan.wifiLagMs) ?? 0,
      ...(plan.losesInTurn === true ? { loses: network === "cell" ? 2 : 0 } : {}),
    });
    return {
      ...this.commonPlan(1),
      ...(plan.isSecure === true ? { ownKey: this.keys.mobile, peerKey: this.keys.far } : {}),
      ...plan.mobile,
      paths: [
        path("wifi", "wifi", 0),
        path("wifi-rebound", "wifi", 4),
        path("cell", "cell", 0),
        path("cell-rebound", "cell", 4),
      ],
    };
  }

  private farPlan(): TalkerPlan {
    const address = ownAddress("home", this.number, this.family);
    return {
      ...this.commonPlan(2),
      ...(this.plan.isSecure === true ? { ownKey: this.keys.far, peerKey: this.keys.mobile } : {}),
      ...this.plan.far,
      paths: [{ name: "home", address, port: mediaPort }],
    };
  }

  private commonPlan(role: number): Omit<TalkerPlan, "paths"> {
    const party = this.number * 100 + role;
    return {
      ...(this.plan.isVideo === true ? video : audio),
      party,
      ssrc: 0x10_0000 + party * 7_919,
      firstSequence: 1_000 * role,
      // The lab's phones have no SRTCP.
      ...(this.plan.isSecure === true ? {} : { rtcpEveryMs: role === 1 ? 500 : 460 }),
    };
  }

  private attackerPlan(attack: Attack, index: number): TalkerPlan {
    const party = this.attackParty(index);
    const known = attack.knows;
    const model = known === undefined ? undefined : known.stream === "mobile" ? this.mobile : this.far;
    const { rtcpEveryMs: _, ...common } = this.commonPlan(0);
    return {
      ...common,
      ssrc: 0x7000_0000 + party,
      ...(model === undefined || known === undefined
        ? {}
        : { ssrc: model.ssrc, ptimeMs: model.ptimeMs, firstSequence: model.firstSequence + known.aheadBy }),
      ...attack.talker,
      party,
      paths: [{ name: "lair", ...this.lair(attack, index) }],
    };
  }

  private lair(attack: Attack, index: number): { readonly address: string; readonly port: number } {
    if (attack.from === "neighbour") {
      return { address: neighbourAddress(this.number, this.family), port: mediaPort + 2 * index };
    }
    const address = this.family === 4 ? place.attacker : place.attacker6;
    if (attack.spoofs === "proven" || attack.spoofs === "next") {
      const nat = attack.spoofs === "proven" ? "wifi" : "cell";
      return { address: publicAddress(nat, this.number, this.family), port: mediaPort };
    }
    if (attack.spoofs === "wifi") return { address, port: spoofPorts.ofWifi + this.number };
    if (attack.spoofs === "anywhere") return { address, port: spoofPorts.anywhere + this.number };
    return { address, port: mediaPort + this.number * 20 + 2 * index };
  }

  private attackParty(index: number): number {
    return this.number * 100 + 10 + index;
  }

  private attackHost(index: number): Host {
    const attack = this.plan.attacks?.[index];
    return attack?.from === "neighbour" ? this.hosts.neighbour : this.hosts.attacker;
  }
}

/** Where an SDP of the relay wants its first media. */
function targetOf(sdp: string): Target {
  const host = /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1];
  const rtpPort = Number(/^m=\w+ (\d+)/m.exec(sdp)?.[1] ?? 0);
  if (host === undefined || rtpPort === 0) throw new Error(`no media in\n${sdp}`);
  const isRelay = ([place.relay, place.relay6, place.strictRelay, place.strictRelay6] as string[]).includes(
    host,
  );
  if (!isRelay) throw new Error(`media would go to ${host}, past the relay`);
  return { host, rtpPort, rtcpPort: Number(/^a=rtcp:(\d+)/m.exec(sdp)?.[1] ?? rtpPort + 1) };
}

function newKey(): string {
  return randomBytes(30).toString("base64");
}

function sleepUntil(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - nowMs())));
}
