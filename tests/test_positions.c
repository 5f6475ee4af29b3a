/*
 * Patches at several positions of a level: their counts against all derivations of small grammars, sampled and drawn.
 * Chi-square limits are for false alarms of 1e-6 a comparison, some 200 comparisons in all; the seeds are fixed.
 */
#include "core/memory.h"
#include "pair_oracle.h"
#include "sampling/source.h"

/* Pairs of an oracle whose patches are those at one position. */
typedef struct at_position {
    oracle o;
    uint32_t position;
} at_position;

static void note_at(void *context, const derivation *d) {
    at_position *at = context;
    oracle *o = &at->o;
    uint32_t pair[MAX_TOKENS + 1], id;
    memcpy(pair, d->symbols[o->t->shape.levels] + (size_t)at->position * o->width, sizeof *pair * o->width);
    pair[o->width] = d->symbols[0][0];
    assert_int_equal(rhm_intern_add(&o->pair, pair, &id, NULL, NULL), RHM_OK);
    o->probability[id] += d->probability;
}

static at_position make_at(const tables *t, uint32_t level, uint32_t position) {
    at_position at = {.o = {.t = t, .level = level, .width = leaves_of(&t->shape, level)}, .position = position};
    assert_int_equal(rhm_intern_init(&at.o.pair, at.o.width + 1, 0, NULL), RHM_OK);
    at.o.probability = calloc((size_t)derivation_bound(&t->shape) + 1, sizeof *at.o.probability);
    assert_non_null(at.o.probability);
    visit_derivations(t, note_at, &at);
    return at;
}

static size_t *observe_at(const at_position *at, const rhm_patches *patches) {
    const oracle *o = &at->o;
    size_t *observed = calloc(o->pair.count, sizeof *observed);
    assert_non_null(observed);
    for (size_t i = 0; i < patches->cell.count; i++) {
        uint32_t pair[MAX_TOKENS + 1];
        const uint32_t *cell = rhm_intern_tuple(&patches->cell, i);
        if (cell[1] / patches->classes != at->position)
            continue;
        expand(patches, patches->level, cell[0], pair, o->width);
        pair[o->width] = cell[1] % patches->classes;
        const uint32_t id = rhm_intern_find(&o->pair, pair);
        assert_true(id != UINT32_MAX);
        observed[id] += patches->count[i];
    }
    return observed;
}

static void check_against(const at_position *at, const rhm_patches *patches, uint64_t samples, const char *what,
                          uint64_t seed) {
    size_t *observed = observe_at(at, patches), sum = 0;
    for (size_t i = 0; i < at->o.pair.count; i++)
        sum += observed[i];
    assert_int_equal(sum, samples);
    const double ratio = chi_square_ratio(observed, at->o.probability, at->o.pair.count, samples);
    if (!(ratio <= 1))
        fail_msg("seed %llu, level %u, position %u: %s, chi-square %.2f times the limit", (unsigned long long)seed,
                 patches->level, at->position, what, ratio);
    free(observed);
}

static rhm_patches of_positions(const tables *t, uint32_t level, uint32_t positions) {
    rhm_patches patches = must_init(&t->shape, level);
    patches.positions = positions;
    return patches;
}

/* All levels, as many positions as there are up to three, which seldom fill the patch above. */
static void counts_have_the_law_of_every_position(void **state) {
    (void)state;
    enum { SAMPLES = 20000, MOST = 3 };
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 25; seed++) {
        tables t;
        rhm_sampler *sampler;
        rhm_error error = {0};
        rhm_grammar *grammar = random_grammar(&t, seed, 20000, &sampler);
        for (uint32_t level = 2; level <= t.shape.levels; level++) {
            const size_t nodes = nodes_of(&t.shape, level - 1);
            const uint32_t positions = nodes < MOST ? (uint32_t)nodes : MOST;
            rhm_patches drawn = of_positions(&t, level, positions), counted = of_positions(&t, level, positions);
            const rhm_grammar_source source = {grammar, seed, sampler, rhm_stream(RHM_TRAINING, level)};
            must_draw(&drawn, engine, grammar, 0, SAMPLES / 2);
            must_draw(&drawn, engine, grammar, 1, SAMPLES / 2);
            assert_ok(rhm_patches_add(&counted, engine, NULL, rhm_draw_from_grammar, &source, 0, SAMPLES, NULL, &error),
                      &error);
            assert_int_equal(counted.samples, SAMPLES);
            rhm_law_size table;
            double all = 0;
            for (uint32_t p = 0; p < positions; p++) {
                at_position at = make_at(&t, level, p);
                check_against(&at, &drawn, SAMPLES, "drawn", seed);
                check_against(&at, &counted, SAMPLES, "counted", seed);
                all += (double)at.o.pair.count;
                free_oracle(&at.o);
            }
            assert_ok(rhm_law_measure(&table, grammar, level, positions, &error), &error);
            assert_true(table.cells == all);
            rhm_patches_destroy(&drawn);
            rhm_patches_destroy(&counted);
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

/* Sample by sample from whole sequences, for any team and any cuts, raw or counted; ids in the order of the samples. */
static void counting_is_exact(void **state) {
    (void)state;
    enum { SAMPLES = 3000, POSITIONS = 3, LEVEL = 4, ROW = 16, WIDTH = 2 };
    rhm_grammar *grammar = drawn_grammar(5, 3, 2, LEVEL);
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_sampler_create(&sampler, grammar, SEED, &error), &error);
    const uint32_t stream = rhm_stream(RHM_TRAINING, LEVEL);
    const rhm_grammar_source source = {grammar, SEED, sampler, stream};
    uint16_t *tokens = malloc(sizeof *tokens * SAMPLES * ROW), labels[SAMPLES];
    assert_non_null(tokens);
    rhm_sample_sequences(sampler, stream, 0, SAMPLES, tokens, labels, NULL);
    for (int raw = 0; raw < 2; raw++) {
        rhm_patches first = {0};
        for (int threads = 1; threads <= 3; threads++) {
            rhm_engine *engine = must_engine((rhm_engine_options){.threads = threads});
            rhm_patches patches = must_init(rhm_grammar_shape(grammar), LEVEL);
            static uint32_t ids[SAMPLES * POSITIONS];
            patches.positions = POSITIONS;
            patches.raw = raw;
            const uint64_t cut = 1000 * (uint64_t)threads - 1;
            assert_ok(rhm_patches_add(&patches, engine, NULL, rhm_draw_from_grammar, &source, 0, cut, ids, &error),
                      &error);
            assert_ok(rhm_patches_add(&patches, engine, NULL, rhm_draw_from_grammar, &source, cut, SAMPLES - cut,
                                      ids + cut * POSITIONS, &error),
                      &error);
            uint64_t *count = calloc(patches.cell.count, sizeof *count);
            for (size_t i = 0; i < SAMPLES * POSITIONS; i++) {
                const uint32_t *tuple = rhm_intern_tuple(&patches.subtree[LEVEL], ids[i]);
                for (size_t t = 0; t < WIDTH; t++)
                    assert_int_equal(tuple[t], tokens[i / POSITIONS * ROW + i % POSITIONS * WIDTH + t]);
                const uint32_t label = (uint32_t)(i % POSITIONS) * patches.classes + labels[i / POSITIONS];
                for (size_t c = 0; c < patches.cell.count; c++)
                    if (rhm_intern_tuple(&patches.cell, c)[0] == ids[i] &&
                        rhm_intern_tuple(&patches.cell, c)[1] == label) {
                        count[c]++;
                        break;
                    }
            }
            assert_memory_equal(count, patches.count, sizeof *count * patches.cell.count);
            if (threads == 1)
                first = patches;
            else {
                assert_true(same_patches(&first, &patches));
                rhm_patches_destroy(&patches);
            }
            free(count);
            rhm_engine_destroy(engine);
            if (threads == 1)
                first.engine = NULL; /* its account is gone */
        }
        rhm_patches_destroy(&first);
    }
    free(tokens);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/* Thinned counts: the chosen patches are the same at all positions, and each position has all of its kept samples. */
static void thinned_counts_are_of_the_same_patches(void **state) {
    (void)state;
    enum { SAMPLES = 50000, POSITIONS = 2, LEVEL = 2 };
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3);
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), LEVEL);
    patches.positions = POSITIONS;
    patches.thinned = 60;
    must_draw(&patches, engine, grammar, 0, SAMPLES);
    uint64_t of_position[POSITIONS] = {0};
    for (size_t i = 0; i < patches.cell.count; i++)
        of_position[rhm_intern_tuple(&patches.cell, i)[1] / patches.classes] += patches.count[i];
    for (size_t p = 0; p < POSITIONS; p++)
        assert_int_equal(of_position[p], SAMPLES);
    assert_true(rhm_patches_distinct(&patches) <= 60 && rhm_patches_distinct(&patches) > 30);
    const double share = rhm_patches_kept_share(&patches);
    assert_true(share > 0 && share < 1);
    rhm_patches_destroy(&patches);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_the_law_of_every_position),
        cmocka_unit_test(counting_is_exact),
        cmocka_unit_test(thinned_counts_are_of_the_same_patches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
