/**
 * A phone changes its socket in the middle of a call through the real daemon: nothing is lost, and the log, the
 * metrics, ng's query and `rtpferry ctl show` all say what happened.
 */
import assert from "node:assert/strict";
import { renderCall } from "../../src/cli/ctl.ts";
import { decodePayload, splitFrame } from "../../src/control/ng/message.ts";
import { isDict, isList, type NgValue } from "../../src/control/ng/value.ts";
import { type Endpoint, formatEndpoint, type IpAddress } from "../../src/core/address.ts";
import { askDaemon } from "../../src/io/ctl-client.ts";
import type { CallDetail, MediaDetail } from "../../src/telemetry/call-view.ts";
import { type NgWords, ngMessage, plainBody } from "../support/hostile/messages.ts";
import { Phone, rtpPacket, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";
import { DaemonProcess } from "./support/daemon.ts";

const callId = "moving";
const ssrc = 0x5eed_0c33;
const strangerSsrc = 0x0bad_0001;

class NgClient {
  readonly #phone: Phone;
  readonly #to: Endpoint;
  #count = 0;

  constructor(phone: Phone, to: Endpoint) {
    this.#phone = phone;
    this.#to = to;
  }

  async ask(words: NgWords): Promise<ReadonlyMap<string, NgValue>> {
    const cookie = `c${++this.#count}`;
    await this.#phone.send(ngMessage(cookie, words), this.#to);
    const find = () => this.#phone.heard.map(splitFrame).find((frame) => frame?.cookie === cookie);
    await until(() => find() !== undefined, `the reply to ${words["command"]}`);
    const decoded = decodePayload(find()?.payload ?? assert.fail("a reply"));
    return decoded.ok ? decoded.dict : assert.fail(decoded.error);
  }

  /** Where the other side of `phone` sends, as the daemon tells it. */
  async signal(command: "offer" | "answer", phone: Phone): Promise<Endpoint> {
    const { ip, port } = phone.endpoint;
    const sdp = plainBody.replaceAll("203.0.113.5", ip).replace("4000", String(port));
    const tags = command === "offer" ? { "from-tag": "a" } : { "from-tag": "a", "to-tag": "b" };
    const reply = await this.ask({ command, "call-id": callId, ...tags, sdp });
    const told = Number(/m=audio ([0-9]+)/.exec(String(reply.get("sdp")))?.[1]);
    assert.ok(told > 0, String(reply.get("sdp")));
    return { ip: "127.0.0.1" as IpAddress, port: told };
  }

  close(): void {
    this.#phone.close();
  }
}

/** 50 packets a second, while `to` stays silent or not. */
async function speak(phone: Phone, to: Endpoint, sequences: readonly number[], id = ssrc): Promise<void> {
  for (const sequence of sequences) {
    await phone.send(rtpPacket(id, sequence), to);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

/** Follows keys and indices; a `tag` of a dictionary and a place of a list alike. */
function at(value: NgValue | undefined, ...path: readonly (string | number)[]): NgValue | undefined {
  let found = value;
  for (const key of path) {
    if (isDict(found)) found = found.get(String(key));
    else if (isList(found)) found = found[Number(key)];
    else return undefined;
  }
  return found;
}

async function show(daemon: DaemonProcess): Promise<CallDetail> {
  const reply = await askDaemon(daemon.ctlPath, { command: "show", callId });
  return reply.ok ? (reply.result as CallDetail) : assert.fail(reply.error);
}

const audioOf = (call: CallDetail, leg: number): MediaDetail =>
  call.legs[leg]?.media[0] ?? assert.fail(`leg ${leg + 1} has audio`);

async function moveAndLook(daemon: DaemonProcess, ng: NgClient, phones: readonly Phone[]): Promise<void> {
  const [wifi, cellular, stranger, bob] = phones;
  assert.ok(wifi && cellular && stranger && bob);
  await ng.signal("offer", wifi);
  const toBobsSide = await ng.signal("answer", bob);
  const before = audioOf(await show(daemon), 0);
  assert.match(before.diagnosis[0] ?? "", /^nothing has come to 127\.0\.0\.1:\d+ from this party/);

  await speak(wifi, toBobsSide, range(0, 10));
  await speak(stranger, toBobsSide, range(500, 503), strangerSsrc);
  await speak(cellular, toBobsSide, range(10, 25));
  await until(() => bob.heard.length >= 25, `25 packets, ${bob.heard.length} came`);
  assert.deepEqual(
    bob.heard.map((packet) => packet.readUInt16BE(2)),
    range(0, 25),
    "nothing lost, nothing twice, no stranger",
  );

  const [from, to] = [formatEndpoint(wifi.endpoint), formatEndpoint(cellular.endpoint)];
  const text = `party moved from ${from} to ${to}: the same stream went on there`;
  await until(
    () => daemon.logLines().some(({ event }) => event === "source-switched"),
    "the line in the log",
  );
  const switched = daemon.logLines().find(({ event }) => event === "source-switched");
  assert.deepEqual(
    { ...switched, time: undefined, pair: undefined },
    {
      level: "info",
      time: undefined,
      event: "source-switched",
      callId,
      leg: 1,
      tag: "a",
      media: 1,
      type: "audio",
      pair: undefined,
      component: "rtp",
      source: to,
      before: from,
      evidence: "continuity",
      msg: text,
    },
  );
  const proven = daemon.logLines().find(({ event, source }) => event === "source-proven" && source === from);
  assert.equal(proven?.["evidence"], "signalled");

  const page = await daemon.metricsPage();
  assert.match(page, /^rtpferry_handovers_total\{worker="0",event="switched"\} 1$/m);
  assert.match(page, /^rtpferry_sources_believed_total\{event="switched",evidence="continuity"\} 1$/m);
  assert.match(page, /^rtpferry_packets_dropped_total\{worker="0",reason="stranger"\} 3$/m);

  const reply = await ng.ask({ command: "query", "call-id": callId });
  const stream = at(reply, "tags", "a", "medias", 0, "streams", 0);
  assert.equal(at(stream, "endpoint", "port"), cellular.endpoint.port);
  assert.equal(at(stream, "handover", "proven source"), to);
  assert.equal(at(stream, "handover", "send target"), to);
  assert.equal(at(stream, "handover", "evidence"), "continuity");
  const history = at(stream, "handover", "history");
  assert.ok(isList(history));
  assert.equal(at(history.at(-1), "event"), "switched");
  assert.equal(at(history.at(-1), "text"), text);

  const call = await show(daemon);
  const { rtp, diagnosis } = audioOf(call, 0);
  assert.equal(rtp?.source, to);
  assert.equal(rtp?.evidence, "continuity");
  assert.equal(rtp?.targetReason, "the party speaks from there");
  assert.ok((rtp?.provenForMs ?? -1) >= 0);
  assert.ok(rtp?.remembered.includes(from), JSON.stringify(rtp));
  assert.equal(rtp?.history.at(-1)?.text, text);
  assert.equal(rtp?.switches, 1);
  assert.deepEqual(diagnosis, []);
  assert.ok(renderCall(call).includes(`ago: ${text}`));
  assert.match(audioOf(call, 1).diagnosis[0] ?? "", /^nothing has come to /);
}

suite("a handover can be seen", (test) => {
  for (const io of ["epoll", "dgram"] as const) {
    test(
      `in the log, the metrics, query and ctl show (${io})`,
      async () => {
        // Other systems have no 127.0.0.2 of their own.
        if (process.platform !== "linux") return;
        const daemon = await DaemonProcess.start({ portMin: 43_600, portMax: 43_639, io, logLevel: "debug" });
        const ng = new NgClient(await Phone.open("127.0.0.1"), daemon.ng);
        const phones = await Promise.all(
          ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"].map((ip) => Phone.open(ip)),
        );
        try {
          await moveAndLook(daemon, ng, phones);
          await ng.ask({ command: "delete", "call-id": callId, "from-tag": "a" });
        } finally {
          ng.close();
          for (const phone of phones) phone.close();
          assert.equal(await daemon.stop(), 0);
        }
      },
      { timeoutMs: 20_000 },
    );
  }
});
