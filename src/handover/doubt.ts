/**
 * Addresses in SDP that are true inside a network the relay is no part of: most likely the party is behind NAT, and
 * what is sent there before it speaks is lost.
 */
import { parseCidr } from "../core/address-class.ts";
import type { SlotSettings } from "./contract.ts";
import { isInRows, networkRows } from "./ground.ts";
import { hintWords } from "./hints.ts";

/** RFC 1918 section 3, RFC 6598 section 7 and RFC 4193 section 3. */
const privateNetworks = networkRows(
  ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"].flatMap(
    (text) => parseCidr(text) ?? [],
  ),
);

/** True if signalling named a private place that is on no network of ours, whatever stands in for it as a target. */
export function isDoubtful(settings: SlotSettings): boolean {
  if (settings.target[4] === 0) return false;
  for (let index = 0; index < settings.hintCount; index++) {
    const hint = index * hintWords;
    if (settings.hints[hint + 5] === 0 && isInRows(privateNetworks, settings.hints, hint)) return true;
  }
  return false;
}
