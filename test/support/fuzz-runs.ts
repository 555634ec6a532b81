/** How many generated cases a property gets: as asked in the normal run, `FUZZ_FACTOR` times as many at night. */
// biome-ignore lint/style/noProcessEnv: the nightly run is told apart by its environment.
const factor = Number(process.env["FUZZ_FACTOR"] ?? "1");

export function fuzzRuns(normal: number): number {
  return Math.max(1, Math.round(normal * (Number.isFinite(factor) && factor > 0 ? factor : 1)));
}
