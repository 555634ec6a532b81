/** Whether an address is one of this machine's: found out by binding it, as media will. */
import { createSocket } from "node:dgram";
import { familyOf, type IpAddress } from "../core/address.ts";
import { ListenError } from "./listen.ts";

/** Fails with a `ListenError` that names `option` when no UDP socket can be bound to the address. */
export function checkLocalAddress(option: string, ip: IpAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const isV6 = familyOf(ip) === 6;
    const socket = createSocket({ type: isV6 ? "udp6" : "udp4", ipv6Only: isV6 });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(new ListenError(option, ip, error.code ?? error.message));
    });
    socket.bind({ address: ip, port: 0, exclusive: true }, () => socket.close(() => resolve()));
  });
}
