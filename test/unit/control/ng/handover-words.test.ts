import assert from "node:assert/strict";
import type { SourceReader } from "../../../../src/control/ng/handover-words.ts";
import { type Endpoint, parseEndpoint } from "../../../../src/core/address.ts";
import { querySourcesMax } from "../../../../src/core/limits.ts";
import type { MonotonicMs } from "../../../../src/core/time.ts";
import { suite } from "../../../support/suite.ts";
import { dictOf, query, report, rigWithTraffic } from "./report-sample.ts";
import { bencoded } from "./rig.ts";

const endpoint = (text: string): Endpoint => parseEndpoint(text) ?? assert.fail(text);

/** So many notes for every socket, the last of them of a stranger that waits. */
function sourcesWith(notes: number): SourceReader {
  const story = (index: number) => ({
    atMs: (100 + index) as MonotonicMs,
    note: "switched" as const,
    source: endpoint("192.0.2.1:5004"),
    text: `note ${index}`,
  });
  return {
    view: (pair, component) =>
      pair === 1 && component === "rtp"
        ? {
            candidates: [
              {
                source: endpoint("[2001:db8::66]:6000"),
                claim: "continuity",
                rank: "stream",
                packets: 3,
                ageMs: 40.6,
              },
            ],
            remembered: [],
            struck: [],
            twin: endpoint("198.51.100.7:7"),
            switches: 1,
          }
        : undefined,
    history: () => Array.from({ length: notes }, (_, index) => story(index)),
  };
}

function streamsOf(reply: string | undefined, tag: string): Record<string, unknown>[] {
  const tags = dictOf(reply)["tags"] as Record<string, { medias: { streams: Record<string, unknown>[] }[] }>;
  return tags[tag]?.medias[0]?.streams ?? [];
}

suite("control/ng/handover-words", (test) => {
  test("query tells of each stream who is proven, who waits and what happened, beside rtpengine's keys", () => {
    const rig = rigWithTraffic(sourcesWith(1));
    const [rtp, rtcp] = streamsOf(rig.exchange(`1 ${query}`, { kind: "report", report }), "f");
    const [plainRtp] = streamsOf(rigWithTraffic().exchange(`1 ${query}`, { kind: "report", report }), "f");
    const history = [{ time: 1_700_000_000, event: "switched", source: "192.0.2.1:5004", text: "note 0" }];
    assert.deepEqual(rtp, {
      ...plainRtp,
      handover: {
        "proven source": "192.0.2.1:5004",
        "send target": "192.0.2.1:5004",
        twin: "198.51.100.7:7",
        candidates: [{ source: "[2001:db8::66]:6000", claim: "continuity", packets: 3, age: 41 }],
        history,
      },
    });
    assert.deepEqual(rtcp?.["handover"], { candidates: [], history });
  });

  test("a call with a long history still has a reply that fits", () => {
    const rig = rigWithTraffic(sourcesWith(40));
    const reply = rig.exchange(`1 ${query}`, { kind: "report", report });
    const [rtp, rtcp] = streamsOf(reply, "f").map(
      (stream) => stream["handover"] as { candidates: unknown[]; history: { text: string }[] },
    );
    assert.equal(rtp?.history.length, 40);
    assert.equal(rtcp?.history.length, querySourcesMax - 41);
    assert.equal(rtcp?.history.at(-1)?.text, "note 39");
    assert.ok((reply?.length ?? 0) < 12_000, `${reply?.length} bytes`);
  });

  test("a closed pair, and the reply to delete, tell nothing of sources", () => {
    const asked = bencoded({ command: "delete", "call-id": "c" });
    const rig = rigWithTraffic(sourcesWith(1));
    const reply = rig.exchange(`1 ${asked}`, { kind: "report", report });
    assert.equal("handover" in (streamsOf(reply, "f")[0] ?? {}), false);
    const gone = streamsOf(rig.exchange(`2 ${query}`, { kind: "report", report }), "t");
    assert.equal("handover" in (gone[0] ?? {}), false);
  });
});
