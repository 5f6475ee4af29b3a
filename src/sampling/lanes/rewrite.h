/* Symbols into their children, by shuffles of bytes. */
#ifndef RHM_SAMPLING_LANES_REWRITE_H
#define RHM_SAMPLING_LANES_REWRITE_H

#include "sampling/lanes/lanes.h"

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

#endif
