/**
 * The m-lines of a bundle as if each stood alone: what the first one says of the transport they share is given to
 * those that say nothing (RFC 8843 section 7, RFC 8859 section 4), so that whoever reads them need not know of bundles.
 */
import type { MediaSummary, SessionSummary } from "../sdp/summary.ts";

/** Data channels in a bundle with RTP would share its DTLS, which ends here: they are rejected. */
export function inheritTransports(summary: SessionSummary): SessionSummary {
  if (summary.bundles.length === 0) return summary;
  const media = [...summary.media];
  for (const mids of summary.bundles) {
    const [carrier, ...others] = membersOf(summary, mids);
    if (carrier === undefined || carrier.port === 0) continue;
    const isRtp = [carrier, ...others].some(({ protocol }) => protocol.transport === "rtp");
    for (const member of [carrier, ...others]) {
      const isAlien = isRtp && member.protocol.transport !== "rtp";
      if (isAlien) media[member.index] = { ...member, port: 0 };
      else if (sharesTransport(member, carrier)) media[member.index] = withTransportOf(member, carrier);
    }
  }
  return { ...summary, media };
}

/** The m-lines of a group in its order; mids that no m-line has are left out. */
export function membersOf(summary: SessionSummary, mids: readonly string[]): readonly MediaSummary[] {
  const members: MediaSummary[] = [];
  for (const mid of mids) {
    const found = summary.media.find((media) => media.mid === mid);
    if (found !== undefined && !members.includes(found)) members.push(found);
  }
  return members;
}

/** Without a port of its own, or with the carrier's. One with another port still may stand alone. */
function sharesTransport(member: MediaSummary, carrier: MediaSummary): boolean {
  if (member === carrier) return false;
  return member.port === 0 ? member.isBundleOnly : member.port === carrier.port;
}

function withTransportOf(member: MediaSummary, carrier: MediaSummary): MediaSummary {
  return {
    ...member,
    port: carrier.port,
    ip: carrier.ip,
    remote: carrier.remote,
    remoteRtcp: carrier.remoteRtcp,
    isHeldByAddress: carrier.isHeldByAddress,
    rtcpMux: member.rtcpMux || carrier.rtcpMux,
    hasIce: carrier.hasIce,
    ice: carrier.ice,
    crypto: carrier.crypto.length > 0 ? carrier.crypto : member.crypto,
    fingerprints: member.fingerprints.length > 0 ? member.fingerprints : carrier.fingerprints,
    setup: member.setup ?? carrier.setup,
    tlsId: member.tlsId ?? carrier.tlsId,
  };
}
