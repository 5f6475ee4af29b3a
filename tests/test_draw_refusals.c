/* What cannot be drawn, and draws that memory or a signal stops: they happen whole or not at all. */
#include <math.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "draws.h"

#include "engine/memory.h"

static void draw_source(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels) {
    rhm_sample_first_patches(context, rhm_stream(RHM_TRAINING, level), level, first, count, leaves, labels, NULL);
}

static void what_cannot_be_drawn_is_refused(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    rhm_grammar *grammar = drawn_grammar(6, 3, 2, 3), *twin = drawn_grammar(6, 3, 2, 3),
                *deep = drawn_grammar(8, 4, 2, 9);
    rhm_grammar *narrow = drawn_grammar(5, 3, 2, 3);
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), 2);
    rhm_error error = {0};
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 65536, 1, &error), RHM_INVALID, &error, "65536");
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 0, (UINT64_C(1) << 53) + 1, &error), RHM_INVALID,
                   &error, "2^53");
    assert_refused(rhm_patches_draw(&patches, engine, narrow, 1, 1, 0, 1, &error), RHM_INVALID, &error, "5");
    assert_int_equal(patches.samples, 0);
    must_draw(&patches, engine, grammar, 0, UINT64_C(1) << 52);
    const uint64_t digest = digest_of(&patches);
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 1, (UINT64_C(1) << 52) + 1, &error), RHM_INVALID,
                   &error, "2^53");
    assert_refused(rhm_patches_draw(&patches, engine, twin, 1, 1, 1, 1, &error), RHM_INVALID, &error, "another");
    assert_refused(rhm_patches_add(&patches, engine, NULL, draw_source, NULL, 0, 1, NULL, &error), RHM_INVALID, &error,
                   "drawn");
    assert_true(digest_of(&patches) == digest);
    rhm_patches_destroy(&patches);

    rhm_sampler *sampler;
    assert_ok(rhm_sampler_create(&sampler, grammar, 1, &error), &error);
    patches = must_init(rhm_grammar_shape(grammar), 2);
    assert_ok(rhm_patches_add(&patches, engine, NULL, draw_source, sampler, 0, 5, NULL, &error), &error);
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 0, 1, &error), RHM_INVALID, &error, "counted");
    rhm_patches_destroy(&patches);
    rhm_sampler_destroy(sampler);

    patches = must_init(rhm_grammar_shape(deep), 5);
    assert_true(table_cells(deep, 5) > 1e9);
    assert_refused(rhm_patches_draw(&patches, engine, deep, 1, 1, 0, 1, &error), RHM_NO_MEMORY, &error, "draw samples");
    rhm_patches_destroy(&patches);
    rhm_grammar_destroy(narrow);
    rhm_grammar_destroy(deep);
    rhm_grammar_destroy(twin);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* V m^(2^(L-l+1) - 1) patches, times the labels that reach each symbol. */
static void tables_may_overflow(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(16, 8, 2, 12);
    assert_true(table_cells(grammar, 1) == HUGE_VAL);
    assert_true(table_cells(grammar, 9) > 1e12 && table_cells(grammar, 9) < 1e18);
    assert_true(table_cells(grammar, 11) <= 16 * 16 * 512.0);
    rhm_grammar_destroy(grammar);
}

static void the_memory_limit_holds(void **state) {
    (void)state;
    rhm_grammar *grammar = drawn_grammar(16, 4, 2, 4);
    const uint64_t limits[] = {UINT64_C(1) << 18, UINT64_C(1) << 21, UINT64_C(1) << 23, UINT64_C(1) << 30};
    for (size_t i = 0; i < 4; i++) {
        rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2, .memory_limit_nbytes = limits[i]});
        const uint64_t used = rhm_memory_used(engine);
        rhm_patches patches = must_init(rhm_grammar_shape(grammar), 2);
        rhm_error error = {0};
        const rhm_status status = rhm_patches_draw(&patches, engine, grammar, 1, 1, 0, 10000000, &error);
        if (i < 3) {
            assert_refused(status, RHM_NO_MEMORY, &error, "limit");
        } else {
            assert_ok(status, &error);
            assert_true(rhm_memory_used(engine) > used + 16 * patches.cell.count);
            assert_true(rhm_memory_peak(engine) <= limits[i]);
        }
        rhm_patches_destroy(&patches);
        assert_true(rhm_memory_used(engine) == used);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

/* An interrupted draw has not happened; it can be made again. */
static void an_interrupt_leaves_the_collection(void **state) {
    (void)state;
    static volatile sig_atomic_t flag;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2, .interrupt = &flag});
    rhm_grammar *grammar = drawn_grammar(8, 3, 2, 3);
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), 2);
    rhm_error error = {0};
    must_draw(&patches, engine, grammar, 0, 5000);
    const uint64_t digest = digest_of(&patches);
    flag = SIGINT;
    assert_refused(rhm_patches_draw(&patches, engine, grammar, SEED, rhm_stream(RHM_TRAINING, 2), 1, 5000, &error),
                   RHM_INTERRUPTED, &error, "interrupted");
    assert_true(digest_of(&patches) == digest);
    flag = 0;
    must_draw(&patches, engine, grammar, 1, 5000);
    rhm_patches whole = draw_rounds(engine, grammar, 2, (const uint64_t[]){5000, 5000}, 2);
    assert_true(same_patches(&patches, &whole));
    rhm_patches_destroy(&patches);
    rhm_patches_destroy(&whole);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static volatile sig_atomic_t rung;

static void ring(int signal) {
    __atomic_store_n(&rung, signal, __ATOMIC_RELAXED);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An interrupt at any moment: the call happens whole or not at all. Moments come earlier until enough of them fall into
 * it. */
static void interrupts_at_any_moment(void **state) {
    (void)state;
    enum { TRIALS = 40, ENOUGH = 20 };
    const uint64_t counts[] = {100000, 1000000};
    rhm_grammar *grammar = drawn_grammar(8, 3, 2, 3);
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2, .interrupt = &rung});
    rung = 0;
    double usual = seconds();
    rhm_patches whole = draw_rounds(engine, grammar, 1, counts, 2), half = draw_rounds(engine, grammar, 1, counts, 1);
    usual = (seconds() - usual) / 3;
    struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART}, before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    size_t caught = 0;
    for (size_t trial = 0; caught < ENOUGH; trial++) {
        rhm_patches patches = draw_rounds(engine, grammar, 1, counts, 1);
        rhm_error error = {0};
        const struct itimerval soon = {
            .it_value = {.tv_usec = 1 + (suseconds_t)(1e6 * usual * (double)(trial % TRIALS) / TRIALS)}};
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        const rhm_status status =
            rhm_patches_draw(&patches, engine, grammar, SEED, rhm_stream(RHM_TRAINING, 1), 1, counts[1], &error);
        assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
        rung = 0;
        if (status != RHM_OK) {
            assert_refused(status, RHM_INTERRUPTED, &error, "interrupted");
            assert_true(same_patches(&patches, &half));
            must_draw(&patches, engine, grammar, 1, counts[1]);
            caught++;
        } else {
            usual *= 0.9;
        }
        assert_true(same_patches(&patches, &whole));
        rhm_patches_destroy(&patches);
    }
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    rhm_patches_destroy(&whole);
    rhm_patches_destroy(&half);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_drawn_is_refused), cmocka_unit_test(tables_may_overflow),
        cmocka_unit_test(the_memory_limit_holds),          cmocka_unit_test(an_interrupt_leaves_the_collection),
        cmocka_unit_test(interrupts_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
