/**
 * How the process dies of its own mistakes: one line, then SIGKILL.
 *
 * A relay thread blocked in epoll_wait holds `process.exit()` and `worker.terminate()` for as long as it sleeps, and
 * a daemon that relays half its calls is worse than one that systemd starts again.
 */
import { writeSync } from "node:fs";
import { stackOf } from "../core/thrown.ts";

const standardError = 2;
let isArmed = false;

/** Never returns. */
export function dieOf(message: string): never {
  try {
    writeSync(standardError, `rtpferry: ${message.replaceAll("\n", " | ")}\n`);
  } catch {
    // Nobody reads; the end stays the same.
  }
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable: SIGKILL cannot be caught");
}

export function dieOnFaults(): void {
  if (isArmed) return;
  isArmed = true;
  const die = (reason: unknown): never => dieOf(stackOf(reason));
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}
