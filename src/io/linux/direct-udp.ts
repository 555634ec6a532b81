/** Control sockets on Linux: datagrams by one system call each, over one stretch of memory. */
import { Buffer } from "node:buffer";
import { type Endpoint, ipFromWords, quadToWord } from "../../core/address.ts";
import type { DirectUdp, ReceivedDatagram } from "../direct-udp.ts";
import { Arena } from "./arena.ts";
import { sendFlags } from "./datagram-flags.ts";
import { errnoName, messageFlag, option, recvfrom, sendto, socketAddress, socketType } from "./libc.ts";
import { SocketCalls, writeSocketAddress } from "./sockets.ts";

/** A whole datagram of any size. */
const datagramBytes = 65_536;

export class LinuxUdp implements DirectUdp {
  readonly #calls = new SocketCalls();
  readonly #arena = new Arena(datagramBytes + 1_024);
  readonly #datagram = this.#arena.reserve(datagramBytes);
  readonly #address = this.#arena.reserve(socketAddress.slotBytes);
  readonly #addressBytes = this.#arena.reserve(4);

  bind({ ip, port }: Endpoint): number {
    const opened = this.#calls.open(ip, socketType.datagram);
    const bound = opened < 0 ? opened : this.#calls.bind(opened, ip, port);
    if (bound >= 0) return bound;
    const code = errnoName(-bound);
    throw Object.assign(new Error(`bind ${code} ${ip}:${port}`), { code });
  }

  claim(descriptor: number): void {
    this.#calls.set(descriptor, option.socket.level, option.socket.reuseAddress, 0);
  }

  send(descriptor: number, bytes: Uint8Array, { ip, port }: Endpoint): boolean {
    const { view, address, bytes: memory } = this.#arena;
    if (bytes.length > datagramBytes) return false;
    memory.set(bytes, this.#datagram);
    const size = writeSocketAddress(view, this.#address, false, 0, 0, 0xffff, quadToWord(ip), port);
    const target = address + this.#address;
    return sendto(descriptor, address + this.#datagram, bytes.length, sendFlags, target, size) >= 0;
  }

  receive(descriptor: number): ReceivedDatagram | undefined {
    const { view, address, bytes } = this.#arena;
    view.setInt32(this.#addressBytes, socketAddress.slotBytes, true);
    const from = address + this.#datagram;
    const source = address + this.#address;
    const sourceBytes = address + this.#addressBytes;
    const size = recvfrom(descriptor, from, datagramBytes, messageFlag.dontwait, source, sourceBytes);
    if (size < 0) return undefined;
    return {
      bytes: Buffer.from(bytes.subarray(this.#datagram, this.#datagram + size)),
      ip: ipFromWords(0, 0, 0xffff, view.getInt32(this.#address + socketAddress.inetIp)),
      port: view.getUint16(this.#address + socketAddress.port),
    };
  }
}
