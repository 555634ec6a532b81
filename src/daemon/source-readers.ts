/** What the relay and the log's memory know of sources, put together for those who ask. */
import type { SourceReader } from "../control/ng/handover-words.ts";
import type { Relay } from "../relay/relay.ts";
import type { RelayReader } from "../telemetry/call-view.ts";
import type { SourceHistory } from "../telemetry/source-history.ts";
import { noteText } from "../telemetry/source-texts.ts";

/** For `rtpferry ctl`. */
export function relayReader(relay: Relay, history: SourceHistory): RelayReader {
  return {
    read: (pair) => relay.read(pair),
    lastPacketAt: (pair) => relay.lastPacketAt(pair),
    transport: (pair) => relay.transport(pair),
    sources: (pair) => relay.sources(pair),
    history: (pair) => history.of(pair),
  };
}

/** For ng's `query`. */
export function sourceReader(relay: Relay, history: SourceHistory): SourceReader {
  return {
    view: (pair, component) => relay.sources(pair)?.[component],
    history: (pair, component) =>
      history
        .of(pair)
        .filter((record) => record.component === component)
        .map((record) => ({ ...record, text: noteText(record) })),
  };
}
