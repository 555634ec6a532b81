/**
 * The one door to the test runner (uvu). It closes three gaps of uvu: a file cannot forget to run its suite, every
 * test has a deadline, and `run.ts` fails a process that leaves handles open.
 */
import { suite as uvuSuite } from "uvu";

type Body = () => void | Promise<void>;
export type Test = (title: string, body: Body, options?: { readonly timeoutMs?: number }) => void;

const timeoutMsDefault = 10_000;

export function suite(name: string, define: (test: Test) => void): void {
  const cases = uvuSuite(name);
  define((title, body, options = {}) => {
    cases(title, () => withDeadline(title, body, options.timeoutMs ?? timeoutMsDefault));
  });
  cases.run();
}

async function withDeadline(title: string, body: Body, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`"${title}" took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), expired]);
  } finally {
    clearTimeout(timer);
  }
}
