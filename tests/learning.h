/*
 * The oracle of the learner's tests: the paper's formulas in double precision and libm, patch by patch, straight from
 * the arrays of a model as include/rhm/learner.h documents them.
 */
#ifndef RHM_TESTS_LEARNING_H
#define RHM_TESTS_LEARNING_H

#include <math.h>
#include <stdbool.h>

#include "core/philox.h"
#include "files.h"

/* NULL where this CPU lacks the ISA level. */
static inline rhm_engine *engine_at(int threads, const char *isa) {
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_status status = rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads, .isa = isa}, &error);
    if (status == RHM_UNSUPPORTED && isa)
        return NULL;
    assert_ok(status, &error);
    return engine;
}

static inline rhm_engine *engine_of(int threads) {
    return engine_at(threads, NULL);
}

/* The same model, to the bit, with every instruction set of this CPU on one thread and on three. */
static inline void assert_same_on_any_engine(const rhm_grammar *grammar, const rhm_train_options *options) {
    static const char *const isas[] = {"scalar", "avx2", "avx512"};
    char first[RHM_HASH_TEXT_NBYTES] = "", hash[RHM_HASH_TEXT_NBYTES];
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        for (int threads = 1; threads <= 3; threads += 2) {
            rhm_engine *engine = engine_at(threads, isas[i]);
            rhm_train_report report;
            rhm_model *model;
            rhm_error error = {0};
            if (!engine)
                continue;
            assert_ok(rhm_train(&model, &report, engine, grammar, options, &error), &error);
            rhm_model_hash(model, hash);
            if (!first[0])
                memcpy(first, hash, sizeof first);
            assert_string_equal(hash, first);
            rhm_train_report_clear(&report);
            rhm_model_destroy(model);
            rhm_engine_destroy(engine);
        }
}

/* Training refuses each of the options with its word. */
static inline void assert_options_refused(const rhm_train_options *options, const char *const *words, size_t count) {
    rhm_grammar *grammar = drawn_grammar(4, 2, 2, 2);
    rhm_engine *engine = engine_of(1);
    for (size_t i = 0; i < count; i++) {
        rhm_model *model = NULL;
        rhm_error error;
        assert_refused(rhm_train(&model, NULL, engine, grammar, &options[i], &error), RHM_INVALID, &error, words[i]);
        assert_null(model);
    }
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

/* The first grammar from `seed` on that the first patch can learn (Assumption 6). */
static inline rhm_grammar *learnable_grammar(rhm_shape shape, uint64_t seed) {
    for (;; seed++) {
        rhm_grammar *grammar;
        rhm_analysis analysis = {0};
        rhm_error error = {0};
        assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, seed, &error), &error);
        assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
        const bool holds = analysis.assumption_6;
        rhm_analysis_clear(&analysis);
        if (holds)
            return grammar;
        rhm_grammar_destroy(grammar);
    }
}

/* V = 3, 4, 5, 6 and m = 4, 3, 2: rules, their probabilities and the labels' all uneven, yet learnable with ease:
 * symbols differ by at least 0.1 in their exact posteriors. */
static inline rhm_grammar *uneven_grammar(void) {
    static const rhm_shape shape = {
        .levels = 3, .branching = {0, 2, 2, 2}, .vocab = {3, 4, 5, 6}, .rules = {0, 4, 3, 2}};
    static const double labels[3] = {0.5, 0.3, 0.2};
    for (uint64_t seed = 1;; seed++) {
        uint32_t patches[3][16 * 2];
        double probability[3][16];
        rhm_random random = {.seed = seed, .stream = 1u << 20};
        for (uint32_t l = 1; l <= 3; l++)
            for (uint32_t row = 0; row < shape.vocab[l - 1] * shape.rules[l]; row++) {
                const uint32_t first = row - row % shape.rules[l], vocab = shape.vocab[l];
                bool taken = true;
                while (taken) {
                    const uint32_t index = rhm_random_below(&random, vocab * vocab);
                    patches[l - 1][2 * row] = index / vocab;
                    patches[l - 1][2 * row + 1] = index % vocab;
                    taken = false;
                    for (uint32_t r = 0; r < row; r++)
                        taken |= patches[l - 1][2 * r] * vocab + patches[l - 1][2 * r + 1] == index;
                }
                probability[l - 1][row] = 0.5 + (double)rhm_random_word(&random) * 0x1p-32;
                if (row + 1 == first + shape.rules[l]) {
                    double sum = 0;
                    for (uint32_t r = first; r <= row; r++)
                        sum += probability[l - 1][r];
                    for (uint32_t r = first; r <= row; r++)
                        probability[l - 1][r] /= sum;
                }
            }
        const uint32_t *const patch_tables[3] = {patches[0], patches[1], patches[2]};
        const double *const probability_tables[3] = {probability[0], probability[1], probability[2]};
        rhm_grammar *grammar;
        rhm_analysis analysis = {0};
        rhm_error error = {0};
        assert_ok(rhm_grammar_create(&grammar, &shape, patch_tables, probability_tables, labels, &error), &error);
        assert_ok(rhm_analyse(&analysis, grammar, &error), &error);
        const bool easy = analysis.assumption_6 && analysis.rho[2] > 0.1 && analysis.rho[3] > 0.1;
        rhm_analysis_clear(&analysis);
        if (easy)
            return grammar;
        rhm_grammar_destroy(grammar);
    }
}

static inline size_t tokens_of(uint32_t branching, uint32_t levels) {
    size_t tokens = 1;
    for (uint32_t l = 0; l < levels; l++)
        tokens *= branching;
    return tokens;
}

/* One level's map: x = M^(-1/2) [cos(w h), sin(w h)], y = W x, every block divided by its sum. h is (s d_e), y (K
 * |V_0|); returns the last block's sum. */
static inline double oracle_level(const rhm_level_weights *level, const double *h, double *y) {
    const size_t inputs = (size_t)level->tokens * level->embedding, m = level->width;
    const size_t blocks = level->positions ? level->positions : 1, outputs = blocks * level->classes;
    const double scale = 1 / sqrt((double)m);
    for (size_t c = 0; c < outputs; c++)
        y[c] = 0;
    for (size_t k = 0; k < m; k++) {
        double phase = 0;
        for (size_t j = 0; j < inputs; j++)
            phase += (double)level->frequencies[k * inputs + j] * h[j];
        const double cosine = scale * cos(phase), sine = scale * sin(phase);
        for (size_t c = 0; c < outputs; c++)
            y[c] += (double)level->weights[c * 2 * m + k] * cosine + (double)level->weights[c * 2 * m + m + k] * sine;
    }
    const double floor = (double)RHM_NORMALIZATION_FLOOR;
    double sum = 0;
    for (size_t b = 0; b < blocks; b++, y += level->classes) {
        sum = 0;
        for (size_t c = 0; c < level->classes; c++)
            sum += y[c];
        const double divisor = fabs(sum) >= floor ? sum : sum < 0 ? -floor : floor;
        for (size_t c = 0; c < level->classes; c++)
            y[c] /= divisor;
    }
    return sum;
}

/* The output of the level-`level` patch over `leaves` (s^(L-level+1) tokens), from the bottom up; y is (|V_0|). */
static inline void oracle_patch(const rhm_model *model, uint32_t level, const uint16_t *leaves, double *y) {
    enum { MOST_INPUTS = 1024 };
    const rhm_level_weights weights = rhm_model_level(model, level);
    const size_t width = tokens_of(weights.tokens, rhm_model_levels(model) - level);
    double h[MOST_INPUTS] = {0};
    assert_true((size_t)weights.tokens * weights.embedding <= MOST_INPUTS);
    for (size_t t = 0; t < weights.tokens; t++)
        if (level == rhm_model_levels(model))
            h[t * weights.embedding + leaves[t]] = 1;
        else
            oracle_patch(model, level + 1, leaves + t * width, h + t * weights.embedding);
    oracle_level(&weights, h, y);
}

static inline size_t largest(const double *y, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = y[i] > y[best] ? i : best;
    return best;
}

/* Rows of a grammar as another program would have written them; with_grammar lends it (diagnostics need it). Release
 * with free_rows. */
static inline rhm_data sample_rows(rhm_grammar *grammar, bool with_grammar, size_t count, uint64_t seed) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_data data = {.count = count,
                     .tree = *rhm_grammar_tree(grammar),
                     .token_vocab = shape->vocab[shape->levels],
                     .label_vocab = shape->vocab[0],
                     .tokens = calloc(count * rhm_grammar_tree(grammar)->leaves[0], sizeof *data.tokens),
                     .labels = calloc(count, sizeof *data.labels),
                     .grammar = with_grammar ? grammar : NULL};
    assert_true(data.tokens && data.labels);
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, seed, NULL), RHM_OK);
    rhm_sample_sequences(sampler, rhm_stream(RHM_EXPORT, 0), 0, count, data.tokens, data.labels, NULL);
    rhm_sampler_destroy(sampler);
    return data;
}

static inline rhm_model *train_rows(const rhm_engine *engine, const rhm_data *data, rhm_train_options options,
                                    rhm_train_report *report) {
    rhm_model *model;
    rhm_error error = {0};
    assert_ok(rhm_train_data(&model, report, engine, data, NULL, &options, &error), &error);
    return model;
}

static inline void free_rows(rhm_data *data) {
    free(data->tokens);
    free(data->labels);
}

/* Weights of no training, with blocks for `positions` above level 1. At `sharpness` 1 output sums stay away from the
 * floor, because cosines of small phases are near 1; the sharper, the more predictions differ. */
static inline rhm_model *untrained_blocks(uint32_t levels, uint32_t branching, uint32_t classes, uint32_t vocab,
                                          uint32_t width, uint32_t positions, double sharpness) {
    rhm_level_weights level[RHM_MAX_LEVELS + 1] = {0};
    rhm_random random = {.seed = levels, .stream = 1u << 20};
    float *memory[RHM_MAX_LEVELS + 1];
    for (uint32_t l = 1; l <= levels; l++) {
        const uint32_t embedding = l == levels ? vocab : positions * classes, m = width + l;
        const uint32_t blocks = l > 1 ? positions : 1;
        const size_t frequencies = (size_t)m * branching * embedding, weights = (size_t)blocks * classes * 2 * m;
        memory[l] = calloc(frequencies + weights, sizeof **memory);
        assert_non_null(memory[l]);
        for (size_t i = 0; i < frequencies; i++)
            memory[l][i] = (float)(sharpness * ((double)rhm_random_word(&random) * 0x1p-32 - 0.5));
        for (size_t i = 0; i < weights; i++)
            memory[l][frequencies + i] = (float)((i / m % 2 ? 0.25 : 1) * (double)rhm_random_word(&random) * 0x1p-32);
        level[l] =
            (rhm_level_weights){branching, embedding, classes, m, 1, 0, memory[l], memory[l] + frequencies, blocks};
    }
    rhm_model *model;
    rhm_error error = {0};
    assert_ok(rhm_model_create(&model, levels, level, NULL, &error), &error);
    for (uint32_t l = 1; l <= levels; l++)
        free(memory[l]);
    return model;
}

static inline rhm_model *untrained(uint32_t levels, uint32_t branching, uint32_t classes, uint32_t vocab,
                                   uint32_t width, double sharpness) {
    return untrained_blocks(levels, branching, classes, vocab, width, 1, sharpness);
}

#endif
