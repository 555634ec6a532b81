/**
 * TCP sockets that listen at a port and connect from it at the same time, as TCP relays must (RFC 6062 section 5.2).
 * Linux allows that with SO_REUSEPORT on each, which this node cannot set; the descriptors are handed to node:net.
 */
import { type Endpoint, familyOf, ipToWords } from "../../core/address.ts";
import { Arena } from "./arena.ts";
import {
  addressFamily,
  bind,
  close,
  errno,
  errnoName,
  option,
  setsockopt,
  socket,
  socketAddress,
  socketType,
} from "./libc.ts";
import { writeSocketAddress } from "./sockets.ts";

/** SOCK_STREAM, SO_REUSEADDR and SO_REUSEPORT (asm-generic/socket.h). */
const stream = 1;
const reuseAddress = 2;
const reusePort = 15;

export type BoundTcp =
  | { readonly ok: true; readonly fd: number }
  | { readonly ok: false; readonly code: string };

export class TcpBinder {
  readonly #arena = new Arena(1);
  readonly #address = this.#arena.reserve(socketAddress.slotBytes);
  readonly #value = this.#arena.reserve(4);

  /** A descriptor that is bound and does nothing yet; the system's name of the error otherwise. */
  bind({ ip, port }: Endpoint): BoundTcp {
    const isV6 = familyOf(ip) === 6;
    const domain = isV6 ? addressFamily.inet6 : addressFamily.inet;
    const fd = socket(domain, stream | socketType.nonblock | socketType.cloexec, 0);
    if (fd < 0) return { ok: false, code: errnoName(errno()) };
    this.#set(fd, option.socket.level, reuseAddress, 1);
    this.#set(fd, option.socket.level, reusePort, 1);
    if (isV6) this.#set(fd, option.ipv6.level, option.ipv6.v6only, 1);
    const [ip0, ip1, ip2, ip3] = ipToWords(ip);
    const size = writeSocketAddress(this.#arena.view, this.#address, isV6, ip0, ip1, ip2, ip3, port);
    if (bind(fd, this.#arena.address + this.#address, size) === 0) return { ok: true, fd };
    const code = errnoName(errno());
    close(fd);
    return { ok: false, code };
  }

  #set(fd: number, level: number, name: number, value: number): void {
    this.#arena.view.setInt32(this.#value, value, true);
    setsockopt(fd, level, name, this.#arena.address + this.#value, 4);
  }
}
