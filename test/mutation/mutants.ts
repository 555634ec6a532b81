/**
 * Switches off one rule of the policy at a time and runs its tests. The compiled code is changed, in copies of the
 * build that are removed afterwards, so that nothing is compiled anew; two copies work at once.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Rule } from "./rules.ts";

const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const copiesAtOnce = 2;
/** A change may make the policy run in circles. */
const limitMs = 120_000;
/** Share of the generated cases that a mutant is tried with. */
const fuzzFactor = "0.1";
const copied = ["src", "test/support", "test/unit/handover", "test/unit/attackers"];
/** What it says of documents is no test of the policy. */
const leftOut = /tables\.test\.js$/;

export interface Verdict {
  readonly rule: Rule;
  /** Why the mutant could not be made. */
  readonly fault?: string;
  readonly isCaught: boolean;
}

/** One copy of the build, used for one mutant after the other. */
class Copy {
  readonly #folder: string;

  constructor(name: string) {
    this.#folder = join(build, `mutants-${process.pid}`, name);
    for (const part of copied) {
      mkdirSync(join(this.#folder, part), { recursive: true });
      cpSync(join(build, part), join(this.#folder, part), { recursive: true });
    }
  }

  async try(rule: Rule): Promise<Verdict> {
    const path = join(this.#folder, "src", "handover", rule.file.replace(/\.ts$/, ".js"));
    const text = readFileSync(path, "utf8");
    const places = text.split(rule.find).length - 1;
    if (places !== 1) return { rule, fault: `found ${places} times: ${rule.find}`, isCaught: false };
    writeFileSync(
      path,
      text.replace(rule.find, () => rule.replace),
    );
    try {
      return { rule, isCaught: !(await this.passes()) };
    } finally {
      writeFileSync(path, text);
    }
  }

  passes(): Promise<boolean> {
    const files = ["handover", "attackers"].flatMap((room) => {
      const folder = join(this.#folder, "test", "unit", room);
      const names = readdirSync(folder).filter((name) => name.endsWith(".test.js") && !leftOut.test(name));
      return names.sort().map((name) => join(folder, name));
    });
    const script = join(this.#folder, "test", "support", "run-mutant.js");
    // biome-ignore lint/style/noProcessEnv: the child's run is smaller.
    const env = { ...process.env, FUZZ_FACTOR: fuzzFactor };
    return new Promise((resolve) => {
      const child = spawn(process.execPath, ["--expose-gc", script, ...files], { stdio: "ignore", env });
      const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
      child.on("close", (code) => {
        clearTimeout(limit);
        resolve(code === 0);
      });
    });
  }
}

/** Verdicts in the order of the rules; the first result says whether the unchanged code passes. */
export function tryAll(rules: readonly Rule[]): {
  readonly unchanged: Promise<boolean>;
  readonly verdicts: readonly Promise<Verdict>[];
  remove(): void;
} {
  const copies = Array.from({ length: copiesAtOnce }, (_, index) => new Copy(`${index}`));
  const [first] = copies;
  const unchanged = first === undefined ? Promise.resolve(false) : first.passes();
  const settled = new Map<Rule, (verdict: Verdict) => void>();
  const verdicts = rules.map((rule) => new Promise<Verdict>((resolve) => settled.set(rule, resolve)));
  const waiting = [...rules];
  const work = async (copy: Copy): Promise<void> => {
    await unchanged;
    for (let rule = waiting.shift(); rule !== undefined; rule = waiting.shift()) {
      settled.get(rule)?.(await copy.try(rule));
    }
  };
  for (const copy of copies) void work(copy);
  return {
    unchanged,
    verdicts,
    remove: () => rmSync(join(build, `mutants-${process.pid}`), { recursive: true, force: true }),
  };
}
