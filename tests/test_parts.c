/* Parts of sequences against the sequences: any symbol's tokens, with noise, and all threads of an engine. */
#include "samplers.h"

#include "files.h"
#include "sampling/sampler.h"

enum { SAMPLES = 9 };

static rhm_grammar *must_draw_with(const rhm_shape *shape, const rhm_grammar_options *options) {
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, shape, options, &error), &error);
    return grammar;
}

/* All parts of all levels, with the latents below them. */
static void check_parts(const rhm_shape *shape, const rhm_grammar_options *options, rhm_isa isa, uint64_t first) {
    rhm_grammar *grammar = must_draw_with(shape, options);
    rhm_sampler *sampler = must_sample(grammar, 77);
    const rhm_tree *tree = &sampler->tree;
    const size_t d = tree->leaves[0];
    uint16_t *symbols[RHM_MAX_LEVELS + 1], *part[RHM_MAX_LEVELS + 1], labels[SAMPLES], roots[SAMPLES];
    for (uint32_t l = 0; l <= shape->levels; l++) {
        symbols[l] = malloc(sizeof **symbols * SAMPLES * tree->nodes[l]);
        part[l] = malloc(sizeof **part * SAMPLES * tree->nodes[l]);
    }
    uint16_t *noisy = malloc(sizeof *noisy * SAMPLES * d);
    rhm_sampler_use(sampler, RHM_ISA_SCALAR);
    rhm_sample_part(sampler, &(rhm_part){5, first, SAMPLES, 0, 0},
                    &(rhm_part_out){.leaves = symbols[shape->levels], .labels = symbols[0], .latents = symbols});
    rhm_sample_sequences(sampler, 5, first, SAMPLES, noisy, labels, NULL);
    rhm_sampler_use(sampler, isa);
    for (uint32_t level = 0; level < shape->levels; level++)
        for (size_t node = 0; node < tree->nodes[level]; node += 1 + tree->nodes[level] / 50) {
            const rhm_part which = {5, first, SAMPLES, level, node};
            rhm_sample_part(
                sampler, &which,
                &(rhm_part_out){.leaves = part[shape->levels], .labels = labels, .roots = roots, .latents = part});
            for (size_t i = 0; i < SAMPLES; i++) {
                assert_int_equal(labels[i], symbols[0][i]);
                assert_int_equal(roots[i], symbols[level][i * tree->nodes[level] + node]);
            }
            for (uint32_t l = level + 1; l <= shape->levels; l++)
                for (size_t i = 0, width = rhm_tree_below(tree, level, l); i < SAMPLES; i++)
                    assert_memory_equal(part[l] + i * width, symbols[l] + i * tree->nodes[l] + node * width,
                                        width * sizeof **part);
            rhm_sample_tokens(sampler, &which, part[shape->levels]);
            for (size_t i = 0, width = tree->leaves[level]; i < SAMPLES; i++)
                assert_memory_equal(part[shape->levels] + i * width, noisy + i * d + node * width,
                                    width * sizeof **part);
        }
    for (uint32_t l = 0; l <= shape->levels; l++) {
        free(symbols[l]);
        free(part[l]);
    }
    free(noisy);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void parts_are_those_of_the_sequence(void **state) {
    (void)state;
    const rhm_grammar_options even = {.seed = 3, .token_noise = 0.1, .label_noise = 0.1};
    const rhm_grammar_options uneven = {
        .seed = 4, .rule_law = {[2] = {RHM_LAW_ZIPF, 1}}, .label_law = {RHM_LAW_ZIPF, 2}};
    rhm_shape mixed = rhm_shape_uniform(8, 4, 2, 4);
    mixed.branching[2] = 3;
    mixed.branching[4] = 5;
    const rhm_shape shapes[] = {rhm_shape_uniform(16, 4, 2, 9), rhm_shape_uniform(8, 4, 3, 5),
                                rhm_shape_uniform(9, 3, 2, 6), mixed};
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        for (size_t i = 0; rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa) && i < sizeof shapes / sizeof *shapes; i++) {
            check_parts(&shapes[i], &even, (rhm_isa)isa, 3);
            check_parts(&shapes[i], &uneven, (rhm_isa)isa, UINT32_MAX - 4);
        }
}

/* Whole cache lines or not. */
static void stores_past_the_caches_write_the_same(void **state) {
    (void)state;
    enum { MOST = 1 << 16 };
    const rhm_grammar_options options = {.seed = 3};
    const rhm_shape shapes[] = {rhm_shape_uniform(16, 4, 2, 4), rhm_shape_uniform(16, 4, 2, 9),
                                rhm_shape_uniform(6, 4, 3, 5)};
    uint16_t *cached = aligned_alloc(64, sizeof *cached * MOST), *past = aligned_alloc(64, sizeof *past * MOST);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
            for (size_t from = 0; from <= 1 && rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa); from++) {
                rhm_grammar *grammar = must_draw_with(&shapes[i], &options);
                rhm_sampler *sampler = must_sample(grammar, 2);
                const size_t count = (MOST - from) / sampler->tree.leaves[0];
                const rhm_part whole = {5, 3, count, 0, 0};
                rhm_sampler_use(sampler, (rhm_isa)isa);
                rhm_sample_part(sampler, &whole, &(rhm_part_out){.leaves = cached + from});
                rhm_sample_part(sampler, &whole, &(rhm_part_out){.leaves = past + from, .past = true});
                assert_memory_equal(cached + from, past + from, sizeof *past * count * sampler->tree.leaves[0]);
                rhm_sampler_destroy(sampler);
                rhm_grammar_destroy(grammar);
            }
    free(cached), free(past);
}

/* Long sequences are split among threads, short ones shared out. */
static void engines_draw_the_same(void **state) {
    (void)state;
    const rhm_grammar_options options = {.seed = 3, .token_noise = 0.1, .label_noise = 0.5};
    const rhm_shape shapes[] = {rhm_shape_uniform(8, 4, 2, 18), rhm_shape_uniform(8, 4, 2, 3)};
    for (size_t i = 0; i < 2; i++) {
        const size_t count = i ? 50000 : 2;
        rhm_engine *engine;
        rhm_error error = {0};
        assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 2}, &error), &error);
        rhm_grammar *grammar = must_draw_with(&shapes[i], &options);
        rhm_sampler *sampler = must_sample(grammar, 1);
        const size_t d = sampler->tree.leaves[0];
        uint16_t *a = malloc(sizeof *a * count * d), *b = malloc(sizeof *b * count * d);
        uint16_t *labels = malloc(sizeof *labels * 2 * count);
        rhm_sample_sequences(sampler, 9, 7, count, a, labels, NULL);
        assert_ok(rhm_sample_with_engine(engine, sampler, 9, 7, count, b, labels + count, NULL, &error), &error);
        assert_memory_equal(a, b, sizeof *a * count * d);
        assert_memory_equal(labels, labels + count, sizeof *labels * count);
        free(a), free(b), free(labels);
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
        rhm_engine_destroy(engine);
    }
}

/* Parts of sequences of 2^32 tokens, beside each other: what is drawn does not depend on how much is. */
static void long_sequences_are_drawn_in_parts(void **state) {
    (void)state;
    const rhm_grammar_options options = {.seed = 6};
    const rhm_shape shape = rhm_shape_uniform(8, 4, 2, 32);
    rhm_grammar *grammar = must_draw_with(&shape, &options);
    rhm_sampler *sampler = must_sample(grammar, 1);
    static uint16_t whole[1 << 12], part[1 << 12];
    const size_t nodes[] = {0, 1, 12345, (1u << 20) - 1};
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        rhm_sample_tokens(sampler, &(rhm_part){3, 8, 1, 20, nodes[i]}, whole);
        for (uint32_t level = 21; level <= 26; level++) {
            const size_t width = sampler->tree.leaves[level], parts = (1 << 12) / width;
            for (size_t p = 0; p < parts; p++)
                rhm_sample_tokens(sampler, &(rhm_part){3, 8, 1, level, nodes[i] * parts + p}, part + p * width);
            assert_memory_equal(whole, part, sizeof whole);
        }
    }
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_those_of_the_sequence),
        cmocka_unit_test(stores_past_the_caches_write_the_same),
        cmocka_unit_test(engines_draw_the_same),
        cmocka_unit_test(long_sequences_are_drawn_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
