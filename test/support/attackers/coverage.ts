/** What of the policy a run of histories has seen. */
import { evidenceCode, handoverNote, verdict } from "../../../src/handover/contract.ts";
import { claim } from "../../../src/handover/slot-table.ts";

export class Coverage {
  readonly verdicts = new Float64Array(32);
  readonly notes = new Float64Array(32);
  readonly evidences = new Float64Array(32);
  readonly claims = new Float64Array(32);
  replays = 0;
  histories = 0;
  packets = 0;
  #asked = 0;

  /** Looking a claim up costs a copy of the slot, so one in some is. */
  claim(read: () => number): void {
    if (this.#asked++ % 16 === 0) this.claims[read()]!++;
  }

  /** Names of what never occurred. */
  missing(unreachable: ReadonlySet<string>): string[] {
    const tables = [
      ["verdict", verdict, this.verdicts],
      ["note", handoverNote, this.notes],
      ["evidence", evidenceCode, this.evidences],
      ["claim", claim, this.claims],
    ] as const;
    return tables.flatMap(([table, codes, counts]) =>
      Object.entries(codes)
        .filter(([name, code]) => counts[code] === 0 && !unreachable.has(`${table} ${name}`))
        .map(([name]) => `${table} ${name}`),
    );
  }
}
