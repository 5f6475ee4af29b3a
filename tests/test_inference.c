/* Predictions against the formula of include/rhm/learner.h in double precision, and accuracies against counting. */
#include "learning.h"
#include "rhm/inference.h"
#include "rhm/sampling.h"

static const uint64_t SEED = 20260119;

typedef struct batch {
    size_t count, tokens, classes;
    uint16_t *token, *label;
    float *posterior;
} batch;

static batch empty_batch(const rhm_model *model, size_t count) {
    batch b = {.count = count, .tokens = rhm_model_tree(model)->leaves[0], .classes = rhm_model_classes(model)};
    b.token = calloc(count * b.tokens, sizeof *b.token);
    b.label = calloc(count, sizeof *b.label);
    b.posterior = calloc(count * b.classes, sizeof *b.posterior);
    assert_true(b.token && b.label && b.posterior);
    return b;
}

static batch random_batch(const rhm_model *model, size_t count) {
    batch b = empty_batch(model, count);
    rhm_random random = {.seed = SEED, .stream = 1u << 21};
    for (size_t i = 0; i < count * b.tokens; i++)
        b.token[i] = (uint16_t)rhm_random_below(&random, rhm_model_token_vocab(model));
    return b;
}

static void free_batch(batch *b) {
    free(b->token), free(b->label), free(b->posterior);
}

static void predict(const rhm_engine *engine, const rhm_model *model, batch *b) {
    rhm_error error = {0};
    assert_ok(rhm_predict(engine, model, b->token, b->count, b->label, b->posterior, NULL, &error), &error);
}

/* No label has nearly all predictions: mixing sequences up would show. */
static void assert_diverse(const batch *b) {
    size_t count[64] = {0};
    for (size_t i = 0; i < b->count; i++)
        count[b->label[i]]++;
    for (size_t c = 0; c < b->classes; c++)
        assert_true(count[c] < b->count * 9 / 10);
}

static rhm_model *trained(const rhm_grammar *grammar) {
    rhm_engine *engine = engine_of(1);
    rhm_model *model;
    rhm_error error = {0};
    const rhm_train_options options = {.seed = 2, .test_samples = 100, .max_samples = 20000, .width = 512};
    assert_ok(rhm_train(&model, NULL, engine, grammar, &options, &error), &error);
    rhm_engine_destroy(engine);
    return model;
}

static void compare_with_oracle(const rhm_model *model, const batch *b, double tolerance) {
    double y[64];
    for (size_t i = 0; i < b->count; i++) {
        const float *posterior = b->posterior + i * b->classes;
        oracle_patch(model, 1, b->token + i * b->tokens, y);
        double sum = 0, runner_up = -HUGE_VAL;
        const size_t best = largest(y, b->classes);
        for (size_t c = 0; c < b->classes; c++) {
            if (!(fabs((double)posterior[c] - y[c]) <= tolerance * (1 + fabs(y[c]))))
                fail_msg("sequence %zu, class %zu: %.8g, not %.8g", i, c, (double)posterior[c], y[c]);
            sum += (double)posterior[c];
            runner_up = c == best ? runner_up : fmax(runner_up, y[c]);
            assert_true(posterior[b->label[i]] >= posterior[c] - 1e-6f);
        }
        assert_true(fabs(sum - 1) < 1e-5);
        if (y[best] - runner_up > 2 * tolerance * (1 + fabs(y[best])))
            assert_int_equal(b->label[i], best);
    }
}

static void posteriors_follow_the_documented_formula(void **state) {
    (void)state;
    const struct {
        uint32_t levels, branching, classes, vocab, width, positions;
    } shapes[] = {{1, 2, 5, 7, 40, 1}, {3, 2, 4, 9, 33, 1}, {2, 3, 11, 3, 16, 1}, {2, 5, 3, 20, 1, 1},
                  {5, 2, 2, 2, 7, 1},  {1, 3, 1, 4, 8, 1},  {3, 2, 4, 9, 33, 3},  {2, 3, 11, 3, 16, 2}};
    rhm_engine *engine = engine_of(2);
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        rhm_model *model = untrained_blocks(shapes[n].levels, shapes[n].branching, shapes[n].classes, shapes[n].vocab,
                                            shapes[n].width, shapes[n].positions, 1);
        batch b = random_batch(model, 200);
        predict(engine, model, &b);
        compare_with_oracle(model, &b, 1e-5);
        free_batch(&b);
        rhm_model_destroy(model);
    }
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    rhm_model *model = trained(grammar);
    batch b = empty_batch(model, 300);
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, grammar, 1, NULL), RHM_OK);
    rhm_sample_sequences(sampler, rhm_stream(RHM_TEST, 0), 0, b.count, b.token, b.label, NULL);
    predict(engine, model, &b);
    compare_with_oracle(model, &b, 2e-4);
    rhm_sampler_destroy(sampler);
    free_batch(&b);
    rhm_model_destroy(model);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* One by one, backwards, in pieces, on other threads and instruction sets: the same bits for every sequence. */
static void a_prediction_depends_on_its_sequence_alone(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_model *model = untrained(3, 2, 4, 3, 24, 30);
    batch all = random_batch(model, 500), other = empty_batch(model, 500);
    predict(engine, model, &all);
    assert_diverse(&all);

    for (size_t i = 0; i < all.count; i++) {
        batch one = {
            1, all.tokens, all.classes, all.token + i * all.tokens, other.label + i, other.posterior + i * all.classes};
        predict(engine, model, &one);
    }
    assert_memory_equal(other.label, all.label, sizeof *all.label * all.count);
    assert_memory_equal(other.posterior, all.posterior, sizeof *all.posterior * all.count * all.classes);

    for (size_t i = 0; i < all.count; i++)
        memcpy(other.token + i * all.tokens, all.token + (all.count - 1 - i) * all.tokens,
               sizeof *all.token * all.tokens);
    const struct {
        int threads;
        const char *isa;
    } engines[] = {{1, NULL}, {3, NULL}, {7, NULL}, {2, "scalar"}, {1, "avx2"}, {2, "avx512"}};
    for (size_t e = 0; e < sizeof engines / sizeof *engines; e++) {
        rhm_engine *another = engine_at(engines[e].threads, engines[e].isa);
        if (!another)
            continue;
        predict(another, model, &other);
        for (size_t i = 0; i < all.count; i++) {
            const size_t j = all.count - 1 - i;
            assert_int_equal(other.label[j], all.label[i]);
            assert_memory_equal(other.posterior + j * all.classes, all.posterior + i * all.classes,
                                sizeof *all.posterior * all.classes);
        }
        rhm_engine_destroy(another);
    }
    free_batch(&all), free_batch(&other);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

/* More sequences than are evaluated together, at every edge of such a block. */
static void long_batches_are_evaluated_in_blocks(void **state) {
    (void)state;
    enum { COUNT = 140000, SMALL = 1000 };
    rhm_engine *engine = engine_of(2);
    rhm_model *model = untrained(2, 2, 3, 30, 5, 30);
    batch all = random_batch(model, COUNT), small = empty_batch(model, SMALL);
    predict(engine, model, &all);
    assert_diverse(&all);
    for (size_t first = 0; first < COUNT; first += SMALL) {
        memcpy(small.token, all.token + first * 4, sizeof *small.token * SMALL * 4);
        predict(engine, model, &small);
        assert_memory_equal(small.label, all.label + first, sizeof *small.label * SMALL);
        assert_memory_equal(small.posterior, all.posterior + first * 3, sizeof *small.posterior * SMALL * 3);
    }
    free_batch(&all), free_batch(&small);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

static void unknown_tokens_are_refused(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_model *model = untrained(2, 2, 3, 6, 8, 1);
    batch b = random_batch(model, 20);
    const size_t places[] = {0, 3, 41, 79};
    for (size_t i = 0; i < 4; i++)
        for (size_t bad = 0; bad < 2; bad++) {
            const uint16_t keep = b.token[places[i]], value = bad ? 65535 : 6;
            char words[80];
            rhm_error error = {0};
            b.token[places[i]] = value;
            snprintf(words, sizeof words, "token %zu of sequence %zu is %u", places[i] % 4, places[i] / 4, value);
            const rhm_status status = rhm_predict(engine, model, b.token, b.count, b.label, b.posterior, NULL, &error);
            assert_refused(status, RHM_INVALID, &error, words);
            assert_refused(status, RHM_INVALID, &error, "0 to 5");
            b.token[places[i]] = keep;
        }
    for (size_t i = 0; i < b.count; i++)
        assert_int_equal(b.label[i], 0); /* untouched */
    free_batch(&b);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

static void outputs_are_optional(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_model *model = untrained(2, 2, 3, 6, 8, 1);
    batch b = random_batch(model, 50);
    uint16_t label[50];
    uint64_t clamped = 99;
    predict(engine, model, &b);
    assert_int_equal(rhm_predict(engine, model, b.token, 50, label, NULL, &clamped, NULL), RHM_OK);
    assert_memory_equal(label, b.label, sizeof label);
    assert_int_equal(clamped, 0);
    assert_int_equal(rhm_predict(engine, model, b.token, 0, label, b.posterior, &clamped, NULL), RHM_OK);
    assert_int_equal(clamped, 0);
    free_batch(&b);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

/* All weights zero: every output meets the floor, each distinct subtree once; ties go to the smallest label. */
static void vanishing_outputs_are_clamped(void **state) {
    (void)state;
    static float frequencies[8 * 2 * 6], weights[3 * 2 * 8];
    for (size_t i = 0; i < sizeof frequencies / sizeof *frequencies; i++)
        frequencies[i] = 1;
    const rhm_level_weights level[3] = {
        {0}, {2, 3, 3, 8, 1, 0, frequencies, weights, 1}, {2, 6, 3, 8, 1, 0, frequencies, weights, 1}};
    rhm_engine *engine = engine_of(1);
    rhm_model *model;
    assert_int_equal(rhm_model_create(&model, 2, level, NULL, NULL), RHM_OK);
    const uint16_t tokens[3][4] = {{0, 1, 0, 1}, {0, 1, 2, 3}, {0, 1, 0, 1}}; /* 2 distinct patches, 2 sequences */
    uint16_t label[3];
    float posterior[9];
    uint64_t clamped;
    assert_int_equal(rhm_predict(engine, model, tokens[0], 3, label, posterior, &clamped, NULL), RHM_OK);
    assert_int_equal(clamped, 4);
    for (size_t i = 0; i < 9; i++)
        assert_true(fabsf(posterior[i]) < 1e-6f && label[i / 3] == 0);
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

static void accuracies_equal_counting(void **state) {
    (void)state;
    enum { COUNT = 3000, FIRST = 1234 };
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    rhm_model *model = untrained(2, 2, 8, 8, 30, 1), *good = trained(grammar);
    const rhm_model *models[2] = {model, good};
    for (size_t m = 0; m < 2; m++)
        for (int threads = 1; threads <= 3; threads++) {
            rhm_engine *engine = engine_of(threads);
            rhm_error error = {0};
            rhm_sampler *sampler;
            batch b = empty_batch(models[m], COUNT);
            uint16_t *truth = calloc(COUNT, sizeof *truth);
            const uint32_t stream = rhm_stream(RHM_TEST, 0);
            assert_int_equal(rhm_sampler_create(&sampler, grammar, 77, NULL), RHM_OK);
            rhm_sample_sequences(sampler, stream, FIRST, COUNT, b.token, truth, NULL);
            predict(engine, models[m], &b);
            const rhm_data data = {.count = COUNT,
                                   .tree = *rhm_grammar_tree(grammar),
                                   .token_vocab = 8,
                                   .label_vocab = 8,
                                   .tokens = b.token,
                                   .labels = truth};
            const size_t parts[][2] = {{0, COUNT}, {0, 1}, {COUNT - 1, 1}, {500, 1700}, {7, 0}};
            for (size_t p = 0; p < 5; p++) {
                size_t correct = 0;
                for (size_t i = parts[p][0]; i < parts[p][0] + parts[p][1]; i++)
                    correct += b.label[i] == truth[i];
                rhm_accuracy drawn = {0}, given = {0};
                assert_ok(rhm_evaluate(&drawn, engine, models[m], grammar, 77, stream, FIRST + parts[p][0], parts[p][1],
                                       &error),
                          &error);
                assert_ok(rhm_evaluate_data(&given, engine, models[m], &data, parts[p][0], parts[p][1], &error),
                          &error);
                assert_int_equal(drawn.samples, parts[p][1]);
                assert_int_equal(drawn.correct, correct);
                assert_int_equal(given.samples, parts[p][1]);
                assert_int_equal(given.correct, correct);
                assert_int_equal(given.clamped, drawn.clamped);
                if (p == 0)
                    assert_true(m == 0 ? correct < COUNT / 2 : correct > COUNT - COUNT / 50);
            }
            rhm_sampler_destroy(sampler);
            free(truth), free_batch(&b);
            rhm_engine_destroy(engine);
        }
    rhm_model_destroy(model), rhm_model_destroy(good);
    rhm_grammar_destroy(grammar);
}

static void misfits_are_refused(void **state) {
    (void)state;
    static volatile sig_atomic_t flag;
    static uint16_t tokens[10 * 8], labels[10];
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .interrupt = &flag}, &error), &error);
    rhm_model *model = untrained(2, 2, 8, 8, 5, 1);
    rhm_accuracy out = {.samples = 42};
    const rhm_shape wrong[] = {rhm_shape_uniform(8, 4, 2, 3), rhm_shape_uniform(4, 4, 2, 2),
                               rhm_shape_uniform(8, 4, 3, 2)};
    for (size_t i = 0; i < 3; i++) {
        rhm_grammar *grammar;
        assert_int_equal(rhm_grammar_draw(&grammar, &wrong[i], RHM_FIRST_TOKEN_UNIFORM, 1, NULL), RHM_OK);
        assert_refused(rhm_evaluate(&out, engine, model, grammar, 1, 1, 0, 10, &error), RHM_INVALID, &error,
                       "does not fit");
        rhm_grammar_destroy(grammar);
    }
    rhm_data data = {.count = 10,
                     .tree = *rhm_model_tree(model),
                     .token_vocab = 8,
                     .label_vocab = 8,
                     .tokens = tokens,
                     .labels = labels};
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 0, 11, &error), RHM_INVALID, &error, "10");
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 11, 0, &error), RHM_INVALID, &error, "10");
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 5, SIZE_MAX - 2, &error), RHM_INVALID, &error, "10");
    assert_ok(rhm_tree_uniform(&data.tree, 3, 2, &error), &error);
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 0, 10, &error), RHM_INVALID, &error,
                   "8 tokens a sequence in 3 levels");
    data.tree = *rhm_model_tree(model);
    tokens[9 * 4 + 1] = 8;
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 0, 10, &error), RHM_INVALID, &error,
                   "token 1 of sequence 9");
    assert_int_equal(rhm_evaluate_data(&out, engine, model, &data, 0, 9, NULL), RHM_OK); /* not among those asked for */
    tokens[9 * 4 + 1] = 0;
    tokens[0] = 8;
    assert_int_equal(rhm_evaluate_data(&out, engine, model, &data, 1, 9, NULL), RHM_OK);
    tokens[0] = 0;
    tokens[9 * 4 + 1] = 0;
    data.labels = NULL;
    out.samples = 42;
    assert_refused(rhm_evaluate_data(&out, engine, model, &data, 0, 10, &error), RHM_INVALID, &error, "no labels");
    uint16_t label[10];
    flag = SIGINT;
    assert_refused(rhm_predict(engine, model, tokens, 10, label, NULL, NULL, &error), RHM_INTERRUPTED, &error,
                   "interrupted");
    assert_int_equal(out.samples, 42);
    flag = 0;
    rhm_model_destroy(model);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posteriors_follow_the_documented_formula),
        cmocka_unit_test(a_prediction_depends_on_its_sequence_alone),
        cmocka_unit_test(long_batches_are_evaluated_in_blocks),
        cmocka_unit_test(unknown_tokens_are_refused),
        cmocka_unit_test(outputs_are_optional),
        cmocka_unit_test(vanishing_outputs_are_clamped),
        cmocka_unit_test(accuracies_equal_counting),
        cmocka_unit_test(misfits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
