/**
 * Puts the phones and the relay before whatever else the machine does, so that a busy machine is seldom mistaken for a
 * late relay or a silent phone. The relay gets no more of it than the phones do.
 */
import { spawnSync } from "node:child_process";

const realTime = ["chrt", "--rr", "1"];

/** What goes before the command line of a program. Where the machine allows no real-time scheduling, less. */
export const preferred: readonly string[] =
  spawnSync("chrt", ["--rr", "1", "true"]).status === 0 ? realTime : ["nice", "-n", "-15"];
