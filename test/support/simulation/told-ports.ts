/** Every address and port that a body tells a party is open, and ours. */
import assert from "node:assert/strict";
import type { Ledger } from "./ledger.ts";

export function assertToldPorts(sdp: string, ledger: Ledger): void {
  const [session = "", ...sections] = sdp.split(/(?=^m=)/m);
  for (const section of sections) {
    const port = Number(/^m=[^ ]+ (\d+)/.exec(section)?.[1]);
    if (port === 0) continue;
    const address = connectionOf(section) ?? connectionOf(session);
    if (address === undefined) assert.fail("an m-line without an address");
    // A party on hold of old is shown 0.0.0.0; the port is ours all the same.
    if (address === "0.0.0.0" || address === "::") continue;
    ledger.assertOpen(address, port);
    // What is no RTP goes through unread, but for its address and port.
    if (!/^m=[^ ]+ \d+ (?:UDP\/TLS\/)?RTP\/S?AVPF? /i.test(section)) continue;
    const rtcp = /^a=rtcp:(\d+)/m.exec(section)?.[1];
    if (rtcp !== undefined) ledger.assertOpen(address, Number(rtcp));
  }
}

function connectionOf(lines: string): string | undefined {
  return /^c=IN IP[46] (\S+)/m.exec(lines)?.[1];
}
