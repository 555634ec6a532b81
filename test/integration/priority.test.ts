/** Which threads of the daemon come first where they share a core. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "../support/suite.ts";
import { DaemonProcess } from "./support/daemon.ts";

/** Of each thread the nice value: field 19 of its stat, behind the name in brackets (proc(5)). */
function niceValues(pid: number): ReadonlyMap<number, number> {
  const threads = readdirSync(`/proc/${pid}/task`).map((name): [number, number] => {
    const stat = readFileSync(`/proc/${pid}/task/${name}/stat`, "latin1");
    return [Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])];
  });
  return new Map(threads);
}

suite("priorities of threads", (test) => {
  if (process.platform !== "linux") return;
  const own = niceValues(process.pid).get(process.pid) ?? 0;

  for (const [io, steps] of [
    ["epoll", 10],
    ["dgram", 0],
  ] as const) {
    test(`main of ${io} is ${steps} steps below the threads it started`, async () => {
      const daemon = await DaemonProcess.start({ io, portMin: 43_240, portMax: 43_259 });
      const values = niceValues(daemon.pid);
      assert.equal(values.get(daemon.pid), Math.min(own + steps, 19));
      const others = [...values].filter(([thread]) => thread !== daemon.pid);
      assert.ok(others.length > 0);
      assert.deepEqual([...new Set(others.map(([, value]) => value))], [own]);
      assert.equal(await daemon.stop(), 0);
    });
  }
});
