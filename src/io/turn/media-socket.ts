/** UDP sockets of node:dgram that carry media, for clients and for relays. */
import type { Socket } from "node:dgram";
import type { Endpoint } from "../../core/address.ts";
import { bindUdp } from "../udp-socket.ts";

/** Half a second of 4 Mbit/s video; the kernel's default loses packets while the process is busy. */
export const relayBufferBytes = 256 * 1024;
/** All clients of a listener share one. */
export const listenerBufferBytes = 4 * 1024 * 1024;

/** Rejects with the system's error. */
export async function bindMedia(endpoint: Endpoint, bufferBytes: number): Promise<Socket> {
  const socket = await bindUdp(endpoint);
  // Errors after this concern single datagrams and are counted where they are sent.
  socket.on("error", () => undefined);
  try {
    socket.setRecvBufferSize(bufferBytes);
  } catch {
    // It keeps what the system gave it: a burst may lose packets.
  }
  return socket;
}
