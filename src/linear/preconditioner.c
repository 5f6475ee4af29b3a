#include "linear/preconditioner.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "linear/solvers.h"

enum { MOST_ITERATIONS = 2000 };

/* Of the inner solution: below what the sample differs from all patches by, which is some per cent. */
static const double INNER_TOLERANCE = 1e-2;

/* Patches of the regression that are here. */
static rhm_ranks_part own_of(const rhm_linear_data *data, const rhm_engine *engine) {
    const int rank = rhm_ranks_rank(rhm_engine_ranks(engine));
    return data->begin ? (rhm_ranks_part){data->begin[rank], data->begin[rank + 1]}
                       : (rhm_ranks_part){0, data->patches->count};
}

static bool is_here(rhm_ranks_part own, size_t patch) {
    return own.first <= patch && patch < own.end;
}

/* Where ranks have rows of their own, the sample gets a table of its own: every rank puts in the rows of its patches.
 */
static rhm_status collect_rows(rhm_preconditioner *it, const rhm_engine *engine, const rhm_linear_data *data,
                               rhm_error *error) {
    const size_t size = it->patches.count, words = it->patches.words, embedding = data->map->embedding;
    const rhm_ranks_part own = own_of(data, engine);
    if (!(it->table = RHM_NEW(float, size, words, embedding, "sample of embeddings", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * data->patches->count / size;
        for (size_t w = 0; w < words; w++) {
            it->patches.tuples[i * words + w] = (uint32_t)(i * words + w);
            if (is_here(own, at))
                memcpy(it->table + (i * words + w) * embedding,
                       data->table + rhm_intern_tuple(data->patches, at)[w] * embedding, sizeof *it->table * embedding);
        }
    }
    return rhm_spread_gather_thinned(engine, it->table, size, sizeof *it->table * words * embedding,
                                     data->patches->count, data->begin, error);
}

/* Of the patches of the sample that are here: how many cells each has, then label and count of each cell. */
static rhm_status list_cells(uint64_t **list, size_t *words, const rhm_linear_data *data, size_t size,
                             rhm_ranks_part own, rhm_error *error) {
    const rhm_patch_counts *counts = data->counts;
    const size_t patches = data->patches->count;
    *words = 0;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * patches / size;
        *words += is_here(own, at) ? 1 + 2 * (counts->offset[at + 1] - counts->offset[at]) : 0;
    }
    uint64_t *next = *list = RHM_NEW(uint64_t, *words, 1, 1, "sample of patches", error);
    for (size_t i = 0; next && i < size; i++) {
        const size_t at = i * patches / size;
        if (!is_here(own, at))
            continue;
        *next++ = counts->offset[at + 1] - counts->offset[at];
        for (size_t cell = counts->offset[at]; cell < counts->offset[at + 1]; cell++) {
            *next++ = counts->label[cell];
            *next++ = counts->count[cell];
        }
    }
    return next ? RHM_OK : RHM_NO_MEMORY;
}

/* From a list of all patches of the sample, which it is made of. */
static rhm_status count_cells(rhm_preconditioner *it, const rhm_linear_data *data, const uint64_t *list, size_t words,
                              rhm_error *error) {
    const size_t size = it->patches.count, labels = rhm_linear_block_classes(data), cells = (words - size) / 2;
    it->counts.offset = RHM_NEW(size_t, size + 1, 1, 1, "sample of patches", error);
    it->counts.label = RHM_NEW(uint32_t, cells, 1, 1, "sample of patches", error);
    it->counts.count = RHM_NEW(uint64_t, cells, 1, 1, "sample of patches", error);
    if (data->blocks > 1 && !(it->counts.of_block = RHM_NEW(uint64_t, data->blocks, 1, 1, "sample of patches", error)))
        return RHM_NO_MEMORY;
    if (!it->counts.offset || !it->counts.label || !it->counts.count)
        return RHM_NO_MEMORY;
    size_t cell = 0;
    for (size_t i = 0; i < size; i++) {
        it->counts.offset[i] = cell;
        for (uint64_t left = *list++; left > 0; left--, list += 2, cell++) {
            it->counts.label[cell] = (uint32_t)list[0];
            it->counts.count[cell] = list[1];
            it->samples += list[1];
            if (it->counts.of_block)
                it->counts.of_block[list[0] / labels] += list[1];
        }
    }
    it->counts.offset[size] = cell;
    for (size_t b = 0; it->counts.of_block && b < data->blocks; b++)
        it->counts.of_block[b] += it->counts.of_block[b] == 0; /* a position of which the sample has nothing: C = 0 */
    return RHM_OK;
}

static rhm_status make_counts(rhm_preconditioner *it, const rhm_engine *engine, const rhm_linear_data *data,
                              rhm_error *error) {
    uint64_t *list = NULL;
    size_t words;
    rhm_spread_parcels all = {0};
    rhm_status status = list_cells(&list, &words, data, it->patches.count, own_of(data, engine), error);
    if (status == RHM_OK && data->begin)
        status = rhm_spread_collect(&all, engine, list, sizeof *list * words, error);
    if (status == RHM_OK && data->begin)
        words = all.begin[rhm_ranks_size(rhm_engine_ranks(engine))] / sizeof *list;
    if (status == RHM_OK)
        status = count_cells(it, data, data->begin ? all.data : list, words, error);
    rhm_spread_parcels_clear(&all);
    rhm_free(list);
    return status;
}

static rhm_status make_patches(rhm_preconditioner *it, const rhm_engine *engine, const rhm_linear_data *data,
                               rhm_error *error) {
    const rhm_intern *patches = data->patches;
    const size_t size = it->patches.count;
    if (!(it->patches.tuples = RHM_NEW(uint32_t, size, patches->words, 1, "sample of patches", error)))
        return RHM_NO_MEMORY;
    if (data->begin)
        return collect_rows(it, engine, data, error);
    for (size_t i = 0; i < size; i++)
        memcpy(it->patches.tuples + i * patches->words, rhm_intern_tuple(patches, i * patches->count / size),
               sizeof(uint32_t) * patches->words);
    return RHM_OK;
}

rhm_status rhm_preconditioner_init(rhm_preconditioner *it, size_t size, const rhm_engine *engine,
                                   const rhm_linear_data *data, rhm_route route, rhm_error *error) {
    *it = (rhm_preconditioner){.patches = {.words = data->patches->words, .count = size, .capacity = size}};
    rhm_status status = make_patches(it, engine, data, error);
    if (status == RHM_OK)
        status = make_counts(it, engine, data, error);
    rhm_linear_data sample = *data;
    sample.patches = &it->patches;
    sample.counts = &it->counts;
    sample.samples = it->samples;
    if (data->begin) {
        sample.table = it->table;
        sample.rows = size * data->patches->words;
        sample.begin = NULL;
    }
    if (status == RHM_OK)
        status = rhm_normal_create(&it->normal, engine, &sample, route, SIZE_MAX, error);
    if (status == RHM_OK)
        status = rhm_normal_prepare(it->normal, error);
    if (status != RHM_OK)
        rhm_preconditioner_clear(it);
    return status;
}

void rhm_preconditioner_clear(rhm_preconditioner *it) {
    rhm_normal_destroy(it->normal);
    rhm_patch_counts_clear(&it->counts);
    rhm_intern_destroy(&it->patches);
    rhm_free(it->table);
    *it = (rhm_preconditioner){0};
}

typedef struct rounding {
    double *z;
    size_t stride;
} rounding;

static void round_class(void *context, size_t c) {
    const rounding *r = context;
    for (size_t i = c * r->stride; i < (c + 1) * r->stride; i++)
        r->z[i] = (double)(float)r->z[i];
}

rhm_status rhm_preconditioner_apply(rhm_preconditioner *it, double lambda, const double *r, double *z,
                                    rhm_error *error) {
    const rhm_solve_options inner = {.lambda = lambda, .tolerance = INNER_TOLERANCE, .max_iterations = MOST_ITERATIONS};
    const size_t size = rhm_normal_size(it->normal);
    rhm_solve_result result = {0};
    memset(z, 0, sizeof *z * size);
    RHM_TRY(rhm_solve_cg(it->normal, &inner, r, z, &result, error));
    rhm_normal_each_class(it->normal, round_class, &(rounding){z, it->normal->stride});
    return RHM_OK;
}
