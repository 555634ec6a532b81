/** Child side of the runner: loads the test files given as arguments into one uvu queue and runs it. */
import { pathToFileURL } from "node:url";

type Queue = [string, ...unknown[]][];
const shared = globalThis as unknown as { UVU_DEFER: number; UVU_QUEUE: Queue; UVU_INDEX: number };
shared.UVU_DEFER = 1;
shared.UVU_QUEUE = [];

// Imported late: uvu starts itself unless UVU_DEFER stands before it loads.
const { exec } = await import("uvu");

for (const [index, file] of process.argv.slice(2).entries()) {
  shared.UVU_INDEX = index;
  shared.UVU_QUEUE.push([file]);
  await import(pathToFileURL(file).href);
}
await exec();
