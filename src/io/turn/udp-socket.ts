/** UDP sockets of node:dgram, for clients and for relays. */
import { createSocket, type Socket } from "node:dgram";
import { type Endpoint, familyOf } from "../../core/address.ts";

/** Half a second of 4 Mbit/s video; the kernel's default loses packets while the process is busy. */
export const relayBufferBytes = 256 * 1024;
/** All clients of a listener share one. */
export const listenerBufferBytes = 4 * 1024 * 1024;

/** Rejects with the system's error. */
export function bindUdp({ ip, port }: Endpoint, bufferBytes: number): Promise<Socket> {
  const family = familyOf(ip);
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    ipv6Only: family === 6,
    // Targets are addresses, never names.
    lookup: (host, _options, done) => done(null, host, family),
  });
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once("error", refuse);
    socket.bind({ address: ip, port, exclusive: true }, () => {
      socket.off("error", refuse);
      // Errors after this concern single datagrams and are counted where they are sent.
      socket.on("error", () => undefined);
      growBuffer(socket, bufferBytes);
      resolve(socket);
    });
  });
}

/** As far as the system grants it: less means that a burst may lose packets. */
function growBuffer(socket: Socket, bufferBytes: number): void {
  try {
    socket.setRecvBufferSize(bufferBytes);
  } catch {
    // It keeps what it has.
  }
}
