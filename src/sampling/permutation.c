#include "sampling/permutation.h"

enum {
    ROUNDS = 10, /* even: halves of different widths are back in their places */
    LEAST_BITS = 2,
    LANES = RHM_TILE, /* numbers side by side */
};

rhm_permutation rhm_permutation_make(uint64_t seed, uint32_t stream, rhm_u128 size, const rhm_tile_ops *ops) {
    uint32_t bits = LEAST_BITS;
    while ((size - 1) >> bits > 0)
        bits++;
    return (rhm_permutation){rhm_round_keys_of(seed), stream, bits, size, *ops};
}

/* Each round replaces the left half, of which it becomes the right: (L, R) -> (R, L ^ F(R)). */
static void pass(const rhm_permutation *p, rhm_u128 *number) {
    uint32_t left_bits = p->bits / 2, right_bits = p->bits - left_bits;
    uint64_t left[LANES], right[LANES], word[LANES];
    for (int i = 0; i < LANES; i++) {
        left[i] = (uint64_t)(number[i] >> right_bits);
        right[i] = (uint64_t)number[i] & UINT64_MAX >> (64 - right_bits);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint64_t mask = UINT64_MAX >> (64 - left_bits);
        p->ops.scramble(&p->keys, p->stream, round, right, word);
        for (int i = 0; i < LANES; i++) {
            const uint64_t mixed = (left[i] ^ word[i]) & mask;
            left[i] = right[i];
            right[i] = mixed;
        }
        const uint32_t width = left_bits;
        left_bits = right_bits;
        right_bits = width;
    }
    for (int i = 0; i < LANES; i++)
        number[i] = (rhm_u128)left[i] << right_bits | right[i];
}

/* Lanes are filled with the next numbers as those in them arrive. */
void rhm_permute(const rhm_permutation *permutation, rhm_u128 first, size_t count, rhm_u128 *out) {
    rhm_u128 number[LANES] = {0};
    size_t place[LANES], next = 0, arrived = 0;
    for (int i = 0; i < LANES; i++) {
        place[i] = next;
        number[i] = next < count ? first + next : 0;
        next++;
    }
    while (arrived < count) {
        pass(permutation, number);
        for (int i = 0; i < LANES; i++) {
            if (number[i] >= permutation->size)
                continue;
            if (place[i] < count) {
                out[place[i]] = number[i];
                arrived++;
            }
            place[i] = next;
            number[i] = next < count ? first + next : 0;
            next++;
        }
    }
}
