/** The command line with a daemon that does not start, for a reason that is a fault of ours. */
import { runProgram } from "../../../src/cli/program.ts";

process.exitCode = await runProgram(process.argv.slice(2), {
  startDaemon: async () => {
    throw new TypeError("nobody thought of this");
  },
  runDemo: async () => 0,
});
