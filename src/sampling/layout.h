/*
 * Which random bits decide what (docs/reproducibility.md states it for those who want to compute a sample themselves).
 *
 * The levels of a hierarchy are cut into strata. Below each symbol at the top of a stratum hangs a subtree that reaches
 * down to the top of the next one, and all its rules are chosen by one Philox block: the subtree of symbol n at the top
 * of a stratum has the block `block + n` of the sample's index. So any part of a sample can be drawn from the few
 * blocks above it, and neighbouring subtrees of a long sample, or the same one of neighbouring samples, side by side.
 * Samples whose first subtree needs at most half of a block share it.
 */
#ifndef RHM_SAMPLING_LAYOUT_H
#define RHM_SAMPLING_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/grammar.h"
#include "sampling/alias.h"

enum {
    RHM_BLOCK_WORDS = 4,
    RHM_BLOCK_BYTES = 16,
    RHM_NUMBERS = 256,        /* a word that serves several choices becomes a number below this */
    RHM_NUMBER_DIGITS = 5,    /* 3^5 < 256 */
    RHM_SUBTREE_LEAVES = 256, /* at most */
    RHM_SUBTREE_LEVELS = 8,
    RHM_PLANES = RHM_BLOCK_BYTES + RHM_BLOCK_WORDS * RHM_NUMBER_DIGITS,
};

typedef enum rhm_choice_kind {
    RHM_BY_BITS,   /* equally likely, a power of two up to 256: some bits of one byte, without bias */
    RHM_BY_DIGITS, /* equally likely: a digit in base `count` of word * bound >> 32 */
    RHM_BY_ALIAS,  /* a word, by alias columns */
} rhm_choice_kind;

/* How one of `count` is chosen. */
typedef struct rhm_choice {
    rhm_choice_kind kind;
    uint32_t count;
    uint32_t bits;   /* RHM_BY_BITS */
    uint32_t digits; /* RHM_BY_DIGITS: choices that one word serves */
    uint32_t bound;  /* count^digits: at most RHM_NUMBERS, or `count` */
} rhm_choice;

/* Where a choice finds its bits: a byte of the block, and the bits to shift out of it; or plane RHM_BLOCK_BYTES +
 * RHM_NUMBER_DIGITS w + j: digit j of word w, the lowest first. */
typedef struct rhm_place {
    uint8_t plane, shift;
} rhm_place;

typedef struct rhm_stratum {
    uint32_t top, end;                   /* symbols of levels top..end-1 are rewritten */
    uint32_t leaves;                     /* level-`end` symbols of a subtree */
    uint32_t block;                      /* of subtree 0 */
    bool bytes;                          /* some choices are by bits */
    rhm_choice number[RHM_BLOCK_WORDS];  /* what a word's digits choose; count 0: nothing */
    uint32_t offset[RHM_SUBTREE_LEVELS]; /* [l - top]: entry of `place` of the first level-l symbol */
    rhm_place label;                     /* the top stratum's */
    rhm_place place[RHM_SUBTREE_LEAVES]; /* of the symbols, level by level */
} rhm_stratum;

typedef struct rhm_layout {
    rhm_choice label, rule[RHM_MAX_LEVELS + 1]; /* entries 1..L */
    uint32_t sharing;                           /* samples of a first block: 1, 2 or 4 */
    uint32_t count;                             /* strata, from the top */
    rhm_stratum stratum[RHM_MAX_LEVELS];
} rhm_layout;

/* `even`: the entries are equally likely. */
rhm_choice rhm_choice_of(uint32_t count, bool even);

/* Lays out the strata for the tree, whose choices are filled in. */
void rhm_layout_make(rhm_layout *layout, const rhm_tree *tree);

/* Whether it is made a byte at a time, by bits or digits. */
static inline bool rhm_has_planes(const rhm_choice *choice) {
    return choice->kind != RHM_BY_ALIAS && choice->bound <= RHM_NUMBERS;
}

/* Which word of the block a choice reads, */
static inline uint32_t rhm_word_of(rhm_place place) {
    return place.plane < RHM_BLOCK_BYTES ? place.plane / 4u
                                         : (place.plane - RHM_BLOCK_BYTES) / (uint32_t)RHM_NUMBER_DIGITS;
}

/* and what it makes of it; `columns` are for RHM_BY_ALIAS. */
static inline uint32_t rhm_choose(const rhm_choice *choice, const rhm_alias *columns, rhm_place place, uint32_t word) {
    if (choice->kind == RHM_BY_ALIAS)
        return rhm_alias_choice(columns, choice->count, word);
    if (choice->kind == RHM_BY_BITS)
        return word >> (place.plane % 4 * 8 + place.shift) & (choice->count - 1);
    uint32_t number = rhm_uniform_choice(choice->bound, word);
    if (choice->digits == 1)
        return number;
    for (uint32_t j = (uint32_t)(place.plane - RHM_BLOCK_BYTES) % RHM_NUMBER_DIGITS; j > 0; j--)
        number /= choice->count;
    return number % choice->count;
}

#endif
