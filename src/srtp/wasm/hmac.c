/* HMAC-SHA1 (RFC 2104, FIPS 180-4). The states after the key's two blocks are kept; MACs go on from there. */
#include "layout.h"

#define ROTATE(x, n) __builtin_rotateleft32(x, n)
#define CHOICE(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define PARITY(b, c, d) ((b) ^ (c) ^ (d))
#define MAJORITY(b, c, d) (((b) & (c)) | ((d) & ((b) | (c))))

/* Word i of the message schedule: the first 16 from the block, the others from those before. */
#define LOADED(i) (w[i] = load_big(block + 4 * (i)))
#define MIXED(i)                                                                                             \
  (w[(i) & 15] = ROTATE(w[((i) + 13) & 15] ^ w[((i) + 8) & 15] ^ w[((i) + 2) & 15] ^ w[(i) & 15], 1))

#define STEP(a, b, c, d, e, MIX, k, word)                                                                    \
  e += ROTATE(a, 5) + MIX(b, c, d) + (k) + (word);                                                           \
  b = ROTATE(b, 30);
/* Five steps, after which the names are where they were. */
#define STEPS(MIX, k, WORD, i)                                                                               \
  STEP(a, b, c, d, e, MIX, k, WORD(i))                                                                       \
  STEP(e, a, b, c, d, MIX, k, WORD((i) + 1))                                                                 \
  STEP(d, e, a, b, c, MIX, k, WORD((i) + 2))                                                                 \
  STEP(c, d, e, a, b, MIX, k, WORD((i) + 3))                                                                 \
  STEP(b, c, d, e, a, MIX, k, WORD((i) + 4))
#define TWENTY(MIX, k, i)                                                                                    \
  STEPS(MIX, k, MIXED, i)                                                                                    \
  STEPS(MIX, k, MIXED, (i) + 5)                                                                              \
  STEPS(MIX, k, MIXED, (i) + 10)                                                                             \
  STEPS(MIX, k, MIXED, (i) + 15)

NOINLINE void hash_blocks(uint32_t *to, const uint32_t *from, const uint8_t *block, uint32_t count) {
  uint32_t h0 = from[0], h1 = from[1], h2 = from[2], h3 = from[3], h4 = from[4];
  for (; count > 0; count--, block += 64) {
    uint32_t w[16];
    uint32_t a = h0, b = h1, c = h2, d = h3, e = h4;
    STEPS(CHOICE, 0x5a827999, LOADED, 0)
    STEPS(CHOICE, 0x5a827999, LOADED, 5)
    STEPS(CHOICE, 0x5a827999, LOADED, 10)
    STEP(a, b, c, d, e, CHOICE, 0x5a827999, LOADED(15))
    STEP(e, a, b, c, d, CHOICE, 0x5a827999, MIXED(16))
    STEP(d, e, a, b, c, CHOICE, 0x5a827999, MIXED(17))
    STEP(c, d, e, a, b, CHOICE, 0x5a827999, MIXED(18))
    STEP(b, c, d, e, a, CHOICE, 0x5a827999, MIXED(19))
    TWENTY(PARITY, 0x6ed9eba1, 20)
    TWENTY(MAJORITY, 0x8f1bbcdc, 40)
    TWENTY(PARITY, 0xca62c1d6, 60)
    h0 += a;
    h1 += b;
    h2 += c;
    h3 += d;
    h4 += e;
  }
  to[0] = h0;
  to[1] = h1;
  to[2] = h2;
  to[3] = h3;
  to[4] = h4;
}

/* A block of one byte over and over. */
INLINE void fill_block(uint8_t *block, uint8_t byte) {
  for (int i = 0; i < 64; i += 16) wasm_v128_store(block + i, wasm_u8x16_splat(byte));
}

INLINE void hash_pad(uint32_t *state, Workspace *workspace, const uint8_t *key, uint8_t pad) {
  workspace->state[0] = 0x67452301;
  workspace->state[1] = 0xefcdab89;
  workspace->state[2] = 0x98badcfe;
  workspace->state[3] = 0x10325476;
  workspace->state[4] = 0xc3d2e1f0;
  fill_block(workspace->block, pad);
  for (int i = 0; i < 20; i++) workspace->block[i] ^= key[i];
  hash_blocks(state, workspace->state, workspace->block, 1);
  fill_block(workspace->block, 0);
}

/* HMAC's key, of 20 bytes. */
EXPORT("set_mac_key") void set_mac_key(Context *context, Workspace *workspace, const uint8_t *key) {
  hash_pad(context->mac.inner, workspace, key, 0x36);
  hash_pad(context->mac.outer, workspace, key, 0x5c);
}

/* The 20 bytes of the MAC. SHA-1's padding, of 9 to 72 bytes, goes behind the range. */
EXPORT("hmac") void hmac(const Context *context, Workspace *workspace, uint8_t *data, uint32_t size,
                         uint8_t *mac) {
  uint32_t padded = (size + 9 + 63) & ~63u;
  uint8_t *end = data + padded;
  uint8_t *at = data + size;
  *at++ = 0x80;
  while (at < end - 4) *at++ = 0;
  store_big(end - 4, (64 + size) * 8);
  hash_blocks(workspace->state, context->mac.inner, data, padded / 64);
  uint8_t *block = workspace->block;
  for (int i = 0; i < 5; i++) store_big(block + 4 * i, workspace->state[i]);
  store_big(block + 20, 0x80000000);
  for (int i = 6; i < 15; i++) store_big(block + 4 * i, 0);
  store_big(block + 60, (64 + 20) * 8);
  hash_blocks(workspace->state, context->mac.outer, block, 1);
  for (int i = 0; i < 5; i++) store_big(mac + 4 * i, workspace->state[i]);
}
