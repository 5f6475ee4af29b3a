/* Look-ups and pairs of ids: every table against a plain count, in memory that is exactly as large as granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/philox.h"
#include "guarded.h"
#include "kernels/ids.h"

enum { TABLES = RHM_ISA_COUNT, MOST_WORDS = 5 };

static rhm_random source = {.seed = 20261128, .stream = 1 << 20};

static uint16_t *numbers_of(const guarded *g) {
    return g->data;
}

static size_t tables(rhm_id_ops out[TABLES]) {
    size_t n = 0;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            out[n++] = rhm_id_ops_at((rhm_isa)isa);
    return n;
}

static guarded random_numbers(size_t count, uint32_t bound) {
    guarded g = guard(sizeof(uint16_t) * count);
    for (size_t i = 0; i < count; i++)
        numbers_of(&g)[i] = (uint16_t)rhm_random_below(&source, bound);
    return g;
}

static void check_look_up(const rhm_id_ops *ops, const rhm_id_table *table, size_t count) {
    const size_t s = table->words;
    for (int in_place = 0; in_place < 2; in_place++) {
        guarded patch = random_numbers(count * s, table->inputs), out = guard(sizeof(uint16_t) * count);
        uint16_t *wanted = malloc(sizeof *wanted * (count + 1));
        for (size_t i = 0; i < count; i++) {
            size_t code = 0;
            for (size_t t = 0; t < s; t++)
                code = code * table->inputs + numbers_of(&patch)[i * s + t];
            wanted[i] = table->entry[code];
        }
        uint16_t *into = in_place ? numbers_of(&patch) : numbers_of(&out);
        ops->look_up(table, numbers_of(&patch), count, into);
        for (size_t i = 0; i < count; i++)
            if (into[i] != wanted[i])
                fail_msg("%s: patch %zu of %zu, %zu ids below %u%s: %u, not %u (seed %llu)", ops->name, i, count, s,
                         table->inputs, in_place ? ", in place" : "", into[i], wanted[i],
                         (unsigned long long)source.seed);
        free(wanted);
        release(&patch);
        release(&out);
    }
}

static void entries_are_found(void **state) {
    (void)state;
    static const struct {
        size_t words;
        uint32_t inputs, outputs;
    } shapes[] = {{2, 1, 1},    {2, 2, 256}, {2, 7, 9},     {2, 8, 8},        {2, 11, 300}, {2, 12, 12},
                  {2, 16, 256}, {2, 17, 17}, {2, 100, 100}, {2, 1024, 65536}, {3, 6, 6},    {MOST_WORDS, 3, 40}};
    static const size_t counts[] = {0, 1, 31, 32, 33, 64, 65, 127, 300};
    rhm_id_ops ops[TABLES];
    const size_t n = tables(ops);
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
        rhm_id_table table;
        rhm_error error;
        assert_int_equal(rhm_id_table_init(&table, shapes[shape].words, shapes[shape].inputs, &error), RHM_OK);
        for (size_t i = 0; i < table.possible; i++)
            table.entry[i] = (uint16_t)rhm_random_below(&source, shapes[shape].outputs);
        rhm_id_table_seal(&table);
        assert_true(!table.small || (table.words == 2 && table.inputs <= 16));
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
                check_look_up(&ops[i], &table, counts[k]);
        rhm_id_table_clear(&table);
    }
}

static void check_pairs(const rhm_id_ops *ops, size_t patches, size_t siblings, size_t copies, size_t families) {
    const size_t one = rhm_random_below(&source, (uint32_t)siblings), cells = copies * patches * patches;
    const size_t other = (one + 1 + rhm_random_below(&source, (uint32_t)siblings - 1)) % siblings;
    guarded number = random_numbers(families * siblings, (uint32_t)patches), count = guard(sizeof(uint32_t) * cells);
    uint32_t *wanted = malloc(sizeof *wanted * cells);
    for (size_t i = 0; i < cells; i++)
        wanted[i] = ((uint32_t *)count.data)[i] = (uint32_t)i;
    for (size_t f = 0; f < families; f++) {
        const uint16_t *family = numbers_of(&number) + f * siblings;
        wanted[f % copies * patches * patches + family[one] * patches + family[other]]++;
    }
    ops->count_pairs(number.data, families, siblings, one, other, patches, copies, count.data);
    if (memcmp(count.data, wanted, sizeof *wanted * cells) != 0)
        fail_msg("%s: %zu families of %zu, %zu patches, %zu copies, places %zu and %zu (seed %llu)", ops->name,
                 families, siblings, patches, copies, one, other, (unsigned long long)source.seed);
    free(wanted);
    release(&number);
    release(&count);
}

static void pairs_are_counted(void **state) {
    (void)state;
    static const size_t patches[] = {1, 2, 32, 300}, families[] = {0, 1, 31, 64, 65, 200};
    rhm_id_ops ops[TABLES];
    const size_t n = tables(ops);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < sizeof patches / sizeof *patches; p++)
            for (size_t f = 0; f < sizeof families / sizeof *families; f++)
                for (size_t siblings = 2; siblings <= 3; siblings++)
                    for (size_t copies = 1; copies <= RHM_PAIR_COPIES; copies *= 2)
                        check_pairs(&ops[i], patches[p], siblings, copies, families[f]);
    for (size_t i = 0; i < n; i++)
        check_pairs(&ops[i], 5000, 2, 1, 200); /* numbers of more than 16 bits */
}

static void tables_that_are_too_large_are_none(void **state) {
    (void)state;
    assert_int_equal(rhm_id_possible(2, 1024), RHM_ID_POSSIBLE);
    assert_int_equal(rhm_id_possible(2, 1025), 0);
    assert_int_equal(rhm_id_possible(64, 65536), 0);
    assert_int_equal(rhm_id_possible(64, 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found),
        cmocka_unit_test(pairs_are_counted),
        cmocka_unit_test(tables_that_are_too_large_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
