/** The sources of a socket for a terminal: who waits and why, who is struck, and what happened. */
import type { SourcesDetail } from "../telemetry/sources-view.ts";
import { duration } from "./table.ts";

const indent = "          ";

/** `diagnosis` follows below: what it says of a source is not said here. */
export function renderSources(sources: SourcesDetail, diagnosis: readonly string[]): string[] {
  const lines = sources.candidates.map(({ source, packets, ageMs, text }) => {
    const isTold = diagnosis.some((sentence) => sentence.startsWith(`${source} `));
    return `held ${source}: ${packets} packets in a row, for ${duration(ageMs)}${isTold ? "" : `; ${text}`}`;
  });
  for (const { source, forMs } of sources.struck)
    lines.push(`struck ${source}: for another ${duration(forMs)}`);
  if (sources.twin !== null) lines.push(`twin ${sources.twin}: the same packets over a second path`);
  if (sources.remembered.length > 0) lines.push(`was at ${sources.remembered.join(", ")}`);
  for (const { agoMs, text } of sources.history) lines.push(`${duration(agoMs)} ago: ${text}`);
  return lines.map((line) => indent + line);
}
