/* A stage of training: the samples it takes, the frequencies it draws, and that its weights solve its own regression.
 */
#include "dense.h"
#include "rhm/inference.h"
#include "rhm/sampling.h"
#include "sampling/source.h"

static const uint64_t SEED = 20260119;

/* The two sources of the learner: a grammar's first patches, and the first columns of its whole sequences. */
static void sources_give_the_same_samples(void **state) {
    (void)state;
    enum { ROWS = 300, FIRST = 41, COUNT = 200 };
    rhm_grammar *grammar = small_grammar();
    const uint32_t stream = rhm_stream(RHM_EXPORT, 0);
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, SEED, NULL), RHM_OK);
    static uint16_t tokens[ROWS * 8], labels[ROWS], leaves[2][COUNT * 8], label[2][COUNT];
    rhm_sample_sequences(sampler, stream, 1000, ROWS, tokens, labels, NULL);
    rhm_data data = {.count = ROWS, .tree = *rhm_grammar_tree(grammar), .tokens = tokens, .labels = labels};
    for (uint32_t level = 1; level <= 3; level++) {
        const size_t width = (size_t)1 << (4 - level);
        const rhm_grammar_source from_grammar = {grammar, SEED, sampler, stream};
        const rhm_data_source from_data = {&data, FIRST - 5};
        rhm_draw_from_grammar(&from_grammar, level, 1000 + FIRST, COUNT, leaves[0], label[0]);
        rhm_draw_from_data(&from_data, level, 5, COUNT, leaves[1], label[1]);
        for (size_t i = 0; i < COUNT; i++)
            assert_memory_equal(leaves[0] + i * width, tokens + (FIRST + i) * 8, sizeof(uint16_t) * width);
        assert_memory_equal(label[0], labels + FIRST, sizeof label[0]);
        assert_memory_equal(leaves[0], leaves[1], sizeof(uint16_t) * width * COUNT);
        assert_memory_equal(label[0], label[1], sizeof label[0]);
    }
    data.labels = NULL;
    rhm_draw_from_data(&(rhm_data_source){&data, 0}, 1, 0, COUNT, leaves[1], label[1]);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(label[1][i], 0);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/*
 * The ridge solution of a level from rows first..first+count-1 alone: dense features of the first level-l patches,
 * whose children go through the levels below as the model has them.
 */
static double *solve_level(const rhm_model *model, uint32_t level, const rhm_data *data, size_t first, size_t count) {
    enum { MOST_INPUTS = 64 };
    const rhm_level_weights w = rhm_model_level(model, level);
    const size_t m = w.width, n = 2 * m, inputs = (size_t)w.tokens * w.embedding, row = data->tree.leaves[0];
    const size_t child = tokens_of(w.tokens, data->tree.levels - level);
    assert_true(inputs <= MOST_INPUTS);
    double *matrix = must_alloc(n * n, sizeof *matrix), *target = must_alloc(w.classes * n, sizeof *target);
    double *x = must_alloc(n, sizeof *x);
    for (size_t i = first; i < first + count; i++) {
        double h[MOST_INPUTS] = {0};
        for (size_t t = 0; t < w.tokens; t++)
            if (level == data->tree.levels)
                h[t * w.embedding + data->tokens[i * row + t]] = 1;
            else
                oracle_patch(model, level + 1, data->tokens + i * row + t * child, h + t * w.embedding);
        for (size_t k = 0; k < m; k++) {
            double phase = 0;
            for (size_t j = 0; j < inputs; j++)
                phase += (double)w.frequencies[k * inputs + j] * h[j];
            x[k] = cos(phase) / sqrt((double)m);
            x[m + k] = sin(phase) / sqrt((double)m);
        }
        for (size_t f = 0; f < n; f++) {
            target[data->labels[i] * n + f] += x[f] / (double)count;
            for (size_t g = 0; g < n; g++)
                matrix[f * n + g] += x[f] * x[g] / (double)count;
        }
    }
    for (size_t f = 0; f < n; f++)
        matrix[f * n + f] += w.ridge;
    eliminate(matrix, n, target, w.classes);
    free(matrix);
    free(x);
    return target;
}

/* Mean ||e_label - y||^2 of the level's outputs on those rows, no sample counting for more than 4. */
static double loss_of_rows(const rhm_model *model, uint32_t level, const rhm_data *data, size_t first, size_t count) {
    const size_t row = data->tree.leaves[0];
    double loss = 0;
    for (size_t i = first; i < first + count; i++) {
        double y[64], square = 0;
        oracle_patch(model, level, data->tokens + i * row, y);
        for (size_t c = 0; c < data->label_vocab; c++)
            square += pow(y[c] - (data->labels[i] == c), 2);
        loss += fmin(square, 4) / (double)count;
    }
    return loss;
}

static double weights_off(const rhm_model *model, uint32_t level, const double *exact) {
    const rhm_level_weights w = rhm_model_level(model, level);
    const size_t size = (size_t)w.classes * 2 * w.width;
    double *found = must_alloc(size, sizeof *found);
    for (size_t i = 0; i < size; i++)
        found[i] = (double)w.weights[i];
    const double off = relative(found, exact, size);
    free(found);
    return off;
}

static const rhm_train_options FIXED = {
    .samples = {0, 1500, 1201, 1999},
    .bandwidth = {0, 0.4, 0.2, 0.35},
    .ridge = {0, 1e-3, 3e-3, 1e-3},
    .width = 64,
    .tolerance = 1e-6,
    .seed = 9,
    .test_samples = 777,
};
static const size_t FIRST_ROW[] = {0, 1999 + 500 + 1201 + 301, 1999 + 500, 0}; /* in file order, level L first */

/* Every stage was fitted to its own rows: the documented slices reproduce the weights, no others do. */
static void stages_take_their_own_rows(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_data data = sample_rows(grammar, false, 10000, SEED);
    rhm_train_report report;
    rhm_model *model = train_rows(engine, &data, FIXED, &report);
    for (uint32_t l = 1; l <= 3; l++) {
        assert_int_equal(report.level[l].samples, FIXED.samples[l]);
        assert_int_equal(report.level[l].validation_samples, (FIXED.samples[l] + 3) / 4);
        double *exact = solve_level(model, l, &data, FIRST_ROW[l], FIXED.samples[l]);
        double *shifted = solve_level(model, l, &data, FIRST_ROW[l] + 1, FIXED.samples[l]);
        const double loss = loss_of_rows(model, l, &data, FIRST_ROW[l] + FIXED.samples[l], (FIXED.samples[l] + 3) / 4);
        assert_true(fabs(report.level[l].held_out_loss - loss) < 1e-4);
        if (!(weights_off(model, l, exact) < 1e-4 && weights_off(model, l, shifted) > 2e-4))
            fail_msg("level %u: off by %.3g, one row further by %.3g", l, weights_off(model, l, exact),
                     weights_off(model, l, shifted));
        free(exact), free(shifted);
    }
    assert_int_equal(report.test_samples, 777);
    rhm_accuracy last;
    assert_int_equal(rhm_evaluate_data(&last, engine, model, &data, 10000 - 777, 777, NULL), RHM_OK);
    assert_true((double)last.correct / 777 == report.test_accuracy);
    rhm_model_destroy(model);
    free_rows(&data);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* The same for a grammar: level l is fitted to samples 0..N-1 of its own training stream. */
static void stages_of_a_grammar_have_their_own_streams(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_model *model;
    rhm_sampler *sampler;
    rhm_error error = {0};
    rhm_train_options options = FIXED;
    options.draw = RHM_DRAW_SAMPLES;
    assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
    assert_int_equal(rhm_sampler_create(&sampler, grammar, FIXED.seed, NULL), RHM_OK);
    rhm_data data = sample_rows(grammar, false, 2000, SEED);
    for (uint32_t l = 1; l <= 3; l++)
        for (uint32_t stream = 1; stream <= 3; stream++) {
            const size_t count = FIXED.samples[l];
            rhm_sample_sequences(sampler, rhm_stream(RHM_TRAINING, stream), 0, count, data.tokens, data.labels, NULL);
            double *exact = solve_level(model, l, &data, 0, count);
            const double off = weights_off(model, l, exact);
            if (stream == l ? !(off < 1e-4) : off < 1e-2)
                fail_msg("level %u is off the solution of stream %u by %.3g", l, stream, off);
            free(exact);
        }
    rhm_sampler_destroy(sampler);
    free_rows(&data);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* The same directions for every bandwidth, a longer list for a larger width, another list for every level. */
static void frequencies_are_one_list_per_level(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_data data = sample_rows(grammar, false, 10000, SEED);
    rhm_train_options wide = FIXED, sharp = FIXED;
    wide.width = 100;
    sharp.bandwidth[2] = 0.1;
    rhm_model *model = train_rows(engine, &data, FIXED, NULL), *wider = train_rows(engine, &data, wide, NULL);
    rhm_model *sharper = train_rows(engine, &data, sharp, NULL);
    for (uint32_t l = 1; l <= 3; l++) {
        const rhm_level_weights w = rhm_model_level(model, l), v = rhm_model_level(wider, l),
                                u = rhm_model_level(sharper, l);
        assert_memory_equal(w.frequencies, v.frequencies, sizeof(float) * 64 * 16);
        for (size_t i = 0; i < 64 * 16; i++)
            assert_true(fabsf(u.frequencies[i] - (l == 2 ? 2 : 1) * w.frequencies[i]) <=
                        1e-6f * fabsf(u.frequencies[i]));
        const rhm_level_weights next = rhm_model_level(model, l % 3 + 1);
        size_t equal = 0;
        for (size_t i = 0; i < 64 * 16; i++)
            equal += fabs((double)w.frequencies[i] * w.bandwidth - (double)next.frequencies[i] * next.bandwidth) < 1e-6;
        assert_true(equal < 4);
    }
    rhm_model_destroy(model), rhm_model_destroy(wider), rhm_model_destroy(sharper);
    free_rows(&data);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* A limit that the statistics alone exceed: a sentence instead of the system's refusal. */
static void memory_limits_are_kept(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options tight = {.threads = 1, .memory_limit_nbytes = 100000};
    assert_ok(rhm_engine_create(&engine, &tight, &error), &error);
    rhm_model *model = NULL;
    assert_refused(rhm_train(&model, NULL, engine, grammar, &(rhm_train_options){.seed = 1}, &error), RHM_NO_MEMORY,
                   &error, "memory");
    assert_null(model);
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_give_the_same_samples),
        cmocka_unit_test(stages_take_their_own_rows),
        cmocka_unit_test(stages_of_a_grammar_have_their_own_streams),
        cmocka_unit_test(frequencies_are_one_list_per_level),
        cmocka_unit_test(memory_limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
