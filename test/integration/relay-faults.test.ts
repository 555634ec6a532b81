/** How the relay ends: told to, by a fault of a worker, by a fault of main. It never hangs. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { commandField } from "../../src/relay/commands.ts";
import { Phone, RelayRig, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

const rigModule = new URL("../support/relay-rig.js", import.meta.url).href;

/** Runs a script that has a relay `rig` in a process of its own; its exit code, signal and time. */
function runChild(
  script: string,
): Promise<{ readonly end: number | string | null; readonly tookMs: number }> {
  const source = `import { RelayRig } from ${JSON.stringify(rigModule)};
    const rig = await RelayRig.start({ driver: "epoll", portMin: 42_400, portMax: 42_499 });
    await rig.open(4);
    ${script}`;
  return new Promise((resolve) => {
    const begunMs = performance.now();
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: "ignore" });
    const deadline = setTimeout(() => child.kill("SIGKILL"), 8_000);
    child.on("close", (code, signal) => {
      clearTimeout(deadline);
      resolve({ end: signal ?? code, tookMs: performance.now() - begunMs });
    });
  });
}

suite("relay faults", (test) => {
  for (const driver of ["epoll", "dgram"] as const) {
    test(`${driver}: a worker's throw is a fault with its message`, async () => {
      const rig = await RelayRig.start({ driver, portMin: 42_400, portMax: 42_499 });
      const link = rig.links[0]!;
      link.commands.words[link.commands.begin() + commandField.kind] = 99;
      link.commands.commit();
      link.wake();
      await until(() => rig.faults.length > 0, "the fault");
      assert.match(rig.faults[0]!, /^relay worker 0: Error: relay worker: slot 0 is not open/);
      await rig.relay.stop();
      assert.equal(rig.faults.length, 1);
    });
  }

  test("stopping with many open pairs closes every descriptor", async () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const rig = await RelayRig.start({ driver: "epoll", portMin: 42_400, portMax: 42_799 });
    const before = descriptors();
    for (let pair = 0; pair < 150; pair++) await rig.open(pair % 2 === 0 ? 4 : 6);
    assert.ok(descriptors() >= before + 300);
    await rig.relay.stop();
    assert.equal(rig.events.filter((event) => event.kind === "closed").length, 150);
    assert.deepEqual(
      rig.relay.stats().interfaces.map(({ used }) => used),
      [0, 0],
    );
    await until(() => descriptors() < before, "the worker's own descriptors");
    assert.deepEqual(rig.faults, []);
  });

  test("the process ends when the relay has stopped", async () => {
    const { end, tookMs } = await runChild("await rig.relay.stop();");
    assert.equal(end, 0);
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
  });

  test("process.exit and an uncaught error are not held up by a worker that waits", async () => {
    assert.equal((await runChild("process.exit(3);")).end, 3);
    assert.equal((await runChild('throw new Error("ours");')).end, 1);
  });

  test("a port that answers with ICMP neither closes nor delays a socket", async () => {
    const rig = await RelayRig.start({ driver: "epoll", portMin: 42_400, portMax: 42_499 });
    const [a, b] = [await rig.open(4), await rig.open(4)];
    const phone = await Phone.open("127.0.0.1");
    const gone = await Phone.open("127.0.0.1");
    rig.configure(a.pair, settingsAt(phone.endpoint, phone.endpoint, { peer: b.pair }));
    rig.configure(b.pair, settingsAt(gone.endpoint, gone.endpoint, { peer: a.pair }));
    gone.close();
    for (let sequence = 0; sequence < 20; sequence++) {
      await phone.send(rtpPacket(1, sequence), a.local.rtp);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => rig.relay.read(a.pair)!.rtp.packetsIn === 20, "twenty packets");
    await until(() => rig.relay.read(b.pair)!.rtp.packetsOut === 20, "twenty sends");
    assert.equal(rig.relay.read(b.pair)!.rtp.errorsOut, 0);
    await rig.relay.stop();
    phone.close();
  });

  test(
    "load makes no garbage in the worker",
    async () => {
      const rig = await RelayRig.start({
        driver: "epoll",
        portMin: 42_400,
        portMax: 42_499,
        coalesces: true,
        batches: false,
      });
      const [a, b] = [await rig.open(4), await rig.open(4)];
      const phones = [await Phone.open("127.0.0.1"), await Phone.open("127.0.0.1")] as const;
      rig.configure(a.pair, settingsAt(phones[0].endpoint, phones[0].endpoint, { peer: b.pair }));
      rig.configure(b.pair, settingsAt(phones[1].endpoint, phones[1].endpoint, { peer: a.pair }));
      const send = async (packets: number): Promise<void> => {
        const before = phones[1].heard.length;
        for (let sequence = 0; sequence < packets; sequence++) {
          await phones[0].send(rtpPacket(1, sequence), a.local.rtp);
          await until(() => phones[1].heard.length - before > sequence - 50, "packets on the way");
        }
      };
      // What starting left behind is collected meanwhile, and the loop compiled.
      await send(20_000);
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      const before = rig.relay.stats().workers[0]!.collections;
      await send(20_000);
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      // At sixteen bytes a packet it would be one in about 100,000; the statistics themselves may cost one.
      assert.ok(rig.relay.stats().workers[0]!.collections - before <= 1);
      await rig.relay.stop();
      for (const phone of phones) phone.close();
    },
    { timeoutMs: 30_000 },
  );
});
