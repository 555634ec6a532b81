/*
 * AES by vector permutes, after Mike Hamburg, "Accelerating AES with Vector Permute Instructions" (CHES
 * 2009): a byte is two elements of GF(2^4), and functions of such an element are permutes of a register by
 * it. The constants are those of the paper's code, which its author gave to the public domain.
 *
 * ShiftRows is never carried out: a state stays where it is, and MixColumns gathers from where ShiftRows
 * would have put things, which repeats every four rounds.
 */
#include "layout.h"

#define HALVES(low, high) wasm_i64x2_const((int64_t)(low), (int64_t)(high))
#define LOOKUP wasm_i8x16_swizzle
#define XOR wasm_v128_xor

/* A byte's lower and upper half into the paper's basis. */
#define INPUT_LOW HALVES(0xC2B2E8985A2A7000, 0xCABAE09052227808)
#define INPUT_HIGH HALVES(0x4C01307D317C4D00, 0xCD80B1FCB0FDCC81)
/* 1/x, and a/x; 1/0 is an index beyond the table, which looks up 0. */
#define INVERSE HALVES(0x0E05060F0D080180, 0x040703090A0B0C02)
#define INVERSE_A HALVES(0x01040A060F0B0780, 0x030D0E0C02050809)
/* The S-box without its 0x63, from both halves of the inverse: in the basis, doubled, and in AES's own. */
#define SBOX_U HALVES(0xB19BE18FCB503E00, 0xA5DF7A6E142AF544)
#define SBOX_T HALVES(0x3618D415FAE22300, 0x3BF7CCC10D2ED9EF)
#define DOUBLE_U HALVES(0xE27A93C60B712400, 0x5EB7E955BC982FCD)
#define DOUBLE_T HALVES(0x69EB88400AE12900, 0xC2A163C8AB82234A)
#define OUTPUT_U HALVES(0xD0D26D176FBDC700, 0x15AABF7AC502A878)
#define OUTPUT_T HALVES(0xCFE474A55FBB6A00, 0x8E1E90D1412B35FA)

/* Byte i is row i & 3 of column i >> 2. */
#define AT(row, column) (((row) & 3) + 4 * ((column) & 3))
/* Where a byte's value comes from: the next or previous row of its column, with n ShiftRows due. */
#define NEXT_ROW(i, n) AT((i) + 1, ((i) >> 2) + (n))
#define PREVIOUS_ROW(i, n) AT((i) + 3, ((i) >> 2) - (n))
/* n ShiftRows, and back. */
#define SHIFT_ROWS(i, n) AT(i, ((i) >> 2) + (n) * ((i) & 3))
#define UNSHIFT_ROWS(i, n) AT(i, ((i) >> 2) - (n) * ((i) & 3))
/* Columns turned by n. */
#define TURN(i, n) AT((i) + (n), (i) >> 2)
#define PLACES(PLACE, n)                                                                                     \
  PLACE(0, n), PLACE(1, n), PLACE(2, n), PLACE(3, n), PLACE(4, n), PLACE(5, n), PLACE(6, n), PLACE(7, n),    \
      PLACE(8, n), PLACE(9, n), PLACE(10, n), PLACE(11, n), PLACE(12, n), PLACE(13, n), PLACE(14, n),        \
      PLACE(15, n)
#define SHUFFLE(x, PLACE, n) SHUFFLE_TO(x, PLACES(PLACE, n))
#define SHUFFLE_TO(x, ...) wasm_i8x16_shuffle(x, x, __VA_ARGS__)

/* V8 makes a constant permute anew each time it is used; one in memory is a sixth faster in all. */
EXPORT("prepare") void prepare(Workspace *workspace) {
#define PREPARE(n)                                                                                           \
  workspace->next_row[n] = wasm_i8x16_const(PLACES(NEXT_ROW, n));                                            \
  workspace->previous_row[n] = wasm_i8x16_const(PLACES(PREVIOUS_ROW, n));
  PREPARE(0) PREPARE(1) PREPARE(2) PREPARE(3)
}

INLINE v128_t to_basis(v128_t x) {
  return XOR(LOOKUP(INPUT_LOW, low_halves(x)), LOOKUP(INPUT_HIGH, high_halves(x)));
}

/* The inverse in GF(2^8), as the two indices that the tables of U and T take. */
typedef struct {
  v128_t u;
  v128_t t;
} Inverse;

INLINE Inverse invert(v128_t x) {
  v128_t low = low_halves(x), high = high_halves(x);
  v128_t over_low = LOOKUP(INVERSE_A, low);
  v128_t sum = XOR(low, high);
  v128_t first = XOR(LOOKUP(INVERSE, high), over_low);
  v128_t second = XOR(LOOKUP(INVERSE, sum), over_low);
  return (Inverse){XOR(LOOKUP(INVERSE, first), sum), XOR(LOOKUP(INVERSE, second), high)};
}

INLINE v128_t look_up_both(v128_t table_u, v128_t table_t, Inverse at) {
  return XOR(LOOKUP(table_u, at.u), LOOKUP(table_t, at.t));
}

/* Where a round is among four decides how many ShiftRows are due after it. */
#define ROUND(n)                                                                                             \
  for (int each = 0; each < count; each++) {                                                                 \
    Inverse at = invert(states[each]);                                                                \
    v128_t single = XOR(look_up_both(SBOX_U, SBOX_T, at), *key);                                             \
    v128_t mixed = XOR(LOOKUP(single, workspace->next_row[n]), look_up_both(DOUBLE_U, DOUBLE_T, at));        \
    v128_t turned = XOR(LOOKUP(single, workspace->previous_row[n]), mixed);                                  \
    states[each] = XOR(LOOKUP(mixed, workspace->next_row[n]), turned);                                       \
  }

#define LAST_ROUND(n)                                                                                        \
  for (int each = 0; each < count; each++) {                                                                 \
    v128_t last = XOR(look_up_both(OUTPUT_U, OUTPUT_T, invert(states[each])), *key);                         \
    states[each] = SHUFFLE(last, SHIFT_ROWS, n);                                                             \
  }

/* `count` is a constant: the loops over states unroll, and their rounds overlap in the processor. */
INLINE void encipher(const Context *context, const Workspace *workspace, v128_t *states, int count) {
  const v128_t *key = context->round_keys;
  const v128_t *end = key + context->rounds;
  for (int each = 0; each < count; each++) states[each] = XOR(to_basis(states[each]), *key);
  for (;;) {
    key++;
    ROUND(1)
    key++;
    /* After 10 or 14 rounds. */
    if (key == end) {
      LAST_ROUND(2)
      return;
    }
    ROUND(2)
    key++;
    ROUND(3)
    key++;
    /* After 12. */
    if (key == end) {
      LAST_ROUND(0)
      return;
    }
    ROUND(0)
  }
}

v128_t encipher_block(const Context *context, const Workspace *workspace, v128_t block) {
  encipher(context, workspace, &block, 1);
  return block;
}

INLINE v128_t count_on(v128_t counter, uint32_t blocks) {
  uint32_t count = __builtin_bswap32((uint32_t)wasm_i32x4_extract_lane(counter, 3)) + blocks;
  return wasm_i32x4_replace_lane(counter, 3, (int32_t)__builtin_bswap32(count));
}

INLINE void add_stream(v128_t stream, const uint8_t *in, uint8_t *out, uint32_t size) {
  v128_t sum = XOR(wasm_v128_load(in), stream);
  if (size >= 16) wasm_v128_store(out, sum);
  else wasm_v128_store(out, wasm_v128_bitselect(sum, wasm_v128_load(out), head_mask(size)));
}

void apply_stream(const Context *context, const Workspace *workspace, v128_t counter,
                  const uint8_t *in, uint8_t *out, uint32_t size) {
  /* Three at once: a fourth does not fit the registers. */
  for (; size > 16; in += 48, out += 48) {
    v128_t states[3] = {counter, count_on(counter, 1), count_on(counter, 2)};
    counter = count_on(counter, 3);
    encipher(context, workspace, states, 3);
    add_stream(states[0], in, out, 16);
    add_stream(states[1], in + 16, out + 16, size - 16);
    if (size <= 32) return;
    add_stream(states[2], in + 32, out + 32, size - 32);
    if (size <= 48) return;
    size -= 48;
  }
  if (size > 0) add_stream(encipher_block(context, workspace, counter), in, out, size);
}

/* In place, from the counter block at `counter` on. */
EXPORT("ctr") void ctr(const Context *context, const Workspace *workspace, const uint8_t *counter,
                       uint8_t *data, uint32_t size) {
  apply_stream(context, workspace, wasm_v128_load(counter), data, data, size);
}

INLINE uint32_t substitute_word(uint32_t word) {
  Inverse at = invert(to_basis(wasm_u32x4_splat(word)));
  v128_t bytes = XOR(look_up_both(OUTPUT_U, OUTPUT_T, at), wasm_i8x16_const_splat(0x63));
  return (uint32_t)wasm_i32x4_extract_lane(bytes, 0);
}

/* FIPS 197 section 5.2, words low byte first. */
INLINE void expand_words(uint32_t *words, uint32_t key_words, uint32_t count) {
  uint32_t constant = 1;
  for (uint32_t i = key_words; i < count; i++) {
    uint32_t word = words[i - 1];
    if (i % key_words == 0) {
      word = substitute_word((word >> 8) | (word << 24)) ^ constant;
      constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
    } else if (key_words > 6 && i % key_words == 4) {
      word = substitute_word(word);
    }
    words[i] = words[i - key_words] ^ word;
  }
}

/*
 * A round key as rounds take it: with the S-box's 0x63, in the basis, such that MixColumns, which adds three
 * turns of it, makes the key of it, and with its bytes where states have them.
 */
INLINE v128_t prepare_key(v128_t key, uint32_t round, uint32_t rounds) {
  if (round == 0) return to_basis(key);
  key = XOR(key, wasm_i8x16_const_splat(0x63));
  if (round < rounds) {
    key = to_basis(key);
    key = XOR(SHUFFLE(key, TURN, 1), XOR(SHUFFLE(key, TURN, 2), SHUFFLE(key, TURN, 3)));
  }
  for (uint32_t due = round & 3; due > 0; due--) key = SHUFFLE(key, UNSHIFT_ROWS, 1);
  return key;
}

/* AES's key of 16, 24 or 32 bytes. */
EXPORT("set_cipher_key") void set_cipher_key(Context *context, const uint8_t *key, uint32_t key_bytes) {
  uint32_t key_words = key_bytes / 4;
  uint32_t rounds = key_words + 6;
  uint32_t *words = (uint32_t *)context->round_keys;
  for (uint32_t i = 0; i < key_words; i++) words[i] = __builtin_bswap32(load_big(key + 4 * i));
  expand_words(words, key_words, 4 * (rounds + 1));
  for (uint32_t round = 0; round <= rounds; round++) {
    context->round_keys[round] = prepare_key(context->round_keys[round], round, rounds);
  }
  context->rounds = rounds;
}
