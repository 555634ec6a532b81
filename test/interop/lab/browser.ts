/** Debian's Chromium in a host's namespace, with a page that is a phone (browser-phone.js). */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser as Chromium, chromium, type Page } from "playwright-core";
import type { Lab } from "./lab.ts";
import type { HostName } from "./network.ts";
import type { MediaKind } from "./plain-stream.ts";
import { inNamespace } from "./process.ts";
import { projectRoot } from "./project-root.ts";

export type BundlePolicy = "balanced" | "max-bundle";

export interface ConnectionPlan {
  readonly bundlePolicy: BundlePolicy;
  readonly kinds: readonly MediaKind[];
  /** Sends nothing before it is told to speak; otherwise it does as soon as it is connected. */
  readonly isSilent?: boolean;
  /** A data channel beside the media, agreed upon without signalling. */
  readonly hasChannel?: boolean;
  readonly ice?: IceWay;
}

/** How a page finds its way: with servers of its own, and by nothing else if it is told so. */
export interface IceWay {
  readonly iceTransportPolicy: "all" | "relay";
  readonly iceServers: readonly IceServer[];
}

export interface IceServer {
  readonly urls: string;
  readonly username: string;
  readonly credential: string;
}

export interface ChannelReport {
  readonly sent: number;
  readonly received: number;
}

export interface BrowserOptions {
  /** SHA-256 of a public key, in base64: certificates with it are trusted, whoever signed them. */
  readonly trustedKey?: string;
}

/** A row of getStats(), of which the lab reads these (W3C WebRTC statistics). */
export interface StatsRow {
  readonly id: string;
  readonly type: string;
  readonly kind?: MediaKind;
  readonly ssrc?: number;
  readonly packetsSent?: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly retransmittedPacketsSent?: number;
  readonly totalAudioEnergy?: number;
  readonly framesDecoded?: number;
  readonly dtlsState?: string;
  readonly srtpCipher?: string;
  readonly selectedCandidatePairId?: string;
  readonly localCandidateId?: string;
  readonly remoteCandidateId?: string;
  readonly candidateType?: string;
  /** Of a local candidate: how the browser reaches the TURN server. */
  readonly relayProtocol?: string;
  readonly address?: string;
  readonly port?: number;
}

const executable = "/usr/bin/chromium";
const script = join(projectRoot(), "test/interop/lab/browser-phone.js");
/** Nobody has this name: the page is handed out by the lab, and https makes the devices available to it. */
const pageUrl = "https://phone.test/";
const startLimitMs = 30_000;
const options = [
  "--no-sandbox",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];
/**
 * Holds for turns: as well, whose TLS the browser's network service speaks and whose certificates it checks like those
 * of pages. Without it the lab's own are refused; other faults than the signer are forgiven too, for this key alone.
 */
const trustFlag = "--ignore-certificate-errors-spki-list";

export class Browser {
  private readonly chromium: Chromium;
  private readonly page: Page;

  private constructor(browser: Chromium, page: Page) {
    this.chromium = browser;
    this.page = page;
  }

  static async start(lab: Lab, host: HostName, { trustedKey }: BrowserOptions = {}): Promise<Browser> {
    if (!existsSync(executable)) throw new Error(`${executable} is not installed`);
    const [file, ...words] = inNamespace(lab.network.namespace(host), [executable]);
    const starter = join(lab.folder, `chromium-${host}`);
    writeFileSync(starter, `#!/bin/sh\nexec ${file} ${words.join(" ")} "$@"\n`, { mode: 0o755 });
    const args = trustedKey === undefined ? options : [...options, `${trustFlag}=${trustedKey}`];
    const browser = await chromium.launch({ executablePath: starter, args, timeout: startLimitMs });
    lab.onDrop(() => browser.close());
    const page = await browser.newPage();
    await page.route("**/*", (route) =>
      route.fulfill({ contentType: "text/html", body: "<!doctype html><title>phone</title>" }),
    );
    await page.goto(pageUrl);
    await page.addScriptTag({ path: script });
    return new Browser(browser, page);
  }

  open(name: string, plan: ConnectionPlan): Promise<void> {
    return this.call("open", name, plan);
  }

  offer(name: string): Promise<string> {
    return this.call("offer", name);
  }

  /** An offer with new ICE credentials. */
  restart(name: string): Promise<string> {
    return this.call("restart", name);
  }

  /** Waits until media goes where the checks with the newest credentials led. */
  restarted(name: string, limitMs: number): Promise<void> {
    return this.call("restarted", name, limitMs);
  }

  answer(name: string, sdp: string): Promise<string> {
    return this.call("answer", name, sdp);
  }

  accept(name: string, sdp: string): Promise<void> {
    return this.call("accept", name, sdp);
  }

  /** Milliseconds from setRemoteDescription to `connected`. */
  connected(name: string, limitMs: number): Promise<number> {
    return this.call("connected", name, limitMs);
  }

  speak(name: string): Promise<void> {
    return this.call("speak", name);
  }

  quiet(name: string): Promise<void> {
    return this.call("quiet", name);
  }

  /** Sends numbered messages through the data channel, one every `intervalMs`. */
  sendMessages(name: string, count: number, intervalMs: number): Promise<void> {
    return this.call("sendMessages", name, count, intervalMs);
  }

  channel(name: string): Promise<ChannelReport> {
    return this.call("channelReport", name);
  }

  stats(name: string): Promise<readonly StatsRow[]> {
    return this.call("stats", name);
  }

  close(name: string): Promise<void> {
    return this.call("close", name);
  }

  end(): Promise<void> {
    return this.chromium.close();
  }

  /** Values travel as JSON; text of a session description has line ends that JavaScript's own literals take. */
  private call<Value>(word: string, ...values: readonly unknown[]): Promise<Value> {
    const list = values.map((value) => JSON.stringify(value)).join(", ");
    return this.page.evaluate<Value>(`phone.${word}(${list})`);
  }
}
