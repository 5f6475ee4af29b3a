/* Tables of ids, the operations one patch at a time, and the way from an instruction set to its operations. */
#include "kernels/ids.h"

#include "core/fail.h"
#include "core/memory.h"

#if defined(__x86_64__)
extern const rhm_id_ops rhm_id_ops_avx2, rhm_id_ops_avx512;
#endif

enum { LOOKUP = 16, LINKED = 8 }; /* entries of a chunk; chunks that are linked */

size_t rhm_id_possible(size_t words, uint32_t inputs) {
    size_t possible = 1;
    for (size_t t = 0; t < words; t++)
        if (!rhm_size_mul(&possible, inputs) || possible > RHM_ID_POSSIBLE)
            return 0;
    return possible;
}

rhm_status rhm_id_table_init(rhm_id_table *out, size_t words, uint32_t inputs, rhm_error *error) {
    *out = (rhm_id_table){.words = words, .inputs = inputs, .possible = rhm_id_possible(words, inputs)};
    return (out->entry = RHM_NEW(uint16_t, out->possible, 1, 1, "table of ids", error)) ? RHM_OK : RHM_NO_MEMORY;
}

void rhm_id_table_seal(rhm_id_table *table) {
    table->small = table->words == 2 && table->possible <= RHM_ID_SMALL;
    for (size_t i = 0; i < table->possible && table->small; i++)
        table->small = table->entry[i] <= UINT8_MAX;
    for (size_t i = 0; i < RHM_ID_SMALL && table->small; i++) {
        const bool first = i / LOOKUP % LINKED == 0;
        const uint16_t here = i < table->possible ? table->entry[i] : 0;
        const uint16_t before = !first && i - LOOKUP < table->possible ? table->entry[i - LOOKUP] : 0;
        table->chunk[i] = (uint8_t)(here ^ before);
    }
}

void rhm_id_table_clear(rhm_id_table *table) {
    rhm_free(table->entry);
    *table = (rhm_id_table){0};
}

static void look_up(const rhm_id_table *table, const uint16_t *patch, size_t count, uint16_t *out) {
    rhm_look_up_rest(table, patch, 0, count, out);
}

static void count_pairs(const uint16_t *number, size_t families, size_t siblings, size_t one, size_t other,
                        size_t patches, size_t copies, uint32_t *count) {
    rhm_count_pairs_rest(number, 0, families, siblings, one, other, patches, copies, count);
}

static const rhm_id_ops reference = {
    .name = "reference", .isa = RHM_ISA_SCALAR, .look_up = look_up, .count_pairs = count_pairs};

rhm_id_ops rhm_id_ops_at(rhm_isa isa) {
    static const rhm_tables tables = {
        .nbytes = sizeof(rhm_id_ops),
        .first = offsetof(rhm_id_ops, look_up),
        .of = {[RHM_ISA_SCALAR] = &reference,
#if defined(__x86_64__)
               [RHM_ISA_AVX2] = &rhm_id_ops_avx2,
               [RHM_ISA_AVX512] = &rhm_id_ops_avx512
#endif
        },
    };
    rhm_id_ops out;
    rhm_tables_resolve(&out, &tables, isa);
    return out;
}
