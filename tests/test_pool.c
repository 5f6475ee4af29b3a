/* The pool: each thread's part once, all of them over when the call returns, however long the threads may look for work
 * before they sleep, and in a child of fork too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/pool.h"

enum { MOST = 40 };

static rhm_pool *pool_of(int threads, int64_t spin_ns) {
    rhm_pool *pool;
    rhm_error error = {0};
    if (rhm_pool_start(&pool, threads, spin_ns, &error) != RHM_OK)
        fail_msg("%s", error.text);
    return pool;
}

typedef struct tally {
    atomic_int here; /* parts that are running */
    atomic_int visits[MOST];
    bool slow;
} tally;

static void visit(void *context, int thread) {
    tally *t = context;
    atomic_fetch_add(&t->here, 1);
    atomic_fetch_add(&t->visits[thread], 1);
    if (t->slow)
        nanosleep(&(struct timespec){.tv_nsec = 20000L * (thread % 7)}, NULL);
    atomic_fetch_sub(&t->here, 1);
}

/* Every count is within the bounds, and nobody is still at work. */
static void assert_visits(const tally *t, int threads, int least_of_others) {
    assert_int_equal(atomic_load(&t->here), 0);
    assert_int_equal(atomic_load(&t->visits[0]), 1);
    for (int i = 1; i < MOST; i++)
        assert_in_range(atomic_load(&t->visits[i]), i < threads ? least_of_others : 0, i < threads);
}

static void use(rhm_pool *pool, int threads, int rounds) {
    for (int round = 0; round < rounds; round++) {
        tally some = {.slow = round % 5 == 0}, all = {.slow = round % 7 == 0};
        rhm_pool_run(pool, visit, &some, 1 + round % (threads + 1));
        assert_visits(&some, threads, 0);
        rhm_pool_run_all(pool, visit, &all);
        assert_visits(&all, threads, 1);
        if (round % 50 == 0) /* long enough for all to fall asleep */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void every_part_is_over_in_the_end(void **state) {
    (void)state;
    static const int64_t spins[] = {0, 2000, 200000};
    for (size_t s = 0; s < sizeof spins / sizeof *spins; s++)
        for (int threads = 1; threads <= MOST; threads = 3 * threads + 1) {
            rhm_pool *pool = pool_of(threads, spins[s]);
            assert_int_equal(rhm_pool_present(pool), threads);
            use(pool, threads, 200);
            rhm_pool_stop(pool);
        }
}

static void pools_take_turns(void **state) {
    (void)state;
    rhm_pool *small = pool_of(2, 200000), *large = pool_of(5, 0);
    for (int round = 0; round < 50; round++) {
        use(small, 2, 2);
        use(large, 5, 2);
    }
    rhm_pool_stop(small);
    use(large, 5, 10);
    rhm_pool_stop(large);
    rhm_pool_stop(NULL);
}

static void note_parallel(void *context, int thread) {
    ((int *)context)[thread] = omp_in_parallel() ? omp_get_thread_num() : -1;
}

/* Libraries that ask OpenMP where they are must be told the truth: oneDNN starts no team inside one. */
static void the_threads_are_openmps(void **state) {
    (void)state;
    rhm_pool *pool = pool_of(3, 0);
    int number[3] = {-2, -2, -2};
    rhm_pool_run_all(pool, note_parallel, number);
    assert_int_equal(number[0], -1);
    assert_int_equal(number[1], 1);
    assert_int_equal(number[2], 2);
    rhm_pool_stop(pool);
}

/* The exit status of a child that does `work` and ends. A child that hangs is killed by its alarm. */
static int status_of_child(void (*work)(rhm_pool *pool), rhm_pool *pool) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        work(pool);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void use_and_stop(rhm_pool *pool) {
    use(pool, 4, 20);
    rhm_pool_stop(pool);
}

static void just_stop(rhm_pool *pool) {
    rhm_pool_stop(pool);
}

static void use_in_a_grandchild(rhm_pool *pool) {
    if (status_of_child(use_and_stop, pool) != 0)
        _exit(1);
    use_and_stop(pool);
}

static void children_have_threads_of_their_own(void **state) {
    (void)state;
    rhm_pool *pool = pool_of(4, 200000);
    assert_int_equal(status_of_child(use_and_stop, pool), 0);
    use(pool, 4, 20);
    assert_int_equal(status_of_child(just_stop, pool), 0);
    assert_int_equal(status_of_child(use_in_a_grandchild, pool), 0);
    use(pool, 4, 20);
    rhm_pool_stop(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_over_in_the_end),
        cmocka_unit_test(pools_take_turns),
        cmocka_unit_test(the_threads_are_openmps),
        cmocka_unit_test(children_have_threads_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
