/** Which threads of the daemon come first where they share a core. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { rise } from "../../src/io/priority.ts";
import { suite } from "../support/suite.ts";
import { DaemonProcess } from "./support/daemon.ts";

/** Of all threads the nice values: field 19 of stat, behind the name in brackets (proc(5)). */
function niceValues(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

/** CAP_SYS_NICE of this process (capability.h). */
function mayRaise(): boolean {
  const effective = /CapEff:\s*([0-9a-f]+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> 23n) & 1n) === 1n;
}

/** How far each thread of a daemon is above this process, highest first. */
async function stepsOf(io: "epoll" | "dgram", prefix: readonly string[] = []): Promise<readonly number[]> {
  const own = getPriority();
  const daemon = await DaemonProcess.start({ io, portMin: 43_240, portMax: 43_259, prefix });
  const values = niceValues(daemon.pid);
  assert.equal(await daemon.stop(), 0);
  return values.map((value) => own - value).sort((a, b) => b - a);
}

suite("priorities of threads", (test) => {
  if (process.platform !== "linux") return;

  if (mayRaise()) {
    test("the worker of epoll, and it alone, comes before others", async () => {
      const [worker, ...others] = await stepsOf("epoll");
      assert.equal(worker, 10);
      assert.deepEqual([...new Set(others)], [0]);
    });

    test("without the right to it all are equals", async () => {
      const without = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"];
      assert.deepEqual([...new Set(await stepsOf("epoll", without))], [0]);
    });
  }

  test("it rises as far as it is let, at most by ten", () => {
    for (const [before, allowed, reached] of [
      [0, -20, -10],
      [0, -5, -5],
      [0, 0, 0],
      [0, 3, 0],
      [15, 10, 10],
      [-15, -20, -20],
      [-20, -20, -20],
    ] as const) {
      let now: number = before;
      rise(before, (priority) => {
        if (priority < allowed) throw new Error("EACCES");
        now = priority;
      });
      assert.equal(now, reached);
    }
  });

  test("dgram has no thread for media", async () => {
    assert.deepEqual([...new Set(await stepsOf("dgram"))], [0]);
  });
});
