/** `npm run bench [-- --quick] [-- scenario ...]`: sets up what is missing, compiles, and measures (bench/README.md). */
import { join } from "node:path";
import { root, run, setUp } from "./setup.mjs";

await setUp({ tests: false });
await setUp({ tests: true });
const main = join(root, "build", "bench", "main.js");
const { code } = await run(process.execPath, [main, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = code ?? 1;
