/**
 * The IP and UDP headers of packets that leave by a raw socket (RFC 791, 8200, 768). A row for each slot has all of them
 * but a packet's size and checksum, in the width of a cache line: what lies in front of the packet is written from there.
 *
 * The kernel fills in the rest of IPv4: total length, identification and header checksum. The flow label of IPv6 is zero:
 * what the kernel makes of a secret cannot be had here, and routers then go by addresses (RFC 6437 section 2).
 */
/** Words of a row: the headers as they go over the wire, then what is known of them. */
const rowWords = 16;
/** One's complement sum of all that never changes of pseudo-header and ports, unfolded. */
const partialSum = 12;
/** 0: the slot has no headers. */
const headerBytes = 13;
/** Which raw socket sends them. */
const route = 14;

/** Bytes of both headers, and where in them fields are. */
export const inetHeaders = { bytes: 28, source: 12, target: 16, ports: 20 } as const;
export const inet6Headers = { bytes: 48, source: 8, target: 24, ports: 40 } as const;
const protocolUdp = 17;
const udpHeaderBytes = 8;

/** Where a port is. */
export interface LocalPlace {
  readonly isV6: boolean;
  /** Four words of the address as of `ipToWords`. */
  readonly ip: Int32Array;
  readonly port: number;
}

/** What a port's headers say of itself. */
export interface PacketOrigin extends LocalPlace {
  readonly trafficClass: number;
  readonly hopLimit: number;
}

export class PacketHeaders {
  readonly #rows: Int32Array;
  readonly #rowView: DataView;
  readonly #rowHalves: Uint16Array;
  readonly #words: Int32Array;

  /** `words`: memory where packets lie, at offsets that are multiples of four. */
  constructor(words: Int32Array, capacitySlots: number) {
    this.#rows = new Int32Array(capacitySlots * rowWords);
    this.#rowView = new DataView(this.#rows.buffer);
    this.#rowHalves = new Uint16Array(this.#rows.buffer);
    this.#words = words;
  }

  /** The slot has headers from now on; `setTarget` completes them. */
  open(slot: number, origin: PacketOrigin, routeIndex: number): void {
    const view = this.#rowView;
    const at = 4 * slot * rowWords;
    const { isV6, ip, port, trafficClass, hopLimit } = origin;
    this.close(slot);
    if (isV6) {
      view.setUint32(at, (6 << 28) | (trafficClass << 20));
      view.setUint16(at + 6, (protocolUdp << 8) | hopLimit);
      for (let word = 0; word < 4; word++) view.setInt32(at + inet6Headers.source + 4 * word, ip[word]!);
      view.setUint16(at + inet6Headers.ports, port);
    } else {
      view.setUint16(at, (0x45 << 8) | trafficClass);
      view.setUint16(at + 8, (hopLimit << 8) | protocolUdp);
      view.setInt32(at + inetHeaders.source, ip[3]!);
      view.setUint16(at + inetHeaders.ports, port);
    }
    const base = slot * rowWords;
    this.#rows[base + headerBytes] = isV6 ? inet6Headers.bytes : inetHeaders.bytes;
    this.#rows[base + route] = routeIndex;
  }

  /** Words as of `ipToWords`, of the origin's family. */
  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): void {
    const view = this.#rowView;
    const base = slot * rowWords;
    const isV6 = this.#rows[base + headerBytes] === inet6Headers.bytes;
    const fields = isV6 ? inet6Headers : inetHeaders;
    const at = 4 * base;
    view.setUint16(at + fields.ports + 2, port);
    if (isV6) {
      view.setInt32(at + inet6Headers.target, ip0);
      view.setInt32(at + inet6Headers.target + 4, ip1);
      view.setInt32(at + inet6Headers.target + 8, ip2);
    }
    view.setInt32(at + fields.ports - 4, ip3);
    let sum = littleEndian(protocolUdp);
    for (let half = (at + fields.source) >>> 1; half < (at + fields.ports + 4) >>> 1; half++) {
      sum += this.#rowHalves[half]!;
    }
    this.#rows[base + partialSum] = sum;
  }

  close(slot: number): void {
    this.#rows.fill(0, slot * rowWords, (slot + 1) * rowWords);
  }

  /** 0: the slot has none. */
  bytesOf(slot: number): number {
    return this.#rows[slot * rowWords + headerBytes]!;
  }

  routeOf(slot: number): number {
    return this.#rows[slot * rowWords + route]!;
  }

  /**
   * Writes the slot's headers in front of the packet at `offset`, a multiple of four; up to three bytes behind it become
   * zero. Sums are of halves as they lie in memory: one's complement does not mind their order (RFC 1071 section 2).
   */
  write(slot: number, offset: number, sizeBytes: number): void {
    const rows = this.#rows;
    const words = this.#words;
    const base = slot * rowWords;
    const count = rows[base + headerBytes]! >> 2;
    const first = offset >> 2;
    const to = first - count;
    const udpBytes = littleEndian(sizeBytes + udpHeaderBytes);
    for (let word = 0; word < count - 1; word++) words[to + word] = rows[base + word]!;
    if (count > inetHeaders.bytes >> 2) words[to + 1] = rows[base + 1]! | udpBytes;
    const end = (offset + sizeBytes) >> 2;
    // The last bytes, and zeros behind them.
    if ((sizeBytes & 3) !== 0) words[end] = words[end]! & ((1 << (8 * (sizeBytes & 3))) - 1);
    let sum = rows[base + partialSum]! + 2 * udpBytes;
    for (let at = first; at < end; at++) {
      const word = words[at]!;
      sum += (word & 0xffff) + (word >>> 16);
    }
    if ((sizeBytes & 3) !== 0) sum += (words[end]! & 0xffff) + (words[end]! >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    // Zero would say that there is none (RFC 768).
    const checksum = ~sum & 0xffff || 0xffff;
    words[first - 1] = udpBytes | (checksum << 16);
  }
}

/** 16 bits in the order of the wire, as this machine's memory has them. */
function littleEndian(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}
