/**
 * coturn's own clients (Debian's package `coturn`) against our server, over loopback: every mode of `turnutils_uclient`
 * that we serve, `turnutils_stunclient` and `turnutils_natdiscovery`. No packet may be lost.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { allTransports, type Transport, TurnDaemon } from "../integration/support/turn-daemon.ts";
import { suite } from "../support/suite.ts";

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

interface Mode {
  readonly words: string;
  readonly transport?: Transport;
  /** `turnutils_peer` answers; otherwise two clients speak with each other. */
  readonly hasPeer?: boolean;
  readonly isV6?: boolean;
  readonly login?: readonly string[];
}

const alice = ["-u", "alice", "-w", "secret"];
const messages = 30;
const runMsMax = 60_000;

const modes: Readonly<Record<string, Mode>> = {
  "channels to a peer": { words: "", hasPeer: true },
  "Send to a peer": { words: "-s", hasPeer: true },
  "client to client": { words: "-y" },
  "client to client by Send": { words: "-y -s" },
  "no RTCP pair": { words: "-c", hasPeer: true },
  "large messages": { words: "-y -l 1000" },
  "ten clients": { words: "-y -m 10" },
  TCP: { words: "-t", transport: "tcp", hasPeer: true },
  "TCP, Send": { words: "-t -s -y", transport: "tcp" },
  TLS: { words: "-t -S", transport: "tls", hasPeer: true },
  "TLS, Send": { words: "-t -S -s -y", transport: "tls" },
  DTLS: { words: "-S", transport: "dtls", hasPeer: true },
  "DTLS, Send": { words: "-S -s -y", transport: "dtls" },
  "TCP relay": { words: "-T", transport: "tcp" },
  "TCP relay over TLS": { words: "-T -S", transport: "tls" },
  "IPv6 relay": { words: "-x -y" },
  "IPv4 relay": { words: "-X -y" },
  "both families": { words: "-Z -y" },
  "over IPv6": { words: "-y", isV6: true },
  "over IPv6 to a peer there": { words: "-x", isV6: true, hasPeer: true },
  mobility: { words: "-M -y" },
  "mobility over TCP": { words: "-M -t -y", transport: "tcp" },
  "DONT-FRAGMENT": { words: "-g", hasPeer: true },
  "DONT-FRAGMENT, Send": { words: "-g -s", hasPeer: true },
  "padded ChannelData": { words: "-D", hasPeer: true },
  "REST secret": { words: "", hasPeer: true, login: ["-u", "bob", "-W", "north"] },
};

/** Some of what these send is meant to be refused. */
const unruly: Readonly<Record<string, Mode>> = {
  "extra requests": { words: "-G -y" },
  "negative tests": { words: "-N -y" },
  "random disconnects": { words: "-B -y" },
};

const settings = {
  "turn-secret": ["south", "north"],
  "turn-allow-peer": ["127.0.0.0/8", "::1/128"],
  // All clients of the test come from one address.
  "turn-challenge-rate": 0,
};

function collect(child: ChildProcess, limitMs: number): Promise<Ended> {
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (out += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  return new Promise((resolve) =>
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, out });
    }),
  );
}

function run(program: string, words: readonly string[], limitMs = runMsMax): Promise<Ended> {
  return collect(spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] }), limitMs);
}

function uclient(daemon: TurnDaemon, mode: Mode, peerPort: number, count = messages): Promise<Ended> {
  const { words, transport = "udp", hasPeer = false, isV6 = false, login = alice } = mode;
  const host = isV6 ? "::1" : "127.0.0.1";
  const peer = hasPeer ? ["-e", host, "-r", String(peerPort)] : [];
  const options = words === "" ? [] : words.split(" ");
  const { port } = daemon.at(transport);
  return run("turnutils_uclient", [
    "-n",
    String(count),
    "-p",
    String(port),
    ...login,
    ...peer,
    ...options,
    host,
  ]);
}

/** Sent and received messages of the last summary. */
function tally({ out }: Ended): { readonly sent: number; readonly received: number } {
  const found = [...out.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)/g)].at(-1) ?? [];
  return { sent: Number(found[1]), received: Number(found[2]) };
}

function assertAllCame(name: string, ended: Ended): void {
  const { sent, received } = tally(ended);
  assert.equal(ended.code, 0, `${name}: ${ended.out.slice(-2_000)}`);
  assert.equal(sent > 0, true, `${name}: nothing was sent`);
  assert.equal(received, sent, `${name}: ${sent - received} of ${sent} lost`);
}

async function withDaemon(
  io: "epoll" | "dgram",
  body: (daemon: TurnDaemon, peerPort: number) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  // IPv4 and IPv6 at one port, as the client takes one alone.
  const listen = [`udp:127.0.0.1:${port}`, `udp:[::1]:${port}`, ...allTransports.slice(1)];
  const interfaces = ["127.0.0.1", "::1"];
  const daemon = await TurnDaemon.start({
    settings: { ...settings, io },
    listen,
    interfaces,
    portMin: 47_200,
  });
  const peerPort = await freePort();
  const peers = ["127.0.0.1", "::1"].map((ip) =>
    spawn("turnutils_peer", ["-L", ip, "-p", String(peerPort)], { stdio: "ignore" }),
  );
  try {
    await body(daemon, peerPort);
    daemon.assertAlive();
  } finally {
    for (const peer of peers) peer.kill("SIGKILL");
    assert.equal(await daemon.stop(), 0);
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => {
    socket.close(resolve);
  });
  return port;
}

/** Payloads up and down, which an echo makes as many, and why others went no further. */
async function carried(
  daemon: TurnDaemon,
): Promise<{ readonly up: number; readonly down: number; readonly dropped: readonly string[] }> {
  const page = await daemon.metricsPage();
  const relayed = (direction: string): number =>
    Number(new RegExp(`turn_packets_relayed_total\\{direction="${direction}"\\} (\\d+)`).exec(page)?.[1]);
  const dropped = [...page.matchAll(/turn_packets_dropped_total\{reason="(\w+)"\} ([1-9]\d*)/g)];
  return {
    up: relayed("up"),
    down: relayed("down"),
    dropped: dropped.map(([, reason, n]) => `${n} ${reason}`),
  };
}

/** So many at once: they wait more than they work. */
const atOnce = 13;

/** Every mode through the workers; where main carries all by itself, what differs from that. */
const modesOf = {
  epoll: Object.keys(modes),
  dgram: [
    "channels to a peer",
    "client to client by Send",
    "ten clients",
    "TCP",
    "TLS",
    "DTLS, Send",
    "both families",
  ],
} as const;

suite("turn with coturn's clients", (test) => {
  for (const io of ["epoll", "dgram"] as const) {
    test(
      `${io}: no packet is lost in any mode`,
      () =>
        withDaemon(io, async (daemon, peerPort) => {
          const names = modesOf[io];
          for (let at = 0; at < names.length; at += atOnce) {
            await Promise.all(
              names.slice(at, at + atOnce).map(async (name) => {
                const mode = modes[name]!;
                const first = await uclient(daemon, mode, peerPort);
                const { sent, received } = tally(first);
                const isTls = mode.transport === "tls";
                // It leaves a record that came together with its last one in OpenSSL's buffer; ours are counted below.
                const isClients = isTls && first.code === 0 && received < sent;
                assertAllCame(name, isClients ? await uclient(daemon, mode, peerPort) : first);
              }),
            );
          }
          const { up, down, dropped } = await carried(daemon);
          assert.deepEqual({ missing: up - down, dropped }, { missing: 0, dropped: [] });
        }),
      { timeoutMs: 110_000 },
    );
  }

  test(
    "mobility over TLS and DTLS; their client frees its old connection twice in one run of four, and then gives up",
    () =>
      withDaemon("epoll", async (daemon, peerPort) => {
        for (const [transport, words] of [
          ["tls", "-M -c -t -S"],
          ["dtls", "-M -c -S"],
        ] as const) {
          const ended = await Promise.all(
            Array.from({ length: 6 }, () =>
              uclient(daemon, { words, transport, hasPeer: true }, peerPort, 10),
            ),
          );
          const whole = ended.filter(({ code }) => code === 0);
          assert.equal(whole.length > 0, true, ended.map(({ out }) => out.slice(-300)).join("\n"));
          for (const each of whole) assertAllCame(`mobility over ${transport}`, each);
        }
      }),
    { timeoutMs: 60_000 },
  );

  test(
    "TCP relays that peers connect to; of these their client hears one side only, also from coturn's own server",
    () =>
      withDaemon("epoll", async (daemon, peerPort) => {
        const ended = await uclient(daemon, { words: "-T -P", transport: "tcp" }, peerPort);
        const { sent, received } = tally(ended);
        assert.equal(ended.code, 0, ended.out.slice(-2_000));
        assert.deepEqual({ sent, received }, { sent: 2 * messages, received: messages });
      }),
    { timeoutMs: 60_000 },
  );

  test(
    "a wrong password and a forbidden peer get nothing",
    () =>
      withDaemon("epoll", async (daemon, peerPort) => {
        const login = ["-u", "alice", "-w", "wrong"];
        const refused = await uclient(daemon, { words: "-y", login }, peerPort);
        assert.notEqual(refused.code, 0);
        assert.match(refused.out, /Cannot complete Allocation/);
        const { port } = daemon.at("udp");
        const control = ["-e", "127.0.0.1", "-r", String(port)];
        const limits = ["-n", "3", "-p", String(port)];
        const denied = await run("turnutils_uclient", [...limits, ...alice, ...control, "127.0.0.1"], 15_000);
        assert.match(denied.out, /403 \(Forbidden\)/);
      }),
    { timeoutMs: 60_000 },
  );

  test(
    "malformed requests, and clients that connect and vanish: who comes after them is served",
    () =>
      withDaemon("epoll", async (daemon, peerPort) => {
        const port = String(daemon.at("udp").port);
        const common = ["-n", "5", "-p", port, ...alice, "-y"];
        // It waits for answers to what it has garbled itself, so its own end says nothing.
        await run("turnutils_uclient", ["-R", ...common, "127.0.0.1"], 6_000);
        const tcp = String(daemon.at("tcp").port);
        const vanishing = [
          ["-O", "-m", "40", ...common],
          ["-O", "-t", "-m", "40", "-n", "5", "-p", tcp, ...alice, "-y"],
        ];
        await Promise.all(
          vanishing.map((words) => run("turnutils_uclient", [...words, "127.0.0.1"], 15_000)),
        );
        daemon.assertAlive();
        await Promise.all(
          Object.entries(unruly).map(async ([name, mode]) =>
            assertAllCame(name, await uclient(daemon, mode, peerPort)),
          ),
        );
        assertAllCame("afterwards", await uclient(daemon, { words: "-y" }, peerPort));
      }),
    { timeoutMs: 90_000 },
  );

  test(
    "STUN and the discovery of a NAT's behaviour",
    async () => {
      const port = await freePort();
      const daemon = await TurnDaemon.start({
        listen: [`udp:127.0.0.1:${port}`],
        settings: { "turn-discovery": `127.0.0.2:${port + 1}` },
        portMin: 47_200,
      });
      const stun = await run("turnutils_stunclient", ["-p", String(port), "127.0.0.1"]);
      assert.match(stun.out, /UDP reflexive addr: 127\.0\.0\.1:\d+/);
      const words = ["-m", "-f", "-P", "-p", String(port), "-L", "127.0.0.1", "127.0.0.1"];
      const found = await run("turnutils_natdiscovery", words);
      assert.match(found.out, /No NAT! \(Endpoint Independent Mapping\)/);
      assert.match(found.out, /NAT with Endpoint Independent Filtering!/);
      assert.match(found.out, new RegExp(`Response origin: : 127\\.0\\.0\\.2:${port + 1}`));
      assert.equal(await daemon.stop(), 0);
    },
    { timeoutMs: 60_000 },
  );
});
