/**
 * `npm start`: sets up what is missing, then becomes the program: the command line runs in this very process, so that
 * a signal to npm reaches the daemon.
 *
 *   node scripts/start.mjs serve [options]
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setUp } from "./setup.mjs";

const orphanPollMs = 250;

await setUp({ tests: false });
if (process.env.npm_lifecycle_event !== undefined) endWithParent();
const program = join(root, "dist", "cli.js");
process.argv[1] = program;
await import(pathToFileURL(program).href);

/** npm tells a signal to the shell between us; a shell that does not pass it on would leave the daemon behind. */
function endWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, orphanPollMs);
  timer.unref();
}
