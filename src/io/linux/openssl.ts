/**
 * OpenSSL as the node binary itself exports it, through koffi. The system's libcrypto and libssl are never loaded: two
 * copies of OpenSSL in one process crash.
 *
 * As in `libc.ts` pointers are plain numbers, and every function returns what C returns. Symbols are bound on request,
 * so that a node binary that lacks one is found out by who needs it and can be stepped down from.
 */
import koffi from "koffi";
import type { BoxedNumbers } from "./libc.ts";

/** A bound function: numbers in (pointers, sizes, integers), a number out (a pointer too; 0 for nothing). */
export type OpenSslCall = (...args: number[]) => number;

const library = koffi.load(null);

/**
 * Binds functions by their C prototypes, keyed by whatever names the caller likes: `{ free: "void BIO_free(uintptr_t)" }`.
 * Write pointers as `uintptr_t`. Throws when the node binary does not export one of them.
 */
export function bindOpenSsl<Name extends string>(
  prototypes: Readonly<Record<Name, string>>,
): Readonly<Record<Name, OpenSslCall>> {
  const calls: Partial<Record<Name, OpenSslCall>> = {};
  for (const name of Object.keys(prototypes) as Name[]) calls[name] = bind(prototypes[name]);
  return calls as Record<Name, OpenSslCall>;
}

/** By prototype: whoever asks again gets the same function. */
const bound = new Map<string, OpenSslCall>();

function bind(prototype: string): OpenSslCall {
  const known = bound.get(prototype);
  if (known !== undefined) return known;
  const call = library.func(prototype) as OpenSslCall;
  bound.set(prototype, call);
  return call;
}

/** More than the places that packets are received in take together. */
const remembered = 32_768;

/**
 * Addresses of an arena's offsets, as numbers that are boxed once (`BoxedNumbers` in libc.ts) although offsets change
 * with every packet: the parts of packets begin at few different places.
 */
export class ArenaAddresses {
  readonly #base: number;
  readonly #offsets = new Int32Array(remembered).fill(-1);
  readonly #boxed: BoxedNumbers = [null];

  constructor(base: number) {
    this.#base = base;
    for (let index = 0; index < remembered; index++) this.#boxed.push(0);
  }

  /** Allocates nothing for an offset that was asked for before, unless 32 KB further another was since. */
  of(offset: number): number {
    const at = offset & (remembered - 1);
    if (this.#offsets[at] !== offset) {
      this.#offsets[at] = offset;
      this.#boxed[at + 1] = this.#base + offset;
    }
    return this.#boxed[at + 1]!;
  }
}
