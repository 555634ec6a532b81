/** What parties say that bundle, or do not: m-lines as browsers write them. */
import { body, type MediaShape, peerFingerprint } from "./parties.ts";

export const protocol = "UDP/TLS/RTP/SAVPF";
export const midExtension = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

/** As a browser writes it: one set of credentials and one fingerprint for all. */
export function line(some: Partial<MediaShape>): MediaShape {
  const ice = { ufrag: "aliceU" };
  return { protocol, fingerprint: peerFingerprint, setup: "actpass", hasMux: true, ice, ...some };
}

export const audio = line({ mid: "0", types: "111 0" });

export function page(media: readonly MediaShape[], mids = "0 1", version = 1): string {
  return body({ version, session: [`a=group:BUNDLE ${mids}`], media });
}

/** The callee, without a bundle. */
export function apart(media: readonly MediaShape[], version = 1): string {
  return body({ ip: "203.0.113.6", version, media });
}

export function groupOf(text: string): string | undefined {
  return /^a=group:BUNDLE (.*)\r$/m.exec(text)?.[1];
}
