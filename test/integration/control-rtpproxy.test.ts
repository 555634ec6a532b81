import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallReply, CallRequest, RequestId } from "../../src/call/requests.ts";
import { localAddresses } from "../../src/control/rtpproxy/modifiers.ts";
import { type RtpproxyAction, RtpproxyControl } from "../../src/control/rtpproxy/server.ts";
import { parseIp } from "../../src/core/address.ts";
import { parseCidr } from "../../src/core/address-class.ts";
import { parseListenSpec } from "../../src/core/listen-spec.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { MonotonicMs } from "../../src/core/time.ts";
import type { ControlListener, ControlOrigin } from "../../src/io/control/contract.ts";
import { ControlGuard } from "../../src/io/control/guard.ts";
import { openControlListener } from "../../src/io/control/listener.ts";
import { suite } from "../support/suite.ts";

const folder = mkdtempSync(join(tmpdir(), "rtpferry-rtpproxy-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const local = parseIp("127.0.0.1");
const loopback = parseCidr("127.0.0.0/8");
assert.ok(local !== undefined && loopback !== undefined);

/** Sessions by call-id. */
class FakeCalls {
  readonly #ports = new Map<string, number>();
  #nextPort = 30_000;

  run(request: CallRequest): CallReply {
    switch (request.kind) {
      case "update":
        this.#ports.set(request.key.callId, this.#ports.get(request.key.callId) ?? this.#nextPort);
        this.#nextPort += 4;
        return this.#endpoint(request.key.callId, 0);
      case "lookup":
        return this.#endpoint(request.key.callId, 2);
      case "delete-stream":
        return this.#ports.delete(request.callId)
          ? { kind: "done" }
          : { kind: "refused", reason: "unknown-call" };
      default:
        return { kind: "done" };
    }
  }

  #endpoint(callId: string, offset: number): CallReply {
    const port = this.#ports.get(callId);
    if (port === undefined || local === undefined) return { kind: "refused", reason: "unknown-call" };
    return { kind: "endpoint", endpoint: { ip: local, port: port + offset } };
  }
}

async function open(text: string): Promise<ControlListener> {
  const calls = new FakeCalls();
  let minted = 0;
  const control = new RtpproxyControl<ControlOrigin>(
    {
      timeoutMs: 60_000,
      local: localAddresses([{ name: "default", ip: local! }], () => local),
      notifySockets: [],
    },
    {
      counters: { read: () => undefined, lastPacketAt: () => undefined },
      readTotals: () => {
        throw new Error("not asked for");
      },
      nextRequestId: () => ++minted as RequestId,
    },
  );
  const now = (): MonotonicMs => performance.now() as MonotonicMs;
  const carryOut = (actions: readonly RtpproxyAction<ControlOrigin>[]): void => {
    for (const action of actions) {
      if (action.kind === "send") action.to.reply(action.bytes);
      else if (action.kind === "call") {
        const reply = calls.run(action.request);
        setImmediate(() => carryOut(control.handleReply(now(), action.requestId, reply)));
      }
    }
  };
  const spec = parseListenSpec(text);
  assert.ok(spec.ok);
  const handler = {
    onMessage: (bytes: Uint8Array, from: ControlOrigin) =>
      carryOut(control.handleMessage(now(), from, bytes)),
  };
  return openControlListener(spec.value, {
    guard: new ControlGuard([loopback!]),
    handler,
    log: silentLogger,
  });
}

const dialogue: readonly (readonly [string, string])[] = [
  ["V", "20040107\n"],
  ["VF 20050322", "1\n"],
  ["VF 20071116", "0\n"],
  ["VF 20081102", "1\n"],
  ["Lc0,8,101 cid 127.0.0.1 5000 ft1;1 tt9;1", "0\n"],
  ["Uc0,8,101 cid 127.0.0.1 5000 ft1;1", "30000 127.0.0.1\n"],
  ["LSc0,8,101 cid 127.0.0.1 5002 ft1;1 tt9;1", "30002 127.0.0.1\n"],
  ["Uc0,8,101 cid 127.0.0.1 5000 ft1;1 tt9;1", "30000 127.0.0.1\n"],
  ["D cid ft1 tt9", "0\n"],
  ["D cid ft1 tt9", "E50\n"],
  ["nonsense", "E1\n"],
];

suite("rtpproxy protocol over its sockets", (test) => {
  test("udp: a call as Kamailio drives it, each datagram sent twice", async () => {
    const listener = await open("udp:127.0.0.1:0");
    const socket = createSocket("udp4");
    socket.connect(listener.endpoints[0]?.port ?? 0, "127.0.0.1");
    await once(socket, "connect");
    for (const [index, [command, answer]] of dialogue.entries()) {
      for (let copy = 0; copy < 2; copy++) {
        const heard = once(socket, "message");
        socket.send(`2017_${index} ${command}`);
        const [bytes] = await heard;
        assert.equal((bytes as Buffer).toString("latin1"), `2017_${index} ${answer}`, command);
      }
    }
    socket.close();
    await listener.close();
  });

  test("unix: each command over a connection of its own", async () => {
    const path = join(folder, "u.sock");
    const listener = await open(`unix:${path}`);
    for (const [command, answer] of dialogue) {
      const socket = connect({ path });
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
      });
      socket.write(command);
      await once(socket, "close");
      assert.equal(text, answer, command);
    }
    await listener.close();
  });

  test("cunix and tcp: all commands at once, the replies in their order", async () => {
    const path = join(folder, "c.sock");
    for (const text of [`cunix:${path}`, "tcp:127.0.0.1:0"]) {
      const listener = await open(text);
      const [endpoint] = listener.endpoints;
      const socket =
        endpoint === undefined ? connect({ path }) : connect({ host: endpoint.ip, port: endpoint.port });
      let heard = "";
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.toString("latin1");
      });
      socket.end(dialogue.map(([command]) => `${command}\n`).join(""));
      await once(socket, "close");
      assert.equal(heard, dialogue.map(([, answer]) => answer).join(""), text);
      await listener.close();
    }
  });
});
