#include "learners/layerwise/occurrence.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/trace.h"
#include "learners/layerwise/positions.h"

enum {
    SAMPLES_OF_PATCH = 128,
    LEAST_SAMPLES = 4000,
    MOST_TOKENS = 1 << 24,
    GROUPS_OF_SYMBOL = 4, /* at most, on average: outputs far from all of them are of no symbol */
};

static const uint32_t NOBODY = UINT32_MAX; /* a group, or a tuple of groups, that does not count */

/* Samples that would be expected at the first positions before their absence says something; and the share of these
 * from which on a patch is not absent. */
static const double EXPECTED = 24, SELDOM = 1 / 16.0;

typedef struct occurrence {
    const rhm_stage *stage;
    uint32_t most; /* positions */
    rhm_patches patches;
    rhm_embeddings table[RHM_MAX_LEVELS + 2];
    uint32_t *symbol;  /* (children) */
    rhm_intern tuples; /* of symbols */
    uint32_t *tuple;   /* (distinct patches) */
    double *count;     /* (tuples) */
} occurrence;

static uint64_t samples_of(const occurrence *o) {
    const rhm_stage *stage = o->stage;
    const double wanted = SAMPLES_OF_PATCH * stage->task->patches[stage->level];
    const double most = MOST_TOKENS / ((double)o->most * (double)stage->task->tree.leaves[stage->level - 1]);
    double samples = wanted > LEAST_SAMPLES ? wanted : LEAST_SAMPLES;
    samples = samples < most ? samples : most;
    const uint64_t available = stage->training.stream.available;
    return samples < (double)available ? (uint64_t)samples : available;
}

static double squared_distance(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

/* Children within half the separation of the first of a group belong to it. */
static void group_children(occurrence *o, double separation, size_t most, uint32_t *leader) {
    const rhm_embeddings *child = &o->table[o->stage->level + 1];
    size_t leaders = 0;
    for (size_t i = 0; i < child->count; i++) {
        const float *row = child->row + i * child->width;
        size_t g = 0;
        while (g < leaders &&
               squared_distance(row, child->row + leader[g] * child->width, child->width) > separation * separation / 4)
            g++;
        if (g == leaders && leaders < most)
            leader[leaders++] = (uint32_t)i;
        o->symbol[i] = g < leaders ? (uint32_t)g : NOBODY;
    }
}

/* Symbols of the children of the level's patches; those of level L are tokens. */
static rhm_status find_children(occurrence *o, double separation, rhm_error *error) {
    const rhm_stage *stage = o->stage;
    const rhm_task *task = stage->task;
    if (stage->level == task->tree.levels)
        return RHM_OK;
    RHM_TRY(rhm_embeddings_one_hot(&o->table[task->tree.levels + 1], task->token_vocab, error));
    RHM_TRY(rhm_embed_subtrees(o->table, stage->engine, stage->ready, &o->patches, NULL, error));
    const size_t most = (size_t)GROUPS_OF_SYMBOL * task->parents[stage->level + 1];
    uint32_t *leader = RHM_NEW(uint32_t, most, 1, 1, "groups of children", error);
    if (leader && (o->symbol = RHM_NEW(uint32_t, o->table[stage->level + 1].count, 1, 1, "groups of children", error)))
        group_children(o, separation, most, leader);
    rhm_free(leader);
    return o->symbol ? RHM_OK : RHM_NO_MEMORY;
}

static rhm_status find_tuples(occurrence *o, rhm_error *error) {
    const rhm_intern *set = &o->patches.subtree[o->stage->level];
    uint32_t symbols[RHM_MAX_BRANCHING];
    RHM_TRY(rhm_intern_init(&o->tuples, set->words, 0, error));
    if (!(o->tuple = RHM_NEW(uint32_t, set->count, 1, 1, "tuples of symbols", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++) {
        const uint32_t *child = rhm_intern_tuple(set, i);
        bool known = true;
        for (size_t t = 0; t < set->words; t++) {
            symbols[t] = o->symbol ? o->symbol[child[t]] : child[t];
            known = known && symbols[t] != NOBODY;
        }
        o->tuple[i] = NOBODY;
        if (known)
            RHM_TRY(rhm_intern_add(&o->tuples, symbols, &o->tuple[i], NULL, error));
    }
    o->count = RHM_NEW(double, o->tuples.count, 2, 1, "tuples of symbols", error);
    return o->count ? RHM_OK : RHM_NO_MEMORY;
}

static void count_at(const occurrence *o, uint32_t positions, double *count) {
    memset(count, 0, sizeof *count * o->tuples.count);
    for (size_t cell = 0; cell < o->patches.cell.count; cell++) {
        const uint32_t *pair = rhm_intern_tuple(&o->patches.cell, cell);
        if (o->tuple[pair[0]] != NOBODY && pair[1] < positions * o->patches.classes)
            count[o->tuple[pair[0]]] += (double)o->patches.count[cell];
    }
}

static bool shown(const occurrence *o, uint32_t positions) {
    const double *all = o->count;
    double *some = o->count + o->tuples.count;
    count_at(o, positions, some);
    for (size_t t = 0; t < o->tuples.count; t++) {
        const double expected = all[t] * positions / o->most;
        if (expected >= EXPECTED && some[t] < SELDOM * expected)
            return false;
    }
    return true;
}

static rhm_status look(occurrence *o, double separation, uint32_t *positions, rhm_error *error) {
    const rhm_stage *stage = o->stage;
    const rhm_stream_of_samples *stream = &stage->training.stream;
    RHM_TRY(rhm_patches_init(&o->patches, stage->level, &stage->task->tree, stage->task->classes, error));
    o->patches.positions = o->most;
    RHM_TRY(rhm_patches_add(&o->patches, stage->engine, NULL, stream->source, stream->context, 0, samples_of(o), NULL,
                            error));
    RHM_TRY(find_children(o, separation, error));
    RHM_TRY(find_tuples(o, error));
    count_at(o, o->most, o->count);
    while (*positions < o->most && !shown(o, *positions))
        *positions = rhm_positions_more(stage->task, stage->options, stage->level, *positions);
    return RHM_OK;
}

rhm_status rhm_positions_showing_all(uint32_t *positions, const rhm_stage *stage, double separation, rhm_error *error) {
    occurrence o = {.stage = stage, .most = stage->costs.positions};
    *positions = stage->costs.positions;
    for (uint32_t more = o.most; more > 0; more = rhm_positions_more(stage->task, stage->options, stage->level, more))
        o.most = more;
    if (o.most == stage->costs.positions || (stage->level < stage->task->tree.levels && !(separation > 0)))
        return RHM_OK;
    const int span = rhm_trace_begin(stage->engine, "look for positions", 0);
    const rhm_status status = look(&o, separation, positions, error);
    rhm_trace_end(stage->engine, span, (rhm_span_work){.items = (double)o.patches.samples});
    rhm_patches_destroy(&o.patches);
    for (size_t j = 0; j < sizeof o.table / sizeof *o.table; j++)
        rhm_embeddings_clear(&o.table[j]);
    rhm_free(o.symbol);
    rhm_intern_destroy(&o.tuples);
    rhm_free(o.tuple);
    rhm_free(o.count);
    return status;
}
