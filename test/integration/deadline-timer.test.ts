import assert from "node:assert/strict";
import { addMs, type MonotonicMs } from "../../src/core/time.ts";
import { DeadlineTimer, type Timed } from "../../src/daemon/deadline-timer.ts";
import { systemClock } from "../../src/io/clock.ts";
import { until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

class Alarm implements Timed {
  deadlineMs: MonotonicMs | undefined;
  fired = 0;
  again = 0;

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.deadlineMs;
  }

  handleTimeout(nowMs: MonotonicMs): void {
    this.fired++;
    this.deadlineMs = this.again-- > 0 ? nowMs : undefined;
  }
}

const inMs = (delayMs: number): MonotonicMs => addMs(systemClock.monotonicMs(), delayMs);

suite("daemon: one timer for all deadlines", (test) => {
  test("the earliest fires, what is left of a turn goes on at once, and nothing due holds no timer", async () => {
    const [one, two] = [new Alarm(), new Alarm()];
    const timer = new DeadlineTimer(systemClock, [one, two]);
    one.deadlineMs = inMs(60_000);
    timer.schedule();
    two.deadlineMs = inMs(5);
    two.again = 100;
    timer.schedule();
    await until(() => two.fired === 101, "a hundred turns", 1_000);
    assert.equal(one.fired, 0);
    one.deadlineMs = undefined;
    timer.schedule();
  });

  test("once closed it keeps still", async () => {
    const alarm = new Alarm();
    const timer = new DeadlineTimer(systemClock, [alarm]);
    alarm.deadlineMs = inMs(-1);
    timer.schedule();
    timer.close();
    timer.schedule();
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(alarm.fired, 0);
  });
});
