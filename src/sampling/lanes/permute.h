/* Symbols into their children, where one instruction looks 64 bytes up in one or two whole registers. */
#ifndef RHM_SAMPLING_LANES_PERMUTE_H
#define RHM_SAMPLING_LANES_PERMUTE_H

#include "sampling/lanes/lanes.h"

enum { MOST_REGISTERS = RHM_SMALL_RULES / WIDTH };

INLINE vec find(const vec *table, size_t registers, vec rule) {
    if (registers == 1)
        return vec_permute(table[0], rule);
    const vec low = vec_permute2(table[0], table[1], rule);
    return registers == 2 ? low : vec_select_high(rule, low, vec_permute2(table[2], table[3], rule));
}

INLINE void load_table(const rhm_small_rules *rules, size_t registers, size_t child, vec *table) {
    for (size_t k = 0; k < registers; k++)
        table[k] = vec_load(rules->plain + child * RHM_SMALL_RULES + k * WIDTH);
}

INLINE void rewrite_nodes(const rhm_small_rules *rules, size_t registers, size_t branching, size_t children,
                          size_t first, size_t count, const uint8_t *choice, uint8_t *symbols) {
    const vec mask = vec_set8((uint8_t)(0xffu << rules->shift));
    for (size_t n = count; n-- > 0;) {
        const vec symbol = vec_load(symbols + (first + n) * RHM_TILE);
        const vec rule =
            vec_or(vec_and(vec_shift_left16(symbol, (int)rules->shift), mask), vec_load(choice + n * RHM_TILE));
        uint8_t *out = symbols + (first + n) * branching * RHM_TILE;
        for (size_t c = 0; c < children; c++) {
            vec table[MOST_REGISTERS];
            load_table(rules, registers, c, table);
            vec_store(out + c * RHM_TILE, find(table, registers, rule));
        }
    }
}

/* Pairs, the usual case, keep their tables in registers. */
INLINE void rewrite_pairs(const rhm_small_rules *rules, size_t registers, size_t first, size_t count,
                          const uint8_t *choice, uint8_t *symbols) {
    const vec mask = vec_set8((uint8_t)(0xffu << rules->shift));
    vec table[2][MOST_REGISTERS];
    load_table(rules, registers, 0, table[0]);
    load_table(rules, registers, 1, table[1]);
    for (size_t n = count; n-- > 0;) {
        const vec symbol = vec_load(symbols + (first + n) * RHM_TILE);
        const vec rule =
            vec_or(vec_and(vec_shift_left16(symbol, (int)rules->shift), mask), vec_load(choice + n * RHM_TILE));
        vec_store(symbols + (first + n) * 2 * RHM_TILE, find(table[0], registers, rule));
        vec_store(symbols + ((first + n) * 2 + 1) * RHM_TILE, find(table[1], registers, rule));
    }
}

INLINE void rewrite_registers(const rhm_small_rules *rules, size_t registers, size_t branching, size_t children,
                              size_t first, size_t count, const uint8_t *choice, uint8_t *symbols) {
    if (branching == 2 && children == 2)
        rewrite_pairs(rules, registers, first, count, choice, symbols);
    else
        rewrite_nodes(rules, registers, branching, children, first, count, choice, symbols);
}

static void rewrite(const rhm_small_rules *rules, uint32_t branching, uint32_t children, size_t first, size_t count,
                    const uint8_t *choice, uint8_t *symbols) {
    switch (rules->chunks) {
    case 16: rewrite_registers(rules, 4, branching, children, first, count, choice, symbols); break;
    case 8: rewrite_registers(rules, 2, branching, children, first, count, choice, symbols); break;
    default: rewrite_registers(rules, 1, branching, children, first, count, choice, symbols);
    }
}

#endif
