/* Parallel loops: every chunk once, whatever the number of threads; failures and interrupts as promised. */
#include <stdatomic.h>
#include <unistd.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "engine/parallel.h"
#include "engines.h"

static void ranges_are_contiguous_and_even(void **state) {
    (void)state;
    for (int threads = 1; threads <= 7; threads++) {
        const rhm_engine engine = {.threads = threads};
        for (size_t chunks = 0; chunks < 40; chunks++) {
            assert_int_equal(rhm_chunk_begin(&engine, chunks, 0), 0);
            assert_int_equal(rhm_chunk_begin(&engine, chunks, threads), chunks);
            for (int t = 0; t < threads; t++) {
                const size_t begin = rhm_chunk_begin(&engine, chunks, t), end = rhm_chunk_begin(&engine, chunks, t + 1);
                assert_in_range(end - begin, chunks / (size_t)threads,
                                (chunks + (size_t)threads - 1) / (size_t)threads);
                for (size_t chunk = begin; chunk < end; chunk++)
                    assert_int_equal(rhm_chunk_home(&engine, chunks, chunk), t);
            }
        }
    }
}

static rhm_status count_visit(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    atomic_int *visits = context;
    atomic_fetch_add(&visits[chunk], 1);
    return RHM_OK;
}

static void every_chunk_runs_once(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static atomic_int visits[MOST];
    for (int threads = 1; threads <= 5; threads += 2) {
        rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = threads});
        for (size_t chunks = 0; chunks <= MOST; chunks = chunks < 12 ? chunks + 1 : chunks * 3) {
            memset(visits, 0, sizeof visits);
            rhm_error error;
            assert_int_equal(rhm_parallel(engine, chunks, count_visit, visits, &error), RHM_OK);
            for (size_t chunk = 0; chunk < MOST; chunk++)
                assert_int_equal(atomic_load(&visits[chunk]), chunk < chunks);
        }
        rhm_engine_destroy(engine);
    }
}

typedef struct waiting {
    atomic_int done;
    int others;
} waiting;

/* The first chunk ends when all others have: only if its thread's range is taken over by another thread. */
static rhm_status wait_for_others(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    waiting *work = context;
    if (chunk != 0) {
        atomic_fetch_add(&work->done, 1);
        return RHM_OK;
    }
    for (int i = 0; i < 10000; i++) {
        if (atomic_load(&work->done) == work->others)
            return RHM_OK;
        usleep(1000);
    }
    return rhm_fail(error, RHM_FAILED, "%d of %d chunks were done in 10 s", atomic_load(&work->done), work->others);
}

static void idle_threads_take_over(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 2});
    waiting work = {.others = 99};
    rhm_error error = {0};
    if (rhm_parallel(engine, 100, wait_for_others, &work, &error) != RHM_OK)
        fail_msg("%s", error.text);
    rhm_engine_destroy(engine);
}

static rhm_status fail_at_some(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    const size_t *lowest = context;
    if (chunk < *lowest) /* late, so that others fail before */
        usleep(300);
    return chunk >= *lowest && chunk % 3 == *lowest % 3 ? rhm_fail(error, RHM_CORRUPT, "chunk %zu", chunk) : RHM_OK;
}

static void the_lowest_failure_is_reported(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 4});
    for (size_t lowest = 0; lowest < 60; lowest += 7) {
        char expected[32];
        snprintf(expected, sizeof expected, "chunk %zu", lowest);
        rhm_error error = {0};
        assert_int_equal(rhm_parallel(engine, 64, fail_at_some, &lowest, &error), RHM_CORRUPT);
        assert_int_equal(error.status, RHM_CORRUPT);
        assert_string_equal(error.text, expected);
    }
    rhm_engine_destroy(engine);
}

static volatile sig_atomic_t raised;

static void visit_wholly(void *context, size_t chunk) {
    atomic_fetch_add((atomic_int *)context + chunk, 1);
}

/* Half a step would be worse than none: an interruption waits. */
static void whole_loops_run_to_their_end(void **state) {
    (void)state;
    for (int threads = 1; threads <= 5; threads += 2) {
        rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = threads, .interrupt = &raised});
        for (size_t chunks = 0; chunks <= 300; chunks = chunks < 6 ? chunks + 1 : chunks * 3) {
            static atomic_int visits[300];
            memset(visits, 0, sizeof visits);
            raised = chunks % 2 ? 15 : 0;
            rhm_parallel_whole(engine, chunks, visit_wholly, visits);
            for (size_t chunk = 0; chunk < 300; chunk++)
                assert_int_equal(atomic_load(&visits[chunk]), chunk < chunks);
        }
        raised = 0;
        rhm_engine_destroy(engine);
    }
}

static rhm_status raise_flag(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)chunk;
    (void)thread;
    (void)error;
    atomic_fetch_add((atomic_int *)context, 1);
    __atomic_store_n(&raised, 15, __ATOMIC_RELAXED);
    return RHM_OK;
}

static void an_interrupt_stops_soon(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 2, .interrupt = &raised});
    atomic_int runs = 0;
    rhm_error error = {0};
    assert_int_equal(rhm_parallel(engine, 1000, raise_flag, &runs, &error), RHM_INTERRUPTED);
    assert_string_equal(error.text, "interrupted by signal 15");
    assert_in_range(atomic_load(&runs), 1, 2);
    raised = 0;
    assert_int_equal(rhm_engine_check(engine, &error), RHM_OK);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_contiguous_and_even), cmocka_unit_test(every_chunk_runs_once),
        cmocka_unit_test(idle_threads_take_over),         cmocka_unit_test(the_lowest_failure_is_reported),
        cmocka_unit_test(an_interrupt_stops_soon),        cmocka_unit_test(whole_loops_run_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
