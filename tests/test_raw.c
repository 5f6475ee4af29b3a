/* Collections that keep every sample as it came, against the samples, and against distinct patches in a fit. */
#include "learning.h"

#include "engine/memory.h"
#include "learners/layerwise/stage.h"
#include "patches/patches.h"
#include "rhm/sampling.h"
#include "sampling/source.h"

static const uint64_t SEED = 20260119;

static void *must_alloc(size_t count, size_t nbytes) {
    void *memory = calloc(count, nbytes);
    assert_non_null(memory);
    return memory;
}

static rhm_patches must_init(const rhm_shape *shape, uint32_t level, bool raw) {
    rhm_patches patches;
    rhm_error error = {0};
    rhm_tree tree;
    assert_ok(rhm_tree_make(&tree, shape->levels, shape->branching, &error), &error);
    assert_ok(rhm_patches_init(&patches, level, &tree, shape->vocab[0], &error), &error);
    patches.raw = raw;
    return patches;
}

static void expand(const rhm_patches *patches, uint32_t level, size_t id, uint16_t *leaves, size_t width) {
    const uint32_t *tuple = rhm_intern_tuple(&patches->subtree[level], id);
    assert_true(id < patches->subtree[level].count);
    for (size_t t = 0; t < patches->tree.branching[level]; t++)
        if (level == patches->tree.levels)
            leaves[t] = (uint16_t)tuple[t];
        else
            expand(patches, level + 1, tuple[t], leaves + t * (width / patches->tree.branching[level]),
                   width / patches->tree.branching[level]);
}

/* Calls of several sizes, several rounds of chunks; all levels; ids, subtrees, cells and counts. */
static void every_sample_is_its_own_patch(void **state) {
    (void)state;
    enum { CALLS = 4, SAMPLES = 1 + 4096 + 90000 + 777 };
    const uint64_t calls[CALLS] = {1, 4096, 90000, 777};
    const rhm_shape shape = {
        .levels = 4, .branching = {0, 2, 2, 2, 2}, .vocab = {3, 5, 6, 7, 8}, .rules = {0, 3, 4, 4, 4}};
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw(&grammar, &shape, RHM_UNIFORM, SEED, &error), &error);
    assert_ok(rhm_sampler_create(&sampler, grammar, SEED, &error), &error);
    for (uint32_t level = 1; level <= 4; level++) {
        rhm_engine *engine = engine_of(level == 1 ? 7 : (int)level);
        const rhm_grammar_source source = {NULL, 0, sampler, rhm_stream(RHM_TRAINING, level)};
        const size_t width = tokens_of(2, 5 - level);
        uint16_t *leaves = must_alloc(SAMPLES * width, sizeof *leaves), *labels = must_alloc(SAMPLES, sizeof *labels);
        uint32_t *ids = must_alloc(SAMPLES, sizeof *ids);
        rhm_patches patches = must_init(&shape, level, true);
        uint64_t done = 0;
        for (size_t c = 0; c < CALLS; done += calls[c++])
            assert_ok(rhm_patches_add(&patches, engine, NULL, rhm_draw_from_grammar, &source, done, calls[c],
                                      ids + done, &error),
                      &error);
        rhm_draw_from_grammar(&source, level, 0, SAMPLES, leaves, labels);
        assert_int_equal(patches.samples, SAMPLES);
        assert_int_equal(rhm_patches_distinct(&patches), SAMPLES);
        rhm_patch_counts counts;
        assert_ok(rhm_patch_counts_make(&counts, &patches, engine, &error), &error);
        for (size_t i = 0; i < SAMPLES; i++) {
            uint16_t found[16];
            assert_int_equal(ids[i], i);
            expand(&patches, level, i, found, width);
            assert_memory_equal(found, leaves + i * width, sizeof *found * width);
            assert_int_equal(counts.offset[i], i);
            assert_int_equal(counts.label[i], labels[i]);
            assert_int_equal(counts.count[i], 1);
        }
        assert_int_equal(counts.offset[SAMPLES], SAMPLES);
        for (uint32_t j = level; j <= 4; j++)
            assert_int_equal(patches.subtree[j].count, SAMPLES * tokens_of(2, j - level));
        rhm_patch_counts_clear(&counts);
        rhm_patches_destroy(&patches);
        free(leaves), free(labels), free(ids);
        rhm_engine_destroy(engine);
    }
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
}

/* The weights of a level as a stage of training fits them, on top of `below`. */
static rhm_fit fit_level(const rhm_engine *engine, const rhm_grammar *grammar, const rhm_sampler *sampler,
                         uint32_t level, rhm_ready_layer *ready, bool raw) {
    const rhm_task task = rhm_task_of_grammar(grammar);
    const rhm_train_options options = {.seed = SEED, .tolerance = 1e-6};
    const rhm_grammar_source training = {NULL, 0, sampler, rhm_stream(RHM_TRAINING, level)};
    const rhm_grammar_source validation = {NULL, 0, sampler, rhm_stream(RHM_VALIDATION, level)};
    rhm_stage stage;
    rhm_fit fit;
    rhm_error error = {0};
    assert_ok(rhm_stage_init(&stage, engine, &task, &options, ready, level, 0,
                             (rhm_stream_of_samples){rhm_draw_from_grammar, &training, UINT64_MAX, NULL},
                             (rhm_stream_of_samples){rhm_draw_from_grammar, &validation, UINT64_MAX, NULL}, &error),
              &error);
    stage.training.patches.raw = stage.validation.patches.raw = raw;
    assert_ok(rhm_stage_draw(&stage, 3000, 500, &error), &error);
    assert_ok(rhm_stage_draw(&stage, 20000, 5000, &error), &error); /* as when a stage asks for more */
    assert_true(!raw || rhm_patches_distinct(&stage.training.patches) == 20000);
    assert_ok(rhm_stage_fit(&stage, 128, level == task.tree.levels ? 0.35 : 0.2, 1e-3, &fit, &error), &error);
    rhm_stage_clear(&stage);
    return fit;
}

static double weights_differ(const rhm_fit *a, const rhm_fit *b) {
    const size_t size = (size_t)a->layer.classes * 2 * a->layer.width;
    double difference = 0, norm = 0;
    for (size_t i = 0; i < size; i++) {
        difference += pow((double)a->layer.weights[i] - (double)b->layer.weights[i], 2);
        norm += pow((double)a->layer.weights[i], 2);
    }
    return sqrt(difference / norm);
}

/* The regression on samples is that on distinct patches, level by level. */
static void fits_are_those_of_distinct_patches(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), SEED);
    rhm_sampler *sampler;
    rhm_error error = {0};
    assert_ok(rhm_sampler_create(&sampler, grammar, SEED, &error), &error);
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t level = 3; level >= 1; level--) {
        rhm_fit distinct = fit_level(engine, grammar, sampler, level, ready, false);
        rhm_fit raw = fit_level(engine, grammar, sampler, level, ready, true);
        if (!(weights_differ(&distinct, &raw) < 1e-4))
            fail_msg("seed %llu: weights of level %u differ by %.3g", (unsigned long long)SEED, level,
                     weights_differ(&distinct, &raw));
        assert_true(fabs(distinct.loss - raw.loss) < 1e-4);
        assert_true(fabs(distinct.accuracy - raw.accuracy) < 1e-3);
        assert_ok(rhm_ready_layer_make(&ready[level], &distinct.layer, level == 3, &error), &error);
        rhm_fit_clear(&distinct);
        rhm_fit_clear(&raw);
    }
    for (uint32_t level = 1; level <= 3; level++)
        rhm_ready_layer_clear(&ready[level]);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static volatile sig_atomic_t flag;

static void raise_at_the_end(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                             uint16_t *labels) {
    rhm_draw_from_grammar(context, level, first, count, leaves, labels);
    if (first + count > 1000000)
        flag = SIGINT;
}

/* What is there after an interrupt are the first samples, and one can go on. */
static void interrupts_leave_whole_rounds(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 2, .interrupt = &flag}, &error), &error);
    rhm_grammar *grammar = small_grammar();
    rhm_sampler *sampler;
    assert_ok(rhm_sampler_create(&sampler, grammar, SEED, &error), &error);
    const rhm_grammar_source source = {NULL, 0, sampler, 9};
    rhm_patches whole = must_init(rhm_grammar_shape(grammar), 3, true);
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), 3, true);
    const uint64_t samples = 1100000;
    assert_ok(rhm_patches_add(&whole, engine, NULL, rhm_draw_from_grammar, &source, 0, samples, NULL, &error), &error);
    assert_refused(rhm_patches_add(&patches, engine, NULL, raise_at_the_end, &source, 0, samples, NULL, &error),
                   RHM_INTERRUPTED, &error, "interrupted");
    const uint64_t have = patches.samples;
    assert_true(have > 0 && have <= 1000000 && patches.cell.count == have && patches.subtree[3].count == have);
    flag = 0;
    assert_ok(
        rhm_patches_add(&patches, engine, NULL, rhm_draw_from_grammar, &source, have, samples - have, NULL, &error),
        &error);
    assert_int_equal(patches.samples, samples);
    assert_memory_equal(patches.subtree[3].tuples, whole.subtree[3].tuples, sizeof(uint32_t) * 2 * samples);
    assert_memory_equal(patches.cell.tuples, whole.cell.tuples, sizeof(uint32_t) * 2 * samples);
    assert_memory_equal(patches.count, whole.count, sizeof(uint64_t) * samples);
    rhm_patches_destroy(&patches);
    rhm_patches_destroy(&whole);
    rhm_sampler_destroy(sampler);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

static void never_asked(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels) {
    (void)context, (void)level, (void)first, (void)count, (void)leaves, (void)labels;
    fail_msg("no sample should be drawn");
}

/* Refused with numbers before anything is drawn: too many for the limit, too many for ids; and drawn counts. */
static void too_much_is_refused(void **state) {
    (void)state;
    rhm_engine *engine;
    rhm_error error = {0};
    const rhm_engine_options tight = {.threads = 2, .memory_limit_nbytes = UINT64_C(1) << 22};
    assert_ok(rhm_engine_create(&engine, &tight, &error), &error);
    const uint64_t used = rhm_memory_used(engine);
    rhm_grammar *grammar = small_grammar();
    rhm_patches patches = must_init(rhm_grammar_shape(grammar), 1, true);
    assert_refused(rhm_patches_add(&patches, engine, NULL, never_asked, NULL, 0, 100000, NULL, &error), RHM_NO_MEMORY,
                   &error, "raw samples");
    assert_refused(rhm_patches_add(&patches, engine, NULL, never_asked, NULL, 0, UINT64_C(1) << 29, NULL, &error),
                   RHM_NO_MEMORY, &error, "2147483647");
    assert_refused(rhm_patches_add(&patches, engine, NULL, never_asked, NULL, 0, UINT64_MAX, NULL, &error),
                   RHM_NO_MEMORY, &error, "2147483647");
    assert_refused(rhm_patches_draw(&patches, engine, grammar, 1, 1, 0, 10, &error), RHM_INVALID, &error, "raw");
    rhm_patches_destroy(&patches);
    assert_true(rhm_memory_used(engine) == used);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_its_own_patch),
        cmocka_unit_test(fits_are_those_of_distinct_patches),
        cmocka_unit_test(interrupts_leave_whole_rounds),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
