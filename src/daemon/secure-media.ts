/**
 * What ICE and DTLS are made of in this process: certificates and OpenSSL for DTLS, chance and hashes for both.
 *
 * Without FFI there is no DTLS: one warning says so, and everything else serves as before.
 */
import type { CallOptions } from "../call/options.ts";
import type { Endpoint, IpAddress } from "../core/address.ts";
import { Allowance } from "../core/allowance.ts";
import { dtlsStrangersBurstMax, dtlsStrangersPerSecMax } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { CertificateId } from "../core/plan/security.ts";
import { messageOf } from "../core/thrown.ts";
import type { Clock } from "../core/time.ts";
import { IceAgent } from "../ice/agent.ts";
import { systemDigests } from "../io/digests.ts";
import type { DtlsEngineChoice } from "../io/linux/dtls-openssl.ts";
import { systemRandom } from "../io/random.ts";
import type { RelayInterface } from "../relay/interfaces.ts";
import type { TransportMakers } from "../relay/transports/transport-parts.ts";
import { type DtlsCounts, makeDtlsCounts } from "../srtp/dtls/actions.ts";
import { DtlsAssociation } from "../srtp/dtls/association.ts";
import { Certificates } from "../srtp/dtls/certificates.ts";
import { CookieJar } from "../srtp/dtls/cookies.ts";
import type { EventName } from "../telemetry/events.ts";

export interface SecureMedia {
  readonly makers: TransportMakers;
  /** Undefined: no DTLS here. */
  readonly certificates: Certificates | undefined;
  readonly dtlsCounts: DtlsCounts;
}

export async function openSecureMedia(
  clock: Clock,
  log: Logger,
  interfaces: readonly RelayInterface[],
): Promise<SecureMedia> {
  const parts = { random: systemRandom, digests: systemDigests };
  const dtlsCounts = makeDtlsCounts();
  const ice = (): IceAgent => new IceAgent({ ...parts, outside: outsideOf(interfaces) });
  const { engine, faults } = await openEngine();
  if (engine === undefined) {
    const fields = { event: "config-warning" satisfies EventName, reason: faults.join("; ") };
    log.warn(
      fields,
      "no DTLS-SRTP: OpenSSL cannot be reached, calls that need it are refused their security",
    );
    return { makers: { ice, dtls: () => undefined }, certificates: undefined, dtlsCounts };
  }
  if (faults.length > 0) {
    log.info(
      { reason: faults.join("; ") },
      "DTLS handshakes may cost more: they use OpenSSL's own library context",
    );
  }
  const nowMs = clock.monotonicMs();
  const certificates = new Certificates({ engine, nowMs });
  const cookies = new CookieJar({ ...parts, nowMs });
  const strangers = new Allowance(1, dtlsStrangersPerSecMax, dtlsStrangersBurstMax);
  const shared = { engine, certificates, cookies, strangers, counts: dtlsCounts };
  const makers: TransportMakers = {
    ice,
    dtls: (request) =>
      new DtlsAssociation({
        ...shared,
        ...request,
        certificate: inStock(certificates, request.certificate),
      }),
  };
  return { makers, certificates, dtlsCounts };
}

/** Addresses of ours by what they are advertised as, others as they are. */
function outsideOf(interfaces: readonly RelayInterface[]): (source: Endpoint) => Endpoint {
  const names = new Map<IpAddress, IpAddress>(interfaces.map(({ ip, advertisedIp }) => [ip, advertisedIp]));
  return ({ ip, port }) => ({ ip: names.get(ip) ?? ip, port });
}

/** What the call room may ask of our certificates. */
export function certificatesForCalls({ certificates }: SecureMedia): CallOptions["certificates"] {
  if (certificates === undefined) return undefined;
  return {
    current: () => certificates.current(),
    fingerprint: (id, hash) => certificates.fingerprint(inStock(certificates, id), hash),
  };
}

/** A call may name a certificate for longer than one that no association uses is kept; the newest stands in for it. */
function inStock(certificates: Certificates, id: CertificateId): CertificateId {
  return certificates.has(id) ? id : certificates.current();
}

async function openEngine(): Promise<DtlsEngineChoice> {
  try {
    const { openDtlsEngine } = await import("../io/linux/dtls-openssl.ts");
    return openDtlsEngine();
  } catch (error) {
    return { engine: undefined, faults: [messageOf(error)] };
  }
}
