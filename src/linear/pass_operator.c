/* C as an operator that visits all patches: how it is represented, and its arrays. */
#include <math.h>

#include "core/fail.h"
#include "core/memory.h"
#include "linear/passes.h"

static const rhm_passes *passes_of(const rhm_normal *normal) {
    return (const rhm_passes *)normal;
}

static rhm_status right_hand_side(rhm_normal *normal, double *out, rhm_error *error) {
    return rhm_passes_run((rhm_passes *)normal, RHM_FACTOR_LABELS, out, error);
}

typedef struct operand_work {
    const rhm_passes *p;
    const double *w;
} operand_work;

static void scale_class(void *context, size_t c) {
    const operand_work *work = context;
    const rhm_normal *n = &work->p->normal;
    const double scale = 1 / sqrt((double)n->data.width);
    for (size_t i = c * n->stride; i < (c + 1) * n->stride; i++)
        work->p->operand[i] = (float)(work->w[i] * scale);
}

static rhm_status apply(rhm_normal *normal, const double *w, double *out, rhm_error *error) {
    rhm_passes *p = (rhm_passes *)normal;
    rhm_normal_each_class(normal, scale_class, &(operand_work){p, w});
    RHM_TRY(rhm_operator_set_weights(&p->op, p->operand, error));
    return rhm_passes_run(p, RHM_FACTOR_OUTPUTS, out, error);
}

static double flops(const rhm_normal *normal) {
    return 2.0 * (double)normal->rows.count * (double)normal->data.width *
           rhm_passes_terms(passes_of(normal), RHM_FACTOR_OUTPUTS);
}

static double nbytes(const rhm_normal *normal) {
    const rhm_passes *p = passes_of(normal);
    return (double)p->cached.nbytes + (double)p->partial.nbytes + (double)p->runs.reserved_nbytes;
}

static void destroy(rhm_normal *normal) {
    rhm_passes *p = (rhm_passes *)normal;
    rhm_passes_unsort(p);
    rhm_buffer_destroy(&p->cached, normal->engine);
    rhm_buffer_destroy(&p->partial, normal->engine);
    rhm_scratch_destroy(&p->subtrees, normal->engine);
    rhm_scratch_destroy(&p->workspace, normal->engine);
    rhm_operator_clear(&p->op);
    rhm_free(p->operand);
    rhm_free(p->factors);
    rhm_free(p->sum);
    rhm_free(p);
}

static const rhm_normal_type type = {right_hand_side, NULL, apply, flops, nbytes, destroy};

/* Arrays of a pass, each near the threads whose rows use it. */
static rhm_status make_arrays(rhm_passes *p, rhm_error *error) {
    const rhm_normal *n = &p->normal;
    const size_t size = rhm_normal_size(n);
    if (rhm_engine_ranks(n->engine) && !(p->sum = RHM_NEW(double, size, 1, 1, "sum of a solver pass", error)))
        return RHM_NO_MEMORY;
    if (n->record.representation == RHM_CACHED && p->leaves > 0)
        RHM_TRY(rhm_passes_cache(p, error));
    const size_t floats = rhm_passes_space_rows(p) * n->stride + p->op.chunk * n->data.classes;
    RHM_TRY(rhm_scratch_create(&p->workspace, n->engine, sizeof(float) * floats, "solver workspace", error));
    p->operand = RHM_NEW(float, n->data.classes, n->stride, 1, "operand of a solver pass", error);
    return p->operand ? rhm_passes_split(p, error) : RHM_NO_MEMORY;
}

/* Sorting takes as long as it does: only where one single run, the fewest, would pay. */
static rhm_status represent(rhm_passes *p, rhm_pass_sizes *sizes, rhm_error *error) {
    rhm_normal *n = &p->normal;
    const bool has_phasors = p->op.operations->share != NULL;
    n->record = rhm_passes_plan(sizes, has_phasors);
    if (n->record.phasors)
        RHM_TRY(rhm_operator_share(&p->op, n->data.table, n->data.rows, n->rows.count, error));
    if (n->record.representation == RHM_FACTORED) {
        RHM_TRY(rhm_passes_sort(p, error));
        sizes->runs = p->runs.runs;
        n->record = rhm_passes_plan(sizes, has_phasors);
        if (n->record.representation == RHM_FACTORED)
            RHM_TRY(rhm_passes_sort_shares(p, error));
        else
            rhm_passes_unsort(p);
    }
    p->op.rotated = n->record.representation == RHM_FACTORED;
    p->kind = n->record.representation == RHM_FACTORED ? &rhm_pass_factored
              : n->record.representation == RHM_CACHED ? &rhm_pass_cached
                                                       : &rhm_pass_recomputed;
    return RHM_OK;
}

rhm_status rhm_normal_parts(size_t *begin, size_t *rows, const rhm_engine *engine, const rhm_phase_map *map,
                            size_t classes, size_t patches, rhm_error *error) {
    rhm_operator op;
    RHM_TRY(rhm_operator_init(&op, engine, RHM_WORK_PASS, map, classes, patches, error));
    const size_t chunks = (patches + op.chunk - 1) / op.chunk, ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    const size_t size = classes * rhm_feature_stride(map->padded), leaves = rhm_pass_leaves(chunks, size);
    size_t together;
    *rows = rhm_pass_rows(leaves, size, ranks, &together);
    for (size_t rank = 0; rank <= ranks; rank++) {
        const size_t row = rhm_spread_begin(engine, *rows, (int)rank), leaf = row < *rows ? row * together : leaves;
        const size_t first = leaves ? leaf * chunks / leaves * op.chunk : 0;
        begin[rank] = first < patches ? first : patches;
    }
    rhm_operator_clear(&op);
    return RHM_OK;
}

rhm_status rhm_passes_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data,
                             size_t cache_nbytes, rhm_error *error) {
    rhm_pass_sizes sizes = {
        .patches = data->patches->count,
        .rows = data->rows,
        .tokens = data->map->tokens,
        .embedding = data->map->embedding,
        .width = data->width,
        .classes = data->classes,
        .runs = 1,
        .cache_nbytes = cache_nbytes,
    };
    size_t feature_nbytes;
    *out = NULL;
    rhm_passes *p = RHM_NEW(rhm_passes, 1, 1, 1, "normal equations", error);
    if (!p)
        return RHM_NO_MEMORY;
    p->normal = (rhm_normal){
        .type = &type,
        .engine = engine,
        .data = *data,
        .stride = rhm_feature_stride(data->map->padded),
        .rows = {data->table, data->patches->tuples, data->patches->count},
    };
    rhm_status status = rhm_operator_init(
        &p->op, engine, rhm_features_fit(&sizes, &feature_nbytes) ? RHM_WORK_KEPT_PASS : RHM_WORK_PASS, data->map,
        data->classes, data->patches->count, error);
    if (status == RHM_OK) {
        const size_t size = rhm_normal_size(&p->normal), ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
        size_t together;
        p->leaves = rhm_pass_leaves(rhm_passes_chunks(p), size);
        const size_t rows = rhm_pass_rows(p->leaves, size, ranks, &together);
        rhm_passes_divide(p, rows, together);
        status = represent(p, &sizes, error);
    }
    if (status == RHM_OK)
        status = make_arrays(p, error);
    if (status == RHM_OK) {
        *out = &p->normal;
        return RHM_OK;
    }
    destroy(&p->normal);
    return status;
}
