/* What samples are to each other: latents, first patches, chunks, streams; and their bits. */
#include "samplers.h"

/* ----------------------------------------------------------------------------------------------------- consistency */

/* Latents obey the rules, the label heads them, and parsing the tokens finds it again. */
static void latents_explain_the_tokens(void **state) {
    (void)state;
    static tables t;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        enum { SAMPLES = 50 };
        random_tables(&t, seed, 1e9);
        const uint32_t levels = t.shape.levels;
        const size_t d = nodes_of(&t.shape, levels);
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        rhm_sampler *sampler = must_sample(grammar, seed);
        static uint16_t symbols[RHM_MAX_LEVELS + 1][SAMPLES * MAX_TOKENS], plain[SAMPLES * MAX_TOKENS], labels[SAMPLES];
        uint16_t *latents[RHM_MAX_LEVELS + 1];
        for (uint32_t level = 0; level <= levels; level++)
            latents[level] = symbols[level];
        latents[0] = NULL;
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, symbols[levels], symbols[0], latents);
        for (size_t i = 0; i < SAMPLES; i++) {
            for (uint32_t level = 1; level <= levels; level++)
                for (size_t p = 0; p < nodes_of(&t.shape, level - 1); p++) {
                    const uint32_t s = t.shape.branching[level];
                    uint32_t patch[3];
                    for (uint32_t j = 0; j < s; j++)
                        patch[j] = symbols[level][i * nodes_of(&t.shape, level) + p * s + j];
                    assert_int_equal(rhm_grammar_parent(grammar, level, patch),
                                     symbols[level - 1][i * nodes_of(&t.shape, level - 1) + p]);
                }
            assert_int_equal(rhm_grammar_parse(grammar, symbols[levels] + i * d), symbols[0][i]);
        }
        /* Asking for latents, for some of them, or for none changes nothing else. */
        if (levels == 3)
            latents[1] = NULL;
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, plain, labels, latents);
        assert_memory_equal(plain, symbols[levels], SAMPLES * d * sizeof *plain);
        rhm_sample_sequences(sampler, 17, seed, SAMPLES, plain, labels, NULL);
        assert_memory_equal(plain, symbols[levels], SAMPLES * d * sizeof *plain);
        assert_memory_equal(labels, symbols[0], sizeof labels);
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

/* First patches are the first columns of the sequences, with non-uniform rules too, and parents are the latents. */
static void first_patches_are_prefixes(void **state) {
    (void)state;
    static tables t;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        enum { SAMPLES = 45 };
        random_tables(&t, seed, 1e9);
        const uint32_t levels = t.shape.levels;
        const size_t d = nodes_of(&t.shape, t.shape.levels);
        rhm_grammar *grammar;
        assert_int_equal(create_from_tables(&grammar, &t, NULL), RHM_OK);
        rhm_sampler *sampler = must_sample(grammar, seed);
        static uint16_t symbols[RHM_MAX_LEVELS + 1][SAMPLES * MAX_TOKENS], leaves[SAMPLES * MAX_TOKENS];
        static uint16_t labels[SAMPLES], parents[SAMPLES];
        uint16_t *latents[RHM_MAX_LEVELS + 1];
        for (uint32_t level = 0; level <= levels; level++)
            latents[level] = symbols[level];
        rhm_sample_sequences(sampler, 23, 1000, SAMPLES, symbols[levels], symbols[0], latents);
        for (uint32_t level = 1; level <= levels; level++) {
            const size_t width = nodes_between(&t.shape, level - 1, levels);
            rhm_sample_first_patches(sampler, 23, level, 1000, SAMPLES, leaves, labels, parents);
            assert_memory_equal(labels, symbols[0], sizeof labels);
            for (size_t i = 0; i < SAMPLES; i++) {
                assert_memory_equal(leaves + i * width, symbols[levels] + i * d, width * sizeof *leaves);
                assert_int_equal(parents[i], symbols[level - 1][i * nodes_of(&t.shape, level - 1)]);
            }
            memset(leaves, 0xff, sizeof leaves);
            rhm_sample_first_patches(sampler, 23, level, 1000, SAMPLES, leaves, labels, NULL);
            assert_memory_equal(leaves, symbols[levels], width * sizeof *leaves);
            for (size_t i = SAMPLES * width; i < SAMPLES * MAX_TOKENS; i++)
                assert_int_equal(leaves[i], 0xffff); /* nothing behind the last row */
        }
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

static void chunks_do_not_matter(void **state) {
    (void)state;
    enum { SAMPLES = 200, D = 81 };
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(6, 4, 3, 4), 2);
    rhm_sampler *sampler = must_sample(grammar, 3);
    static uint16_t whole[SAMPLES * D], parts[SAMPLES * D], labels[SAMPLES], part_labels[SAMPLES];
    const uint64_t first = ((uint64_t)1 << 32) - 100; /* across the carry into the high index word */
    for (uint32_t level = 1; level <= 4; level++) {
        const size_t width = power(3, 5 - level);
        rhm_sample_first_patches(sampler, 5, level, first, SAMPLES, whole, labels, NULL);
        for (size_t chunk = 1; chunk < SAMPLES; chunk = chunk * 2 + 1) {
            memset(parts, 0xff, sizeof parts);
            for (size_t done = 0; done < SAMPLES; done += chunk) {
                const size_t count = SAMPLES - done < chunk ? SAMPLES - done : chunk;
                rhm_sample_first_patches(sampler, 5, level, first + done, count, parts + done * width,
                                         part_labels + done, NULL);
            }
            assert_memory_equal(parts, whole, SAMPLES * width * sizeof *parts);
            assert_memory_equal(part_labels, labels, sizeof labels);
        }
    }
    rhm_sample_first_patches(sampler, 5, 1, 0, 0, NULL, NULL, NULL); /* nothing asked, nothing touched */
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

static void streams_seeds_and_indices_differ(void **state) {
    (void)state;
    enum { SAMPLES = 64, D = 16, SETS = 9 };
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(16, 4, 2, 4), 1);
    static uint16_t tokens[SETS][SAMPLES * D], labels[SETS][SAMPLES];
    const struct {
        uint64_t seed;
        uint32_t stream;
        uint64_t first;
    } set[SETS] = {
        {1, rhm_stream(RHM_TRAINING, 1), 0},
        {1, rhm_stream(RHM_TRAINING, 2), 0},
        {1, rhm_stream(RHM_VALIDATION, 1), 0},
        {1, rhm_stream(RHM_TEST, 0), 0},
        {1, rhm_stream(RHM_EXPORT, 0), 0},
        {2, rhm_stream(RHM_TRAINING, 1), 0},
        {(uint64_t)1 << 32 | 1, rhm_stream(RHM_TRAINING, 1), 0},
        {1, rhm_stream(RHM_TRAINING, 1), (uint64_t)1 << 32},
        {1, rhm_stream(RHM_TRAINING, 1), SAMPLES},
    };
    for (size_t a = 0; a < SETS; a++) {
        rhm_sampler *sampler = must_sample(grammar, set[a].seed);
        rhm_sample_sequences(sampler, set[a].stream, set[a].first, SAMPLES, tokens[a], labels[a], NULL);
        rhm_sampler_destroy(sampler);
        for (size_t b = 0; b < a; b++) {
            /* Independent sequences agree in all 16 tokens with probability below 16^-8. */
            for (size_t i = 0; i < SAMPLES; i++)
                for (size_t j = 0; j < SAMPLES; j++)
                    assert_memory_not_equal(tokens[a] + i * D, tokens[b] + j * D, D * sizeof(uint16_t));
            size_t equal_labels = 0;
            for (size_t i = 0; i < SAMPLES; i++)
                equal_labels += labels[a][i] == labels[b][i];
            assert_true(equal_labels < 24); /* 4 expected */
        }
    }
    rhm_grammar_destroy(grammar);
    rhm_sampler_destroy(NULL);
}

/* Published numbers depend on these bits; a change here is a change of the format. */
static void the_default_samples_never_change(void **state) {
    (void)state;
    rhm_grammar *grammar = must_draw(rhm_shape_uniform(16, 4, 2, 4), 1);
    rhm_sampler *sampler = must_sample(grammar, 1);
    uint16_t tokens[1000][16], labels[1000];
    rhm_sample_sequences(sampler, rhm_stream(RHM_TEST, 0), 0, 1000, tokens[0], labels, NULL);
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < 1000; i++) {
        hash = (hash ^ labels[i]) * 0x100000001b3u;
        for (size_t j = 0; j < 16; j++)
            hash = (hash ^ tokens[i][j]) * 0x100000001b3u;
    }
    if (hash != 0x2d0f83f410da8332u)
        fail_msg("the samples of the default instance changed: 0x%016llx", (unsigned long long)hash);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_explain_the_tokens),
        cmocka_unit_test(first_patches_are_prefixes),
        cmocka_unit_test(chunks_do_not_matter),
        cmocka_unit_test(streams_seeds_and_indices_differ),
        cmocka_unit_test(the_default_samples_never_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
