/**
 * `npm test [-- folder ...]`: sets up what is missing, compiles and runs the tests. Without folders: unit and
 * integration; `interop` and `fresh` need more than Node and are asked for by name.
 */
import { join } from "node:path";
import { root, run, setUp } from "./setup.mjs";

await setUp({ tests: true });
const runner = join(root, "build", "test", "support", "run.js");
const { code, signal } = await run(process.execPath, [runner, ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exitCode = signal === null ? (code ?? 1) : 1;
