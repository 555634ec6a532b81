/**
 * Structured log: one JSON object a line on standard output, where the journal or a container runtime reads it.
 *
 * Lines are written before the call returns, so the last one before a crash is not lost. A reader that went away
 * costs lines, never the daemon.
 */
import { writeSync } from "node:fs";
import { pino } from "pino";
import type { Logger } from "../core/log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** `write` takes whole lines; standard output by default. */
export function createLogger(level: LogLevel, write: (line: string) => void = writeLine): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

const standardOutput = 1;

function writeLine(line: string): void {
  let rest = Buffer.from(line);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(standardOutput, rest));
  } catch {
    // A full or closed pipe: the line is lost. There is nowhere left to say so.
  }
}
