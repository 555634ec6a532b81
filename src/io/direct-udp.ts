/**
 * A control socket that is read and written by system calls of our own, where they can be made: node:dgram makes
 * several objects and a callback for each datagram, which costs as much as the call itself.
 */
import type { Endpoint, IpAddress } from "../core/address.ts";

export interface ReceivedDatagram {
  /** The receiver's to keep. */
  readonly bytes: Uint8Array;
  readonly ip: IpAddress;
  readonly port: number;
}

/** IPv4 only: which link an IPv6 address of that scope belongs to, node:dgram knows. */
export interface DirectUdp {
  /** A bound descriptor for node:dgram to take over. Throws an error with the system's code. */
  bind(endpoint: Endpoint): number;
  /** To be called when node:dgram has it: it lets other sockets share the port. */
  claim(descriptor: number): void;
  /** False: the system does not take it now. */
  send(descriptor: number, bytes: Uint8Array, target: Endpoint): boolean;
  /** What waits in the socket; undefined: nothing, or nothing that could be read. */
  receive(descriptor: number): ReceivedDatagram | undefined;
}

/** Only where `io/linux` works; see `openRelayDriver`. */
export async function openDirectUdp(): Promise<DirectUdp> {
  const { LinuxUdp } = await import("./linux/direct-udp.ts");
  return new LinuxUdp();
}
