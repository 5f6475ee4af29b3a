/*
 * Counting by whatever way is chosen (tables, hashing, blind reading, counts of threads) against one reader that takes
 * samples one by one: equal members, equal order, equal counts, at every cut and number of threads.
 */
#include "files.h"

#include <sys/time.h>

#include "patches/chunk.h"
#include "sampling/sampler.h"

/* ------------------------------------------------------------------------------------------------- streams of samples
 */

/* Samples as a function of their index. */
typedef struct stream {
    rhm_patch_source *draw;
    const rhm_sampler *sampler;
    const rhm_tree *tree;
    uint32_t level, classes;
} stream;

/* s = 2, `levels` levels. Lives as long as the program. */
static const rhm_tree *binary(uint32_t levels) {
    static rhm_tree tree[4];
    assert_int_equal(rhm_tree_uniform(&tree[levels], levels, 2, NULL), RHM_OK);
    return &tree[levels];
}

static size_t leaves_of(const stream *s) {
    size_t leaves = 1;
    for (uint32_t j = s->level; j <= s->tree->levels; j++)
        leaves *= s->tree->branching[j];
    return leaves;
}

static void draw_grammar(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                         uint16_t *labels) {
    const stream *s = context;
    rhm_sample_first_patches(s->sampler, 5, level, first, count, leaves, labels, NULL);
}

static uint32_t mixed(uint64_t x) {
    x = (x + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((x ^ x >> 27) * 0x94d049bb133111ebu >> 32);
}

/*
 * A stream whose nature changes: some hundred patches, then next to nothing but new ones, then the hundred again.
 * Tokens grow from below 8 to 2^16, one now and then.
 */
static void draw_moody(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                       uint16_t *labels) {
    const stream *s = context;
    const size_t width = leaves_of(s);
    assert_int_equal(level, s->level);
    for (uint64_t i = first; i < first + count; i++) {
        const bool calm = i / 40000 % 2 == 0;
        const uint64_t which = calm ? mixed(i) % 100 : 1000 + i;
        for (size_t t = 0; t < width; t++) {
            uint32_t token = mixed(which * 64 + t) % 8;
            if (!calm && t % 5 == 0)
                token = mixed(which * 64 + t) % (1 + i / 20);
            leaves[(i - first) * width + t] = (uint16_t)token;
        }
        labels[i - first] = (uint16_t)(mixed(~i) % s->classes);
    }
}

/* -------------------------------------------------------------------------------------------------------- the oracle
 */

/* One reader, one set a level. Numbers of the patches and the cells of samples 0, 1, ... */
typedef struct reader {
    rhm_intern subtree[RHM_MAX_LEVELS + 1], cell;
    uint32_t *patch, *cell_of;
} reader;

static reader read_one_by_one(const stream *s, size_t samples) {
    enum { DRAWN = 512 };
    const size_t width = leaves_of(s);
    reader r = {.patch = calloc(samples, sizeof *r.patch), .cell_of = calloc(samples, sizeof *r.cell_of)};
    uint16_t *leaves = calloc(width * DRAWN, sizeof *leaves), label[DRAWN];
    uint32_t *id = calloc(width, sizeof *id);
    assert_int_equal(rhm_intern_init(&r.cell, 2, 0, NULL), RHM_OK);
    for (uint32_t j = s->level; j <= s->tree->levels; j++)
        assert_int_equal(rhm_intern_init(&r.subtree[j], s->tree->branching[j], 0, NULL), RHM_OK);
    for (size_t i = 0; i < samples; i++) {
        if (i % DRAWN == 0)
            s->draw(s, s->level, i, samples - i < DRAWN ? samples - i : DRAWN, leaves, label);
        for (size_t t = 0; t < width; t++)
            id[t] = leaves[i % DRAWN * width + t];
        size_t count = width;
        for (uint32_t j = s->tree->levels; j >= s->level; j--) {
            count /= s->tree->branching[j];
            for (size_t t = 0; t < count; t++) {
                uint32_t found;
                assert_int_equal(rhm_intern_add(&r.subtree[j], id + t * s->tree->branching[j], &found, NULL, NULL),
                                 RHM_OK);
                id[t] = found;
            }
        }
        r.patch[i] = id[0];
        const uint32_t pair[2] = {id[0], label[i % DRAWN]};
        assert_int_equal(rhm_intern_add(&r.cell, pair, &r.cell_of[i], NULL, NULL), RHM_OK);
    }
    free(leaves);
    free(id);
    return r;
}

static void free_reader(reader *r) {
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_intern_destroy(&r->subtree[j]);
    rhm_intern_destroy(&r->cell);
    free(r->patch);
    free(r->cell_of);
}

/* The members of `found` are the first that the reader met, and as many as the first `samples` samples have. */
static void same_members(const rhm_intern *found, const rhm_intern *expected, const char *what, uint32_t level) {
    if (found->count > expected->count ||
        memcmp(found->tuples, expected->tuples, sizeof *found->tuples * found->count * found->words) != 0)
        fail_msg("%s of level %u differ (%zu of them, %zu in all)", what, level, found->count, expected->count);
}

/* `patches` is what the reader had after patches->samples samples. */
static void check(const reader *r, const rhm_patches *patches) {
    uint64_t *count = calloc(r->cell.count + 1, sizeof *count);
    size_t distinct = 0, cells = 0;
    for (size_t i = 0; i < patches->samples; i++) {
        count[r->cell_of[i]]++;
        distinct = r->patch[i] >= distinct ? r->patch[i] + 1 : distinct;
        cells = r->cell_of[i] >= cells ? r->cell_of[i] + 1 : cells;
    }
    assert_int_equal(rhm_patches_distinct(patches), distinct);
    assert_int_equal(patches->cell.count, cells);
    for (uint32_t j = patches->level; j <= patches->tree.levels; j++)
        same_members(&patches->subtree[j], &r->subtree[j], "patches", j);
    same_members(&patches->cell, &r->cell, "cells", patches->level);
    for (size_t i = 0; i < cells; i++)
        if (patches->count[i] != count[i])
            fail_msg("cell %zu has count %llu, not %llu", i, (unsigned long long)patches->count[i],
                     (unsigned long long)count[i]);
    free(count);
}

/* ------------------------------------------------------------------------------------------------------------- tests
 */

static rhm_engine *must_engine(rhm_engine_options options) {
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &options, &error), &error);
    return engine;
}

/* Count in calls of `call` samples, and see each call's ids. */
static rhm_patches count_stream(const stream *s, const reader *r, size_t samples, size_t call, int threads) {
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = threads});
    uint32_t *ids = malloc(sizeof *ids * call);
    rhm_patches patches;
    rhm_error error = {0};
    assert_ok(rhm_patches_init(&patches, s->level, s->tree, s->classes, &error), &error);
    for (size_t done = 0; done < samples; done += call) {
        const size_t now = samples - done < call ? samples - done : call;
        uint32_t *wanted = done / call % 3 == 1 ? NULL : ids;
        memset(ids, 0xff, sizeof *ids * call);
        assert_ok(rhm_patches_add(&patches, engine, "", s->draw, s, done, now, wanted, &error), &error);
        if (wanted)
            assert_memory_equal(ids, r->patch + done, sizeof *ids * now);
    }
    assert_int_equal(patches.samples, samples);
    check(r, &patches);
    patches.engine = NULL; /* which is about to go, and its account with it */
    rhm_engine_destroy(engine);
    free(ids);
    return patches;
}

/* First patches of a grammar: few and counted in tables, many and hashed, nearly all distinct. */
static void patches_of_a_grammar(void **state) {
    (void)state;
    const struct {
        rhm_shape shape;
        uint32_t level;
        size_t samples;
        bool direct; /* how the first patches are looked up in the end */
        int blind;   /* likewise; -1: that depends on the rounds */
    } cases[] = {
        {rhm_shape_uniform(16, 4, 2, 8), 8, 200000, true, 0},   {rhm_shape_uniform(16, 4, 2, 8), 7, 140000, true, 0},
        {rhm_shape_uniform(16, 4, 2, 8), 6, 80000, true, -1},   {rhm_shape_uniform(16, 4, 2, 8), 5, 30000, false, 1},
        {rhm_shape_uniform(16, 4, 2, 8), 4, 10000, false, 1},   {rhm_shape_uniform(32, 8, 2, 4), 3, 100000, true, 0},
        {rhm_shape_uniform(4, 4, 4, 3), 2, 30000, true, 0},     {rhm_shape_uniform(6, 4, 3, 5), 4, 50000, true, 0},
        {rhm_shape_uniform(4, 2, 3, 4), 3, 60000, true, 0},     {rhm_shape_uniform(300, 3, 2, 3), 3, 40000, true, 0},
        {rhm_shape_uniform(3000, 2, 2, 2), 2, 50000, false, 0}, /* 24 bits of tokens */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rhm_shape *shape = &cases[i].shape;
        rhm_grammar *grammar;
        rhm_sampler *sampler;
        assert_int_equal(rhm_grammar_draw(&grammar, shape, RHM_FIRST_TOKEN_UNIFORM, 1, NULL), RHM_OK);
        assert_int_equal(rhm_sampler_create(&sampler, grammar, 8, NULL), RHM_OK);
        const stream s = {draw_grammar, sampler, rhm_grammar_tree(grammar), cases[i].level, shape->vocab[0]};
        reader r = read_one_by_one(&s, cases[i].samples);
        for (int threads = 1; threads <= 3; threads++) {
            rhm_patches patches =
                count_stream(&s, &r, cases[i].samples, threads == 2 ? 25001 : cases[i].samples, threads);
            const rhm_index *index = &patches.index[s.level];
            if ((index->direct != NULL) != cases[i].direct ||
                (cases[i].blind >= 0 && patches.blind[s.level] != cases[i].blind))
                fail_msg("case %zu: %sdirect, %sblind", i, index->direct ? "" : "not ",
                         patches.blind[s.level] ? "" : "not ");
            rhm_patches_destroy(&patches);
        }
        free_reader(&r);
        rhm_sampler_destroy(sampler);
        rhm_grammar_destroy(grammar);
    }
}

/* From tables to hashing, into blindness and back, with more cells than threads count by themselves. */
static void moods_of_a_stream(void **state) {
    (void)state;
    enum { SAMPLES = 180000 };
    for (uint32_t level = 2; level <= 3; level++) {
        const stream s = {draw_moody, NULL, binary(3), level, level == 2 ? 5 : 400};
        reader r = read_one_by_one(&s, SAMPLES);
        assert_true(r.cell.count > RHM_OWN_CELLS);
        const size_t calls[] = {SAMPLES, 3001, 40000};
        for (int threads = 1; threads <= 3; threads++) {
            rhm_patches patches = count_stream(&s, &r, SAMPLES, calls[threads - 1], threads);
            assert_non_null(patches.index[3].part);
            assert_null(patches.index[3].direct);
            rhm_patches_destroy(&patches);
        }
        free_reader(&r);
    }
}

static void blindness_comes_and_goes(void **state) {
    (void)state;
    const stream s = {draw_moody, NULL, binary(3), 2, 5};
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1});
    rhm_patches patches;
    rhm_error error = {0};
    assert_ok(rhm_patches_init(&patches, 2, s.tree, 5, &error), &error);
    for (uint64_t done = 0; done < 160000; done += 10000) {
        assert_ok(rhm_patches_add(&patches, engine, "", s.draw, &s, done, 10000, NULL, &error), &error);
        const bool calm = done / 40000 % 2 == 0, changed = done % 40000 == 0;
        if (!changed)
            assert_int_equal(patches.blind[2], !calm);
    }
    rhm_patches_destroy(&patches);
    rhm_engine_destroy(engine);
}

/* Two patches that agree in all of their hashes that the index keeps, again and again. */
static const uint32_t twin[2][2] = {{33007, 40774}, {40388, 14183}};

static void draw_twins(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                       uint16_t *labels) {
    (void)context;
    (void)level;
    for (size_t i = 0; i < count; i++) {
        leaves[2 * i] = (uint16_t)twin[mixed(first + i) % 2][0];
        leaves[2 * i + 1] = (uint16_t)twin[mixed(first + i) % 2][1];
        labels[i] = 0;
    }
}

static void equal_hashes_are_told_apart(void **state) {
    (void)state;
    enum { SAMPLES = 100000 };
    const uint64_t a = rhm_index_hash(twin[0], 2), b = rhm_index_hash(twin[1], 2);
    assert_int_equal((uint32_t)a, (uint32_t)b);
    assert_int_equal(rhm_index_part_of(a), rhm_index_part_of(b));
    const stream s = {draw_twins, NULL, binary(1), 1, 1};
    reader r = read_one_by_one(&s, SAMPLES);
    assert_int_equal(r.cell.count, 2);
    for (size_t call = 1000; call <= SAMPLES; call *= 10) {
        rhm_patches patches = count_stream(&s, &r, SAMPLES, call, 2);
        assert_non_null(patches.index[1].part);
        rhm_patches_destroy(&patches);
    }
    free_reader(&r);
}

/* An interrupt at any moment leaves a collection of the first samples, with which one can go on. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal) {
    __atomic_store_n(&interrupted, signal, __ATOMIC_RELAXED);
}

static void interrupts_leave_whole_rounds(void **state) {
    (void)state;
    enum { SAMPLES = 100000 };
    const stream s = {draw_moody, NULL, binary(3), 2, 400};
    reader r = read_one_by_one(&s, SAMPLES);
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART}, before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    size_t caught = 0;
    for (int trial = 0; trial < 30; trial++) {
        rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1 + trial % 3, .interrupt = &interrupted});
        rhm_patches patches;
        rhm_error error = {0};
        assert_ok(rhm_patches_init(&patches, 2, s.tree, 400, &error), &error);
        interrupted = 0;
        const struct itimerval soon = {.it_value = {.tv_usec = 50 + 20 * trial * trial}};
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        rhm_status status = rhm_patches_add(&patches, engine, "", s.draw, &s, 0, SAMPLES, NULL, &error);
        assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
        interrupted = 0;
        if (status != RHM_OK) {
            assert_refused(status, RHM_INTERRUPTED, &error, "interrupted");
            assert_true(patches.samples < SAMPLES);
            check(&r, &patches);
            caught++;
            status = rhm_patches_add(&patches, engine, "", s.draw, &s, patches.samples, SAMPLES - patches.samples, NULL,
                                     &error);
        }
        assert_ok(status, &error);
        check(&r, &patches);
        rhm_patches_destroy(&patches);
        rhm_engine_destroy(engine);
    }
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(caught >= 5);
    free_reader(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_of_a_grammar),          cmocka_unit_test(moods_of_a_stream),
        cmocka_unit_test(blindness_comes_and_goes),      cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(interrupts_leave_whole_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
