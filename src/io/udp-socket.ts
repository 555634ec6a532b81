/** UDP sockets of node:dgram. */
import { createSocket, type Socket } from "node:dgram";
import { type Endpoint, familyOf } from "../core/address.ts";

/** A socket with no handlers yet. Rejects with the system's error. */
export function bindUdp({ ip, port }: Endpoint): Promise<Socket> {
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
      resolve(socket);
    });
  });
}
