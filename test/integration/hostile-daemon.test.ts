/**
 * The whole daemon on loopback takes thousands of hostile datagrams, lines and media packets while a call runs
 * through it: the call loses nothing, strangers get nothing through, and in the end everything is free.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { connect, type NetConnectOpts } from "node:net";
import fc from "fast-check";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import { fuzzRuns } from "../support/fuzz-runs.ts";
import { ngMessage, ngMessages, plainBody, rtpproxyDatagrams } from "../support/hostile/messages.ts";
import { hostile } from "../support/hostile/mutations.ts";
import { packets } from "../support/hostile/packets.ts";
import { oddMessages } from "../support/hostile/words.ts";
import { Phone, rtpPacket, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";
import { DaemonProcess } from "./support/daemon.ts";

const floods = { datagrams: fuzzRuns(2_000), lines: fuzzRuns(500), packets: fuzzRuns(3_000) } as const;
/** So many go out at once: a flood, but none that overruns a socket's buffer before anybody is asked to read it. */
const batch = 16;
const batchPauseMs = 4;
/** V8's heap grows before it is collected; a leak of 10 KB a message would be seen all the same. */
const residentGrowthMax = 96 * 1024 * 1024;

/** Of the two parties: numbers no stranger knows, so that none can go on with their streams. */
const ssrcs = [0x5eed_0a11, 0x5eed_0b22] as const;

const pause = (durationMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, durationMs));

/** A UDP client that asks, and hears. */
class Client {
  readonly #phone: Phone;
  readonly #to: Endpoint;

  private constructor(phone: Phone, to: Endpoint) {
    this.#phone = phone;
    this.#to = to;
  }

  static async open(to: Endpoint): Promise<Client> {
    return new Client(await Phone.open("127.0.0.1"), to);
  }

  async ask(message: Uint8Array): Promise<string> {
    const cookie = Buffer.from(message).toString("latin1").split(" ")[0];
    await this.#phone.send(message, this.#to);
    const find = (): string | undefined =>
      this.#phone.heard
        .map((bytes) => bytes.toString("latin1"))
        .find((text) => text.startsWith(`${cookie} `));
    await until(() => find() !== undefined, `the reply to ${cookie}`);
    return find() ?? "";
  }

  close(): void {
    this.#phone.close();
  }
}

interface Party {
  readonly phone: Phone;
  /** Where it sends, as the daemon told it. */
  to: Endpoint;
  sentCount: number;
}

/** Two parties that talk through the daemon, 50 packets a second each. */
class GoodCall {
  readonly #ng: Client;
  readonly parties: readonly [Party, Party];
  #timer: NodeJS.Timeout | undefined;

  private constructor(ng: Client, parties: readonly [Party, Party]) {
    this.#ng = ng;
    this.parties = parties;
  }

  static async start(ng: Client): Promise<GoodCall> {
    const nowhere = { ip: "127.0.0.1" as IpAddress, port: 9 };
    const [a, b] = [await Phone.open("127.0.0.1"), await Phone.open("127.0.0.1")];
    const call = new GoodCall(ng, [
      { phone: a, to: nowhere, sentCount: 0 },
      { phone: b, to: nowhere, sentCount: 0 },
    ]);
    await call.#signal("offer", 0, 1);
    await call.#signal("answer", 1, 0);
    call.#timer = setInterval(() => call.#speak(), 20);
    await until(() => call.parties.every(({ phone }) => phone.heard.length >= 5), "the first packets");
    return call;
  }

  /** Both parties have heard all that the other one said, in order, and nobody else. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    for (const [index, { phone }] of this.parties.entries()) {
      const other = this.parties[1 - index] ?? assert.fail();
      await until(
        () => phone.heard.length >= other.sentCount,
        `${other.sentCount} packets, ${phone.heard.length} came`,
      );
      assert.equal(phone.heard.length, other.sentCount);
      for (const [at, bytes] of phone.heard.entries())
        assert.deepEqual(bytes, rtpPacket(ssrcs[1 - index] ?? 0, at));
      phone.close();
    }
    const words = { command: "delete", "call-id": "good", "from-tag": "a" };
    assert.match(await this.#ng.ask(ngMessage("good-delete", words)), /6:result2:ok/);
  }

  /** The body of the party `from` is told to the party `to`, who learns where to send. */
  async #signal(command: "offer" | "answer", from: 0 | 1, to: 0 | 1): Promise<void> {
    const { endpoint } = this.parties[from].phone;
    const sdp = plainBody.replaceAll("203.0.113.5", endpoint.ip).replace("4000", String(endpoint.port));
    const words = {
      command,
      "call-id": "good",
      "from-tag": "a",
      ...(from === 0 ? {} : { "to-tag": "b" }),
      sdp,
    };
    const reply = await this.#ng.ask(ngMessage(`good-${command}`, words));
    const port = Number(/m=audio ([0-9]+)/.exec(reply)?.[1]);
    assert.ok(port > 0, reply);
    this.parties[to].to = { ip: "127.0.0.1" as IpAddress, port };
  }

  #speak(): void {
    for (const [index, party] of this.parties.entries()) {
      void party.phone.send(rtpPacket(ssrcs[index] ?? 0, party.sentCount++), party.to);
    }
  }
}

/** Sends the messages in batches, from an address of its own where the system has one. */
async function floodUdp(messages: readonly Uint8Array[], to: (index: number) => Endpoint): Promise<void> {
  const socket = createSocket("udp4");
  const address = process.platform === "linux" ? "127.0.0.66" : "127.0.0.1";
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  socket.on("error", () => undefined);
  for (const [index, message] of messages.entries()) {
    const { ip, port } = to(index);
    socket.send(message, port, ip, () => undefined);
    if (index % batch === batch - 1) await pause(batchPauseMs);
  }
  await pause(50);
  socket.close();
}

/** Writes lines and cuts the connection off, in the middle of one now and then. */
async function floodStream(lines: readonly Uint8Array[], to: NetConnectOpts): Promise<void> {
  const perConnection = 25;
  for (let start = 0; start < lines.length; start += perConnection) {
    const socket = connect(to);
    await new Promise<void>((resolve) => {
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
      socket.resume();
      for (const line of lines.slice(start, start + perConnection)) socket.write(line);
      setTimeout(() => (start % 2 === 0 ? socket.end() : socket.destroy()), 20);
    });
  }
}

/** `X` ends every call, as it should; the good one is to live. */
function endsAll(bytes: Uint8Array): boolean {
  return /(?:^|\s)X\S*\s*$/im.test(Buffer.from(bytes).toString("latin1"));
}

function draw<Value>(arbitrary: fc.Arbitrary<Value>, count: number, seed: number): Value[] {
  return fc.sample(arbitrary, { numRuns: count, seed });
}

/** All that is thrown at a daemon, drawn beforehand so that the parties can speak at their pace. */
function drawFlood(seed: number) {
  const harmless = hostile(rtpproxyDatagrams).filter((bytes) => !endsAll(bytes));
  const commands = harmless
    .map((bytes) => bytes.subarray(bytes.indexOf(0x20) + 1))
    .filter((bytes) => !endsAll(bytes));
  return {
    ng: draw(fc.oneof(hostile(ngMessages), oddMessages), floods.datagrams, seed),
    rtpproxy: draw(harmless, floods.datagrams, seed + 1),
    tcp: draw(commands, floods.lines, seed + 2),
    unix: draw(commands, floods.lines, seed + 3),
    media: draw(packets, floods.packets, seed + 4),
  };
}

async function flood(
  daemon: DaemonProcess,
  call: GoodCall,
  messages: ReturnType<typeof drawFlood>,
): Promise<void> {
  const mediaPorts = call.parties.flatMap(({ to }) => [to, { ...to, port: to.port + 1 }]);
  await Promise.all([
    floodUdp(messages.ng, () => daemon.ng),
    floodUdp(messages.rtpproxy, () => daemon.rtpproxyUdp),
    floodStream(messages.tcp, { host: "127.0.0.1", port: daemon.rtpproxyTcp.port }),
    floodStream(messages.unix, { path: daemon.unixPath }),
    floodUdp(messages.media, (index) => mediaPorts[index % mediaPorts.length] ?? assert.fail()),
  ]);
}

async function withstand(io: "epoll" | "dgram"): Promise<void> {
  const messages = drawFlood(io === "epoll" ? 1 : 100);
  const daemon = await DaemonProcess.start({ portMin: 21_000, portMax: 21_199, io });
  const ng = await Client.open(daemon.ng);
  const rtpproxy = await Client.open(daemon.rtpproxyUdp);
  try {
    const call = await GoodCall.start(ng);
    const residentBefore = daemon.residentBytes();
    await flood(daemon, call, messages);
    daemon.assertAlive();
    assert.match(await ng.ask(ngMessage("alive", { command: "ping" })), /6:result4:pong/);
    const after = await daemon.metrics();
    const metric = (name: string): number => after.get(name) ?? assert.fail(`no metric ${name}`);
    // Strangers' media is refused, but for what no relay can refuse: STUN and keepalives are counted and consumed.
    assert.ok(metric("rtpferry_packets_dropped_total") >= floods.packets / 2, "dropped packets are counted");
    assert.ok(metric("rtpferry_control_dropped_total") > 0, "dropped commands are counted");
    await call.finish();
    assert.equal(await rtpproxy.ask(Buffer.from("last X")), "last 0\n");
    const isFree = async (): Promise<boolean> => {
      const now = await daemon.metrics();
      return now.get("rtpferry_port_pairs_used") === 0 && now.get("rtpferry_calls") === 0;
    };
    for (let tries = 0; !(await isFree()); tries++) {
      assert.ok(tries < 100, "all ports are free");
      await pause(20);
    }
    const residentAfter = daemon.residentBytes();
    if (residentBefore !== undefined && residentAfter !== undefined) {
      const growth = residentAfter - residentBefore;
      assert.ok(growth < residentGrowthMax, `${growth} bytes more`);
    }
  } finally {
    ng.close();
    rtpproxy.close();
    assert.equal(await daemon.stop(), 0);
  }
}

suite("hostile: the daemon", (test) => {
  for (const io of process.platform === "linux" ? (["epoll", "dgram"] as const) : (["dgram"] as const)) {
    test(`keeps its call and its ports under a flood, ${io}`, () => withstand(io), { timeoutMs: 3_600_000 });
  }
});
