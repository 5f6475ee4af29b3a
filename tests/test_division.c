/* Patches divided among ranks against the same samples counted by one process. */
#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/memory.h"
#include "engine/spread.h"
#include "mailboxes.h"
#include "patches/division.h"

enum { LEVELS = 4, LEVEL = 2, VOCAB = 6, CLASSES = 3, SAMPLES = 3000, WHOLE = 500, LEAVES = 16 };

static const uint64_t SEED = 20261129;

static rhm_tree tree;
static uint16_t leaf[SAMPLES][LEAVES], label[SAMPLES];
static uint32_t positions;
static bool raw;
static rhm_patches expected; /* of one process */
static rhm_patch_counts expected_counts;

/* Every second row repeats an earlier one; half of the others only the patch at the second position. */
static void draw_table(void) {
    rhm_random random = {.seed = SEED, .stream = 1u << 20};
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t habit = rhm_random_below(&random, 4), earlier = i ? rhm_random_below(&random, i) : 0;
        for (size_t t = 0; t < LEAVES; t++)
            leaf[i][t] = (uint16_t)rhm_random_below(&random, VOCAB);
        if (i > 0 && habit < 2)
            memcpy(leaf[i], leaf[earlier], sizeof leaf[i]);
        else if (habit == 2)
            memcpy(leaf[i] + LEAVES / 2, leaf[earlier], sizeof leaf[i] / 2);
        label[i] = (uint16_t)rhm_random_below(&random, CLASSES);
    }
}

static void read_table(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                       uint16_t *labels) {
    (void)context;
    const size_t width = tree.leaves[level - 1];
    for (size_t i = 0; i < count; i++) {
        memcpy(leaves + i * width, leaf[first + i], sizeof *leaves * width);
        labels[i] = label[first + i];
    }
}

static uint16_t *tokens_of(const rhm_patches *patches, uint32_t j, size_t id, uint16_t *tokens) {
    const uint32_t *tuple = rhm_intern_tuple(&patches->subtree[j], id);
    for (uint32_t t = 0; t < tree.branching[j]; t++)
        if (j == LEVELS)
            *tokens++ = (uint16_t)tuple[t];
        else
            tokens = tokens_of(patches, j + 1, tuple[t], tokens);
    return tokens;
}

static bool same_patch(const rhm_patches *patches, const rhm_patch_counts *counts, size_t i) {
    uint16_t own[LEAVES], other[LEAVES];
    tokens_of(patches, LEVEL, i, own);
    tokens_of(&expected, LEVEL, i, other);
    if (memcmp(own, other, sizeof *own * tree.leaves[LEVEL - 1]))
        return false;
    const size_t cells = counts->offset[i + 1] - counts->offset[i], first = expected_counts.offset[i];
    return cells == expected_counts.offset[i + 1] - first &&
           !memcmp(counts->label + counts->offset[i], expected_counts.label + first, sizeof(uint32_t) * cells) &&
           !memcmp(counts->count + counts->offset[i], expected_counts.count + first, sizeof(uint64_t) * cells);
}

/* Numbers of all levels are those of one process. */
static bool same_collection(const rhm_patches *patches) {
    for (uint32_t j = LEVEL; j <= LEVELS; j++) {
        const rhm_intern *a = &patches->subtree[j], *b = &expected.subtree[j];
        if (a->count != b->count || memcmp(a->tuples, b->tuples, sizeof *a->tuples * a->words * a->count))
            return false;
    }
    return true;
}

/* How ranks may ask for patches: equal parts; overlapping ones, of which the first is all and the last none; all. */
typedef enum asking { EQUAL, OVERLAPPING, ALL, ASKINGS } asking;

static rhm_ranks_part part_of(asking how, int rank, int size, size_t distinct) {
    const size_t n = (size_t)size, r = (size_t)rank;
    return how == EQUAL ? (rhm_ranks_part){r * distinct / n, (r + 1) * distinct / n}
           : how == OVERLAPPING
               ? (rhm_ranks_part){r * distinct / n, distinct - (r ? (n - 1 - r) * distinct / n / 2 : 0)}
               : (rhm_ranks_part){0, distinct};
}

static rhm_status check(worker *w, rhm_patches *patches, const rhm_engine *engine, asking how) {
    rhm_ranks_part of_rank[MOST_RANKS];
    rhm_patch_counts counts = {0};
    const size_t distinct = rhm_patches_distinct(patches);
    for (int rank = 0; rank < w->size; rank++)
        of_rank[rank] = part_of(how, rank, w->size, distinct);
    if (how == OVERLAPPING)
        of_rank[w->size - 1].first = distinct;
    RHM_TRY(rhm_patches_settle(patches, &counts, engine, of_rank, &w->error));
    const rhm_ranks_part own = of_rank[w->rank];
    w->out[0] += distinct != rhm_patches_distinct(&expected) || patches->samples != SAMPLES;
    for (size_t i = own.first; i < own.end && w->out[0] == 0; i++)
        w->out[0] += !same_patch(patches, &counts, i);
    if (how == ALL)
        w->out[0] += !same_collection(patches);
    rhm_patch_counts_clear(&counts);
    return RHM_OK;
}

static rhm_status divide(worker *w, rhm_patches *patches, const rhm_engine *engine) {
    RHM_TRY(rhm_patches_init(patches, LEVEL, &tree, CLASSES, &w->error));
    patches->positions = positions;
    patches->raw = raw;
    if (raw)
        RHM_TRY(rhm_patches_divide(patches, engine, VOCAB, &w->error));
    RHM_TRY(rhm_patches_add(patches, engine, NULL, read_table, NULL, 0, WHOLE, NULL, &w->error));
    if (!raw)
        RHM_TRY(rhm_patches_divide(patches, engine, VOCAB, &w->error));
    RHM_TRY(rhm_patches_add(patches, engine, NULL, read_table, NULL, WHOLE, WHOLE, NULL, &w->error));
    rhm_patch_counts counts = {0};
    rhm_ranks_part of_rank[MOST_RANKS];
    for (int rank = 0; rank < w->size; rank++)
        of_rank[rank] = part_of(EQUAL, rank, w->size, rhm_patches_distinct(patches));
    RHM_TRY(rhm_patches_settle(patches, &counts, engine, of_rank, &w->error));
    rhm_patch_counts_clear(&counts);
    RHM_TRY(rhm_patches_add(patches, engine, NULL, read_table, NULL, 2 * WHOLE, SAMPLES - 2 * WHOLE, NULL, &w->error));
    for (asking how = EQUAL; how < ASKINGS; how++)
        RHM_TRY(check(w, patches, engine, how));
    return check(w, patches, engine, EQUAL);
}

static void divide_and_compare(worker *w) {
    rhm_engine *engine = NULL;
    rhm_patches patches = {0};
    w->out[0] = 0;
    w->status = rhm_engine_create(&engine, &(rhm_engine_options){.threads = 2, .ranks = w->ranks}, &w->error);
    if (w->status == RHM_OK)
        w->status = divide(w, &patches, engine);
    rhm_patches_destroy(&patches);
    if (engine && rhm_memory_used(engine) != 0)
        w->out[0] += 1;
    rhm_engine_destroy(engine);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void ranks_have_what_one_process_counts(void **state) {
    (void)state;
    rhm_engine *engine = NULL;
    uint32_t branching[RHM_MAX_LEVELS + 1] = {0, 2, 2, 2, 2};
    assert_int_equal(rhm_tree_make(&tree, LEVELS, branching, NULL), RHM_OK);
    assert_int_equal(rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1}, NULL), RHM_OK);
    draw_table();
    for (int turn = 0; turn < 4; turn++) {
        positions = 1 + (uint32_t)turn % 2;
        raw = turn > 1;
        assert_int_equal(rhm_patches_init(&expected, LEVEL, &tree, CLASSES, NULL), RHM_OK);
        expected.positions = positions;
        expected.raw = raw;
        assert_int_equal(rhm_patches_add(&expected, engine, NULL, read_table, NULL, 0, SAMPLES, NULL, NULL), RHM_OK);
        assert_int_equal(rhm_patch_counts_make(&expected_counts, &expected, engine, NULL), RHM_OK);
        for (int size = 1; size <= 4; size++) {
            run_all(size, divide_and_compare);
            for (int rank = 0; rank < size; rank++)
                if (workers[rank].status != RHM_OK || workers[rank].out[0] != 0)
                    fail_msg("rank %d of %d, %u positions%s: %s", rank, size, positions, raw ? ", raw" : "",
                             workers[rank].status != RHM_OK ? workers[rank].error.text : "other patches");
        }
        rhm_patch_counts_clear(&expected_counts);
        rhm_patches_destroy(&expected);
    }
    rhm_engine_destroy(engine);
}

/* ---- all to all -------------------------------------------------------------------------------------------------- */

/* Rank r sends rank q the letters from r on, q of them: slices of one text, which overlap. */
static void deal_letters(worker *w) {
    static const char letters[] = "abcdefghijklmnop";
    rhm_ranks_part slice[MOST_RANKS];
    size_t begin[MOST_RANKS + 1];
    void *in = NULL;
    for (int to = 0; to < w->size; to++)
        slice[to] = (rhm_ranks_part){(size_t)w->rank, (size_t)(w->rank + to)};
    w->status = rhm_ranks_deal(w->ranks, letters, slice, &in, begin, &w->error);
    w->out[0] = 0;
    for (int from = 0; from < w->size && w->status == RHM_OK; from++)
        w->out[0] += begin[from + 1] - begin[from] != (size_t)w->rank ||
                     memcmp((const char *)in + begin[from], letters + from, (size_t)w->rank);
    rhm_free(in);
    w->status = rhm_ranks_leave(w->ranks, w->status, &w->error);
}

static void every_rank_gets_what_others_have_for_it(void **state) {
    (void)state;
    for (int size = 1; size <= MOST_RANKS; size++) {
        run_all(size, deal_letters);
        for (int rank = 0; rank < size; rank++)
            assert_true(workers[rank].status == RHM_OK && workers[rank].out[0] == 0);
    }
}

int main(void) {
    open_boxes();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_gets_what_others_have_for_it),
        cmocka_unit_test(ranks_have_what_one_process_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
