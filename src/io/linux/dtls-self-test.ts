/**
 * One handshake of an engine with itself, cookie included, before anything relies on it: the numbers and layouts we
 * use of OpenSSL are those of its headers, and the one in this node binary may be built otherwise.
 */
import { encodeHelloVerifyRequest, readDatagram } from "../../srtp/dtls/datagram.ts";
import type { CertificateView, DtlsConnection, DtlsEngine, DtlsOutcome } from "../../srtp/dtls/engine.ts";

const turnsMax = 8;

/** What is wrong with the engine; undefined: nothing. */
export function dtlsFault(engine: DtlsEngine): string | undefined {
  const certificate = engine.createCertificate();
  const own = Buffer.from(certificate.digest("sha-256"));
  const accepts = (peer: CertificateView): boolean => own.equals(peer.digest("sha-256"));
  const client = engine.open({ role: "client", certificate, hasCookie: false, accepts });
  const server = engine.open({ role: "server", certificate, hasCookie: true, accepts });
  const ends = shakeHands(client, server).map((outcome) => outcome.kind === "connected" && outcome.keying);
  client.close();
  server.close();
  certificate.close();
  const [ours, theirs] = ends;
  if (!ours || !theirs) return "a handshake with itself did not end";
  const isSame = ours.profile === theirs.profile && Buffer.compare(ours.bytes, theirs.bytes) === 0;
  return isSame ? undefined : "both sides of a handshake got different keys";
}

function shakeHands(client: DtlsConnection, server: DtlsConnection): readonly DtlsOutcome[] {
  const [first] = client.start().datagrams;
  const hello = first === undefined ? undefined : readDatagram(first)?.hello;
  if (hello === undefined) return [];
  let progress = client.receive(encodeHelloVerifyRequest(hello, new Uint8Array(20)));
  let clientEnd = progress.outcome;
  let serverEnd = progress.outcome;
  for (let turn = 0; turn < turnsMax && progress.datagrams.length > 0; turn++) {
    const isServers = turn % 2 === 0;
    const steps = progress.datagrams.map((bytes) => (isServers ? server : client).receive(bytes));
    const outcome = steps.at(-1)?.outcome ?? clientEnd;
    if (isServers) serverEnd = outcome;
    else clientEnd = outcome;
    progress = { datagrams: steps.flatMap(({ datagrams }) => datagrams), outcome };
  }
  return [clientEnd, serverEnd];
}
