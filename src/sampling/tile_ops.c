/* The operations one byte at a time, and the way from an instruction set to its operations. */
#include "sampling/tile_ops.h"

#if defined(__x86_64__)
extern const rhm_tile_ops rhm_tile_ops_avx2, rhm_tile_ops_avx512, rhm_tile_ops_avx512vbmi;
#endif

static void words(const rhm_blocks *blocks, size_t lanes, uint32_t *word) {
    const uint64_t(*key)[2] = blocks->keys->key;
    for (uint32_t i = 0; i < lanes; i++) {
        const rhm_philox_block b = rhm_philox(key[0][1] << 32 | key[0][0], blocks->index + i / blocks->each,
                                              blocks->stream, blocks->block + i % blocks->each);
        for (size_t w = 0; w < RHM_BLOCK_WORDS; w++)
            word[w * RHM_TILE + i] = b.word[w];
    }
}

static void scramble(const rhm_round_keys *keys, uint32_t stream, uint32_t block, const uint64_t *index,
                     uint64_t *out) {
    for (size_t i = 0; i < RHM_TILE; i++) {
        const rhm_philox_block b = rhm_philox(keys->key[0][1] << 32 | keys->key[0][0], index[i], stream, block);
        out[i] = (uint64_t)b.word[1] << 32 | b.word[0];
    }
}

static void bytes(const uint32_t *word, uint8_t *plane) {
    for (size_t b = 0; b < 4; b++)
        for (size_t i = 0; i < RHM_TILE; i++)
            plane[b * RHM_TILE + i] = (uint8_t)(word[i] >> 8 * b);
}

static void digits(const uint32_t *word, uint32_t count, uint32_t bound, uint32_t digits, uint8_t *plane) {
    for (size_t i = 0; i < RHM_TILE; i++) {
        uint32_t number = rhm_uniform_choice(bound, word[i]);
        for (size_t j = 0; j < digits; j++, number /= count)
            plane[j * RHM_TILE + i] = (uint8_t)(number % count);
    }
}

static void choices(const uint8_t *plane, const rhm_place *place, size_t count, uint8_t mask, uint8_t *choice) {
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < RHM_TILE; i++)
            choice[n * RHM_TILE + i] = plane[place[n].plane * RHM_TILE + i] >> place[n].shift & mask;
}

/* Child c of the rule with this number: the chunks up to its own, back to each eighth, are differences. */
static uint8_t child_of(const rhm_small_rules *rules, uint32_t branching, size_t number, uint32_t c) {
    const size_t last = number / RHM_LOOKUP;
    uint8_t child = 0;
    for (size_t k = last / RHM_LINKED_CHUNKS * RHM_LINKED_CHUNKS; k <= last; k++)
        child ^= rules->lookup[(k * branching + c) * RHM_LOOKUP + number % RHM_LOOKUP];
    return child;
}

static void rewrite(const rhm_small_rules *rules, uint32_t branching, uint32_t children, size_t first, size_t count,
                    const uint8_t *choice, uint8_t *symbols) {
    for (size_t n = count; n-- > 0;)
        for (size_t i = 0; i < RHM_TILE; i++) {
            const size_t number =
                (size_t)symbols[(first + n) * RHM_TILE + i] << rules->shift | choice[n * RHM_TILE + i];
            for (uint32_t c = 0; c < children; c++)
                symbols[((first + n) * branching + c) * RHM_TILE + i] = child_of(rules, branching, number, c);
        }
}

static void rows(const uint8_t *symbols, size_t nodes, size_t count, uint16_t *out, size_t stride, bool past) {
    (void)past;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < nodes; p++)
            out[i * stride + p] = symbols[p * RHM_TILE + i];
}

static void settle(void) {
}

static const rhm_tile_ops reference = {
    .name = "reference",
    .isa = RHM_ISA_SCALAR,
    .words = words,
    .scramble = scramble,
    .bytes = bytes,
    .digits = digits,
    .choices = choices,
    .rewrite = rewrite,
    .rows = rows,
    .settle = settle,
};

rhm_tile_ops rhm_tile_ops_at(rhm_isa isa) {
    static const rhm_tables tables = {
        .nbytes = sizeof(rhm_tile_ops),
        .first = offsetof(rhm_tile_ops, words),
        .of = {[RHM_ISA_SCALAR] = &reference,
#if defined(__x86_64__)
               [RHM_ISA_AVX2] = &rhm_tile_ops_avx2,
               [RHM_ISA_AVX512] = &rhm_tile_ops_avx512
#endif
        },
    };
    rhm_tile_ops out;
    rhm_tables_resolve(&out, &tables, isa);
#if defined(__x86_64__)
    if (out.isa == RHM_ISA_AVX512 && __builtin_cpu_supports("avx512vbmi"))
        return rhm_tile_ops_avx512vbmi;
#endif
    return out;
}
