/** The machine's monotonic clock in milliseconds: the same in every process of the lab. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
