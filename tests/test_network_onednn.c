/* Networks by oneDNN: against double precision within a stated tolerance, at any number of threads, in bfloat16 as
 * well; what they refuse; the choice by measurement. */
#include "networks.h"
#include "onednn.h"

enum { SHAPES = 5 };
static rhm_network_shape shape_at(int i) {
    switch (i) {
    case 0: return network_shape(3, 2, 5, 4, 16, true);
    case 1: return network_shape(2, 3, 16, 16, 33, true);
    case 2: return network_shape(1, 2, 3, 2, 5, false);
    case 3: return network_shape(3, 2, 8, 8, 64, false);
    default: return network_shape(2, 2, 20, 35, 48, true);
    }
}

/* What the oracle makes of a problem: logits, loss, gradient. */
typedef struct truth {
    double *logits, *g, loss, largest_logit, largest_g;
} truth;

static truth truth_of(const problem *p) {
    const size_t n = p->layout.parameters, classes = p->shape.classes;
    truth t = {.logits = calloc(p->count * classes, sizeof(double)), .g = calloc(n, sizeof(double))};
    double *at = calloc(n, sizeof *at);
    oracle o = oracle_make(&p->shape);
    for (size_t k = 0; k < n; k++)
        at[k] = (double)p->parameters[k];
    for (size_t i = 0; i < p->count; i++) {
        oracle_forward(&o, at, p->tokens + i * p->layout.tokens);
        t.loss += oracle_loss(&o, p->labels[i]);
        for (size_t c = 0; c < classes; c++) {
            t.logits[i * classes + c] = o.y[0][c];
            t.largest_logit = fmax(t.largest_logit, fabs(o.y[0][c]));
        }
    }
    oracle_gradient(&o, at, p->tokens, p->labels, p->count, 5e-4, t.g);
    for (size_t k = 0; k < n; k++)
        t.largest_g = fmax(t.largest_g, fabs(t.g[k]));
    oracle_free(&o);
    free(at);
    return t;
}

/* Within `tolerance` of the largest logit and gradient. */
static void compare(const problem *p, const truth *t, rhm_network *network, double tolerance) {
    const size_t n = p->layout.parameters, floats = p->count * p->shape.classes;
    float *logits = calloc(floats, sizeof *logits), *have = calloc(2 * n, sizeof *have);
    rhm_error error = {0};
    rhm_network_result result;
    const rhm_network_rule rule = {.momentum = 0.9f, .penalty = 5e-4f};
    must(rhm_network_forward(network, p->tokens, p->count, logits, &error), &error);
    for (size_t i = 0; i < floats; i++)
        if (!(fabs((double)logits[i] - t->logits[i]) <= tolerance * t->largest_logit))
            fail_msg("logit %zu: %g, oracle %g", i, (double)logits[i], t->logits[i]);
    must(rhm_network_step(network, p->tokens, p->labels, p->count, &rule, &result, &error), &error);
    assert_true(fabs(result.loss - t->loss) <= tolerance * (double)p->count * (1 + t->largest_logit));
    rhm_network_store(network, have, have + n);
    assert_memory_equal(have, p->parameters, n * sizeof *have);
    for (size_t k = 0; k < n; k++)
        if (!(fabs((double)have[n + k] - t->g[k]) <= tolerance * t->largest_g))
            fail_msg("gradient %zu of %zu: %g, oracle %g, largest %g", k, n, (double)have[n + k], t->g[k],
                     t->largest_g);
    free(logits), free(have);
}

static void results_agree_with_the_oracle(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    for (int i = 0; i < SHAPES; i++)
        for (int threads = 1; threads <= 3; threads++) {
            const rhm_network_shape shape = shape_at(i);
            rhm_engine *engine = must_start("onednn", threads);
            problem p = problem_of(&shape, 11);
            const truth t = truth_of(&p);
            rhm_network *network = network_of(&p, engine, i % 2 ? 11 : 16); /* full batches and others */
            assert_string_equal(rhm_network_backend(network), "onednn");
            compare(&p, &t, network, 2e-5);
            rhm_network_free(network);
            free(t.logits), free(t.g);
            problem_free(&p);
            rhm_engine_destroy(engine);
        }
}

/* Ten steps beside the native ones, frozen levels and partial batches among them. */
static void steps_follow_the_native_ones(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    const rhm_network_shape shape = shape_at(3);
    problem p = problem_of(&shape, 24);
    float *end[2];
    for (int k = 0; k < 2; k++) {
        rhm_engine *engine = must_start(k ? "onednn" : "native", 2);
        rhm_network *network = network_of(&p, engine, 24);
        end[k] = calloc(2 * p.layout.parameters, sizeof *end[k]);
        for (size_t i = 0; i < 10; i++) {
            const rhm_network_rule rule = {
                .rate = 0.2f, .momentum = i < 8 ? 0.9f : 0, .penalty = 5e-4f, .frozen = {[3] = i % 3 == 1}};
            rhm_network_result result;
            rhm_error error = {0};
            must(rhm_network_step(network, p.tokens, p.labels, 24 - 2 * i, &rule, &result, &error), &error);
        }
        rhm_network_store(network, end[k], end[k] + p.layout.parameters);
        rhm_network_free(network);
        rhm_engine_destroy(engine);
    }
    for (size_t i = 0; i < 2 * p.layout.parameters; i++)
        assert_true(fabsf(end[0][i] - end[1][i]) < 2e-4f * (1 + fabsf(end[0][i])));
    free(end[0]), free(end[1]);
    problem_free(&p);
}

static void outputs_of_levels_can_be_read(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    const rhm_network_shape shape = shape_at(1);
    problem p = problem_of(&shape, 7);
    float hidden[2][7 * 3 * 33], logits[7 * 16];
    for (uint32_t l = 1; l <= 2; l++) {
        const size_t floats = 7 * p.layout.positions[l] * p.shape.width[l];
        for (int k = 0; k < 2; k++) {
            rhm_engine *engine = must_start(k ? "onednn" : "native", 2);
            rhm_network *network = network_of(&p, engine, 8);
            assert_int_equal(rhm_network_forward(network, p.tokens, 7, logits, NULL), RHM_OK);
            rhm_network_hidden(network, l, hidden[k]);
            rhm_network_free(network);
            rhm_engine_destroy(engine);
        }
        for (size_t i = 0; i < floats; i++)
            assert_true(fabsf(hidden[0][i] - hidden[1][i]) < 1e-4f * (1 + fabsf(hidden[0][i])));
    }
    problem_free(&p);
}

/* Eight bits of mantissa: each level adds a few roundings of 2^-9. Half a percent of all outputs are then on the other
 * side of 0, pass a gradient here and not there, and the whole gradient is off by the root of that, seven percent a
 * level. */
static void compare_narrow(const problem *p, const truth *t, rhm_network *network) {
    const size_t n = p->layout.parameters, floats = p->count * p->shape.classes;
    float *logits = calloc(floats, sizeof *logits), *have = calloc(2 * n, sizeof *have);
    rhm_error error = {0};
    rhm_network_result result;
    const rhm_network_rule rule = {.momentum = 0.9f, .penalty = 5e-4f};
    double error_of_g = 0, size_of_g = 0;
    must(rhm_network_forward(network, p->tokens, p->count, logits, &error), &error);
    for (size_t i = 0; i < floats; i++)
        assert_true(fabs((double)logits[i] - t->logits[i]) <= 0.03 * t->largest_logit);
    must(rhm_network_step(network, p->tokens, p->labels, p->count, &rule, &result, &error), &error);
    assert_true(fabs(result.loss - t->loss) <= 0.03 * t->loss);
    rhm_network_store(network, have, have + n);
    for (size_t k = 0; k < n; k++) {
        error_of_g += pow((double)have[n + k] - t->g[k], 2);
        size_of_g += t->g[k] * t->g[k];
    }
    if (!(error_of_g <= 0.2 * 0.2 * size_of_g))
        fail_msg("the gradient is off by %g of its norm", sqrt(error_of_g / size_of_g));
    free(logits), free(have);
}

static void narrow_numbers_are_accurate_as_far_as_they_go(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    const rhm_network_shape shape = shape_at(3);
    problem p = problem_of(&shape, 16);
    for (size_t i = p.layout.weights[0]; i < p.layout.parameters; i++)
        p.parameters[i] *= 0.25f; /* labels must not be nearly certain */
    const truth t = truth_of(&p);
    rhm_engine *engine = must_start("onednn", 2);
    rhm_network *network;
    rhm_error error = {0};
    const rhm_status status = rhm_network_make_narrow(&network, engine, &p.shape, 16, &error);
    if (status == RHM_UNSUPPORTED) {
        print_message("SKIPPED: %s\n", error.text);
    } else {
        must(status, &error);
        must(rhm_network_load(network, p.parameters, NULL, &error), &error);
        assert_string_equal(rhm_network_backend(network), "onednn bfloat16");
        compare_narrow(&p, &t, network);
        rhm_network_free(network);
    }
    rhm_engine_destroy(engine);
    engine = must_start("native", 1);
    assert_int_equal(rhm_network_make_narrow(&network, engine, &p.shape, 16, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "onednn"));
    rhm_engine_destroy(engine);
    free(t.logits), free(t.g);
    problem_free(&p);
}

static void what_it_cannot_do_is_said(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    rhm_network_shape shape = shape_at(0);
    shape.positions = 2;
    rhm_network *network;
    rhm_error error = {0};
    rhm_engine *engine = must_start("onednn", 1);
    assert_int_equal(rhm_network_make(&network, engine, &shape, 4, &error), RHM_UNSUPPORTED);
    assert_null(network);
    assert_non_null(strstr(error.text, "1 position"));
    rhm_engine_destroy(engine);
    engine = must_start("auto", 1);
    must(rhm_network_make(&network, engine, &shape, 4, &error), &error);
    assert_string_equal(rhm_network_backend(network), "native");
    rhm_network_free(network);
    rhm_engine_destroy(engine);
}

/* Measured level by level and phase by phase, and reported. */
static void the_choice_is_measured(void **state) {
    (void)state;
    NEEDS_ONEDNN();
    const rhm_network_shape shape = shape_at(3);
    problem p = problem_of(&shape, 32);
    const truth t = truth_of(&p);
    rhm_engine *engine = must_start("auto", 2);
    rhm_network *network = network_of(&p, engine, 32);
    compare(&p, &t, network, 2e-5);
    json_t *record = rhm_backend_record(engine), *choices = json_object_get(record, "choices");
    assert_int_equal(json_array_size(choices), 3 * 3 + 2); /* forward, by data and by weights; of tokens none by data */
    for (size_t i = 0; i < json_array_size(choices); i++) {
        json_t *choice = json_array_get(choices, i);
        assert_non_null(strstr(json_string_value(json_object_get(choice, "work")), "convolution"));
        assert_true(json_real_value(json_object_get(choice, "native_seconds")) > 0);
        assert_true(json_real_value(json_object_get(choice, "onednn_seconds")) > 0);
    }
    json_decref(record);
    rhm_network *again = network_of(&p, engine, 32); /* remembered */
    assert_string_equal(rhm_network_backend(again), rhm_network_backend(network));
    rhm_network_free(again);
    rhm_network_free(network);
    rhm_engine_destroy(engine);
    free(t.logits), free(t.g);
    problem_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_agree_with_the_oracle),
        cmocka_unit_test(steps_follow_the_native_ones),
        cmocka_unit_test(outputs_of_levels_can_be_read),
        cmocka_unit_test(narrow_numbers_are_accurate_as_far_as_they_go),
        cmocka_unit_test(what_it_cannot_do_is_said),
        cmocka_unit_test(the_choice_is_measured),
    };
    return cmocka_run_group_tests_name("network by oneDNN", tests, NULL, NULL);
}
