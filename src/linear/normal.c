#include "linear/normal.h"

#include <string.h>

#include "core/fail.h"
#include "engine/engine.h"

/* Ranks of a machine keep together what one process there would: each reads its part over the same bus. */
size_t rhm_normal_cache_nbytes(const rhm_engine *engine) {
    const uint64_t here = (uint64_t)engine->sharing.machine, machines = (uint64_t)rhm_ranks_size(engine->ranks) / here;
    const uint64_t most = RHM_CACHE_MOST_NBYTES, share = engine->memory_limit_nbytes / 4;
    return (size_t)((share && share < most / here ? share * here : most) * (machines > 1 ? machines : 1));
}

void rhm_normal_destroy(rhm_normal *normal) {
    if (normal)
        normal->type->destroy(normal);
}

rhm_status rhm_normal_right_hand_side(rhm_normal *normal, double *out, rhm_error *error) {
    return normal->type->right_hand_side(normal, out, error);
}

rhm_status rhm_normal_prepare(rhm_normal *normal, rhm_error *error) {
    return normal->type->prepare ? normal->type->prepare(normal, error) : RHM_OK;
}

rhm_status rhm_normal_apply(rhm_normal *normal, const double *w, double *out, rhm_error *error) {
    return normal->type->apply(normal, w, out, error);
}

static bool is_zero(const double *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (w[i] != 0)
            return false;
    return true;
}

/* All parts of a matrix with a row per class. */
static void each(const rhm_normal *normal, size_t parts, rhm_chunk_work *work, void *context) {
    enum { LITTLE = 1 << 15 }; /* numbers: moving them between caches would take longer than the work */
    if (rhm_normal_size(normal) > LITTLE) {
        rhm_parallel_whole(normal->engine, parts, work, context);
        return;
    }
    for (size_t part = 0; part < parts; part++)
        work(context, part);
}

void rhm_normal_each_class(const rhm_normal *normal, rhm_chunk_work *work, void *context) {
    each(normal, normal->data.classes, work, context);
}

enum { SQUARES = 128 };

typedef struct squaring {
    const double *v;
    size_t stride, classes, parts;
    double square[SQUARES];
} squaring;

static void square_part(void *context, size_t part) {
    squaring *s = context;
    double sum = 0;
    for (size_t c = part * s->classes / s->parts; c < (part + 1) * s->classes / s->parts; c++) {
        double of_class = 0;
        for (size_t i = c * s->stride; i < (c + 1) * s->stride; i++)
            of_class += s->v[i] * s->v[i];
        sum += of_class;
    }
    s->square[part] = sum;
}

double rhm_normal_square(const rhm_normal *normal, const double *v) {
    const size_t classes = normal->data.classes;
    squaring s = {.v = v, .stride = normal->stride, .classes = classes, .parts = classes < SQUARES ? classes : SQUARES};
    double sum = 0;
    each(normal, s.parts, square_part, &s);
    for (size_t part = 0; part < s.parts; part++)
        sum += s.square[part];
    return sum;
}

typedef struct subtraction {
    const rhm_normal *normal;
    double lambda;
    const double *target, *w;
    double *residual; /* holds C w before */
} subtraction;

static void subtract_class(void *context, size_t c) {
    const subtraction *s = context;
    const size_t stride = s->normal->stride;
    for (size_t i = c * stride; i < (c + 1) * stride; i++)
        s->residual[i] = s->target[i] - s->residual[i] - s->lambda * s->w[i];
}

rhm_status rhm_normal_residual(rhm_normal *normal, double lambda, const double *target, const double *w,
                               double *residual, rhm_error *error) {
    const size_t size = rhm_normal_size(normal);
    if (is_zero(w, size)) {
        memcpy(residual, target, sizeof *target * size);
        return RHM_OK;
    }
    RHM_TRY(rhm_normal_apply(normal, w, residual, error));
    rhm_normal_each_class(normal, subtract_class, &(subtraction){normal, lambda, target, w, residual});
    return RHM_OK;
}

void rhm_normal_features(const rhm_normal *normal, size_t place, float *x) {
    const rhm_linear_data *data = &normal->data;
    const rhm_patch_rows one = {data->table, normal->rows.ids + place * data->map->tokens, 1};
    rhm_kernels_of(normal->engine).features(data->map, &one, x);
}
