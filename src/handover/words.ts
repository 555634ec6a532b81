/** Copies words from place to place. `set` would want a subarray, which is an object. */
export function copyWords(
  into: Int32Array,
  at: number,
  from: Int32Array,
  fromAt: number,
  count: number,
): void {
  for (let index = 0; index < count; index++) into[at + index] = from[fromAt + index]!;
}
