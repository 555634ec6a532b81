/**
 * The books of pairs and ports, kept apart from everybody who is being tested: what was asked of the relay, what it
 * answered, and what the calls say they own must agree at any moment.
 */
import assert from "node:assert/strict";
import type { CallsSnapshot } from "../../../src/call/call-store.ts";
import type { CallState } from "../../../src/call/state.ts";
import type { LocalPair, PairId, RelayAction, RelayEvent } from "../../../src/core/plan/plan.ts";

interface Entry {
  readonly group: number;
  state: "opening" | "open" | "closing";
  local: LocalPair | undefined;
}

export class Ledger {
  readonly #entries = new Map<PairId, Entry>();
  /** By `ip:port` of the RTP socket. */
  readonly #places = new Map<string, PairId>();
  readonly #ended = new Set<PairId>();
  openedCount = 0;
  closedCount = 0;
  failedCount = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Pairs whose ports are not in the pool. */
  usedPairs(ip: string | undefined): number {
    let used = 0;
    for (const { local } of this.#entries.values()) if (ip === undefined || local?.rtp.ip === ip) used++;
    return used;
  }

  perform(action: RelayAction): void {
    const { pair } = action;
    const entry = this.#entries.get(pair);
    if (action.kind === "open") {
      assert.ok(entry === undefined && !this.#ended.has(pair), `pair ${pair} is opened once`);
      this.#entries.set(pair, { group: action.group, state: "opening", local: undefined });
    } else if (action.kind === "close") {
      assert.equal(entry?.state, "open", `pair ${pair} is closed once, while it is open`);
      if (entry !== undefined) entry.state = "closing";
    } else {
      assert.equal(entry?.state, "open", `pair ${pair} is configured while it is open`);
      const { peer, siblings } = action.settings;
      for (const other of peer === undefined ? siblings : [peer, ...siblings]) {
        const found = this.#entries.get(other);
        assert.ok(
          found !== undefined && found.state !== "closing",
          `pair ${other}, named by ${pair}, is open`,
        );
        assert.equal(found.group, entry?.group, "pairs of one call know each other, and no others");
      }
    }
  }

  event(event: RelayEvent): void {
    const { pair } = event;
    const entry = this.#entries.get(pair);
    assert.ok(entry !== undefined, `pair ${pair} is known`);
    if (event.kind === "opened") this.#noteOpened(pair, entry, event.local);
    else if (event.kind === "open-failed") {
      assert.equal(entry.state, "opening");
      this.failedCount++;
      this.#end(pair);
    } else if (event.kind === "closed") {
      assert.equal(entry.state, "closing", `pair ${pair} was to be closed`);
      this.closedCount++;
      this.#places.delete(placeOf(entry.local));
      this.#end(pair);
    }
  }

  /** Fails unless the endpoint, as advertised, belongs to an open pair. */
  assertOpen(ip: string, port: number): void {
    for (const { local, state } of this.#entries.values()) {
      if (local?.advertisedIp !== ip || Math.abs(port - local.rtp.port - 0.5) > 0.5) continue;
      assert.equal(state, "open", `${ip}:${port}, told to a party, is open`);
      return;
    }
    assert.fail(`${ip}:${port}, told to a party, is ours`);
  }

  /** What the calls say they own is what is open. */
  check(snapshot: CallsSnapshot): void {
    const owned = new Set<PairId>();
    for (const call of snapshot.calls) {
      for (const [pair, state] of pairsOf(call)) {
        assert.ok(!owned.has(pair), `pair ${pair} is owned once`);
        owned.add(pair);
        const entry = this.#entries.get(pair);
        assert.equal(entry?.state, state, `pair ${pair} of ${call.callId}`);
        assert.equal(entry?.group, call.group);
      }
    }
    for (const [pair, { state }] of this.#entries) {
      if (state === "open") assert.ok(owned.has(pair), `open pair ${pair} belongs to a call`);
    }
  }

  #noteOpened(pair: PairId, entry: Entry, local: LocalPair): void {
    assert.equal(entry.state, "opening");
    const place = placeOf(local);
    assert.ok(!this.#places.has(place), `${place} is in one pair`);
    this.#places.set(place, pair);
    entry.state = "open";
    entry.local = local;
    this.openedCount++;
  }

  #end(pair: PairId): void {
    this.#entries.delete(pair);
    this.#ended.add(pair);
  }
}

function placeOf(local: LocalPair | undefined): string {
  return `${local?.rtp.ip}:${local?.rtp.port}`;
}

/** Pairs a call names, with the state the ledger must have. */
function* pairsOf(call: CallState): IterableIterator<readonly [PairId, Entry["state"]]> {
  for (const open of call.work?.opens ?? []) yield [open.pair, open.local === undefined ? "opening" : "open"];
  for (const leg of call.legs) {
    for (const { pair } of leg.media) if (pair !== undefined) yield [pair.id, "open"];
  }
}
