/** The heap after a full collection; the test runner starts its children with --expose-gc. */
export function heapBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("memory: run with --expose-gc");
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}
