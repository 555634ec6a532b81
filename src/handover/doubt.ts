/**
 * Addresses in SDP that are true inside a network the relay is no part of: most likely the party is behind NAT, and
 * what is sent there before it speaks is lost.
 */
import { parseCidr } from "../core/address-class.ts";
import { isInRows, networkRows } from "./ground.ts";
import type { Settings } from "./settings-table.ts";

/** RFC 1918 section 3, RFC 6598 section 7 and RFC 4193 section 3. */
const privateNetworks = networkRows(
  ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"].flatMap(
    (text) => parseCidr(text) ?? [],
  ),
);

/** True if signalling named a private place that is on no network of ours, whatever stands in for it as a target. */
export function isDoubtful(settings: Settings): boolean {
  if (settings.targetPort === 0) return false;
  const { words, hintsAt, hintsEnd, hintStep } = settings;
  for (let hint = hintsAt; hint < hintsEnd; hint += hintStep) {
    if (words[hint + 5] === 0 && isInRows(privateNetworks, words, hint)) return true;
  }
  return false;
}
