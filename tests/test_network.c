/* One pass and one step of a network against double precision, against finite differences, and against themselves. */
#include "networks.h"

/* Shapes with ragged panels, several positions, one level, unlike branchings and widths. */
enum { SHAPES = 9, WIDE = SHAPES, ALL_SHAPES };
static rhm_network_shape shape_at(int i) {
    rhm_network_shape s = network_shape(3, 2, 5, 4, 8, i % 2);
    switch (i) {
    case 0: return s;
    case 1: return network_shape(2, 3, 16, 16, 33, true);
    case 2: return network_shape(1, 2, 3, 2, 5, false);
    case 3: s.positions = 3, s.width[1] = 17, s.width[2] = 20, s.width[3] = 48; return s;
    case 4: s.branching[1] = 3, s.branching[2] = 1, s.branching[3] = 4, s.width[2] = 40; return s;
    case 5: return network_shape(1, 1, 1, 1, 1, true);
    case 6: return network_shape(4, 2, 7, 19, 12, false);
    case 7: s = network_shape(2, 2, 20, 3, 16, true), s.positions = 2; return s;
    case 8: return network_shape(2, 5, 4, 4, 64, false);
    default: return network_shape(2, 2, 5, 4, 260, true); /* whose gradients are of chunks of 32 sequences */
    }
}

/* The oracle's own gradient, against differences of its loss. */
static void the_oracle_agrees_with_finite_differences(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        const rhm_network_shape shape = shape_at(i);
        problem p = problem_of(&shape, 5);
        oracle o = oracle_make(&p.shape);
        const size_t n = p.layout.parameters;
        double *at = calloc(n, sizeof *at), *g = calloc(n, sizeof *g), *scrap = calloc(n, sizeof *scrap);
        for (size_t k = 0; k < n; k++)
            at[k] = (double)p.parameters[k];
        oracle_gradient(&o, at, p.tokens, p.labels, p.count, 5e-4, g);
        for (size_t trial = 0; trial < 40; trial++) {
            const size_t k = network_below(n);
            const double h = 1e-6, here = at[k];
            at[k] = here + h;
            const double up = oracle_gradient(&o, at, p.tokens, p.labels, p.count, 5e-4, scrap);
            at[k] = here - h;
            const double down = oracle_gradient(&o, at, p.tokens, p.labels, p.count, 5e-4, scrap);
            at[k] = here;
            if (fabs((up - down) / (2 * h) - g[k]) > 1e-7 * (1 + fabs(g[k])) + 1e-8)
                fail_msg("shape %d, parameter %zu: difference %g, gradient %g (seed %llu)", i, k, (up - down) / (2 * h),
                         g[k], (unsigned long long)network_source.seed);
        }
        free(at), free(g), free(scrap);
        oracle_free(&o);
        problem_free(&p);
    }
}

/* As close as floats of such sums are; momenta of a first step with rate 0 are the gradient. */
static void compare_with_oracle(const problem *p, const rhm_engine *engine, double tolerance) {
    oracle o = oracle_make(&p->shape);
    const size_t n = p->layout.parameters, classes = p->shape.classes;
    double *at = calloc(n, sizeof *at), *g = calloc(n, sizeof *g), norm = 0;
    float *have = calloc(n, sizeof *have), *same = calloc(n, sizeof *same);
    float *logits = calloc(p->count * classes, sizeof *logits);
    for (size_t k = 0; k < n; k++)
        at[k] = (double)p->parameters[k];
    rhm_network *network = network_of(p, engine, p->count);
    rhm_error error = {0};
    assert_int_equal(rhm_network_forward(network, p->tokens, p->count, logits, &error), RHM_OK);
    double loss = 0;
    size_t correct = 0;
    for (size_t i = 0; i < p->count; i++) {
        oracle_forward(&o, at, p->tokens + i * p->layout.tokens);
        loss += oracle_loss(&o, p->labels[i]);
        size_t best = 0;
        for (size_t c = 0; c < classes; c++) {
            assert_true(fabs((double)logits[i * classes + c] - o.y[0][c]) <= tolerance * (1 + fabs(o.y[0][c])));
            best = o.y[0][c] > o.y[0][best] ? c : best;
        }
        correct += best == p->labels[i];
    }
    const rhm_network_rule rule = {.rate = 0, .momentum = 0.9f, .penalty = 5e-4f};
    rhm_network_result result, evaluated;
    assert_int_equal(rhm_network_evaluate(network, p->tokens, p->labels, p->count, &evaluated, &error), RHM_OK);
    assert_int_equal(rhm_network_step(network, p->tokens, p->labels, p->count, &rule, &result, &error), RHM_OK);
    assert_true(fabs(result.loss - loss) <= tolerance * (1 + loss));
    assert_true(result.loss == evaluated.loss && result.correct == evaluated.correct);
    assert_int_equal(result.correct, correct);
    oracle_gradient(&o, at, p->tokens, p->labels, p->count, 5e-4, g);
    rhm_network_store(network, same, have);
    assert_memory_equal(same, p->parameters, n * sizeof *same);
    for (size_t k = 0; k < n; k++)
        norm = fmax(norm, fabs(g[k]));
    for (size_t k = 0; k < n; k++)
        if (fabs((double)have[k] - g[k]) > tolerance * norm)
            fail_msg("gradient %zu of %zu: %g, oracle %g, largest %g (seed %llu)", k, n, (double)have[k], g[k], norm,
                     (unsigned long long)network_source.seed);
    rhm_network_free(network);
    free(at), free(g), free(have), free(same), free(logits);
    oracle_free(&o);
}

static void gradients_agree_with_the_oracle(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 2);
    for (int i = 0; i < SHAPES; i++)
        for (size_t count = 1; count <= 40; count += 13) {
            const rhm_network_shape shape = shape_at(i);
            problem p = problem_of(&shape, count);
            compare_with_oracle(&p, engine, 2e-5);
            problem_free(&p);
        }
    rhm_engine_destroy(engine);
}

/* Three steps by hand: v = momentum v + g, p = p - rate v, each with the gradient where the last step ended. */
static void steps_follow_the_rule(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 2);
    const rhm_network_shape shape = network_shape(2, 2, 6, 5, 20, true);
    problem p = problem_of(&shape, 12);
    oracle o = oracle_make(&p.shape);
    const size_t n = p.layout.parameters;
    double *at = calloc(n, sizeof *at), *g = calloc(n, sizeof *g), *v = calloc(n, sizeof *v);
    float *have = calloc(n, sizeof *have);
    for (size_t k = 0; k < n; k++)
        at[k] = (double)p.parameters[k];
    rhm_network *network = network_of(&p, engine, 12);
    const rhm_network_rule rule = {.rate = 0.5f, .momentum = 0.9f, .penalty = 5e-4f, .frozen = {[2] = true}};
    rhm_network_result result;
    for (int step = 0; step < 3; step++) {
        assert_int_equal(rhm_network_step(network, p.tokens, p.labels, p.count, &rule, &result, NULL), RHM_OK);
        oracle_gradient(&o, at, p.tokens, p.labels, p.count, 5e-4, g);
        for (size_t k = p.layout.weights[1]; k < n; k++) {
            v[k] = 0.9 * v[k] + g[k];
            at[k] -= 0.5 * v[k];
        }
    }
    rhm_network_store(network, have, NULL);
    for (size_t k = 0; k < n; k++)
        assert_true(fabs((double)have[k] - at[k]) < 2e-5 * (1 + fabs(at[k])));
    assert_memory_equal(have, p.parameters, p.layout.weights[1] * sizeof *have); /* level 2 is frozen */
    rhm_network_free(network);
    free(at), free(g), free(v), free(have);
    oracle_free(&o);
    problem_free(&p);
    rhm_engine_destroy(engine);
}

/* Parameters and momenta after some steps. */
static void train(const problem *p, const rhm_engine *engine, size_t steps, float momentum, float *out) {
    rhm_network *network = network_of(p, engine, p->count);
    const rhm_network_rule rule = {.rate = 0.3f, .momentum = momentum, .penalty = 5e-4f};
    rhm_network_result result;
    for (size_t i = 0; i < steps; i++)
        assert_int_equal(rhm_network_step(network, p->tokens, p->labels, p->count - i, &rule, &result, NULL), RHM_OK);
    rhm_network_store(network, out, out + p->layout.parameters);
    rhm_network_free(network);
}

static void bits_are_the_same_everywhere(void **state) {
    (void)state;
    static const char *const isas[] = {"scalar", "avx2", "avx512"};
    for (int i = 0; i < ALL_SHAPES; i++) {
        const rhm_network_shape shape = shape_at(i);
        problem p = problem_of(&shape, i == WIDE ? 70 : 37);
        float *want = NULL;
        const size_t nbytes = 2 * p.layout.parameters * sizeof *want;
        for (size_t isa = 0; isa < 3; isa++)
            for (int threads = 1; threads <= 3; threads += 2) {
                if (!rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
                    continue;
                rhm_engine *engine = network_engine(isas[isa], "native", threads);
                float *have = calloc(1, nbytes);
                train(&p, engine, 3, i % 3 ? 0.9f : 0, have);
                if (want)
                    assert_memory_equal(have, want, nbytes);
                if (want)
                    free(have);
                else
                    want = have;
                rhm_engine_destroy(engine);
            }
        free(want);
        problem_free(&p);
    }
}

/* Blocks of a pass change nothing, and what is loaded comes back. */
static void batches_and_storage_change_nothing(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 2);
    const rhm_network_shape shape = shape_at(3);
    problem p = problem_of(&shape, 50);
    const size_t floats = p.count * p.shape.classes, n = p.layout.parameters;
    float *one = calloc(floats, sizeof *one), *two = calloc(floats, sizeof *two);
    float *parameters = calloc(2 * n, sizeof *parameters);
    rhm_network *whole = network_of(&p, engine, 50), *blocks = network_of(&p, engine, 7);
    assert_int_equal(rhm_network_forward(whole, p.tokens, p.count, one, NULL), RHM_OK);
    assert_int_equal(rhm_network_forward(blocks, p.tokens, p.count, two, NULL), RHM_OK);
    assert_memory_equal(one, two, floats * sizeof *one);
    assert_int_equal(rhm_network_load(blocks, p.parameters, p.parameters, NULL), RHM_OK);
    rhm_network_store(blocks, parameters, parameters + n);
    assert_memory_equal(parameters, p.parameters, n * sizeof *parameters);
    assert_memory_equal(parameters + n, p.parameters, n * sizeof *parameters);
    rhm_network_free(whole);
    rhm_network_free(blocks);
    free(one), free(two), free(parameters);
    problem_free(&p);
    rhm_engine_destroy(engine);
}

static void hidden_outputs_can_be_read(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 1);
    const rhm_network_shape shape = shape_at(3);
    problem p = problem_of(&shape, 4);
    oracle o = oracle_make(&p.shape);
    double *at = calloc(p.layout.parameters, sizeof *at);
    for (size_t k = 0; k < p.layout.parameters; k++)
        at[k] = (double)p.parameters[k];
    float logits[16], hidden[4096];
    rhm_network *network = network_of(&p, engine, 4);
    assert_int_equal(rhm_network_forward(network, p.tokens, p.count, logits, NULL), RHM_OK);
    for (uint32_t l = 1; l <= 3; l++) {
        const size_t floats = p.layout.positions[l] * p.shape.width[l];
        assert_true(4 * floats <= 4096);
        rhm_network_hidden(network, l, hidden);
        for (size_t i = 0; i < p.count; i++) {
            oracle_forward(&o, at, p.tokens + i * p.layout.tokens);
            for (size_t k = 0; k < floats; k++)
                assert_true(fabs((double)hidden[i * floats + k] - o.y[l][k]) < 1e-5 * (1 + o.y[l][k]));
        }
    }
    rhm_network_free(network);
    free(at);
    oracle_free(&o);
    problem_free(&p);
    rhm_engine_destroy(engine);
}

/* What is not a number reaches the loss, and is never called right. */
static void what_is_not_finite_is_not_hidden(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 2);
    const rhm_network_shape shape = shape_at(0);
    problem p = problem_of(&shape, 6);
    const size_t places[] = {p.layout.weights[3], p.layout.bias[2] - 1, p.layout.weights[0] + 1};
    for (size_t i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            const float before = p.parameters[places[i]];
            p.parameters[places[i]] = k ? NAN : INFINITY;
            rhm_network *network = network_of(&p, engine, 6);
            rhm_network_result result;
            const rhm_network_rule rule = {.rate = 0.1f};
            assert_int_equal(rhm_network_step(network, p.tokens, p.labels, p.count, &rule, &result, NULL), RHM_OK);
            assert_int_equal(rhm_network_step(network, p.tokens, p.labels, p.count, &rule, &result, NULL), RHM_OK);
            if (isfinite(result.loss))
                fail_msg("place %zu, %s: loss %g", i, k ? "NaN" : "infinity", result.loss);
            rhm_network_free(network);
            p.parameters[places[i]] = before;
        }
    problem_free(&p);
    rhm_engine_destroy(engine);
}

static void refuse(rhm_network_shape shape, size_t batch, rhm_status status, const char *word) {
    rhm_engine *engine = network_engine("auto", "native", 1);
    rhm_network *network;
    rhm_error error = {0};
    assert_int_equal(rhm_network_make(&network, engine, &shape, batch, &error), status);
    assert_null(network);
    if (!strstr(error.text, word))
        fail_msg("\"%s\" does not say \"%s\"", error.text, word);
    rhm_engine_destroy(engine);
}

static void extents_are_checked(void **state) {
    (void)state;
    rhm_network_shape s = network_shape(2, 2, 4, 4, 8, true), bad = s;
    bad.levels = 0, refuse(bad, 1, RHM_INVALID, "0 convolutions");
    bad = s, bad.levels = 33, refuse(bad, 1, RHM_INVALID, "33");
    bad = s, bad.branching[2] = 65, refuse(bad, 1, RHM_INVALID, "65");
    bad = s, bad.width[1] = 0, refuse(bad, 1, RHM_INVALID, "0 channels");
    bad = s, bad.width[2] = 65537, refuse(bad, 1, RHM_INVALID, "65537");
    bad = s, bad.vocab = 65537, refuse(bad, 1, RHM_INVALID, "65537");
    bad = s, bad.classes = 0, refuse(bad, 1, RHM_INVALID, "0 classes");
    bad = s, bad.positions = 0, refuse(bad, 1, RHM_INVALID, "position");
    refuse(s, 0, RHM_INVALID, "batch");
    bad = network_shape(32, 64, 4, 4, 8, true), refuse(bad, 1, RHM_NO_MEMORY, "overflows");
    refuse(s, SIZE_MAX / 8, RHM_NO_MEMORY, "overflows");
    bad = s, bad.positions = SIZE_MAX / 4, refuse(bad, 1, RHM_NO_MEMORY, "overflows");
    bad = network_shape(2, 2, 4, 4, 65536, true), refuse(bad, (size_t)1 << 36, RHM_NO_MEMORY, "memory limit");
    rhm_engine *engine = network_engine("auto", "native", 1);
    rhm_network *network;
    rhm_error error = {0};
    assert_int_equal(rhm_network_make(&network, engine, &s, 4, &error), RHM_OK);
    const uint16_t tokens[5 * 4] = {0}, labels[5] = {0};
    rhm_network_result result;
    for (size_t count = 0; count <= 5; count += 5)
        assert_int_equal(rhm_network_step(network, tokens, labels, count, &(rhm_network_rule){0}, &result, &error),
                         RHM_INVALID);
    assert_non_null(strstr(error.text, "5 sequences"));
    rhm_network_free(network);
    rhm_engine_destroy(engine);
    size_t nbytes = 0, of_thread = 0;
    assert_int_equal(rhm_network_nbytes(&nbytes, &of_thread, &s, 128, NULL), RHM_OK);
    assert_true(nbytes > 128 * sizeof(float) && nbytes + of_thread < 1 << 20);
    assert_true(of_thread > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oracle_agrees_with_finite_differences),
        cmocka_unit_test(gradients_agree_with_the_oracle),
        cmocka_unit_test(steps_follow_the_rule),
        cmocka_unit_test(bits_are_the_same_everywhere),
        cmocka_unit_test(batches_and_storage_change_nothing),
        cmocka_unit_test(hidden_outputs_can_be_read),
        cmocka_unit_test(what_is_not_finite_is_not_hidden),
        cmocka_unit_test(extents_are_checked),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
