/*
 * The ceilings are only as good as the claim that their loops do the stated work. So the kernels are compared bit by
 * bit with plain loops, and the measured values with what no processor can exceed.
 */
#include <math.h>

#include "ceilings/caches.h"
#include "ceilings/ceilings.h"
#include "ceilings/loops.h"
#include "core/memory.h"
#include "engines.h"

enum { VALUES = CEILINGS_CHAINS * CEILINGS_MAX_LANES };

static const rhm_ceilings_kernels *available(int isa) {
    return rhm_ceilings_has_isa((rhm_isa)isa) ? rhm_ceilings_loops.of[isa] : NULL;
}

static void multiply_adds_are_all_done(void **unused) {
    (void)unused;
    static const uint64_t steps[] = {0, 1, 2, 7, 1000};
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        const rhm_ceilings_kernels *k = available(isa);
        if (!k)
            continue;
        const bool fused = isa != RHM_ISA_SCALAR;
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            float single[VALUES], single_expected[VALUES];
            double twice[VALUES], twice_expected[VALUES];
            for (size_t i = 0; i < VALUES; i++) {
                single_expected[i] = single[i] = 0.1f * (float)(i + 1);
                twice_expected[i] = twice[i] = 0.1 * (double)(i + 1);
            }
            for (uint64_t step = 0; step < steps[s]; step++) {
                for (size_t i = 0; i < CEILINGS_CHAINS * k->lanes_f32; i++)
                    single_expected[i] =
                        fused ? fmaf(single_expected[i], -0.9f, 0.7f) : single_expected[i] * -0.9f + 0.7f;
                for (size_t i = 0; i < CEILINGS_CHAINS * k->lanes_f64; i++)
                    twice_expected[i] = fused ? fma(twice_expected[i], -0.9, 0.7) : twice_expected[i] * -0.9 + 0.7;
            }
            k->fma_f32(single, -0.9f, 0.7f, steps[s]);
            k->fma_f64(twice, -0.9, 0.7, steps[s]);
            assert_memory_equal(single, single_expected, sizeof single);
            assert_memory_equal(twice, twice_expected, sizeof twice);
        }
    }
}

static void streams_touch_every_word(void **unused) {
    (void)unused;
    enum {
        BLOCKS = 5,
        NBYTES = BLOCKS * CEILINGS_BLOCK_NBYTES,
        WORDS = NBYTES / sizeof(uint64_t),
        FLOATS = NBYTES / sizeof(float)
    };
    uint64_t *words = RHM_NEW(uint64_t, WORDS, 1, 1, "words", NULL);
    float *a = RHM_NEW(float, FLOATS + 1, 1, 1, "a", NULL), *b = RHM_NEW(float, FLOATS, 1, 1, "b", NULL);
    float *c = RHM_NEW(float, FLOATS, 1, 1, "c", NULL);
    assert_true(words && a && b && c);
    for (size_t i = 0; i < FLOATS; i++) {
        b[i] = (float)i;
        c[i] = (float)(2 * i + 1);
    }
    a[FLOATS] = -1;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        const rhm_ceilings_kernels *k = available(isa);
        if (!k)
            continue;
        /* A checksum that misses or repeats a word fails for that word's own bit pattern. */
        for (size_t i = 0; i < WORDS; i++) {
            memset(words, 0, NBYTES);
            words[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
            assert_int_equal(k->load(words, NBYTES), words[i]);
        }
        memset(a, 0, FLOATS * sizeof *a);
        k->triad(a, b, c, 3, NBYTES);
        for (size_t i = 0; i < FLOATS; i++)
            assert_true(a[i] == (float)(7 * i + 3));
        assert_true(a[FLOATS] == -1);
    }
    rhm_free(words);
    rhm_free(a);
    rhm_free(b);
    rhm_free(c);
}

/* 32 lanes x 2 units x 2 operations x 7 GHz, beyond any core sold; a loop that was optimised away is far above it. */
static const double absurd_gflops_per_thread = 32 * 2 * 2 * 7.0, absurd_gbs_per_thread = 3 * 64 * 7.0;

static void multiply_add_rates_are_possible(void **unused) {
    (void)unused;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1});
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        const rhm_ceilings_result single = rhm_ceilings_measure_fma(engine, (rhm_isa)isa, CEILINGS_F32);
        if (!rhm_ceilings_has_isa((rhm_isa)isa)) {
            assert_true(isnan(single.rate));
            assert_non_null(strstr(single.reason, rhm_isa_name((rhm_isa)isa)));
            continue;
        }
        assert_string_equal(single.reason, "");
        assert_true(single.rate > 0.01 && single.rate < absurd_gflops_per_thread);
        assert_true(single.cpus >= 1 && single.working_set_nbytes == 0 && isnan(single.traffic_gbs));
        const double twice = rhm_ceilings_measure_fma(engine, (rhm_isa)isa, CEILINGS_F64).rate;
        assert_true(twice > 0.01 && twice < absurd_gflops_per_thread);
    }
    rhm_engine_destroy(engine);
}

static void bandwidths_are_possible(void **unused) {
    (void)unused;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 1});
    for (int stream = 0; stream < CEILINGS_STREAM_COUNT; stream++) {
        for (int where = CEILINGS_L1; where <= CEILINGS_L2; where++) {
            const rhm_ceilings_result r =
                rhm_ceilings_measure_bandwidth(engine, (rhm_ceilings_stream)stream, (rhm_ceilings_memory)where);
            if (isnan(r.rate)) {
                assert_true(*r.reason != '\0');
                continue;
            }
            assert_true(r.rate > 0.01 && r.rate < absurd_gbs_per_thread);
            assert_true(r.working_set_nbytes > 0 && r.working_set_nbytes < 64 << 20);
            const double beyond = stream == CEILINGS_TRIAD ? 4.0 / 3 : stream == CEILINGS_WRITE ? 2 : 1;
            const double factor = where == CEILINGS_L1 ? 1 : beyond;
            assert_true(fabs(r.traffic_gbs / r.rate - factor) < 1e-12);
        }
    }
    rhm_engine_destroy(engine);
}

static void work_is_counted_exactly(void **unused) {
    (void)unused;
    rhm_ceilings_trial *trial = NULL;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 3});
    assert_int_equal(rhm_ceilings_trial_fma(&trial, engine, RHM_ISA_SCALAR, CEILINGS_F64, NULL), RHM_OK);
    assert_true(rhm_ceilings_trial_work(trial) == 3.0 * 1024 * CEILINGS_CHAINS * 2);
    assert_int_equal(rhm_ceilings_trial_cpus(trial), 0);
    assert_true(rhm_ceilings_trial_run(trial, 5) > 0);
    assert_true(rhm_ceilings_trial_cpus(trial) >= 1);
    rhm_ceilings_trial_destroy(trial);

    if (rhm_ceilings_trial_bandwidth(&trial, engine, CEILINGS_TRIAD, CEILINGS_L2, NULL) == RHM_OK) {
        assert_true(rhm_ceilings_trial_work(trial) == 3.0 * (double)rhm_ceilings_trial_working_set(trial));
        assert_true(rhm_ceilings_trial_traffic(trial) * 3 == rhm_ceilings_trial_work(trial) * 4);
        assert_int_equal(rhm_ceilings_trial_working_set(trial) % (3 * CEILINGS_BLOCK_NBYTES), 0);
        assert_true(rhm_ceilings_trial_run(trial, 3) > 0); /* verifies its own result */
        rhm_ceilings_trial_destroy(trial);
    }
    rhm_ceilings_trial_destroy(NULL);
    rhm_engine_destroy(engine);
}

static void working_sets_fit_their_level(void **unused) {
    (void)unused;
    char reason[128] = "";
    const uint64_t l1 = rhm_ceilings_working_set(CEILINGS_L1, 1, 1, reason, sizeof reason);
    const uint64_t l2 = rhm_ceilings_working_set(CEILINGS_L2, 1, 1, reason, sizeof reason);
    const uint64_t l3 = rhm_ceilings_working_set(CEILINGS_L3, 1, 1, reason, sizeof reason);
    const uint64_t dram = rhm_ceilings_working_set(CEILINGS_DRAM, 1, 1, reason, sizeof reason);
    if (l1 && l2)
        assert_true(l1 < l2);
    if (l2 && l3)
        assert_true(2 * l2 < l3); /* l2 is half of the cache */
    if (l3 && dram)
        assert_true(l3 < dram);
    if (dram) {
        assert_true(rhm_ceilings_working_set(CEILINGS_DRAM, 1, 4, reason, sizeof reason) == dram / 4);
        assert_true(rhm_ceilings_working_set(CEILINGS_DRAM, 3, 1, reason, sizeof reason) <= (uint64_t)4 << 30);
    }
    if (!l1 || !l2 || !l3 || !dram)
        assert_true(*reason != '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_adds_are_all_done),      cmocka_unit_test(streams_touch_every_word),
        cmocka_unit_test(multiply_add_rates_are_possible), cmocka_unit_test(bandwidths_are_possible),
        cmocka_unit_test(work_is_counted_exactly),         cmocka_unit_test(working_sets_fit_their_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
