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

  test("the worker of epoll comes before all threads that were there before it", async () => {
    const daemon = await DaemonProcess.start({ io: "epoll", portMin: 43_240, portMax: 43_259 });
    const values = niceValues(daemon.pid);
    const lower = Math.min(own + 10, 19);
    assert.equal(values.get(daemon.pid), lower);
    const isFirst = [...values].sort(([a], [b]) => a - b).map(([, value]) => value === own);
    // A thread's number says when it was started.
    assert.equal(isFirst.at(-1), true);
    assert.ok(isFirst.slice(0, 5).every((first) => !first));
    assert.deepEqual([...new Set(values.values())].sort(), [own, lower].sort());
    assert.equal(await daemon.stop(), 0);
  });

  test("without workers all threads of dgram are equals", async () => {
    const daemon = await DaemonProcess.start({ io: "dgram", portMin: 43_240, portMax: 43_259 });
    assert.deepEqual([...new Set(niceValues(daemon.pid).values())], [own]);
    assert.equal(await daemon.stop(), 0);
  });
});
