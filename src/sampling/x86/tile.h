/*
 * The operations of tile_ops.h, written once for every register width. The including file has defined
 *     vec, WIDTH    a register and its bytes; a "quarter" is the 16 bytes within which shuffles and packs work
 *     vec_...       the operations on it that are used here
 *     RHM_TABLE...  the name, level and printed name of the table
 */
#ifndef RHM_SAMPLING_X86_TILE_H
#define RHM_SAMPLING_X86_TILE_H

#include <stdbool.h>

#include "sampling/tile_ops.h"

#define INLINE static inline __attribute__((always_inline))

enum { QUARTER = 16, GROUPS = 4 };

/* What the blocks of some indices share. */
typedef struct indices {
    vec c2_round1, c0_round3, c1_round3; /* the first two without the block's share */
} indices;

/* Indices first + i + offset[lane]. */
INLINE indices indices_of(const rhm_tile_stream *s, size_t i, const uint64_t *offset) {
    const vec product0 = vec_mul(vec_add64(vec_set64(s->first + i), vec_load(offset)), vec_set64(RHM_PHILOX_M0));
    const vec product1 = vec_mul(vec_xor(product0, vec_set64(s->c2_round2)), vec_set64(RHM_PHILOX_M1));
    return (indices){
        .c2_round1 = vec_xor(vec_high(product0), vec_set64(s->key[0][1])),
        .c0_round3 = vec_xor(vec_high(product1), vec_set64(s->key[2][0])),
        .c1_round3 = product1,
    };
}

/*
 * The block of four words of core/philox.h for two registers of indices, in 64-bit lanes whose high halves hold
 * anything: the multiplier reads low halves only, so that the low word of a product needs no work and the high word one
 * shift. Index and block meet in the second round, because they start in counter words 0 and 3 and the other two words
 * are the same for all lanes: all that depends on one of them alone is computed once.
 *
 * Two registers go in step because a round waits for its multiplications: schedulers do not look far enough ahead to
 * find the next register by themselves.
 */
INLINE void philox(const rhm_tile_stream *s, const indices at[2], vec block, vec word[4][2]) {
    const vec m0 = vec_set64(RHM_PHILOX_M0), m1 = vec_set64(RHM_PHILOX_M1);
    vec c0[2], c1[2], c2[2], c3[2];
    for (size_t i = 0; i < 2; i++) {
        const vec p1 = vec_mul(vec_xor(at[i].c2_round1, block), m1);
        const vec p0 = vec_mul(vec_xor(vec_high(p1), vec_set64(s->c0_round2)), m0);
        c0[i] = vec_xor(at[i].c0_round3, p1);
        c1[i] = at[i].c1_round3;
        c2[i] = vec_xor(vec_high(p0), vec_set64(s->c2_round3));
        c3[i] = p0;
    }
#pragma GCC unroll 10
    for (int round = 3; round < RHM_PHILOX_ROUNDS; round++) {
        const vec k0 = vec_set64(s->key[round][0]), k1 = vec_set64(s->key[round][1]);
        for (size_t i = 0; i < 2; i++) {
            const vec p0 = vec_mul(c0[i], m0);
            const vec p1 = vec_mul(c2[i], m1);
            c0[i] = vec_xor3(vec_high(p1), c1[i], k0);
            c1[i] = p1;
            c2[i] = vec_xor3(vec_high(p0), c3[i], k1);
            c3[i] = p0;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        word[0][i] = c0[i];
        word[1][i] = c1[i];
        word[2][i] = c2[i];
        word[3][i] = c3[i];
    }
}

/* Even and odd samples of WIDTH / 4 consecutive ones, as vec_merge_low wants them. */
static const uint64_t in_order[2][8] = {{0, 2, 4, 6, 8, 10, 12, 14}, {1, 3, 5, 7, 9, 11, 13, 15}};

static void words(const rhm_tile_stream *s, uint32_t block, uint32_t *word) {
    for (size_t i = 0; i < RHM_WORD_TILE; i += WIDTH / 4) {
        const indices at[2] = {indices_of(s, i, in_order[0]), indices_of(s, i, in_order[1])};
        vec of[4][2];
        philox(s, at, vec_set64(block), of);
        for (size_t w = 0; w < 4; w++)
            vec_store(word + w * RHM_WORD_TILE + i, vec_merge_low(of[w][0], of[w][1]));
    }
}

/*
 * Group g of four computes, in quarter q, samples 16 q + 4 g, ..., 16 q + 4 g + 3: after packing, its quarters hold
 * four bytes of each of the four words, and the words of four groups are put together by unpacking alone.
 */
static const uint64_t in_quarters[2][8] = {{0, 2, 16, 18, 32, 34, 48, 50}, {1, 3, 17, 19, 33, 35, 49, 51}};

INLINE vec choose_group(const rhm_tile_stream *s, const indices at[2], vec block, const uint32_t *bound) {
    vec word[4][2], c[4];
    philox(s, at, block, word);
    for (size_t w = 0; w < 4; w++)
        c[w] = vec_merge_high(vec_mul(word[w][0], vec_set64(bound[w])), vec_mul(word[w][1], vec_set64(bound[w])));
    return vec_pack16(vec_pack32(c[0], c[1]), vec_pack32(c[2], c[3]));
}

static void choices(const rhm_tile_stream *s, uint32_t block, size_t blocks, const uint32_t *bound, uint8_t *choice) {
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        indices at[GROUPS][2];
        for (size_t g = 0; g < GROUPS; g++)
            for (size_t odd = 0; odd < 2; odd++)
                at[g][odd] = indices_of(s, i + 4 * g, in_quarters[odd]);
        for (size_t b = 0; b < blocks; b++) {
            vec group[GROUPS];
            for (size_t g = 0; g < GROUPS; g++)
                group[g] = choose_group(s, at[g], vec_set64(block + (uint32_t)b), bound + 4 * b);
            const vec low01 = vec_unpack_low32(group[0], group[1]), high01 = vec_unpack_high32(group[0], group[1]);
            const vec low23 = vec_unpack_low32(group[2], group[3]), high23 = vec_unpack_high32(group[2], group[3]);
            uint8_t *out = choice + 4 * b * RHM_TILE + i;
            vec_store(out, vec_unpack_low64(low01, low23));
            vec_store(out + RHM_TILE, vec_unpack_high64(low01, low23));
            vec_store(out + 2 * RHM_TILE, vec_unpack_low64(high01, high23));
            vec_store(out + 3 * RHM_TILE, vec_unpack_high64(high01, high23));
        }
    }
}

/* Children c, c+1, ... (`count` of them, 1 or 2) of the rules with the numbers `rule`. */
INLINE void look_up(const uint8_t *lookup, size_t branching, size_t chunks, size_t c, size_t count, vec rule,
                    uint8_t *children) {
    vec child[2] = {vec_zero(), vec_zero()}, x = rule;
#pragma GCC unroll 16
    for (size_t k = 0; k < chunks; k++) {
        if (k == RHM_LINKED_CHUNKS)
            x = vec_xor(rule, vec_set8(0x80));
        for (size_t j = 0; j < count; j++)
            child[j] = vec_xor(child[j], vec_shuffle(vec_table(lookup + (k * branching + c + j) * RHM_LOOKUP), x));
        x = vec_subtract_saturated(x, vec_set8(RHM_LOOKUP));
    }
    for (size_t j = 0; j < count; j++)
        vec_store(children + (c + j) * RHM_TILE, child[j]);
}

INLINE void rewrite_nodes(const rhm_small_rules *rules, size_t chunks, size_t branching, size_t children, size_t first,
                          size_t count, const uint8_t *choice, uint8_t *symbols) {
    const vec mask = vec_set8((uint8_t)(0xffu << rules->shift));
    for (size_t n = count; n-- > 0;)
        for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
            const vec symbol = vec_load(symbols + (first + n) * RHM_TILE + i);
            const vec rule =
                vec_or(vec_and(vec_shift_left16(symbol, (int)rules->shift), mask), vec_load(choice + n * RHM_TILE + i));
            uint8_t *out = symbols + (first + n) * branching * RHM_TILE + i;
            size_t c = 0;
            for (; c + 2 <= children; c += 2)
                look_up(rules->lookup, branching, chunks, c, 2, rule, out);
            if (c < children)
                look_up(rules->lookup, branching, chunks, c, 1, rule, out);
        }
}

/* Pairs, the usual case, keep small tables in registers; in any case the loop over chunks is unrolled. */
INLINE void rewrite_chunks(const rhm_small_rules *rules, size_t chunks, size_t branching, size_t children, size_t first,
                           size_t count, const uint8_t *choice, uint8_t *symbols) {
    if (branching == 2 && children == 2)
        rewrite_nodes(rules, chunks, 2, 2, first, count, choice, symbols);
    else
        rewrite_nodes(rules, chunks, branching, children, first, count, choice, symbols);
}

static void rewrite(const rhm_small_rules *rules, uint32_t branching, uint32_t children, size_t first, size_t count,
                    const uint8_t *choice, uint8_t *symbols) {
    switch (rules->chunks) {
    case 1: rewrite_chunks(rules, 1, branching, children, first, count, choice, symbols); break;
    case 2: rewrite_chunks(rules, 2, branching, children, first, count, choice, symbols); break;
    case 4: rewrite_chunks(rules, 4, branching, children, first, count, choice, symbols); break;
    case 8: rewrite_chunks(rules, 8, branching, children, first, count, choice, symbols); break;
    default: rewrite_chunks(rules, 16, branching, children, first, count, choice, symbols);
    }
}

/*
 * `nodes` (a power of two up to 16) rows of symbols, transposed within quarters: quarter q of register j then has all
 * symbols of sample 16 q + 16 j / nodes, and of the samples after it as far as it reaches. One interleaving of the
 * first half of the registers with the second rotates the bits of a byte's address by one.
 */
INLINE void transpose(const uint8_t *symbols, size_t nodes, vec row[QUARTER]) {
    const size_t half = nodes / 2;
    vec next[QUARTER];
#pragma GCC unroll 16
    for (size_t j = 0; j < nodes; j++)
        row[j] = vec_load(symbols + j * RHM_TILE);
#pragma GCC unroll 4
    for (size_t stage = 1; stage < nodes; stage *= 2) {
#pragma GCC unroll 8
        for (size_t j = 0; j < half; j++) {
            next[2 * j] = vec_unpack_low8(row[j], row[j + half]);
            next[2 * j + 1] = vec_unpack_high8(row[j], row[j + half]);
        }
#pragma GCC unroll 16
        for (size_t j = 0; j < nodes; j++)
            row[j] = next[j];
    }
}

/* Whole tiles of rows without gaps, which several of fit a quarter. */
INLINE void pack_rows(const uint8_t *symbols, size_t nodes, uint16_t *out) {
    for (size_t i = 0; i < RHM_TILE; i += WIDTH) {
        vec row[QUARTER];
        transpose(symbols + i, nodes, row);
#pragma GCC unroll 8
        for (size_t j = 0; j < nodes; j++)
            vec_store_quarters(out + i * nodes + j * QUARTER, QUARTER * nodes, row[j], WIDTH / QUARTER);
    }
}

static void rows(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *out, size_t stride) {
    const bool whole = count == RHM_TILE && stride == nodes;
    if (whole && nodes == 2)
        pack_rows(symbols, 2, out);
    else if (whole && nodes == 4)
        pack_rows(symbols, 4, out);
    else if (whole && nodes == 8)
        pack_rows(symbols, 8, out);
    else if (nodes < QUARTER)
        for (size_t i = 0; i < count; i++)
            for (size_t p = 0; p < nodes; p++)
                out[i * stride + p] = symbols[p * RHM_TILE + i];
    else
        /* The last sixteen nodes may overlap those before: they write the same. */
        for (size_t p = 0; p < nodes; p += QUARTER) {
            const size_t column = p + QUARTER <= nodes ? p : nodes - QUARTER;
            for (size_t i = 0; i < count; i += WIDTH) {
                vec row[QUARTER];
                transpose(symbols + column * RHM_TILE + i, QUARTER, row);
#pragma GCC unroll 16
                for (size_t j = 0; j < QUARTER; j++)
                    vec_store_quarters(out + (i + j) * stride + column, QUARTER * stride, row[j],
                                       (count + QUARTER - 1 - i - j) / QUARTER);
            }
        }
}

const rhm_tile_ops RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .words = words,
    .choices = choices,
    .rewrite = rewrite,
    .rows = rows,
};

#endif
