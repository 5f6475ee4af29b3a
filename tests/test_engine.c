/* The engine on this machine: instruction-set choice, the pinned team, what is refused. */
#include <sched.h>
#include <unistd.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/record.h"
#include "engines.h"

static cpu_set_t own_mask(void) {
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

/* ---- instruction sets ---- */

enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17 };
#define AVX512BW (1u << 30)
#define AVX512VL (1u << 31)

static void features_count_only_with_the_state_that_the_system_saves(void **state) {
    (void)state;
    const uint32_t ecx = FMA | OSXSAVE | AVX, ebx = AVX2 | AVX512F | AVX512DQ | AVX512BW | AVX512VL;
    const struct {
        rhm_cpuid cpuid;
        rhm_isa isa;
    } cases[] = {
        {{7, ecx, ebx, 0xe7}, RHM_ISA_AVX512},
        {{7, ecx, ebx, 0x07}, RHM_ISA_AVX2},   /* the system saves YMM only */
        {{7, ecx, ebx, 0x67}, RHM_ISA_AVX2},   /* not the upper sixteen registers */
        {{7, ecx, ebx, 0xc7}, RHM_ISA_AVX2},   /* not the mask registers */
        {{7, ecx, ebx, 0xe3}, RHM_ISA_SCALAR}, /* not even YMM */
        {{7, ecx, AVX2, 0xe7}, RHM_ISA_AVX2},
        {{7, ecx, ebx & ~AVX512VL, 0xe7}, RHM_ISA_AVX2},
        {{7, ecx, ebx & ~AVX512BW, 0xe7}, RHM_ISA_AVX2},
        {{7, ecx, ebx & ~(uint32_t)AVX512DQ, 0xe7}, RHM_ISA_AVX2},
        {{7, ecx, ebx & ~(uint32_t)AVX512F, 0xe7}, RHM_ISA_AVX2},
        {{7, ecx, ebx & ~(uint32_t)AVX2, 0xe7}, RHM_ISA_SCALAR},
        {{7, ecx & ~(uint32_t)FMA, ebx, 0xe7}, RHM_ISA_SCALAR},
        {{7, ecx & ~(uint32_t)AVX, ebx, 0xe7}, RHM_ISA_SCALAR},
        {{7, ecx & ~(uint32_t)OSXSAVE, ebx, 0xe7}, RHM_ISA_SCALAR},
        {{6, ecx, ebx, 0xe7}, RHM_ISA_SCALAR}, /* leaf 7 is of another CPU generation: what it returned is junk */
        {{0, 0, 0, 0}, RHM_ISA_SCALAR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (rhm_isa_of(&cases[i].cpuid) != cases[i].isa)
            fail_msg("case %zu: %s", i, rhm_isa_name(rhm_isa_of(&cases[i].cpuid)));
}

#if defined(__x86_64__)
static void detection_agrees_with_the_compiler(void **state) {
    (void)state;
    const rhm_cpuid cpuid = rhm_cpuid_read();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    assert_int_equal(rhm_isa_of(&cpuid), avx512 ? RHM_ISA_AVX512 : avx2 ? RHM_ISA_AVX2 : RHM_ISA_SCALAR);
}
#endif

static void a_level_is_asked_for_or_hidden(void **state) {
    (void)state;
    static const struct {
        const char *asked, *mask;
        rhm_isa has;
        rhm_status status;
        rhm_isa chosen;
        const char *says;
    } cases[] = {
        {NULL, NULL, RHM_ISA_AVX512, RHM_OK, RHM_ISA_AVX512, NULL},
        {"auto", "", RHM_ISA_AVX2, RHM_OK, RHM_ISA_AVX2, NULL},
        {"auto", "scalar", RHM_ISA_AVX512, RHM_OK, RHM_ISA_SCALAR, NULL},
        {"auto", "avx512", RHM_ISA_AVX2, RHM_OK, RHM_ISA_AVX2, NULL},
        {"scalar", NULL, RHM_ISA_AVX512, RHM_OK, RHM_ISA_SCALAR, NULL},
        {"avx2", "avx2", RHM_ISA_AVX512, RHM_OK, RHM_ISA_AVX2, NULL},
        {"avx512", NULL, RHM_ISA_AVX2, RHM_UNSUPPORTED, 0, "have scalar and avx2"},
        {"avx2", NULL, RHM_ISA_SCALAR, RHM_UNSUPPORTED, 0, "have scalar only"},
        {"avx512", "avx2", RHM_ISA_AVX512, RHM_UNSUPPORTED, 0, "RHM_ISA=avx2"},
        {"sse", NULL, RHM_ISA_AVX512, RHM_INVALID, 0, "\"sse\""},
        {"auto", "mmx", RHM_ISA_AVX512, RHM_INVALID, 0, "\"mmx\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_isa chosen;
        rhm_error error = {0};
        assert_int_equal(rhm_isa_choose(&chosen, cases[i].asked, cases[i].mask, cases[i].has, &error), cases[i].status);
        if (cases[i].status == RHM_OK)
            assert_int_equal(chosen, cases[i].chosen);
        else if (!strstr(error.text, cases[i].says))
            fail_msg("case %zu: %s", i, error.text);
    }
}

/* ---- the team ---- */

typedef struct sightings {
    cpu_set_t mask[4];
    int cpu[4];
} sightings;

static void look(void *context, int thread) {
    sightings *seen = context;
    seen->mask[thread] = own_mask();
    seen->cpu[thread] = sched_getcpu();
}

static void threads_sit_on_their_planned_pus_until_the_end(void **state) {
    (void)state;
    const cpu_set_t before = own_mask();
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 3});
    if (!engine->team.binds) {
        rhm_engine_destroy(engine);
        skip();
    }
    sightings seen = {.cpu = {-1, -1, -1}};
    rhm_on_every_thread(engine, look, &seen);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(CPU_COUNT(&seen.mask[i]), 1);
        assert_int_equal(seen.cpu[i], engine->plan.place[i].pu_os);
        assert_int_equal(engine->team.seat[i].last_pu_os, engine->plan.place[i].pu_os);
        assert_int_equal(atoi(engine->team.seat[i].cpus), engine->plan.place[i].pu_os);
    }
    rhm_engine_destroy(engine);
    const cpu_set_t after = own_mask();
    assert_true(CPU_EQUAL(&before, &after));
}

static rhm_status check_seat(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)chunk;
    const rhm_engine *engine = context;
    const cpu_set_t set = own_mask();
    if (CPU_COUNT(&set) != 1 || !CPU_ISSET((size_t)engine->plan.place[thread].pu_os, &set))
        return rhm_fail(error, RHM_FAILED, "thread %d is not on PU %d", thread, engine->plan.place[thread].pu_os);
    return RHM_OK;
}

/* The second engine finds the calling thread bound by the first. */
static void two_engines_take_turns(void **state) {
    (void)state;
    const cpu_set_t before = own_mask();
    const char *const reverse = CPU_COUNT(&before) > 1 ? "1,0" : "0,0";
    rhm_engine *first = engine_with(&(rhm_engine_options){.threads = 2, .placement = reverse});
    rhm_engine *second = engine_with(&(rhm_engine_options){.threads = 3, .placement = "scatter"});
    rhm_engine *last = engine_with(NULL);
    assert_int_equal(first->topology.pus, second->topology.pus);
    assert_int_equal(last->topology.pus, CPU_COUNT(&before));
    if (first->team.binds) {
        rhm_error error = {0};
        for (int round = 0; round < 3; round++) {
            if (rhm_parallel(first, 20, check_seat, first, &error) != RHM_OK ||
                rhm_parallel(second, 20, check_seat, second, &error) != RHM_OK ||
                rhm_parallel(last, 20, check_seat, last, &error) != RHM_OK)
                fail_msg("%s", error.text);
        }
    }
    rhm_engine_destroy(first);
    rhm_engine_destroy(second);
    rhm_engine_destroy(last);
    const cpu_set_t after = own_mask();
    assert_true(CPU_EQUAL(&before, &after));
}

/* New threads inherit the mask of their creator, whom the first engine has bound. */
static void threads_born_of_a_bound_one_are_free(void **state) {
    (void)state;
    const cpu_set_t before = own_mask();
    rhm_engine *first = engine_with(&(rhm_engine_options){.threads = 1});
    rhm_engine *second = engine_with(&(rhm_engine_options){.threads = 4, .placement = "none"});
    sightings seen;
    rhm_on_every_thread(second, look, &seen);
    for (int i = 0; i < 4; i++)
        assert_true(CPU_EQUAL(&before, &seen.mask[i]));
    rhm_engine_destroy(second);
    rhm_engine_destroy(first);
    const cpu_set_t after = own_mask();
    assert_true(CPU_EQUAL(&before, &after));
}

static void the_environment_has_precedence(void **state) {
    (void)state;
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
    const cpu_set_t before = own_mask();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv(names[i], "false", 1); /* too late for libgomp, not for us */
        rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 2, .placement = "scatter"});
        assert_string_equal(rhm_engine_describe(engine).placement, "environment");
        assert_false(engine->team.binds);
        const cpu_set_t during = own_mask();
        assert_true(CPU_EQUAL(&before, &during));
        json_t *record;
        rhm_error error;
        assert_int_equal(rhm_engine_record(engine, &record, &error), RHM_OK);
        assert_non_null(strstr(json_string_value(json_array_get(json_object_get(record, "notes"), 0)), names[i]));
        json_decref(record);
        rhm_engine_destroy(engine);
        unsetenv(names[i]);
    }
    setenv("OMP_PLACES", "", 1);
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1});
    assert_string_equal(rhm_engine_describe(engine).placement, "compact");
    rhm_engine_destroy(engine);
    unsetenv("OMP_PLACES");
}

static void the_number_of_threads_has_an_origin(void **state) {
    (void)state;
    const char *const kept = getenv("OMP_NUM_THREADS");
    char copy[64] = "";
    if (kept)
        snprintf(copy, sizeof copy, "%s", kept);
    static const struct {
        rhm_engine_options options;
        const char *variable, *from;
        int threads;
    } cases[] = {
        {{.threads = 5}, "3", "option", 5},
        {{.placement = "0,0"}, "3", "placement list", 2},
        {{.threads = 0}, "3,2", "OMP_NUM_THREADS", 3},
        {{.threads = 0, .placement = "none"}, "4", "OMP_NUM_THREADS", 4},
        {{.threads = 0}, "nonsense", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("OMP_NUM_THREADS", cases[i].variable, 1);
        rhm_engine *engine = engine_with(&cases[i].options);
        if (cases[i].from) {
            assert_int_equal(rhm_engine_threads(engine), cases[i].threads);
            assert_string_equal(engine->threads_from, cases[i].from);
        } else {
            assert_in_range(rhm_engine_threads(engine), 1, engine->topology.cores);
        }
        rhm_engine_destroy(engine);
    }
    unsetenv("OMP_NUM_THREADS");
    if (*copy)
        setenv("OMP_NUM_THREADS", copy, 1);
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    static const struct {
        rhm_engine_options options;
        rhm_status status;
        const char *says;
    } cases[] = {
        {{.threads = -1}, RHM_INVALID, "threads is -1"},
        {{.threads = 4097}, RHM_INVALID, "threads is 4097"},
        {{.placement = "nowhere"}, RHM_INVALID, "\"nowhere\""},
        {{.placement = "99999"}, RHM_INVALID, "99999"},
        {{.isa = "mmx"}, RHM_INVALID, "\"mmx\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rhm_engine *engine = (rhm_engine *)&engine;
        rhm_error error = {0};
        assert_int_equal(rhm_engine_create(&engine, &cases[i].options, &error), cases[i].status);
        assert_null(engine);
        assert_non_null(strstr(error.text, cases[i].says));
    }
    rhm_engine_destroy(NULL);
}

int main(void) {
    forget_environment();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_count_only_with_the_state_that_the_system_saves),
#if defined(__x86_64__)
        cmocka_unit_test(detection_agrees_with_the_compiler),
#endif
        cmocka_unit_test(a_level_is_asked_for_or_hidden),
        cmocka_unit_test(threads_sit_on_their_planned_pus_until_the_end),
        cmocka_unit_test(two_engines_take_turns),
        cmocka_unit_test(threads_born_of_a_bound_one_are_free),
        cmocka_unit_test(the_environment_has_precedence),
        cmocka_unit_test(the_number_of_threads_has_an_origin),
        cmocka_unit_test(senseless_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
