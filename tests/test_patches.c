/* Counted distinct patches against sorting the raw samples. */
#include "files.h"

#include "core/philox.h"
#include "patches/patches.h"

static const uint64_t SEED = 20260119;

/* Samples in plain arrays. */
typedef struct sample_table {
    rhm_tree tree;
    uint32_t level, levels, classes;
    size_t leaves, samples;
    uint16_t *leaf;               /* (samples, leaves) */
    uint16_t *label;              /* (samples) */
    volatile sig_atomic_t *raise; /* set once sample `raise_at` is asked for, or NULL */
    size_t raise_at;
} sample_table;

static void draw_from_table(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                            uint16_t *labels) {
    const sample_table *t = context;
    assert_int_equal(level, t->level);
    assert_true(first + count <= t->samples);
    if (t->raise && first + count > t->raise_at)
        __atomic_store_n(t->raise, SIGINT, __ATOMIC_RELAXED);
    memcpy(leaves, t->leaf + first * t->leaves, sizeof *leaves * count * t->leaves);
    memcpy(labels, t->label + first, sizeof *labels * count);
}

static void *must_alloc(size_t count, size_t nbytes) {
    void *memory = calloc(count ? count : 1, nbytes);
    assert_non_null(memory);
    return memory;
}

typedef enum habits {
    MIXED,   /* half of the rows repeat an earlier one */
    IN_TURN, /* a third without repetitions, a third of fifty rows only, a third without again */
} habits;

/* Small tokens are common, so that patches recur at every level. */
static sample_table make_table(uint32_t level, uint32_t levels, uint32_t branching, uint32_t vocab, uint32_t classes,
                               size_t samples, habits habit) {
    sample_table t = {.level = level, .levels = levels, .classes = classes, .samples = samples};
    uint32_t of_level[RHM_MAX_LEVELS + 1] = {0};
    t.leaves = 1;
    for (uint32_t j = levels; j >= 1; j--) { /* 0: mixed */
        of_level[j] = branching ? branching : 2 + j % 3;
        t.leaves *= j >= level ? of_level[j] : 1;
    }
    assert_int_equal(rhm_tree_make(&t.tree, levels, of_level, NULL), RHM_OK);
    t.leaf = must_alloc(samples * t.leaves, sizeof *t.leaf);
    t.label = must_alloc(samples, sizeof *t.label);
    rhm_random random = {.seed = SEED, .stream = 1u << 20};
    for (size_t i = 0; i < samples; i++) {
        uint16_t *row = t.leaf + i * t.leaves;
        t.label[i] = (uint16_t)rhm_random_below(&random, classes);
        const size_t turn = habit == MIXED ? rhm_random_below(&random, 2) : 3 * i / samples % 2;
        const uint32_t earlier = habit == MIXED ? (uint32_t)i : 50;
        if (i > 0 && turn)
            memcpy(row, t.leaf + rhm_random_below(&random, earlier) * t.leaves, sizeof *row * t.leaves);
        else
            for (size_t k = 0; k < t.leaves; k++)
                row[k] = (uint16_t)rhm_random_below(&random, 1 + rhm_random_below(&random, vocab));
    }
    return t;
}

static void free_table(sample_table *t) {
    free(t->leaf);
    free(t->label);
}

/* ----------------------------------------------------------------------------------------------------- the oracle */

/* All level-j subtrees in reading order: entry i is leaves[i * width..], and rank[i] its number by first occurrence. */
typedef struct ranking {
    size_t width, entries, distinct;
    uint32_t *rank;  /* (entries) */
    size_t *example; /* (distinct): the first entry of each */
} ranking;

static const uint16_t *sorting_leaf;
static size_t sorting_width;

static int by_leaves_then_place(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const int order = memcmp(sorting_leaf + x * sorting_width, sorting_leaf + y * sorting_width,
                             sizeof *sorting_leaf * sorting_width);
    return order ? order : (x > y) - (x < y);
}

static ranking rank_subtrees(const sample_table *t, uint32_t j) {
    ranking r = {.width = 1};
    for (uint32_t k = j; k <= t->levels; k++)
        r.width *= t->tree.branching[k];
    r.entries = t->samples * (t->leaves / r.width);
    r.rank = must_alloc(r.entries, sizeof *r.rank);
    r.example = must_alloc(r.entries, sizeof *r.example);
    size_t *order = must_alloc(r.entries, sizeof *order), *head = must_alloc(r.entries, sizeof *head);
    for (size_t i = 0; i < r.entries; i++)
        order[i] = i;
    sorting_leaf = t->leaf;
    sorting_width = r.width;
    qsort(order, r.entries, sizeof *order, by_leaves_then_place);
    for (size_t i = 0; i < r.entries; i++) {
        const bool repeats = i > 0 && memcmp(t->leaf + order[i] * r.width, t->leaf + order[i - 1] * r.width,
                                             sizeof *t->leaf * r.width) == 0;
        head[order[i]] = repeats ? head[order[i - 1]] : order[i];
    }
    for (size_t i = 0; i < r.entries; i++) {
        if (head[i] == i)
            r.example[r.distinct++] = i;
        r.rank[i] = head[i] == i ? (uint32_t)r.distinct - 1 : r.rank[head[i]];
    }
    free(order);
    free(head);
    return r;
}

/* What the counts must be, whoever counts. */
typedef struct expectation {
    const sample_table *table;
    ranking rank[RHM_MAX_LEVELS + 1];
    uint64_t *count; /* (distinct first patches, classes) */
} expectation;

static expectation expect(const sample_table *t) {
    expectation e = {.table = t};
    for (uint32_t j = t->level; j <= t->levels; j++)
        e.rank[j] = rank_subtrees(t, j);
    e.count = must_alloc(e.rank[t->level].distinct * t->classes, sizeof *e.count);
    for (size_t i = 0; i < t->samples; i++)
        e.count[e.rank[t->level].rank[i] * t->classes + t->label[i]]++;
    return e;
}

static void free_expectation(expectation *e) {
    for (uint32_t j = e->table->level; j <= e->table->levels; j++) {
        free(e->rank[j].rank);
        free(e->rank[j].example);
    }
    free(e->count);
}

static void expand(const rhm_patches *patches, uint32_t level, size_t id, uint16_t *leaves, size_t width) {
    const size_t s = patches->tree.branching[level];
    const uint32_t *tuple = rhm_intern_tuple(&patches->subtree[level], id);
    for (size_t t = 0; t < s; t++)
        if (level == patches->tree.levels)
            leaves[t] = (uint16_t)tuple[t];
        else
            expand(patches, level + 1, tuple[t], leaves + t * (width / s), width / s);
}

static void check(const expectation *e, const rhm_engine *engine, const rhm_patches *patches, const uint32_t *ids) {
    const sample_table *t = e->table;
    uint16_t *leaves = must_alloc(t->leaves, sizeof *leaves);
    assert_int_equal(patches->samples, t->samples);
    for (uint32_t j = t->level; j <= t->levels; j++) {
        const ranking *r = &e->rank[j];
        assert_int_equal(patches->subtree[j].count, r->distinct);
        for (size_t id = 0; id < r->distinct; id++) {
            expand(patches, j, id, leaves, r->width);
            assert_memory_equal(leaves, t->leaf + r->example[id] * r->width, sizeof *leaves * r->width);
        }
    }
    free(leaves);
    assert_int_equal(rhm_patches_distinct(patches), e->rank[t->level].distinct);
    for (size_t i = 0; ids && i < t->samples; i++)
        assert_int_equal(ids[i], e->rank[t->level].rank[i]);

    rhm_patch_counts counts;
    assert_int_equal(rhm_patch_counts_make(&counts, patches, engine, NULL), RHM_OK);
    size_t cell = 0;
    assert_int_equal(counts.offset[0], 0);
    for (size_t patch = 0; patch < e->rank[t->level].distinct; patch++) {
        for (uint32_t label = 0; label < t->classes; label++)
            if (e->count[patch * t->classes + label]) {
                assert_int_equal(counts.label[cell], label);
                assert_int_equal(counts.count[cell], e->count[patch * t->classes + label]);
                cell++;
            }
        assert_int_equal(counts.offset[patch + 1], cell);
    }
    assert_int_equal(patches->cell.count, cell);
    rhm_patch_counts_clear(&counts);
}

/* Count the table in calls of these sizes, the last taking what is left. */
static rhm_status count_table(rhm_patches *patches, const rhm_engine *engine, const sample_table *t, const size_t *cut,
                              uint32_t *ids, rhm_error *error) {
    rhm_status status = rhm_patches_init(patches, t->level, &t->tree, t->classes, error);
    for (size_t done = 0, call = 0; done < t->samples && status == RHM_OK; call++) {
        const size_t left = t->samples - done, now = cut[call] && cut[call] < left ? cut[call] : left;
        status =
            rhm_patches_add(patches, engine, "counting", draw_from_table, t, done, now, ids ? ids + done : NULL, error);
        done += now;
    }
    return status;
}

static rhm_engine *must_engine(rhm_engine_options options) {
    rhm_engine *engine;
    rhm_error error = {0};
    assert_ok(rhm_engine_create(&engine, &options, &error), &error);
    return engine;
}

/* ------------------------------------------------------------------------------------------------------- the tests */

static void counts_equal_sorted_samples(void **state) {
    (void)state;
    const struct {
        uint32_t level, levels, branching, vocab, classes;
        size_t samples;
        habits habit;
    } cases[] = {
        {1, 1, 2, 5, 3, 40000, MIXED},       /* several chunks, few patches */
        {3, 3, 2, 300, 2, 70000, MIXED},     /* several rounds of chunks; the level says nothing of the depth */
        {1, 4, 2, 6, 4, 18000, MIXED},       /* four levels of subtrees */
        {2, 4, 3, 4, 7, 6000, MIXED},        /* s = 3, three levels */
        {5, 5, 64, 3, 2, 3000, MIXED},       /* the widest patch */
        {1, 2, 2, 65535, 300, 500, MIXED},   /* nearly all distinct, many labels */
        {1, 4, 2, 60000, 4, 66000, IN_TURN}, /* several rounds of each habit; tokens of 16 bits */
        {1, 3, 3, 2, 1, 1, MIXED},           {1, 3, 0, 6, 4, 5000, MIXED}, /* s = 3, 4, 2 */
        {2, 5, 0, 3, 4, 2000, IN_TURN},
    };
    const size_t cuts[][6] = {{0}, {1, 7, 4096, 1, 300, 0}, {16384, 1, 0}, {5000, 0}};
    const int threads[] = {1, 2, 3, 7};
    rhm_engine *engine[4];
    for (size_t i = 0; i < 4; i++)
        engine[i] = must_engine((rhm_engine_options){.threads = threads[i]});
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        sample_table t = make_table(cases[c].level, cases[c].levels, cases[c].branching, cases[c].vocab,
                                    cases[c].classes, cases[c].samples, cases[c].habit);
        expectation e = expect(&t);
        uint32_t *ids = must_alloc(t.samples, sizeof *ids);
        for (size_t i = 0; i < 4; i++) {
            rhm_patches patches;
            rhm_error error = {0};
            memset(ids, 0xff, sizeof *ids * t.samples);
            assert_ok(count_table(&patches, engine[i], &t, cuts[(i + c) % 4], i == 3 ? NULL : ids, &error), &error);
            check(&e, engine[i], &patches, i == 3 ? NULL : ids);
            rhm_patches_destroy(&patches);
        }
        free(ids);
        free_expectation(&e);
        free_table(&t);
    }
    for (size_t i = 0; i < 4; i++)
        rhm_engine_destroy(engine[i]);
}

static void nothing_added_is_nothing(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    sample_table t = {.level = 2, .levels = 3};
    assert_int_equal(rhm_tree_uniform(&t.tree, 3, 2, NULL), RHM_OK);
    rhm_patches patches;
    rhm_patch_counts counts;
    assert_int_equal(rhm_patches_init(&patches, 2, &t.tree, 4, NULL), RHM_OK);
    assert_int_equal(rhm_patches_add(&patches, engine, "", draw_from_table, &t, 0, 0, NULL, NULL), RHM_OK);
    assert_int_equal(rhm_patches_distinct(&patches), 0);
    assert_int_equal(rhm_patch_counts_make(&counts, &patches, engine, NULL), RHM_OK);
    assert_int_equal(counts.offset[0], 0);
    rhm_patch_counts_clear(&counts);
    rhm_patches_destroy(&patches);
    rhm_patches_destroy(&patches); /* a zeroed collection */
    rhm_engine_destroy(engine);
}

/* The second half of a table alone is counted as a table that begins there. */
static void first_sample_may_be_any(void **state) {
    (void)state;
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 2});
    sample_table t = make_table(1, 2, 2, 9, 3, 50000, MIXED);
    const size_t first = 20011;
    sample_table half = t;
    half.leaf += first * t.leaves;
    half.label += first;
    half.samples -= first;
    expectation e = expect(&half);
    rhm_patches patches;
    rhm_error error = {0};
    assert_int_equal(rhm_patches_init(&patches, 1, &t.tree, 3, NULL), RHM_OK);
    assert_ok(rhm_patches_add(&patches, engine, "", draw_from_table, &t, first, half.samples, NULL, &error), &error);
    check(&e, engine, &patches, NULL);
    rhm_patches_destroy(&patches);
    free_expectation(&e);
    free_table(&t);
    rhm_engine_destroy(engine);
}

typedef struct heard {
    uint64_t done, total, calls;
} heard;

static void listen(void *user, const rhm_progress *progress) {
    heard *h = user;
    assert_string_equal(progress->stage, "counting");
    assert_true(progress->done >= h->done && progress->done <= progress->total);
    *h = (heard){progress->done, progress->total, h->calls + 1};
}

static void progress_ends_at_the_total(void **state) {
    (void)state;
    heard h = {0};
    rhm_engine *engine = must_engine((rhm_engine_options){.threads = 1, .progress = listen, .user = &h});
    sample_table t = make_table(1, 1, 2, 9, 3, 70000, MIXED);
    rhm_patches patches;
    assert_int_equal(count_table(&patches, engine, &t, (const size_t[]){0}, NULL, NULL), RHM_OK);
    assert_int_equal(h.done, t.samples);
    assert_int_equal(h.total, t.samples);
    assert_true(h.calls >= 2);
    rhm_patches_destroy(&patches);
    free_table(&t);
    rhm_engine_destroy(engine);
}

static void an_interrupt_stops_the_counting(void **state) {
    (void)state;
    static volatile sig_atomic_t flag;
    sample_table t = make_table(1, 1, 2, 9, 3, 200000, MIXED);
    t.raise = &flag;
    const size_t moments[] = {0, 100000, 199999};
    for (int threads = 1; threads <= 3; threads += 2)
        for (size_t i = 0; i < 3; i++) {
            rhm_engine *engine = must_engine((rhm_engine_options){.threads = threads, .interrupt = &flag});
            rhm_patches patches;
            rhm_error error = {0};
            flag = 0;
            t.raise_at = moments[i];
            const rhm_status status = count_table(&patches, engine, &t, (const size_t[]){0}, NULL, &error);
            assert_refused(status, RHM_INTERRUPTED, &error, "interrupted");
            assert_true(patches.samples <= moments[i]);
            rhm_patches_destroy(&patches);
            rhm_engine_destroy(engine);
        }
    free_table(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_equal_sorted_samples),     cmocka_unit_test(nothing_added_is_nothing),
        cmocka_unit_test(first_sample_may_be_any),         cmocka_unit_test(progress_ends_at_the_total),
        cmocka_unit_test(an_interrupt_stops_the_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
