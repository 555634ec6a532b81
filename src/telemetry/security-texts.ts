/** Why a way to a party was not found or not secured, in words for whoever reads the log. */
import type { DtlsFailure } from "../core/plan/plan.ts";
import type { IceFailure } from "../relay/transports/transport-counts.ts";

export const dtlsFailureTexts: Readonly<Record<DtlsFailure, string>> = {
  "wrong-certificate": "the certificate is not the one that SDP named in a=fingerprint",
  "no-common-profile": "the party knows none of our SRTP profiles (use_srtp)",
  handshake: "the party broke the handshake off, or did not keep to DTLS 1.2",
  timeout: "no answer to the handshake came in time",
  unavailable: "this process has no OpenSSL to do DTLS with",
};

export const iceFailureTexts: Readonly<Record<IceFailure, string>> = {
  "no-valid-pair": "none of the party's candidates answers checks",
  "consent-lost": "the party stopped answering checks; nothing is sent to it (RFC 7675 section 5.1)",
};
