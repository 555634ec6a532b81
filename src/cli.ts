#!/usr/bin/env -S node --max-semi-space-size=2
/** The program: `rtpferry serve`, `rtpferry ctl`, `rtpferry demo`. */
import { runProgram } from "./cli/program.ts";

// The daemon and the demo load when they are asked for: `ctl` needs neither.
process.exitCode = await runProgram(process.argv.slice(2), {
  startDaemon: async (config, log) => (await import("./daemon.ts")).startDaemon(config, log),
  runDemo: async () => (await import("./demo.ts")).runDemo(),
});
