/* Solvers that go on from a state they have shown: the same bits as in one go, from every pass of every solver. */
#include "dense.h"
#include "linear/gram.h"
#include "linear/preconditioner.h"

static const uint64_t SEED = 20260119;
static const problem_shape SHAPE = {1200, 4000, 2, 6, 6, 24, 0.6};
enum { SAMPLE = 400, MOST_STATES = 4000 };

typedef enum flavour { PLAIN, GRAM, SAMPLED } flavour;

/* Copies of what a solver has shown. */
typedef struct album {
    rhm_solve_state *state;
    size_t count;
    volatile sig_atomic_t *flag; /* raised after `left` more states, unless that is negative */
    long left;
} album;

static void keep_state(void *context, const rhm_solve_state *state) {
    album *a = context;
    assert_true(a->count < MOST_STATES);
    rhm_solve_state *copy = &a->state[a->count++];
    *copy = *state;
    for (size_t v = 0; v < RHM_STATE_VECTORS; v++) {
        copy->vector[v] = NULL;
        if (!state->length[v])
            continue;
        copy->vector[v] = must_alloc(state->length[v], sizeof(double));
        memcpy(copy->vector[v], state->vector[v], sizeof(double) * state->length[v]);
    }
    if (a->left >= 0 && a->left-- == 0)
        *a->flag = SIGTERM;
}

static void clear_album(album *a) {
    for (size_t i = 0; i < a->count; i++)
        for (size_t v = 0; v < RHM_STATE_VECTORS; v++)
            free(a->state[i].vector[v]);
    free(a->state);
}

/* One solution; `from` NULL: from the start. w is (size), the caller's. */
static rhm_status solve(const dense_problem *dense, int threads, rhm_solver solver, flavour kind, double tolerance,
                        const rhm_solve_state *from, album *shown, volatile sig_atomic_t *flag, double **w,
                        rhm_solve_result *result) {
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options engine_options = {.threads = threads, .interrupt = flag};
    assert_ok(rhm_engine_create(&engine, &engine_options, &error), &error);
    rhm_normal *problem = kind == GRAM ? must_init_gram(dense, engine) : must_init(dense, engine, 0);
    const rhm_linear_data data = data_of(dense);
    rhm_preconditioner sample = {0};
    if (kind == SAMPLED)
        assert_ok(rhm_preconditioner_init(&sample, SAMPLE, engine, &data, RHM_ROUTE_PASSES, &error), &error);
    const rhm_solve_watch watch = {shown ? keep_state : NULL, shown, from, 0};
    problem->watch = &watch;
    rhm_status status = rhm_normal_prepare(problem, &error);
    const size_t size = rhm_normal_size(problem);
    double *target = must_alloc(size, sizeof *target);
    *w = must_alloc(size, sizeof **w);
    if (status == RHM_OK && (status = rhm_normal_right_hand_side(problem, target, &error)) != RHM_OK)
        assert_int_equal(status, RHM_INTERRUPTED);
    const rhm_solve_options options = {
        .solver = solver,
        .lambda = 3 / (double)SHAPE.patches,
        .tolerance = tolerance,
        .patch_count = (double)SHAPE.patches,
        .preconditioner = kind == SAMPLED ? &sample : NULL,
    };
    if (status == RHM_OK)
        status = rhm_solve(problem, &options, target, *w, result, &error);
    if (status != RHM_OK)
        assert_int_equal(status, RHM_INTERRUPTED);
    free(target);
    rhm_preconditioner_clear(&sample);
    rhm_normal_destroy(problem);
    rhm_engine_destroy(engine);
    return status;
}

static void goes_on_from_everywhere(rhm_solver solver, flavour kind, double tolerance, size_t least_states,
                                    unsigned phases) {
    dense_problem dense = make_problem(SHAPE, SEED);
    volatile sig_atomic_t flag = 0;
    double *whole, *part;
    rhm_solve_result result, again;
    album shown = {.state = must_alloc(MOST_STATES, sizeof *shown.state), .left = -1};
    assert_int_equal(solve(&dense, 1, solver, kind, tolerance, NULL, &shown, &flag, &whole, &result), RHM_OK);
    assert_true(shown.count >= least_states);
    unsigned seen = 0;
    for (size_t i = 0; i < shown.count; i++)
        seen |= 1u << shown.state[i].phase;
    const size_t last = shown.count - 1, step = shown.count < 48 ? 1 : shown.count / 6;
    for (size_t i = 0; i < shown.count; i = i < last && i + step > last ? last : i + step) {
        assert_int_equal(
            solve(&dense, i % 2 ? 2 : 1, solver, kind, tolerance, &shown.state[i], NULL, &flag, &part, &again), RHM_OK);
        assert_int_equal(again.iterations, result.iterations);
        assert_true(again.residual == result.residual && again.converged == result.converged);
        const size_t length = shown.state[last].length[0];
        if (memcmp(part, whole, sizeof *part * length) != 0)
            fail_msg("%s, kind %d: other bits from state %zu (phase %d)", rhm_solver_name(solver), (int)kind, i,
                     (int)shown.state[i].phase);
        free(part);
    }
    assert_int_equal(seen, phases | 1u << RHM_PHASE_SOLVED);

    /* An interrupted pass: what is shown last is whole, and at most that pass is lost. */
    for (long left = 0; left < (long)shown.count; left += 1 + (long)shown.count / 4) {
        album before = {.state = must_alloc(MOST_STATES, sizeof *before.state), .flag = &flag, .left = left};
        assert_int_equal(solve(&dense, 2, solver, kind, tolerance, NULL, &before, &flag, &part, &again),
                         RHM_INTERRUPTED);
        free(part);
        flag = 0;
        assert_true(before.count > (size_t)left);
        assert_int_equal(
            solve(&dense, 1, solver, kind, tolerance, &before.state[before.count - 1], NULL, &flag, &part, &again),
            RHM_OK);
        assert_memory_equal(part, whole, sizeof *part * shown.state[shown.count - 1].length[0]);
        free(part);
        clear_album(&before);
    }
    free(whole);
    clear_album(&shown);
    clear_problem(&dense);
}

static void conjugate_gradients(void **state) {
    (void)state;
    goes_on_from_everywhere(RHM_CG, PLAIN, 1e-6, 10, 1u << RHM_PHASE_CG);
    goes_on_from_everywhere(RHM_CG, GRAM, 1e-6, 10, 1u << RHM_PHASE_CG | 1u << RHM_PHASE_GRAM);
}

static void preconditioned_ones(void **state) {
    (void)state;
    goes_on_from_everywhere(RHM_CG, SAMPLED, 1e-6, 5, 1u << RHM_PHASE_PRECONDITIONED);
}

static void gradient_descent(void **state) {
    (void)state;
    goes_on_from_everywhere(RHM_GD, PLAIN, 1e-2, 10, 1u << RHM_PHASE_POWER | 1u << RHM_PHASE_DESCENT);
    goes_on_from_everywhere(RHM_GD_PAPER, PLAIN, 1e-2, 10, 1u << RHM_PHASE_DESCENT);
    /* Down to where rounding is all that is left: the end depends on how long the residual has not fallen. */
    goes_on_from_everywhere(RHM_GD, PLAIN, 1e-12, 100, 1u << RHM_PHASE_POWER | 1u << RHM_PHASE_DESCENT);
}

/* A state of another loop, or of another size, is no place to go on from. */
static void foreign_states_are_not_taken(void **state) {
    (void)state;
    dense_problem dense = make_problem(SHAPE, SEED);
    volatile sig_atomic_t flag = 0;
    double vector[3] = {1, 2, 3}, *w, *whole;
    const rhm_solve_state other = {
        .phase = RHM_PHASE_CG, .iterations = 9, .vector = {vector, vector, vector, vector}, .length = {3, 3, 3, 3}};
    rhm_solve_result result, again;
    album shown = {.state = must_alloc(MOST_STATES, sizeof *shown.state), .left = -1};
    assert_int_equal(solve(&dense, 1, RHM_CG, PLAIN, 1e-6, NULL, &shown, &flag, &whole, &result), RHM_OK);
    assert_int_equal(solve(&dense, 1, RHM_CG, PLAIN, 1e-6, &other, NULL, &flag, &w, &again), RHM_OK);
    assert_int_equal(again.iterations, result.iterations);
    assert_memory_equal(w, whole, sizeof *w * shown.state[0].length[0]);
    free(w), free(whole);
    clear_album(&shown);
    clear_problem(&dense);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conjugate_gradients),
        cmocka_unit_test(preconditioned_ones),
        cmocka_unit_test(gradient_descent),
        cmocka_unit_test(foreign_states_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
