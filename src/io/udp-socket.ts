/** UDP sockets of node:dgram. */
import { createSocket, type Socket } from "node:dgram";
import { type Endpoint, familyOf, type IpFamily } from "../core/address.ts";

/** A socket with no handlers yet. Rejects with the system's error. */
export function bindUdp({ ip, port }: Endpoint): Promise<Socket> {
  const socket = makeSocket(familyOf(ip));
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

/** A socket of a bound IPv4 descriptor, which it closes at its end. */
export function adoptUdp(descriptor: number): Socket {
  return makeSocket(4).bind({ fd: descriptor, exclusive: true });
}

function makeSocket(family: IpFamily): Socket {
  return createSocket({
    type: family === 6 ? "udp6" : "udp4",
    ipv6Only: family === 6,
    // Targets are addresses, never names.
    lookup: (host, _options, done) => done(null, host, family),
  });
}
