/**
 * How generated tests are fed. The normal run draws the same cases every time, so that it says something about the
 * change under test and nothing about luck; the nightly one (`FUZZ_FACTOR` above 1) draws new ones, and `FUZZ_SEED`
 * repeats a draw that failed.
 */
import fc from "fast-check";

// biome-ignore-start lint/style/noProcessEnv: the nightly run is told apart by its environment.
const factor = Number(process.env["FUZZ_FACTOR"] ?? "1");
const wanted = process.env["FUZZ_SEED"];
// biome-ignore-end lint/style/noProcessEnv: as above.

const usualSeed = 20_260_101;
if (wanted !== undefined) fc.configureGlobal({ seed: Number(wanted) });
else if (factor <= 1) fc.configureGlobal({ seed: usualSeed });

/** True where every run draws the same cases, so that what they measure can be compared with what is written down. */
export const isUsualRun = wanted === undefined && factor === 1;

/** How many generated cases a property gets: as asked in the normal run, `FUZZ_FACTOR` times as many at night. */
export function fuzzRuns(normal: number): number {
  return Math.max(1, Math.round(normal * (Number.isFinite(factor) && factor > 0 ? factor : 1)));
}
