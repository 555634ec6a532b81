/*
 * SRTP's ciphers for WebAssembly: AES in counter mode, AES-GCM and HMAC-SHA1, in constant time: no branch and
 * no address depends on a key or on what is enciphered. scripts/build-wasm.mjs compiles it into module.ts.
 *
 * The module works on memory that is not its own, the packets' arena. So it has no data and no stack there;
 * the build refuses a module that does. Constants are immediates of the code, arrays in functions are indexed
 * by constants alone and live in registers, and what must be kept lies where the caller says: a context for
 * each key, and one workspace.
 *
 * Reads and writes go in whole vectors: up to 15 bytes behind a range are read, and written as they were.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/* The states of SHA-1 after the blocks of an HMAC key. */
typedef struct {
  uint32_t inner[5];
  uint32_t outer[5];
} MacKey;

/* Multiples of GHASH's key H, by bytes: see gcm.c. */
typedef struct {
  v128_t high[16];
  v128_t low[16];
} HashKey;

/* What is kept of a key; contextBytes in wasm-engine.ts. Aligned to 16. */
typedef struct {
  v128_t round_keys[15];
  uint32_t rounds;
  uint32_t unused[3];
  /* Nothing under AES-GCM has an HMAC too. */
  union {
    MacKey mac;
    HashKey hash;
  };
} Context;

/* For all keys; workspaceBytes in wasm-engine.ts. Aligned to 16. `prepare` comes before all else. */
typedef struct {
  /* Permutes of AES's MixColumns, by the ShiftRows that are due modulo 4: see aes.c. */
  v128_t next_row[4];
  v128_t previous_row[4];
  /* SHA-1's, between one hash and the next. */
  uint8_t block[64];
  uint32_t state[8];
} Workspace;

_Static_assert(sizeof(Context) == 768, "contextBytes");
_Static_assert(sizeof(Workspace) == 224, "workspaceBytes");

/* Of each byte. */
INLINE v128_t low_halves(v128_t x) { return wasm_v128_and(x, wasm_i8x16_const_splat(15)); }
INLINE v128_t high_halves(v128_t x) { return low_halves(wasm_u16x8_shr(x, 4)); }

/* The first `size` bytes of a vector, all of it from 16 on. */
INLINE v128_t head_mask(uint32_t size) {
  const v128_t places = wasm_i8x16_const(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return wasm_u8x16_lt(places, wasm_u8x16_splat(size < 16 ? size : 16));
}

INLINE uint32_t load_big(const uint8_t *at) {
  uint32_t word;
  __builtin_memcpy(&word, at, 4);
  return __builtin_bswap32(word);
}

INLINE void store_big(uint8_t *at, uint32_t word) {
  word = __builtin_bswap32(word);
  __builtin_memcpy(at, &word, 4);
}

/* One block through AES. */
v128_t encipher_block(const Context *context, const Workspace *workspace, v128_t block);

/* Counter mode from the block `counter` on, whose last four bytes count; from `in` to `out`. */
void apply_stream(const Context *context, const Workspace *workspace, v128_t counter,
                  const uint8_t *in, uint8_t *out, uint32_t size);

#endif
