/* Noise on tokens and labels: its exact law, streams of its own, and what it does to counts and to analysis. */
#include "pair_oracle.h"

#include "sampling/sampler.h"

static rhm_sampler *must_sample(const rhm_grammar *grammar, uint64_t seed) {
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, seed, NULL), RHM_OK);
    return sampler;
}

static rhm_grammar *with_noise(const tables *t, double token_noise, double label_noise) {
    const uint32_t *patches[RHM_MAX_LEVELS];
    const double *probability[RHM_MAX_LEVELS];
    const rhm_grammar_options options = {.sampling = RHM_GIVEN, .token_noise = token_noise, .label_noise = label_noise};
    rhm_grammar *grammar;
    rhm_error error = {0};
    for (uint32_t l = 0; l < t->shape.levels; l++) {
        patches[l] = t->patch[l];
        probability[l] = t->probability[l];
    }
    assert_ok(
        rhm_grammar_create_with(&grammar, &t->shape, patches, probability, t->label_probability, &options, &error),
        &error);
    return grammar;
}

/* Of uniform tokens and labels, independent of each other and of what was there. */
static void noise_has_its_law(void **state) {
    (void)state;
    enum { SAMPLES = 30000, D = 6 };
    rhm_shape shape = rhm_shape_uniform(5, 2, 2, 2);
    shape.branching[2] = 3;
    const double noise = 0.3, label_noise = 0.2;
    rhm_grammar *clean, *grammar;
    rhm_error error = {0};
    rhm_grammar_options options = {.sampling = RHM_UNIFORM, .seed = 3};
    assert_ok(rhm_grammar_draw_with(&clean, &shape, &options, &error), &error);
    options.token_noise = noise;
    options.label_noise = label_noise;
    assert_ok(rhm_grammar_draw_with(&grammar, &shape, &options, &error), &error);
    static uint16_t plain[SAMPLES][D], noisy[SAMPLES][D], label[SAMPLES], recorded[SAMPLES];
    rhm_sampler *a = must_sample(clean, 7), *b = must_sample(grammar, 7);
    rhm_sample_sequences(a, 300, 5, SAMPLES, plain[0], label, NULL);
    rhm_sample_sequences(b, 300, 5, SAMPLES, noisy[0], recorded, NULL);
    /* Of each token, and of the label: pairs (before, after), all pairs of neighbours that were replaced. */
    for (size_t j = 0; j <= D; j++) {
        size_t observed[25] = {0}, before[5] = {0}, both[4] = {0};
        double expected[25];
        const double e = j < D ? noise : label_noise;
        for (size_t i = 0; i < SAMPLES; i++) {
            const uint16_t from = j < D ? plain[i][j] : label[i], to = j < D ? noisy[i][j] : recorded[i];
            observed[from * 5 + to]++;
            before[from]++;
            const size_t k = (j + 1) % D;
            both[2 * (from != to) + (plain[i][k] != noisy[i][k])]++;
        }
        for (size_t c = 0; c < 25; c++)
            expected[c] = (double)before[c / 5] / SAMPLES * (e / 5 + (c / 5 == c % 5 ? 1 - e : 0));
        assert_true(chi_square_ratio(observed, expected, 25, SAMPLES) <= 1);
        const double p = e * 0.8, q = noise * 0.8;
        assert_true(chi_square_ratio(both, (const double[]){(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q}, 4,
                                     SAMPLES) <= 1);
    }
    rhm_sampler_destroy(a), rhm_sampler_destroy(b);
    rhm_grammar_destroy(clean), rhm_grammar_destroy(grammar);
}

/* Chunks, first patches, instruction sets and the carry between index words change nothing. */
static void noise_depends_on_the_sample_alone(void **state) {
    (void)state;
    enum { SAMPLES = 150, D = 36 };
    rhm_shape shape = rhm_shape_uniform(6, 3, 2, 4);
    shape.branching[2] = shape.branching[3] = 3;
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, &shape,
                                    &(rhm_grammar_options){.seed = 1, .token_noise = 0.4, .label_noise = 0.5}, &error),
              &error);
    static uint16_t whole[SAMPLES][D], part[SAMPLES][D], label[SAMPLES], part_label[SAMPLES];
    rhm_sampler *sampler = must_sample(grammar, 2);
    const uint64_t first = (UINT64_C(1) << 32) - 61;
    rhm_sample_sequences(sampler, 9, first, SAMPLES, whole[0], label, NULL);
    for (rhm_isa isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++) {
        if (!rhm_isa_includes(rhm_isa_here(), isa))
            continue;
        rhm_sampler_use(sampler, isa);
        for (size_t chunk = 1; chunk < SAMPLES; chunk = 3 * chunk + 1)
            for (size_t done = 0; done < SAMPLES; done += chunk) {
                const size_t count = SAMPLES - done < chunk ? SAMPLES - done : chunk;
                rhm_sample_sequences(sampler, 9, first + done, count, part[done], part_label + done, NULL);
            }
        assert_memory_equal(whole, part, sizeof whole);
        assert_memory_equal(label, part_label, sizeof label);
        for (uint32_t level = 1; level <= 4; level++) {
            const size_t width = rhm_grammar_tree(grammar)->leaves[level - 1];
            uint16_t *leaves = part[0];
            rhm_sample_first_patches(sampler, 9, level, first, SAMPLES, leaves, part_label, NULL);
            for (size_t i = 0; i < SAMPLES; i++)
                assert_memory_equal(leaves + i * width, whole[i], width * sizeof *leaves);
            assert_memory_equal(label, part_label, sizeof label);
        }
    }
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/* Drawn counts of pairs with recorded labels, thinned ones too; the exact posteriors are theirs. */
static void label_noise_reaches_counts_and_posteriors(void **state) {
    (void)state;
    enum { SAMPLES = 60000 };
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    for (uint64_t seed = 1; seed <= 12; seed++) {
        tables t;
        random_tables(&t, seed, 20000);
        const size_t classes = t.shape.vocab[0];
        const double e = 0.25;
        rhm_grammar *grammar = with_noise(&t, 0, e);
        rhm_analysis analysis;
        assert_int_equal(rhm_analyse(&analysis, grammar, NULL), RHM_OK);
        for (uint32_t level = 1; level <= t.shape.levels; level++) {
            oracle o = make_oracle(&t, level); /* pairs with the true label */
            rhm_intern patch;
            assert_int_equal(rhm_intern_init(&patch, o.width, 0, NULL), RHM_OK);
            double *p = calloc(o.pair.count * classes, sizeof *p), *mixed = calloc(o.pair.count * classes, sizeof *p);
            for (size_t i = 0; i < o.pair.count; i++) {
                uint32_t id;
                const uint32_t *pair = rhm_intern_tuple(&o.pair, i);
                assert_int_equal(rhm_intern_add(&patch, pair, &id, NULL, NULL), RHM_OK);
                p[id * classes + pair[o.width]] += o.probability[i];
            }
            for (size_t i = 0; i < patch.count * classes; i++) {
                double sum = 0;
                for (size_t z = 0; z < classes; z++)
                    sum += p[i / classes * classes + z];
                mixed[i] = (1 - e) * p[i] + e * sum / (double)classes;
            }
            rhm_patches patches = must_init(&t.shape, level);
            must_draw(&patches, engine, grammar, 0, SAMPLES);
            size_t *observed = calloc(patch.count * classes, sizeof *observed);
            for (size_t i = 0; i < patches.cell.count; i++) {
                uint32_t leaves[MAX_TOKENS];
                const uint32_t *cell = rhm_intern_tuple(&patches.cell, i);
                expand(&patches, level, cell[0], leaves, o.width);
                observed[rhm_intern_find(&patch, leaves) * classes + cell[1]] += patches.count[i];
            }
            const double ratio = chi_square_ratio(observed, mixed, patch.count * classes, SAMPLES);
            if (!(ratio <= 1))
                fail_msg("seed %llu level %u: chi-square is %.2f times its limit", (unsigned long long)seed, level,
                         ratio);
            if (level == t.shape.levels) /* leaves are the patch itself */
                for (size_t i = 0; i < patch.count * classes; i++) {
                    const uint32_t parent = rhm_grammar_parent(grammar, level, rhm_intern_tuple(&patch, i / classes));
                    double sum = 0;
                    for (size_t z = 0; z < classes; z++)
                        sum += mixed[i / classes * classes + z];
                    assert_true(fabs(analysis.posterior[level][parent * classes + i % classes] - mixed[i] / sum) <
                                1e-12);
                }
            rhm_patches_destroy(&patches);
            rhm_intern_destroy(&patch);
            free(p), free(mixed), free(observed);
            free_oracle(&o);
        }
        rhm_analysis_clear(&analysis);
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

static void noise_is_kept_and_checked(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    const rhm_shape shape = rhm_shape_uniform(4, 2, 2, 2);
    rhm_grammar *grammar, *again;
    rhm_error error = {0};
    rhm_grammar_options options = {.seed = 2, .token_noise = 0.125, .label_noise = 0.3};
    assert_ok(rhm_grammar_draw_with(&grammar, &shape, &options, &error), &error);
    assert_false(rhm_grammar_parses(grammar));
    assert_ok(rhm_grammar_save(grammar, "noise.h5", &error), &error);
    assert_ok(rhm_grammar_load(&again, "noise.h5", &error), &error);
    assert_memory_equal(rhm_grammar_origin(grammar), rhm_grammar_origin(again), sizeof options);
    rhm_patches patches = must_init(&shape, 2);
    assert_refused(rhm_patches_draw(&patches, engine, grammar, SEED, 1, 0, 10, &error), RHM_INVALID, &error, "noisy");
    rhm_patches_destroy(&patches);
    rhm_grammar_destroy(grammar), rhm_grammar_destroy(again);
    const double bad[] = {-0.1, 1.1, (double)NAN};
    for (size_t i = 0; i < 3; i++) {
        options = (rhm_grammar_options){.token_noise = bad[i]};
        assert_refused(rhm_grammar_draw_with(&grammar, &shape, &options, &error), RHM_INVALID, &error, "token noise");
        options = (rhm_grammar_options){.label_noise = bad[i]};
        assert_refused(rhm_grammar_draw_with(&grammar, &shape, &options, &error), RHM_INVALID, &error, "label noise");
    }
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_its_law),
        cmocka_unit_test(noise_depends_on_the_sample_alone),
        cmocka_unit_test(label_noise_reaches_counts_and_posteriors),
        cmocka_unit_test(noise_is_kept_and_checked),
    };
    return cmocka_run_group_tests_name("noise", tests, enter_directory, leave_directory);
}
