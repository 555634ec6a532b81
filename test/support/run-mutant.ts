/**
 * Runs the test files given as arguments in one process, ends with the first that fails, and does not look for smaller
 * cases. Exit code 0: all passed.
 */
import { pathToFileURL } from "node:url";
import fc from "fast-check";

type Queue = [string, ...unknown[]][];
const shared = globalThis as unknown as { UVU_DEFER: number; UVU_QUEUE: Queue; UVU_INDEX: number };
shared.UVU_DEFER = 1;
shared.UVU_QUEUE = [];
fc.configureGlobal({ seed: 20_260_101, endOnFailure: true });

// Imported late: uvu starts itself unless UVU_DEFER stands before it loads.
const { exec } = await import("uvu");

for (const [index, file] of process.argv.slice(2).entries()) {
  shared.UVU_INDEX = index;
  shared.UVU_QUEUE.push([file]);
  await import(pathToFileURL(file).href);
}
await exec(true);
