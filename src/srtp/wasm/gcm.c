/*
 * AES-GCM (NIST SP 800-38D) with nonces of 12 bytes and tags of 16.
 *
 * GHASH multiplies by H in GF(2^128). A byte of the other factor is two halves, and a half times H is one of
 * 16 values: byte i of all 16 is a register (`high[i]`, `low[i]`), which is permuted by that half of all
 * bytes at once. Blocks are held with their bytes reversed, so that they are numbers, whose highest bit is
 * the coefficient of x^0.
 */
#include "layout.h"

#define XOR wasm_v128_xor

INLINE v128_t reverse(v128_t x) {
  return wasm_i8x16_shuffle(x, x, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* Shifts two registers down by a byte: the lowest of `upper` becomes the highest of the result. */
INLINE v128_t shift_byte(v128_t lower, v128_t upper) {
  return wasm_i8x16_shuffle(lower, upper, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}

/* The upper lane, in the lower one's place. */
INLINE v128_t upper_lane(v128_t x) { return wasm_i64x2_shuffle(x, wasm_i64x2_const(0, 0), 1, 2); }

INLINE v128_t times_x(v128_t value) {
  v128_t carries = upper_lane(wasm_i64x2_shl(value, 63));
  uint64_t overflow = 0 - ((uint64_t)wasm_i64x2_extract_lane(value, 0) & 1);
  v128_t reduction = wasm_v128_and(wasm_u64x2_splat(overflow), wasm_i64x2_const(0, (int64_t)0xe1ull << 56));
  return XOR(wasm_v128_or(wasm_u64x2_shr(value, 1), carries), reduction);
}

/* All sums of `power` and the three powers after it, by bytes, lowest first. Results in the power after. */
INLINE v128_t set_rows(v128_t *rows, v128_t power) {
  rows[0] = wasm_i64x2_const(0, 0);
  for (uint32_t half = 8; half > 0; half >>= 1) {
    rows[half] = power;
    power = times_x(power);
  }
  for (uint32_t half = 3; half < 16; half++) {
    rows[half] = XOR(rows[half & (half - 1)], rows[half & (0 - half)]);
  }
  uint8_t *bytes = (uint8_t *)rows;
#pragma clang loop unroll(disable)
  for (uint32_t row = 0; row < 16; row++) {
#pragma clang loop unroll(disable)
    for (uint32_t column = 0; column < row; column++) {
      uint8_t byte = bytes[16 * row + column];
      bytes[16 * row + column] = bytes[16 * column + row];
      bytes[16 * column + row] = byte;
    }
  }
  return power;
}

/* AES's key is set before. */
EXPORT("set_hash_key") void set_hash_key(Context *context, const Workspace *workspace) {
  v128_t h = reverse(encipher_block(context, workspace, wasm_i64x2_const(0, 0)));
  set_rows(context->hash.low, set_rows(context->hash.high, h));
}

/* x^128 is x^7 + x^2 + x + 1; `over` counts from there. */
INLINE v128_t reduce(v128_t value, v128_t over) {
  v128_t shifted = XOR(XOR(wasm_u64x2_shr(over, 1), wasm_u64x2_shr(over, 2)), wasm_u64x2_shr(over, 7));
  v128_t carries = XOR(XOR(wasm_i64x2_shl(over, 63), wasm_i64x2_shl(over, 62)), wasm_i64x2_shl(over, 57));
  return XOR(XOR(value, over), XOR(shifted, upper_lane(carries)));
}

INLINE v128_t times_h(const HashKey *key, v128_t factor) {
  v128_t low = low_halves(factor), high = high_halves(factor);
  v128_t value = wasm_i64x2_const(0, 0), over = wasm_i64x2_const(0, 0);
  /* From the highest powers of x down, which the lowest bytes have. */
#pragma clang loop unroll(full)
  for (int row = 0; row < 16; row++) {
    over = shift_byte(over, value);
    value = shift_byte(value, wasm_i64x2_const(0, 0));
    value = XOR(value, XOR(wasm_i8x16_swizzle(key->high[row], high), wasm_i8x16_swizzle(key->low[row], low)));
  }
  return reduce(value, over);
}

NOINLINE v128_t hash(const HashKey *key, v128_t sum, const uint8_t *data, uint32_t size) {
  while (size > 0) {
    v128_t block = wasm_v128_and(wasm_v128_load(data), head_mask(size));
    sum = times_h(key, XOR(sum, reverse(block)));
    data += 16;
    size = size > 16 ? size - 16 : 0;
  }
  return sum;
}

/* Counter block `count` of a nonce. */
INLINE v128_t counter_of(const uint8_t *nonce, uint32_t count) {
  return wasm_i32x4_replace_lane(wasm_v128_load(nonce), 3, (int32_t)__builtin_bswap32(count));
}

/* What a packet is made of; `data` is enciphered. */
typedef struct {
  const uint8_t *nonce;
  const uint8_t *aad;
  uint32_t aad_size;
  const uint8_t *data;
  uint32_t size;
} Packet;

INLINE v128_t tag_of(const Context *context, const Workspace *workspace, Packet packet) {
  const HashKey *key = &context->hash;
  v128_t sum = hash(key, wasm_i64x2_const(0, 0), packet.aad, packet.aad_size);
  sum = hash(key, sum, packet.data, packet.size);
  /* The sizes in bits, that of the associated data first. */
  v128_t sizes = wasm_u64x2_make((uint64_t)packet.size * 8, (uint64_t)packet.aad_size * 8);
  sum = times_h(key, XOR(sum, sizes));
  return XOR(reverse(sum), encipher_block(context, workspace, counter_of(packet.nonce, 1)));
}

/* In place; writes the 16 bytes of the tag. */
EXPORT("seal") void seal(const Context *context, const Workspace *workspace, const uint8_t *nonce,
                         const uint8_t *aad, uint32_t aad_size, uint8_t *data, uint32_t size, uint8_t *tag) {
  apply_stream(context, workspace, counter_of(nonce, 2), data, data, size);
  Packet packet = {nonce, aad, aad_size, data, size};
  wasm_v128_store(tag, tag_of(context, workspace, packet));
}

/* 1 and the clear text at `out`, or 0 for a wrong tag, and then nothing is written. */
EXPORT("unseal") uint32_t unseal(const Context *context, const Workspace *workspace, const uint8_t *nonce,
                                 const uint8_t *aad, uint32_t aad_size, const uint8_t *data, uint32_t size,
                                 const uint8_t *tag, uint8_t *out) {
  Packet packet = {nonce, aad, aad_size, data, size};
  v128_t difference = XOR(wasm_v128_load(tag), tag_of(context, workspace, packet));
  if (wasm_v128_any_true(difference)) return 0;
  apply_stream(context, workspace, counter_of(nonce, 2), data, out, size);
  return 1;
}
