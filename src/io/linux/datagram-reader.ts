/** Reads one datagram, and where it came from, with numbers that are boxed already. */
import { jumboSizeBytesMax } from "../../core/limits.ts";
import type { Arena } from "./arena.ts";
import { receiveFlags } from "./datagram-flags.ts";
import { type BoxedNumbers, recvfrom, socketAddress } from "./libc.ts";

/** Bytes of the arena a reader needs. */
export const datagramReaderBytes = 64;

/** Entries of the numbers given to recvfrom. */
const boxed = { source: 1, sourceBytes: 2 } as const;

export class DatagramReader {
  /** Offset of the socket address of the datagram read last. */
  readonly source: number;
  readonly #view: DataView;
  readonly #sourceBytes: number;
  readonly #boxed: BoxedNumbers;

  constructor(arena: Arena) {
    this.#view = arena.view;
    this.source = arena.reserve(socketAddress.slotBytes + 4);
    this.#sourceBytes = this.source + socketAddress.slotBytes;
    this.#boxed = [null, arena.address + this.source, arena.address + this.#sourceBytes];
  }

  /** `into`: an address, boxed. The datagram's size, which may be more than there was room for; negative: none, see errno. */
  read(fd: number, into: number): number {
    this.#view.setInt32(this.#sourceBytes, socketAddress.slotBytes, true);
    return recvfrom(
      fd,
      into,
      jumboSizeBytesMax,
      receiveFlags,
      this.#boxed[boxed.source]!,
      this.#boxed[boxed.sourceBytes]!,
    );
  }
}
