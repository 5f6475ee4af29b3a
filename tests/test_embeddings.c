/* Outputs of levels for all patches: level 1 says what predictions do, and every level follows from the one below. */
#include "learning.h"

#include "rhm/inference.h"
#include "rhm/learner.h"

enum { COUNT = 200 };

static rhm_model *trained(const rhm_engine *engine, const rhm_grammar *grammar, const char *learner) {
    const rhm_train_options options = {.learner = learner, .seed = 3, .test_samples = 100, .width = 64};
    const rhm_train_options plain = {.learner = learner, .seed = 3, .test_samples = 100};
    const bool features = !strcmp(learner, "layerwise") || !strcmp(learner, "shallow");
    rhm_model *model;
    rhm_error error = {0};
    assert_ok(rhm_train(&model, NULL, engine, grammar, features ? &options : &plain, &error), &error);
    return model;
}

typedef struct world {
    rhm_engine *engine;
    rhm_grammar *grammar;
    uint16_t *tokens, *labels;
    size_t d;
} world;

static world make_world(void) {
    world w = {.engine = engine_of(2), .grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), 1)};
    rhm_sampler *sampler;
    rhm_error error = {0};
    w.d = rhm_grammar_tree(w.grammar)->leaves[0];
    w.tokens = malloc(sizeof *w.tokens * COUNT * w.d);
    w.labels = malloc(sizeof *w.labels * COUNT);
    assert_ok(rhm_sampler_create(&sampler, w.grammar, 5, &error), &error);
    rhm_sample_sequences(sampler, 7, 0, COUNT, w.tokens, w.labels, NULL);
    rhm_sampler_destroy(sampler);
    return w;
}

static void end_world(world *w) {
    free(w->tokens);
    free(w->labels);
    rhm_grammar_destroy(w->grammar);
    rhm_engine_destroy(w->engine);
}

static float *embed(const world *w, const rhm_model *model, uint32_t level) {
    const size_t rows = COUNT * rhm_model_tree(model)->nodes[level - 1];
    float *out = malloc(sizeof *out * rows * rhm_model_embedding(model, level));
    rhm_error error = {0};
    assert_ok(rhm_model_embed(w->engine, model, level, w->tokens, COUNT, out, &error), &error);
    return out;
}

/* Bit for bit. */
static void level_1_is_the_prediction(void **state) {
    (void)state;
    static const char *const learners[] = {"layerwise", "table", "shallow"};
    world w = make_world();
    for (size_t i = 0; i < sizeof learners / sizeof *learners; i++) {
        rhm_model *model = trained(w.engine, w.grammar, learners[i]);
        assert_int_equal(rhm_model_embedding(model, 1), 6);
        assert_int_equal(rhm_model_embedding(model, 0), 0);
        assert_int_equal(rhm_model_embedding(model, 4), 0);
        float *out = embed(&w, model, 1), *posteriors = malloc(sizeof *out * COUNT * 6);
        uint16_t labels[COUNT];
        assert_ok(rhm_predict(w.engine, model, w.tokens, COUNT, labels, posteriors, NULL, NULL), &(rhm_error){0});
        assert_memory_equal(out, posteriors, sizeof *out * COUNT * 6);
        free(out);
        free(posteriors);
        rhm_model_destroy(model);
    }
    end_world(&w);
}

/* The paper's formula in double precision, on what the level below is said to put out. */
static void levels_follow_from_those_below(void **state) {
    (void)state;
    world w = make_world();
    rhm_model *model = trained(w.engine, w.grammar, "layerwise");
    float *below = NULL;
    for (uint32_t l = 3; l >= 1; l--) {
        const rhm_level_weights level = rhm_model_level(model, l);
        const size_t width = rhm_model_embedding(model, l), rows = COUNT * rhm_model_tree(model)->nodes[l - 1];
        float *out = embed(&w, model, l);
        double largest = 0;
        for (size_t i = 0; i < rows; i++) {
            double y[RHM_MAX_VOCAB / 256] = {0}, sum = 0;
            for (size_t k = 0; k < level.width; k++) {
                double phase = 0;
                for (size_t t = 0; t < level.tokens; t++)
                    for (size_t e = 0; e < level.embedding; e++)
                        phase += (double)level.frequencies[(k * level.tokens + t) * level.embedding + e] *
                                 (below ? (double)below[(i * level.tokens + t) * level.embedding + e]
                                        : (double)(w.tokens[i * level.tokens + t] == e));
                for (size_t c = 0; c < width; c++)
                    y[c] += ((double)level.weights[c * 2 * level.width + k] * cos(phase) +
                             (double)level.weights[c * 2 * level.width + level.width + k] * sin(phase)) /
                            sqrt(level.width);
            }
            for (size_t block = 0; block < width; block += level.classes) {
                sum = 0;
                for (size_t c = 0; c < level.classes; c++)
                    sum += y[block + c];
                for (size_t c = 0; c < level.classes && fabs(sum) > 0.1; c++)
                    largest = fmax(largest, fabs(y[block + c] / sum - (double)out[i * width + block + c]));
            }
        }
        assert_true(largest < 2e-3);
        free(below);
        below = out;
    }
    free(below);
    rhm_model_destroy(model);
    end_world(&w);
}

/* Ids of tables are one-hot, and tell exactly those patches apart that the grammar does. */
static void ids_are_one_hot(void **state) {
    (void)state;
    world w = make_world();
    rhm_model *model = trained(w.engine, w.grammar, "table");
    for (uint32_t l = 3; l >= 2; l--) {
        const size_t width = rhm_model_embedding(model, l), nodes = rhm_model_tree(model)->nodes[l - 1];
        float *out = embed(&w, model, l);
        for (size_t i = 0; i < COUNT * nodes; i++) {
            float sum = 0;
            for (size_t c = 0; c < width; c++) {
                assert_true(out[i * width + c] == 0 || out[i * width + c] == 1);
                sum += out[i * width + c];
            }
            assert_true(sum == 1);
        }
        free(out);
    }
    rhm_model_destroy(model);
    end_world(&w);
}

static void what_is_not_there_is_refused(void **state) {
    (void)state;
    world w = make_world();
    rhm_model *model = trained(w.engine, w.grammar, "shallow");
    float out[1];
    rhm_error error = {0};
    assert_int_equal(rhm_model_embed(w.engine, model, 2, w.tokens, COUNT, out, &error), RHM_UNSUPPORTED);
    assert_int_equal(rhm_model_embed(w.engine, model, 0, w.tokens, COUNT, out, &error), RHM_INVALID);
    assert_int_equal(rhm_model_embed(w.engine, model, 4, w.tokens, COUNT, out, &error), RHM_INVALID);
    w.tokens[5] = 6;
    assert_int_equal(rhm_model_embed(w.engine, model, 1, w.tokens, COUNT, out, &error), RHM_INVALID);
    rhm_model_destroy(model);
    end_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_1_is_the_prediction),
        cmocka_unit_test(levels_follow_from_those_below),
        cmocka_unit_test(ids_are_one_hot),
        cmocka_unit_test(what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
