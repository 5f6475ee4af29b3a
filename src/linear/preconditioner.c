#include "linear/preconditioner.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "linear/solvers.h"

enum { MOST_ITERATIONS = 2000 };

/* Of the inner solution: below what the sample differs from all patches by, which is some per cent. */
static const double INNER_TOLERANCE = 1e-2;

/* Every rank puts in the rows of its own patches. */
static rhm_status collect_rows(rhm_preconditioner *it, const rhm_engine *engine, const rhm_linear_data *data,
                               rhm_error *error) {
    const size_t size = it->patches.count, words = it->patches.words, embedding = data->map->embedding;
    const int rank = rhm_ranks_rank(rhm_engine_ranks(engine));
    if (!(it->table = RHM_NEW(float, size, words, embedding, "sample of embeddings", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * data->patches->count / size;
        for (size_t w = 0; w < words; w++) {
            uint32_t *row = &it->patches.tuples[i * words + w];
            if (data->begin[rank] <= at && at < data->begin[rank + 1])
                memcpy(it->table + (i * words + w) * embedding, data->table + *row * embedding,
                       sizeof *it->table * embedding);
            *row = (uint32_t)(i * words + w);
        }
    }
    return rhm_spread_gather_thinned(engine, it->table, size, sizeof *it->table * words * embedding,
                                     data->patches->count, data->begin, error);
}

rhm_status rhm_preconditioner_init(rhm_preconditioner *it, size_t size, const rhm_engine *engine,
                                   const rhm_linear_data *data, rhm_route route, rhm_error *error) {
    const rhm_intern *patches = data->patches;
    const rhm_patch_counts *counts = data->counts;
    const size_t labels = rhm_linear_block_classes(data);
    *it = (rhm_preconditioner){.patches = {.words = patches->words, .count = size, .capacity = size}};
    size_t cells = 0;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * patches->count / size;
        cells += counts->offset[at + 1] - counts->offset[at];
    }
    it->patches.tuples = RHM_NEW(uint32_t, size, patches->words, 1, "sample of patches", error);
    it->counts.offset = RHM_NEW(size_t, size + 1, 1, 1, "sample of patches", error);
    it->counts.label = RHM_NEW(uint32_t, cells, 1, 1, "sample of patches", error);
    it->counts.count = RHM_NEW(uint64_t, cells, 1, 1, "sample of patches", error);
    rhm_status status = RHM_NO_MEMORY;
    if (data->blocks > 1 && !(it->counts.of_block = RHM_NEW(uint64_t, data->blocks, 1, 1, "sample of patches", error)))
        goto fail;
    if (!it->patches.tuples || !it->counts.offset || !it->counts.label || !it->counts.count)
        goto fail;
    size_t cell = 0;
    for (size_t i = 0; i < size; i++) {
        const size_t at = i * patches->count / size;
        memcpy(it->patches.tuples + i * patches->words, rhm_intern_tuple(patches, at),
               sizeof(uint32_t) * patches->words);
        it->counts.offset[i] = cell;
        for (size_t from = counts->offset[at]; from < counts->offset[at + 1]; from++, cell++) {
            it->counts.label[cell] = counts->label[from];
            it->counts.count[cell] = counts->count[from];
            it->samples += counts->count[from];
            if (it->counts.of_block)
                it->counts.of_block[counts->label[from] / labels] += counts->count[from];
        }
    }
    it->counts.offset[size] = cell;
    for (size_t b = 0; it->counts.of_block && b < data->blocks; b++)
        it->counts.of_block[b] += it->counts.of_block[b] == 0; /* a position of which the sample has nothing: C = 0 */
    rhm_linear_data sample = *data;
    sample.patches = &it->patches;
    sample.counts = &it->counts;
    sample.samples = it->samples;
    if (data->begin) {
        if ((status = collect_rows(it, engine, data, error)) != RHM_OK)
            goto fail;
        sample.table = it->table;
        sample.rows = size * patches->words;
        sample.begin = NULL;
    }
    status = rhm_normal_create(&it->normal, engine, &sample, route, SIZE_MAX, error);
    if (status == RHM_OK)
        status = rhm_normal_prepare(it->normal, error);
    if (status == RHM_OK)
        return RHM_OK;
fail:
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
