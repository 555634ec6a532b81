/** `rtpferry demo`: the daemon and two phones in one process. */
import type { Given, Layer } from "./config/layer.ts";
import { resolveConfig } from "./config/resolve.ts";
import type { Endpoint } from "./core/address.ts";
import { formatEndpoint } from "./core/address.ts";
import { silentLogger } from "./core/log.ts";
import { startDaemon } from "./daemon.ts";
import { playCall } from "./demo/call.ts";

/** Resolves to the exit code. */
export async function runDemo(): Promise<number> {
  await playCall(startRelay, (line) => process.stdout.write(`${line}\n`));
  return 0;
}

async function startRelay(ng: Endpoint): Promise<{ stop(): Promise<void> }> {
  const given = (text: string): readonly Given[] => [{ text, place: { source: "demo", line: undefined } }];
  const layer: Layer = new Map([
    ["listenNg", given(formatEndpoint(ng))],
    ["listenRtpproxy", []],
    ["portMin", given("40002")],
    ["portMax", given("40101")],
    ["workers", given("1")],
  ]);
  const config = resolveConfig([layer]);
  if (!config.ok) throw new Error(`demo: ${JSON.stringify(config.reason)}`);
  return startDaemon(config.value, silentLogger);
}
