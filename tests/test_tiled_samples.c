/* Samples drawn in tiles against samples drawn one by one. */
#include "tile_tables.h"

/* All that sampling writes, each array at the end of its page. */
typedef struct drawn {
    guarded leaves, labels, parents, latent[RHM_MAX_LEVELS + 1];
} drawn;

static drawn draw(const rhm_sampler *sampler, uint32_t level, uint64_t first, size_t count, bool latents) {
    const rhm_shape *shape = rhm_grammar_shape(sampler->grammar);
    drawn d = {.labels = guard(count * 2), .parents = guard(count * 2)};
    d.leaves = guard(count * nodes_between(shape, level - 1, shape->levels) * 2);
    uint16_t *latent[RHM_MAX_LEVELS + 1] = {NULL};
    for (uint32_t l = 1; latents && l < shape->levels; l++) {
        d.latent[l] = guard(count * nodes_of(shape, l) * 2);
        latent[l] = l % 3 == 2 ? NULL : d.latent[l].data;
    }
    if (latents)
        rhm_sample_sequences(sampler, 77, first, count, d.leaves.data, d.labels.data, latent);
    else
        rhm_sample_first_patches(sampler, 77, level, first, count, d.leaves.data, d.labels.data, d.parents.data);
    return d;
}

static void compare(guarded *a, guarded *b, const char *what, const char *name, uint32_t level, uint64_t first,
                    size_t count) {
    assert_int_equal(a->mapped, b->mapped);
    if (a->base) {
        const size_t inside = a->mapped - (size_t)sysconf(_SC_PAGESIZE);
        if (memcmp(a->base, b->base, inside) != 0)
            fail_msg("%s: %s of level %u differ for samples %llu + %zu", name, what, level, (unsigned long long)first,
                     count);
        release(a);
        release(b);
    }
}

static void check_samples(rhm_sampler *sampler, const rhm_tile_ops *ops, uint32_t level, uint64_t first, size_t count) {
    for (int latents = 0; latents < (level == 1 ? 2 : 1); latents++) {
        sampler->tiles = false;
        drawn a = draw(sampler, level, first, count, latents);
        sampler->tiles = true;
        sampler->ops = *ops;
        drawn b = draw(sampler, level, first, count, latents);
        compare(&a.leaves, &b.leaves, "leaves", ops->name, level, first, count);
        compare(&a.labels, &b.labels, "labels", ops->name, level, first, count);
        compare(&a.parents, &b.parents, "parents", ops->name, level, first, count);
        for (uint32_t l = 1; l <= RHM_MAX_LEVELS; l++)
            compare(&a.latent[l], &b.latent[l], "latents", ops->name, l, first, count);
    }
}

/* Whether all strata are drawn in tiles. */
static bool small(const rhm_sampler *sampler) {
    for (uint32_t k = 0; k < sampler->layout.count; k++)
        if (!sampler->small[k])
            return false;
    return true;
}

/* One byte at a time, whatever it stands for. */
static bool slow(const rhm_tile_ops *ops) {
    return ops->isa == RHM_ISA_SCALAR;
}

static void samples_do_not_depend_on_the_width(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    const struct {
        rhm_shape shape;
        uint32_t lowest; /* level to begin with */
        bool tiles;
    } cases[] = {
        {rhm_shape_uniform(16, 4, 2, 8), 1, true},
        {rhm_shape_uniform(8, 4, 2, 10), 1, true},
        {rhm_shape_uniform(16, 4, 2, 4), 1, true},
        {rhm_shape_uniform(32, 8, 2, 4), 1, true},
        {rhm_shape_uniform(6, 4, 3, 5), 1, true},
        {rhm_shape_uniform(7, 3, 3, 7), 1, true}, /* cut below level 2 */
        {rhm_shape_uniform(9, 5, 4, 3), 1, true},
        {rhm_shape_uniform(11, 2, 17, 2), 1, true},
        {rhm_shape_uniform(5, 5, 64, 2), 1, true},
        {rhm_shape_uniform(2, 2, 2, 1), 1, true},
        {rhm_shape_uniform(4, 2, 2, 18), 1, true},
        {rhm_shape_uniform(4, 2, 2, 19), 1, true},
        {rhm_shape_uniform(33, 8, 2, 3), 1, false},
        {rhm_shape_uniform(300, 4, 2, 4), 1, false},
        {rhm_shape_uniform(65536, 2, 2, 2), 1, false},
        {rhm_shape_uniform(16, 4, 2, 32), 29, true},
        {{.levels = 4, .branching = {0, 5, 2, 3, 4}, .vocab = {6, 6, 6, 6, 6}, .rules = {0, 3, 3, 3, 3}}, 1, true},
        {{.levels = 4, .branching = {0, 2, 64, 2, 7}, .vocab = {6, 6, 6, 6, 6}, .rules = {0, 3, 3, 3, 3}}, 1, true},
        {{.levels = 3, .branching = {0, 2, 2, 2}, .vocab = {256, 30, 256, 40}, .rules = {0, 1, 7, 1}}, 1, true},
        {{.levels = 3, .branching = {0, 3, 3, 3}, .vocab = {3, 50, 5, 257}, .rules = {0, 64, 2, 4}}, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rhm_shape *shape = &cases[i].shape;
        rhm_grammar *grammar;
        rhm_sampler *sampler;
        assert_int_equal(rhm_grammar_draw(&grammar, shape, RHM_UNIFORM, i, NULL), RHM_OK);
        assert_int_equal(rhm_sampler_create(&sampler, grammar, 0x123456789abcdef0u, NULL), RHM_OK);
        for (size_t k = 0; k < available; k++) {
            /* Long sequences take the emulation too long. */
            const size_t most = slow(&table[k]) ? 1 << 14 : 1 << 20;
            if (small(sampler) != cases[i].tiles)
                fail_msg("case %zu: tiles are %staken", i, cases[i].tiles ? "not " : "");
            for (uint32_t level = cases[i].lowest; level <= shape->levels; level += shape->levels > 10 ? 3 : 1) {
                const size_t width = nodes_between(shape, level - 1, shape->levels);
                if (width > 1024) {
                    if (level == cases[i].lowest && width <= most)
                        check_samples(sampler, &table[k], level, 3, 5);
                    continue;
                }
                check_samples(sampler, &table[k], level, 12345, width > 100 ? 65 : 193);
                check_samples(sampler, &table[k], level, ((uint64_t)1 << 32) - 37, 60); /* across the carry */
                if (slow(&table[k]))
                    continue;
                check_samples(sampler, &table[k], level, 0, 1);
                check_samples(sampler, &table[k], level, UINT64_MAX - 40, 20);
            }
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

/* Every remainder of a tile. */
static void every_count_is_served(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    const rhm_shape shape = rhm_shape_uniform(8, 3, 2, 5);
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, 4, NULL), RHM_OK);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 9, NULL), RHM_OK);
    for (size_t k = 0; k < available; k++)
        for (size_t count = 1; count <= 2 * RHM_TILE + 1; count += 1 + (count > RHM_TILE))
            for (uint32_t level = 1; level <= shape.levels; level += 1 + count % 2)
                check_samples(sampler, &table[k], level, count * 7, count);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/* Uneven distributions take the rows, whose words are vectorised too. */
static void uneven_rules_are_the_same(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    static tables t;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        random_tables(&t, seed, 1e9);
        rhm_grammar *grammar;
        rhm_sampler *sampler;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        assert_int_equal(rhm_sampler_create(&sampler, grammar, seed, NULL), RHM_OK);
        for (size_t k = 0; k < available; k++)
            for (uint32_t level = 1; level <= t.shape.levels; level++) {
                check_samples(sampler, &table[k], level, seed, 50);
                check_samples(sampler, &table[k], level, UINT32_MAX - seed, 40);
            }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

static void the_level_is_chosen_once(void **state) {
    (void)state;
    const rhm_isa has = rhm_isa_here();
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 2);
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, 1, NULL), RHM_OK);
    char *before = getenv("RHM_ISA") ? strdup(getenv("RHM_ISA")) : NULL;

    unsetenv("RHM_ISA");
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, NULL), RHM_OK);
    assert_int_equal(sampler->ops.isa, rhm_tile_ops_at(has).isa);
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        if (!rhm_isa_includes(has, (rhm_isa)isa))
            continue;
        rhm_sampler_use(sampler, (rhm_isa)isa);
        assert_int_equal(sampler->ops.isa, rhm_tile_ops_at((rhm_isa)isa).isa);
        assert_int_equal(sampler->tiles, sampler->ops.isa != RHM_ISA_SCALAR);
    }
    rhm_sampler_destroy(sampler);

    setenv("RHM_ISA", "scalar", 1);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, NULL), RHM_OK);
    assert_false(sampler->tiles);
    rhm_sampler_destroy(sampler);

    setenv("RHM_ISA", "sse9", 1);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "sse9"));
    assert_null(sampler);

    if (before)
        setenv("RHM_ISA", before, 1);
    else
        unsetenv("RHM_ISA");
    free(before);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_do_not_depend_on_the_width),
        cmocka_unit_test(every_count_is_served),
        cmocka_unit_test(uneven_rules_are_the_same),
        cmocka_unit_test(the_level_is_chosen_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
