/** Calls of a browser through the relay, to a plain RTP/AVP endpoint or to another browser, driven by ng alone. */
import type { Agent } from "./agent.ts";
import type { Browser, BundlePolicy, IceWay, StatsRow } from "./browser.ts";
import type { Lab } from "./lab.ts";
import { address } from "./network.ts";
import { NgProxy, type NgWords } from "./ng-proxy.ts";
import type { MediaKind, StreamReport } from "./plain-stream.ts";
import { hidden, mediaPlace, ownPayloadTypes, plainSdp } from "./web-sdp.ts";

export interface WebCallPlan {
  /** Distinct within a lab; the call-id. */
  readonly name: string;
  readonly kinds: readonly MediaKind[];
  readonly bundlePolicy: BundlePolicy;
  /** Who offers. */
  readonly offerer: "browser" | "plain";
  /** What a script says towards the browser: its parts, or the one word for all of them. */
  readonly words: "parts" | "WebRTC";
  /** The browser's candidates have names that only its own network can resolve, as pages without a camera have. */
  readonly hidesAddresses?: boolean;
  /**
   * The browser offers new ICE credentials in the middle of the call. The plain endpoint then signals its SSRCs:
   * a browser counts those it was not told of anew after every description.
   */
  readonly restarts?: boolean;
  /** How the browser finds its way; by its own addresses otherwise. */
  readonly ice?: IceWay;
}

/** A call between two browsers. */
export interface PairPlan extends Pick<WebCallPlan, "name" | "kinds" | "words"> {
  readonly callerPolicy: BundlePolicy;
  readonly calleePolicy: BundlePolicy;
  /** Neither sends before it is told to speak. */
  readonly isSilent: boolean;
}

/** What flowed of one m-line between a browser and a plain endpoint. */
export interface PlainExchange {
  readonly kind: MediaKind;
  readonly payloadType: number;
  readonly plain: StreamReport;
}

const connectLimitMs = 10_000;
const portsEach = 2;
const firstPort = 20_000;
const firstSsrc = 0x70_00_00_00;

const replace = ["origin", "session-connection"];
const towardsPlain: NgWords = {
  ...{ replace, ICE: "remove", "transport-protocol": "RTP/AVP", "rtcp-mux": ["demux"] },
  ...{ flags: ["trust-address"] },
};
const towardsBrowser: Readonly<Record<WebCallPlan["words"], NgWords>> = {
  parts: {
    ...{ replace, ICE: "force", "transport-protocol": "UDP/TLS/RTP/SAVPF", "rtcp-mux": ["offer"] },
    ...{ SDES: ["off"], flags: ["trust-address", "generate-mid"] },
  },
  WebRTC: { replace, flags: ["trust-address", "WebRTC"] },
};

interface Stream {
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly port: number;
}

/** Makes the calls of one lab, each with ports and SSRCs of its own. */
export class WebCalls {
  readonly proxy: NgProxy;
  private readonly plain: Agent;
  private streamsCount = 0;

  constructor(lab: Lab) {
    this.proxy = new NgProxy(lab.agent("core"));
    this.plain = lab.agent("callee");
  }

  /** Sets the call up: afterwards the browser is connected, and the plain endpoint knows where to send. */
  async withPlain(browser: Browser, plan: WebCallPlan): Promise<PlainCall> {
    await browser.open(plan.name, plan);
    const streams = plan.kinds.map((kind) => {
      const number = this.streamsCount++;
      return { kind, ssrc: firstSsrc + number, port: firstPort + number * portsEach };
    });
    for (const stream of streams) await this.plain.openStream({ ...stream, address: address.callee });
    const told =
      plan.offerer === "browser"
        ? await this.exchange(await browser.offer(plan.name), { browser, plan, streams })
        : await this.plainOffers({ browser, plan, streams });
    const payloadTypes: number[] = [];
    for (const [index, { kind, ssrc }] of streams.entries()) {
      const place = mediaPlace(told, index, kind);
      payloadTypes.push(place.payloadType);
      await this.plain.aimStream(ssrc, place);
    }
    const connectMs = await browser.connected(plan.name, connectLimitMs);
    const { plain, proxy } = this;
    const restart = async (): Promise<void> => {
      await this.exchange(await browser.restart(plan.name), { browser, plan, streams }, "plain");
      await browser.restarted(plan.name, connectLimitMs);
    };
    return new PlainCall({ plain, proxy, browser, plan, streams, payloadTypes, connectMs, restart });
  }

  /** Two browsers; both ends are connected afterwards. */
  async between(caller: Browser, callee: Browser, plan: PairPlan): Promise<void> {
    const { name, kinds, words, isSilent } = plan;
    await caller.open(name, { kinds, bundlePolicy: plan.callerPolicy, isSilent });
    await callee.open(name, { kinds, bundlePolicy: plan.calleePolicy, isSilent });
    const call = { "call-id": name, "from-tag": "caller" };
    const offered = await this.proxy.rewrite("offer", await caller.offer(name), {
      ...{ ...towardsBrowser[words], ...call, "received-from": ["IP4", address.caller] },
    });
    const answered = await this.proxy.rewrite("answer", await callee.answer(name, offered), {
      ...{ ...towardsBrowser[words], ...call, "to-tag": "callee", "received-from": ["IP4", address.callee] },
    });
    await caller.accept(name, answered);
    await Promise.all([caller.connected(name, connectLimitMs), callee.connected(name, connectLimitMs)]);
  }

  /** The browser's offer and its answer; gives the relay's SDP for the plain side. In a dialogue both tags are known. */
  private async exchange(
    offer: string,
    { browser, plan, streams }: Parties,
    toTag?: string,
  ): Promise<string> {
    const call = { "call-id": plan.name, "from-tag": "browser" };
    const offered = await this.proxy.rewrite("offer", plan.hidesAddresses === true ? hidden(offer) : offer, {
      ...{ ...towardsPlain, ...call, ...(toTag === undefined ? {} : { "to-tag": toTag }) },
      "received-from": ["IP4", address.caller],
    });
    const media = streams.map(({ kind, port, ssrc }, index) => ({
      ...{ kind, port, payloadType: mediaPlace(offered, index, kind).payloadType },
      ssrc: plan.restarts === true ? ssrc : undefined,
    }));
    const answered = await this.proxy.rewrite("answer", plainSdp(address.callee, media), {
      ...{ ...towardsBrowser[plan.words], ...call },
      ...{ "to-tag": "plain", "received-from": ["IP4", address.callee] },
    });
    await browser.accept(plan.name, answered);
    return offered;
  }

  private async plainOffers({ browser, plan, streams }: Parties): Promise<string> {
    const call = { "call-id": plan.name, "from-tag": "plain" };
    const media = streams.map(({ kind, port }) => ({ kind, port, payloadType: ownPayloadTypes[kind] }));
    const offered = await this.proxy.rewrite("offer", plainSdp(address.callee, media), {
      ...{ ...towardsBrowser[plan.words], ...call, "received-from": ["IP4", address.callee] },
    });
    const answer = await browser.answer(plan.name, offered);
    return this.proxy.rewrite("answer", plan.hidesAddresses === true ? hidden(answer) : answer, {
      ...{ ...towardsPlain, ...call, "to-tag": "browser", "received-from": ["IP4", address.caller] },
    });
  }
}

interface Parties {
  readonly browser: Browser;
  readonly plan: WebCallPlan;
  readonly streams: readonly Stream[];
}

interface PlainCallParts {
  readonly plain: Agent;
  readonly proxy: NgProxy;
  readonly browser: Browser;
  readonly plan: WebCallPlan;
  readonly streams: readonly Stream[];
  readonly payloadTypes: readonly number[];
  readonly connectMs: number;
  readonly restart: () => Promise<void>;
}

/** A call between a browser and a plain endpoint that stands. */
export class PlainCall {
  private readonly parts: PlainCallParts;

  constructor(parts: PlainCallParts) {
    this.parts = parts;
  }

  /** Milliseconds from the browser's setRemoteDescription to `connected`. */
  get connectMs(): number {
    return this.parts.connectMs;
  }

  /** Gives the call new ICE credentials and waits until media has moved over to them. */
  restart(): Promise<void> {
    return this.parts.restart();
  }

  async tellPlain(word: "start" | "stop"): Promise<void> {
    for (const { ssrc } of this.parts.streams) await this.parts.plain.tellStream(word, ssrc);
  }

  quiet(): Promise<void> {
    return this.parts.browser.quiet(this.parts.plan.name);
  }

  stats(): Promise<readonly StatsRow[]> {
    return this.parts.browser.stats(this.parts.plan.name);
  }

  exchanges(): Promise<readonly PlainExchange[]> {
    const { streams, payloadTypes, plain } = this.parts;
    return Promise.all(
      streams.map(async ({ kind, ssrc }, index) => ({
        ...{ kind, payloadType: payloadTypes[index] ?? 0, plain: await plain.reportStream(ssrc) },
      })),
    );
  }

  async end(): Promise<void> {
    const { browser, plain, plan, proxy, streams } = this.parts;
    await proxy.delete(plan.name, plan.offerer);
    for (const { ssrc } of streams) await plain.tellStream("close", ssrc);
    await browser.close(plan.name);
  }
}
