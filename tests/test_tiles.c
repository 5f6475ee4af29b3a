/* The vector operations of sampling against plain arithmetic, and vectorised samples against samples drawn one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "core/philox.h"
#include "derivations.h"
#include "sampling/sampler.h"

extern const rhm_tile_ops rhm_tile_ops_emulated;

enum { TABLES = RHM_ISA_COUNT + 1 };

/* Every table that this machine can run. */
static size_t tables_here(rhm_tile_ops table[TABLES]) {
    size_t count = 0;
    table[count++] = rhm_tile_ops_emulated;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            table[count++] = rhm_tile_ops_at((rhm_isa)isa);
    return count;
}

/* Memory that ends where an unreadable page begins. */
typedef struct guarded {
    void *data, *base;
    size_t mapped;
} guarded;

static guarded guard(size_t nbytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (nbytes + page - 1) / page * page;
    guarded g = {.mapped = inside + page};
    g.base = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.base, MAP_FAILED);
    assert_int_equal(mprotect((char *)g.base + inside, page, PROT_NONE), 0);
    g.data = (char *)g.base + inside - nbytes;
    memset(g.base, 0xa5, inside);
    return g;
}

static void release(guarded *g) {
    munmap(g->base, g->mapped);
}

static uint64_t random_bits(uint64_t *state) {
    return (uint64_t)test_random(state, 1u << 22) << 44 ^ (uint64_t)test_random(state, 1u << 22) << 22 ^
           test_random(state, 1u << 22);
}

/* ------------------------------------------------------------------------------------------------------ operations */

static void words_are_philox(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    uint64_t random = 1;
    for (size_t round = 0; round < 200; round++) {
        const uint64_t seed = random_bits(&random);
        uint64_t first = round % 3 ? random_bits(&random) : round;
        if (round % 5 == 0)
            first = (first | UINT32_MAX) - (RHM_WORD_TILE - 1); /* up to the last index of a high word */
        else if ((uint32_t)first > UINT32_MAX - RHM_TILE)
            first -= RHM_TILE;
        const uint32_t stream = (uint32_t)random_bits(&random), block = (uint32_t)random_bits(&random);
        const rhm_tile_stream tile = rhm_tile_stream_of(seed, first, stream);
        for (size_t k = 0; k < available; k++) {
            guarded g = guard(sizeof(uint32_t) * 4 * RHM_WORD_TILE);
            const uint32_t *word = g.data;
            table[k].words(&tile, block, g.data);
            for (uint32_t i = 0; i < RHM_WORD_TILE; i++) {
                const rhm_philox_block expected = rhm_philox(seed, first + i, stream, block);
                for (uint32_t w = 0; w < 4; w++)
                    if (word[w * RHM_WORD_TILE + i] != expected.word[w])
                        fail_msg("%s: round %zu, sample %u, word %u", table[k].name, round, i, w);
            }
            release(&g);
        }
    }
}

static void choices_are_scaled_words(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    const uint32_t bounds[] = {1, 2, 3, 4, 5, 16, 100, 255, 256};
    uint64_t random = 2;
    for (size_t round = 0; round < 60; round++) {
        const uint64_t seed = random_bits(&random), index = random_bits(&random) << 16;
        const uint64_t first = round % 2 ? index : (index | UINT32_MAX) - (RHM_TILE - 1);
        const uint32_t stream = (uint32_t)random_bits(&random);
        const uint32_t block = round % 4 ? test_random(&random, 1000) : UINT32_MAX - 4;
        const size_t blocks = round % 6;
        uint32_t bound[4 * 6];
        for (size_t w = 0; w < 4 * blocks; w++)
            bound[w] = bounds[test_random(&random, 9)];
        const rhm_tile_stream tile = rhm_tile_stream_of(seed, first, stream);
        for (size_t k = 0; k < available; k++) {
            guarded g = guard(4 * blocks * RHM_TILE + 1);
            const uint8_t *choice = (uint8_t *)g.data + 1; /* at any address */
            table[k].choices(&tile, block, blocks, bound, (uint8_t *)g.data + 1);
            for (size_t w = 0; w < 4 * blocks; w++)
                for (uint32_t i = 0; i < RHM_TILE; i++) {
                    const uint32_t word = rhm_philox(seed, first + i, stream, block + (uint32_t)(w / 4)).word[w % 4];
                    if (choice[w * RHM_TILE + i] != (uint64_t)word * bound[w] >> 32)
                        fail_msg("%s: round %zu, sample %u, word %zu of %u", table[k].name, round, i, w, bound[w]);
                }
            release(&g);
        }
    }
}

/* One level of a grammar, by the tables of a sampler and by the grammar itself. */
static void check_rewrite(const rhm_tile_ops *ops, uint32_t vocab, uint32_t rules, uint32_t s, uint32_t children,
                          size_t first, size_t count) {
    rhm_shape shape = {.levels = 1, .branching = {0, s}, .vocab = {vocab, 256}, .rules = {0, rules}};
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    assert_int_equal(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, vocab * 1000 + rules, NULL), RHM_OK);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, NULL), RHM_OK);
    assert_true(sampler->small);
    uint64_t random = vocab * rules + first;
    const size_t nodes = (first + count - 1) * s + children;
    guarded symbols = guard(nodes * RHM_TILE), choices = guard(count * RHM_TILE);
    uint8_t *symbol = symbols.data, *choice = choices.data;
    uint8_t *expected = malloc(nodes * RHM_TILE);
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        symbol[i] = (uint8_t)test_random(&random, vocab);
    for (size_t i = 0; i < count * RHM_TILE; i++)
        choice[i] = (uint8_t)test_random(&random, rules);
    memcpy(expected, symbol, nodes * RHM_TILE);
    for (size_t n = count; n-- > 0;)
        for (size_t i = 0; i < RHM_TILE; i++) {
            const size_t row = (size_t)expected[(first + n) * RHM_TILE + i] * rules + choice[n * RHM_TILE + i];
            for (size_t c = 0; c < children; c++)
                expected[((first + n) * s + c) * RHM_TILE + i] = (uint8_t)rhm_grammar_patches(grammar, 1)[row * s + c];
        }
    ops->rewrite(&sampler->rewriting[1].small, s, children, first, count, choice, symbol);
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        if (symbol[i] != expected[i])
            fail_msg("%s: %u symbols, %u rules, s = %u, %u children, first %zu of %zu: node %zu of sample %zu",
                     ops->name, vocab, rules, s, children, first, count, i / RHM_TILE, i % RHM_TILE);
    free(expected);
    release(&symbols);
    release(&choices);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void rewriting_follows_the_rules(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    const uint32_t sizes[][2] = {{1, 1},  {1, 256}, {256, 1}, {2, 2},  {16, 1}, {17, 1},  {8, 4},  {16, 4}, {6, 4},
                                 {33, 2}, {32, 8},  {64, 4},  {5, 17}, {7, 7},  {15, 16}, {3, 64}, {2, 128}};
    const uint32_t branchings[] = {2, 3, 4, 5, 64};
    for (size_t k = 0; k < available; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t b = 0; b < sizeof branchings / sizeof *branchings; b++) {
                const uint32_t s = branchings[b];
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 0, 1);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, 1, 0, 1);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 1, 1 + i % 5);
                check_rewrite(&table[k], sizes[i][0], sizes[i][1], s, s, 3 + i, 4);
            }
}

static void check_rows(const rhm_tile_ops *ops, size_t nodes, size_t count, size_t stride) {
    guarded symbols = guard(nodes * RHM_TILE), out = guard(((count - 1) * stride + nodes) * sizeof(uint16_t));
    uint64_t random = nodes * 100 + count;
    uint8_t *symbol = symbols.data;
    const uint16_t *row = out.data;
    for (size_t i = 0; i < nodes * RHM_TILE; i++)
        symbol[i] = (uint8_t)test_random(&random, 256);
    ops->rows(symbol, nodes, count, out.data, stride);
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < (i + 1 < count ? stride : nodes); p++)
            if (row[i * stride + p] != (p < nodes ? symbol[p * RHM_TILE + i] : 0xa5a5))
                fail_msg("%s: %zu nodes, %zu samples, stride %zu: sample %zu, node %zu", ops->name, nodes, count,
                         stride, i, p);
    release(&symbols);
    release(&out);
}

static void rows_are_transposed(void **state) {
    (void)state;
    rhm_tile_ops table[TABLES];
    const size_t available = tables_here(table);
    for (size_t k = 0; k < available; k++) {
        for (size_t nodes = 1; nodes <= 40; nodes++)
            for (size_t count = 1; count <= RHM_TILE; count += count % 16 == 15 || count % 16 == 0 ? 1 : 5) {
                check_rows(&table[k], nodes, count, nodes);
                check_rows(&table[k], nodes, count, nodes + 3);
            }
        for (size_t nodes = 1; nodes <= 256; nodes = nodes * 2 + nodes % 3)
            check_rows(&table[k], nodes, RHM_TILE, nodes);
    }
}

/* --------------------------------------------------------------------------------------------------------- samples */

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

/* Whether the sampler's tiles take this level. */
static bool tiles_take(rhm_sampler *sampler, const rhm_tile_ops *ops, uint32_t level) {
    uint16_t label, *leaves = malloc(sizeof *leaves * sampler->tree.leaves[level - 1]);
    sampler->tiles = true;
    sampler->ops = *ops;
    const bool taken = rhm_sample_tiles(sampler, 1, level, 0, 1, leaves, &label, NULL, NULL);
    free(leaves);
    return taken;
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
        {rhm_shape_uniform(4, 2, 2, 19), 1, false},
        {rhm_shape_uniform(4, 2, 2, 19), 2, true},
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
            /* Sixty-four sequences of 2^18 tokens take the emulation too long. */
            const size_t most = slow(&table[k]) ? 1 << 14 : 1 << 20;
            if (nodes_between(shape, cases[i].lowest - 1, shape->levels) <= most &&
                tiles_take(sampler, &table[k], cases[i].lowest) != cases[i].tiles)
                fail_msg("case %zu: tiles are %staken", i, cases[i].tiles ? "not " : "");
            for (uint32_t level = cases[i].lowest; level <= shape->levels; level += shape->levels > 10 ? 3 : 1) {
                const size_t width = nodes_between(shape, level - 1, shape->levels);
                if (width > 1024) {
                    if (level == cases[i].lowest && width <= most)
                        check_samples(sampler, &table[k], level, 3, 2);
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

/* ------------------------------------------------------------------------------------------------------- the choice */

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
    assert_int_equal(sampler->ops.isa, has);
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        if (!rhm_isa_includes(has, (rhm_isa)isa))
            continue;
        rhm_sampler_use(sampler, (rhm_isa)isa);
        assert_int_equal(sampler->ops.isa, isa);
        assert_int_equal(sampler->tiles, isa != RHM_ISA_SCALAR);
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
        cmocka_unit_test(words_are_philox),
        cmocka_unit_test(choices_are_scaled_words),
        cmocka_unit_test(rewriting_follows_the_rules),
        cmocka_unit_test(rows_are_transposed),
        cmocka_unit_test(samples_do_not_depend_on_the_width),
        cmocka_unit_test(every_count_is_served),
        cmocka_unit_test(uneven_rules_are_the_same),
        cmocka_unit_test(the_level_is_chosen_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
