#include "kernels/phasors.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"

enum {
    CHUNK_ROWS = 12,
    MOST_FLOATS = 1 << 24, /* 64 MiB: what lies in a last-level cache; from memory, phasors cost more than they save */
    COS_SIN = 14,          /* multiply-adds that a cosine and its sine cost */
    ROTATION = 5,          /* and a multiplication by a phasor, which is bound by loads */
};

bool rhm_phasors_fit(size_t tokens, size_t padded, size_t rows) {
    return tokens >= 2 && rhm_phasors_floats(tokens, padded, rows) <= MOST_FLOATS;
}

bool rhm_phasors_pay(size_t tokens, size_t embedding, size_t padded, size_t rows, size_t count) {
    if (!rhm_phasors_fit(tokens, padded, rows))
        return false;
    const double s = (double)tokens, d = (double)embedding, patches = (double)count;
    return patches * ROTATION * (s - 1) + s * (double)rows * (d + COS_SIN) < patches * (s * d + COS_SIN);
}

/* Measured (README.md): with 8 classes a pass gains from 8 patches a run on, with 16 from 20, with 64 not at all. */
bool rhm_rotation_pays(size_t classes, size_t count, size_t runs) {
    const double run =
        (double)count < RHM_ROTATED_PATCHES * (double)runs ? (double)count / (double)runs : RHM_ROTATED_PATCHES;
    return count > 0 && 2 * run > 3 * (double)classes;
}

typedef struct making {
    rhm_kernels kernels;
    const rhm_phase_map *map; /* of one position */
    const float *table;
    size_t rows;
    const uint32_t *ids; /* 0, 1, ... */
    float *out;
} making;

static rhm_status make_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const making *m = context;
    const size_t first = chunk * CHUNK_ROWS, left = m->rows - first;
    const rhm_patch_rows rows = {m->table, m->ids + first, left < CHUNK_ROWS ? left : CHUNK_ROWS};
    m->kernels.features(m->map, &rows, m->out + first * rhm_feature_stride(m->map->padded));
    return RHM_OK;
}

/* The frequencies that meet token t of a patch, as a map of patches of one token. */
static void frequencies_of(const rhm_phase_map *map, size_t t, float *half_turns) {
    const size_t group = map->embedding * RHM_LANES;
    for (size_t g = 0; g < map->padded / RHM_LANES; g++)
        memcpy(half_turns + g * group, map->half_turns + (g * map->tokens + t) * group, sizeof *half_turns * group);
}

rhm_status rhm_phasors_make(rhm_phasors *out, const rhm_engine *engine, const rhm_phase_map *map, const float *table,
                            size_t rows, rhm_error *error) {
    const size_t stride = rhm_feature_stride(map->padded), each = rows * stride;
    *out = (rhm_phasors){.rows = rows};
    RHM_TRY(rhm_buffer_create(&out->row, engine, (rhm_home){.kind = RHM_HOME_TOUCH}, sizeof(float), map->tokens, rows,
                              stride, "phasors", error));
    float *half_turns = RHM_NEW(float, map->padded, map->embedding, 1, "frequencies of a position", error);
    float *offset = RHM_NEW(float, map->padded, 1, 1, "phase offsets", error);
    uint32_t *ids = RHM_NEW(uint32_t, rows, 1, 1, "rows of a table", error);
    rhm_status status = half_turns && offset && ids ? RHM_OK : RHM_NO_MEMORY;
    for (size_t i = 0; i < rows && status == RHM_OK; i++)
        ids[i] = (uint32_t)i;
    for (size_t t = 0; t < map->tokens && status == RHM_OK; t++) {
        const rhm_phase_map position = {.tokens = 1,
                                        .embedding = map->embedding,
                                        .padded = map->padded,
                                        .half_turns = half_turns,
                                        .offset = t == 0 ? map->offset : offset};
        frequencies_of(map, t, half_turns);
        making work = {rhm_kernels_of(engine), &position, table, rows, ids, (float *)out->row.data + t * each};
        status = rhm_parallel(engine, (rows + CHUNK_ROWS - 1) / CHUNK_ROWS, make_chunk, &work, error);
    }
    rhm_free(ids);
    rhm_free(offset);
    rhm_free(half_turns);
    if (status == RHM_OK)
        status =
            rhm_replica_create(&out->near, engine, out->row.data, sizeof(float) * map->tokens * each, "phasors", error);
    if (status != RHM_OK)
        rhm_phasors_clear(out, engine);
    return status;
}

void rhm_phasors_clear(rhm_phasors *phasors, const rhm_engine *engine) {
    rhm_replica_destroy(&phasors->near, engine);
    rhm_buffer_destroy(&phasors->row, engine);
    *phasors = (rhm_phasors){0};
}
