#include "sampling/layout.h"

#include <string.h>

rhm_choice rhm_choice_of(uint32_t count, bool even) {
    rhm_choice choice = {.kind = even ? RHM_BY_DIGITS : RHM_BY_ALIAS, .count = count, .digits = 1, .bound = count};
    if (!even)
        return choice;
    if (count <= RHM_NUMBERS && (count & (count - 1)) == 0) {
        choice.kind = RHM_BY_BITS;
        while (UINT32_C(1) << choice.bits < count)
            choice.bits++;
        return choice;
    }
    for (; choice.bound * (uint64_t)count <= RHM_NUMBERS; choice.bound *= count)
        choice.digits++;
    return choice;
}

/* How far a block is used up. */
typedef struct cursor {
    uint32_t bit;
    uint32_t word, digit; /* of the last number: the next digit of it */
} cursor;

static bool take_bits(cursor *at, const rhm_choice *choice, rhm_place *place) {
    if (at->bit % 8 + choice->bits > 8)
        at->bit += 8 - at->bit % 8;
    if (at->bit + choice->bits > 8 * RHM_BLOCK_BYTES)
        return false;
    *place = choice->bits ? (rhm_place){(uint8_t)(at->bit / 8), (uint8_t)(at->bit % 8)} : (rhm_place){0, 0};
    at->bit += choice->bits;
    return true;
}

static bool take_word(cursor *at, uint32_t *word) {
    *word = (at->bit + 31) / 32;
    at->bit = 32 * (*word + 1);
    return *word < RHM_BLOCK_WORDS;
}

static bool take(rhm_stratum *s, cursor *at, const rhm_choice *choice, rhm_place *place) {
    uint32_t word = at->word, digit = 0;
    if (choice->kind == RHM_BY_BITS)
        return take_bits(at, choice, place);
    if (choice->kind == RHM_BY_ALIAS) {
        if (!take_word(at, &word))
            return false;
    } else if (s->number[word].count == choice->count && at->digit < choice->digits) {
        digit = at->digit++;
    } else {
        if (!take_word(at, &word))
            return false;
        s->number[word] = *choice;
        at->word = word;
        at->digit = 1;
    }
    place->plane = (uint8_t)(RHM_BLOCK_BYTES + RHM_NUMBER_DIGITS * word + digit);
    place->shift = 0;
    return true;
}

/* The stratum from level `top` to `end`: false where a block or the leaves do not suffice. */
static bool build(rhm_stratum *s, uint32_t *bits, const rhm_layout *layout, const rhm_tree *tree, uint32_t top,
                  uint32_t end) {
    const size_t leaves = rhm_tree_below(tree, top, end);
    cursor at = {0};
    uint32_t draws = 0;
    memset(s, 0, sizeof *s);
    if (leaves > RHM_SUBTREE_LEAVES || (top == 0 && !take(s, &at, &layout->label, &s->label)))
        return false;
    for (uint32_t level = top; level < end; level++) {
        s->offset[level - top] = draws;
        for (size_t n = rhm_tree_below(tree, top, level); n > 0; n--)
            if (!take(s, &at, &layout->rule[level + 1], &s->place[draws++]))
                return false;
    }
    s->top = top;
    s->end = end;
    s->leaves = (uint32_t)leaves;
    *bits = at.bit;
    return true;
}

/* From the bottom, where most symbols are, each stratum as high as possible. */
void rhm_layout_make(rhm_layout *layout, const rhm_tree *tree) {
    uint32_t end = tree->levels, bits = 0, next = 1;
    layout->count = 0;
    while (end > 0) {
        rhm_stratum built, *s = &layout->stratum[RHM_MAX_LEVELS - 1 - layout->count];
        for (uint32_t top = end; top > 0 && build(&built, &bits, layout, tree, top - 1, end); top--)
            *s = built;
        end = s->top;
        layout->count++;
    }
    memmove(layout->stratum, layout->stratum + RHM_MAX_LEVELS - layout->count, sizeof *layout->stratum * layout->count);
    for (uint32_t k = 1; k < layout->count; k++) {
        layout->stratum[k].block = next;
        next += (uint32_t)tree->nodes[layout->stratum[k].top];
    }
    layout->sharing = bits <= 32 ? 4 : bits <= 64 ? 2 : 1;
}
