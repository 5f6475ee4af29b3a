#include "counts/counts.h"

#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/unite.h"
#include "engine/memory.h"
#include "engine/spread.h"

/* ---- counts ---------------------------------------------------------------------------------------------- */

static int compare_tuples(const void *a, const void *b, void *context) {
    const rhm_intern *set = context;
    const uint32_t *x = rhm_intern_tuple(set, *(const uint32_t *)a), *y = rhm_intern_tuple(set, *(const uint32_t *)b);
    for (size_t t = 0; t < set->words; t++)
        if (x[t] != y[t])
            return x[t] < y[t] ? -1 : 1;
    return 0;
}

rhm_status rhm_table_order(uint32_t **order, const rhm_intern *set, rhm_error *error) {
    if (!(*order = RHM_NEW(uint32_t, set->count, 1, 1, "order of patches", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++)
        (*order)[i] = (uint32_t)i;
    qsort_r(*order, set->count, sizeof **order, compare_tuples, (void *)(uintptr_t)set);
    return RHM_OK;
}

static rhm_status copy_sorted(rhm_intern *out, const rhm_intern *set, rhm_error *error) {
    uint32_t *order, id;
    RHM_TRY(rhm_table_order(&order, set, error));
    rhm_status status = rhm_intern_init(out, set->words, set->count, error);
    for (size_t i = 0; i < set->count && status == RHM_OK; i++)
        status = rhm_intern_add(out, rhm_intern_tuple(set, order[i]), &id, NULL, error);
    rhm_free(order);
    return status;
}

rhm_status rhm_table_counts_init(rhm_table_counts *out, const rhm_engine *engine, const rhm_intern *patches,
                                 size_t positions, size_t classes, uint64_t samples, rhm_error *error) {
    size_t nbytes = sizeof(uint64_t);
    *out = (rhm_table_counts){.positions = positions, .classes = classes, .samples = samples};
    if (!rhm_size_mul(&nbytes, patches->count) || !rhm_size_mul(&nbytes, positions) || !rhm_size_mul(&nbytes, classes))
        nbytes = SIZE_MAX;
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "counts of patches by position and label", error));
    out->engine = engine;
    out->reserved_nbytes = nbytes;
    rhm_status status = copy_sorted(&out->patch, patches, error);
    if (status == RHM_OK && !(out->count = RHM_NEW(uint64_t, patches->count, positions, classes, "counts", error)))
        status = RHM_NO_MEMORY;
    if (status != RHM_OK)
        rhm_table_counts_clear(out);
    return status;
}

void rhm_table_counts_clear(rhm_table_counts *counts) {
    if (counts->engine)
        rhm_memory_release(counts->engine, counts->reserved_nbytes);
    rhm_intern_destroy(&counts->patch);
    rhm_free(counts->count);
    *counts = (rhm_table_counts){0};
}

rhm_status rhm_table_counts_compact(rhm_table_counts *counts, rhm_error *error) {
    const size_t row = counts->positions * counts->classes;
    rhm_intern kept;
    uint32_t id;
    rhm_status status = rhm_intern_init(&kept, counts->patch.words, counts->patch.count, error);
    for (size_t i = 0; i < counts->patch.count && status == RHM_OK; i++) {
        uint64_t any = 0;
        for (size_t j = 0; j < row; j++)
            any |= counts->count[i * row + j];
        if (!any)
            continue;
        status = rhm_intern_add(&kept, rhm_intern_tuple(&counts->patch, i), &id, NULL, error);
        if (status == RHM_OK)
            memmove(counts->count + id * row, counts->count + i * row, sizeof *counts->count * row);
    }
    if (status == RHM_OK) {
        rhm_intern_destroy(&counts->patch);
        counts->patch = kept;
    } else {
        rhm_intern_destroy(&kept);
    }
    return status;
}

/* ---- counting samples ------------------------------------------------------------------------------------ */

typedef struct scratch {
    uint16_t *tokens, *labels;
    rhm_intern seen; /* patches that this thread met */
} scratch;

typedef struct counting {
    const struct rhm_table *table; /* or latents */
    rhm_id_ops ops;
    const rhm_batch *batch;
    const rhm_latents *latents; /* or NULL */
    const rhm_tree *tree;
    uint64_t samples;
    uint32_t level, from; /* level of the first patches that are drawn */
    size_t positions, leaves, chunk;
    size_t targets; /* what is counted by, of a sample: one label, or a parent for every position */
    scratch *of_thread;
    rhm_table_counts *counts; /* NULL in the first pass, which finds out what there is */
} counting;

/* The first patches of level `from` of some samples as ids of the wanted level, *apart becoming how many ids of a
 * sample. */
static rhm_status draw_ids(const counting *c, scratch *mine, uint64_t first, size_t count, size_t *apart,
                           rhm_error *error) {
    size_t ids = count * c->leaves;
    *apart = c->leaves;
    if (c->latents)
        return rhm_latents_read_patches(c->latents, c->level, c->positions, first, count, mine->tokens, mine->labels,
                                        error);
    c->batch->source(c->batch->context, c->from, c->batch->first + first, count, mine->tokens, mine->labels);
    for (uint32_t l = c->tree->levels; l > c->level; l--) {
        ids /= c->tree->branching[l];
        rhm_table_apply(c->table, &c->ops, l, mine->tokens, ids, mine->tokens);
    }
    *apart = ids / count;
    return RHM_OK;
}

static rhm_status count_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    const counting *c = context;
    scratch *mine = &c->of_thread[thread];
    const size_t s = c->tree->branching[c->level];
    const uint64_t first = chunk * c->chunk, left = c->samples - first;
    const size_t count = left < c->chunk ? (size_t)left : c->chunk;
    size_t apart;
    RHM_TRY(draw_ids(c, mine, first, count, &apart, error));
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < c->positions; p++) {
            uint32_t tuple[RHM_MAX_BRANCHING], id;
            for (size_t t = 0; t < s; t++)
                tuple[t] = mine->tokens[i * apart + p * s + t];
            if (!c->counts) {
                if (mine->seen.count <= RHM_TABLE_MOST_PATCHES)
                    RHM_TRY(rhm_intern_add(&mine->seen, tuple, &id, NULL, error));
                continue;
            }
            id = rhm_intern_find(&c->counts->patch, tuple);
            const uint16_t target = mine->labels[i * c->targets + p % c->targets];
            uint64_t *cell = &c->counts->count[(id * c->positions + p) * c->counts->classes + target];
#pragma omp atomic
            *cell += 1;
        }
    return RHM_OK;
}

static rhm_status pass(counting *c, const rhm_engine *engine, rhm_error *error) {
    return rhm_spread(engine, (size_t)((c->samples + c->chunk - 1) / c->chunk), count_chunk, c, NULL, 0, error);
}

rhm_status rhm_table_check_patches(uint32_t level, size_t patches, rhm_error *error) {
    return patches <= RHM_TABLE_MOST_PATCHES
               ? RHM_OK
               : rhm_fail(error, RHM_INVALID,
                          "level %u has more than %d different patches of ids: a table of that size is not grouped",
                          level, RHM_TABLE_MOST_PATCHES);
}

static rhm_status merge_seen(rhm_intern *all, const counting *c, const rhm_engine *engine, rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    uint32_t id;
    RHM_TRY(rhm_intern_init(all, c->tree->branching[c->level], 0, error));
    for (size_t t = 0; t < threads; t++)
        for (size_t i = 0; i < c->of_thread[t].seen.count; i++)
            RHM_TRY(rhm_intern_add(all, rhm_intern_tuple(&c->of_thread[t].seen, i), &id, NULL, error));
    RHM_TRY(rhm_tuples_unite(all, engine, error));
    return rhm_table_check_patches(c->level, all->count, error);
}

static rhm_status prepare(counting *c, size_t threads, rhm_error *error) {
    if (!(c->of_thread = RHM_NEW(scratch, threads, 1, 1, "samples of a thread", error)))
        return RHM_NO_MEMORY;
    for (size_t t = 0; t < threads; t++) {
        scratch *mine = &c->of_thread[t];
        mine->tokens = RHM_NEW(uint16_t, c->chunk, c->leaves, 1, "samples of a thread", error);
        mine->labels = RHM_NEW(uint16_t, c->chunk, c->targets, 1, "samples of a thread", error);
        if (!mine->tokens || !mine->labels)
            return RHM_NO_MEMORY;
        RHM_TRY(rhm_intern_init(&mine->seen, c->tree->branching[c->level], 0, error));
    }
    return RHM_OK;
}

static rhm_status count_all(rhm_table_counts *out, counting *c, const rhm_engine *engine, size_t classes,
                            rhm_error *error) {
    const size_t threads = (size_t)rhm_engine_threads(engine);
    rhm_intern all = {0};
    rhm_status status = prepare(c, threads, error);
    if (status == RHM_OK)
        status = pass(c, engine, error);
    if (status == RHM_OK)
        status = merge_seen(&all, c, engine, error);
    if (status == RHM_OK)
        status = rhm_table_counts_init(out, engine, &all, c->positions, classes, c->samples, error);
    if (status == RHM_OK) {
        c->counts = out;
        status = pass(c, engine, error);
        if (status == RHM_OK)
            status = rhm_counts_add_up(out->count, out->patch.count * c->positions * classes, engine, error);
        if (status != RHM_OK)
            rhm_table_counts_clear(out);
    }
    for (size_t t = 0; c->of_thread && t < threads; t++) {
        rhm_free(c->of_thread[t].tokens);
        rhm_free(c->of_thread[t].labels);
        rhm_intern_destroy(&c->of_thread[t].seen);
    }
    rhm_free(c->of_thread);
    rhm_intern_destroy(&all);
    return status;
}

rhm_status rhm_table_count_samples(rhm_table_counts *out, const rhm_engine *engine, const struct rhm_table *table,
                                   uint32_t level, size_t positions, const rhm_batch *batch, rhm_error *error) {
    const rhm_tree *tree = &table->model.tree;
    counting c = {.table = table,
                  .ops = rhm_id_ops_of(engine),
                  .batch = batch,
                  .tree = tree,
                  .samples = batch->count,
                  .level = level,
                  .from = level,
                  .positions = positions,
                  .targets = 1};
    while (rhm_tree_below(tree, c.from - 1, level - 1) < positions)
        c.from--;
    c.leaves = tree->leaves[c.from - 1];
    c.chunk = rhm_table_chunk(c.leaves);
    return count_all(out, &c, engine, table->model.classes, error);
}

rhm_status rhm_table_count_latents(rhm_table_counts *out, const rhm_engine *engine, const rhm_latents *latents,
                                   uint32_t level, size_t positions, size_t parents, uint64_t samples,
                                   rhm_error *error) {
    counting c = {.latents = latents,
                  .tree = latents->tree,
                  .samples = samples,
                  .level = level,
                  .positions = positions,
                  .leaves = positions * latents->tree->branching[level],
                  .chunk = rhm_table_chunk(latents->tree->leaves[0]),
                  .targets = positions};
    return count_all(out, &c, engine, parents, error);
}
