/** What DTLS listeners need of a TLS library: the server's end of associations that carry data. */
import type { Certificate } from "./stream-listener.ts";

export interface DtlsServerEngine {
  /** For associations from now on. Throws when the certificate cannot be used. */
  renew(certificate: Certificate): void;
  /** For a client that has returned its cookie: the first datagram given to it is that ClientHello. */
  open(): DtlsServerConnection;
}

export interface DtlsServerProgress {
  /** To be sent, in this order. */
  readonly datagrams: readonly Uint8Array[];
  /** Messages of the client, one a record. */
  readonly messages: readonly Uint8Array[];
  readonly state: "handshaking" | "connected" | "over";
}

export interface DtlsServerConnection {
  receive(datagram: Uint8Array): DtlsServerProgress;
  /** A message for the client, as the datagram to send; undefined: not connected, or too long. */
  send(message: Uint8Array): Uint8Array | undefined;
  /** To be called when `timeoutMs` has passed: gives the last flight again if it is time. */
  handleTimeout(): DtlsServerProgress;
  /** Milliseconds until the last flight has to be sent again; undefined: nothing waits for an answer. */
  timeoutMs(): number | undefined;
  /** The farewell to send (close_notify). */
  shutdown(): readonly Uint8Array[];
  /** Frees everything. Nothing may be called afterwards. */
  free(): void;
}
