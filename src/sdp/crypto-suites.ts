/** The crypto suites of a=crypto lines by their names. */
import type { SrtpSuite } from "../core/plan/security.ts";
import { suitesByStrength } from "../core/srtp-suites.ts";

const suitesByName = new Map<string, SrtpSuite>(suitesByStrength.map((suite) => [suite, suite]));

/** Without regard to case; undefined for suites we cannot speak. */
export function parseSuite(name: string): SrtpSuite | undefined {
  return suitesByName.get(name) ?? suitesByName.get(name.toUpperCase());
}
