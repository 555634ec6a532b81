/**
 * Our own addresses, as the data path asks for them once a packet: which of their ports media and relays have, which
 * are control's, and by what other address the same host is known.
 *
 * One thread writes, others may read the same memory: a port that is seen a moment late is a packet lost, no more.
 */
import { type Endpoint, type IpAddress, ipToWords } from "../core/address.ts";

export interface OwnAddress {
  readonly ip: IpAddress;
  /** What the world calls it; equals `ip` without a static NAT. */
  readonly advertisedIp: IpAddress;
}

const wordsPerAddress = 65_536 / 32;

export class OwnPlaces {
  readonly #addresses: readonly OwnAddress[];
  /** Four words each: local, then advertised. */
  readonly #locals: Int32Array;
  readonly #advertised: Int32Array;
  /** Bits of the ports in use, one row an address. */
  readonly #ports: Uint32Array;
  #controlPorts: ReadonlySet<number> = new Set();

  /** `memory`: of `sizeWords`, shared by those who read; absent: our own. */
  constructor(addresses: readonly OwnAddress[], memory?: Uint32Array) {
    this.#addresses = addresses;
    this.#locals = Int32Array.from(addresses.flatMap(({ ip }) => [...ipToWords(ip)]));
    this.#advertised = Int32Array.from(addresses.flatMap(({ advertisedIp }) => [...ipToWords(advertisedIp)]));
    this.#ports = memory ?? new Uint32Array(OwnPlaces.sizeWords(addresses.length));
  }

  static sizeWords(addressCount: number): number {
    return addressCount * wordsPerAddress;
  }

  /** A UDP port of ours is in use, or is so no longer. Unknown addresses are nobody's business here. */
  setPort(local: Endpoint, isOpen: boolean): void {
    for (const [row, { ip }] of this.#addresses.entries()) {
      if (ip !== local.ip) continue;
      const at = row * wordsPerAddress + (local.port >>> 5);
      const bit = 1 << (local.port & 31);
      const word = this.#ports[at] ?? 0;
      this.#ports[at] = isOpen ? word | bit : word & ~bit;
    }
  }

  setControlPorts(ports: readonly number[]): void {
    this.#controlPorts = new Set(ports);
  }

  /** For the control thread: the same question as the data path's, in words people use. */
  isOpen(endpoint: Endpoint): boolean {
    const words = Int32Array.from(ipToWords(endpoint.ip));
    return this.hasPort(words, endpoint.port);
  }

  /** By its local or its advertised address; words in network order. No allocation. */
  hasPort(words: Int32Array, port: number): boolean {
    for (let row = 0; row < this.#addresses.length; row++) {
      if (!isSame(this.#locals, row, words) && !isSame(this.#advertised, row, words)) continue;
      if (this.#isOpenAt(row, port)) return true;
    }
    return false;
  }

  /**
   * For our own and for loopback addresses: a port of control is closed on all of them, as they have many names. No
   * allocation.
   */
  isControlPort(port: number): boolean {
    return this.#controlPorts.has(port);
  }

  /**
   * Writes the local address over an advertised one of ours; others stay. Where several have the same, it is the one
   * with this port in use: on the others it may be anybody's. No allocation.
   */
  toLocal(words: Int32Array, port: number): void {
    let found = -1;
    for (let row = 0; row < this.#addresses.length; row++) {
      if (!isSame(this.#advertised, row, words)) continue;
      const isOpen = this.#isOpenAt(row, port);
      if (isOpen || found < 0) found = row;
      if (isOpen) break;
    }
    if (found < 0) return;
    for (let index = 0; index < 4; index++) words[index] = this.#locals[4 * found + index] ?? 0;
  }

  /** Writes the advertised address over a local one that differs; false: there is none. No allocation. */
  toAdvertised(words: Int32Array): boolean {
    for (let row = 0; row < this.#addresses.length; row++) {
      if (!isSame(this.#locals, row, words) || isSame(this.#advertised, row, words)) continue;
      for (let index = 0; index < 4; index++) words[index] = this.#advertised[4 * row + index] ?? 0;
      return true;
    }
    return false;
  }

  #isOpenAt(row: number, port: number): boolean {
    const word = this.#ports[row * wordsPerAddress + (port >>> 5)] ?? 0;
    return ((word >>> (port & 31)) & 1) === 1;
  }
}

function isSame(table: Int32Array, row: number, words: Int32Array): boolean {
  const at = 4 * row;
  return (
    table[at] === words[0] &&
    table[at + 1] === words[1] &&
    table[at + 2] === words[2] &&
    table[at + 3] === words[3]
  );
}
