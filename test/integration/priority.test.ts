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
  // At the lowest there is no lower.
  if (own >= 19) return;

  test("the worker of epoll comes before main and the threads that were there before it", async () => {
    const daemon = await DaemonProcess.start({ io: "epoll", portMin: 43_240, portMax: 43_259 });
    const values = niceValues(daemon.pid);
    assert.equal(values.get(daemon.pid), Math.min(own + 10, 19));
    // The relay's worker alone is a thread of main's that it has not lowered.
    assert.equal([...values.values()].filter((value) => value === own).length, 1);
    assert.equal(await daemon.stop(), 0);
  });

  test("where media pass through main all threads are equals", async () => {
    const more = {
      "listen-turn": ["udp:127.0.0.1:43262", "tcp:127.0.0.1:43262"],
      "turn-user": ["alice:secret"],
    };
    const daemon = await DaemonProcess.start({ io: "epoll", portMin: 43_240, portMax: 43_259, more });
    assert.deepEqual([...new Set(niceValues(daemon.pid).values())], [own]);
    assert.equal(await daemon.stop(), 0);
  });

  test("without workers all threads of dgram are equals", async () => {
    const daemon = await DaemonProcess.start({ io: "dgram", portMin: 43_240, portMax: 43_259 });
    assert.deepEqual([...new Set(niceValues(daemon.pid).values())], [own]);
    assert.equal(await daemon.stop(), 0);
  });
});
