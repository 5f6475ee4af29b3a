#include "linear/runs.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "engine/sort.h"

enum { CHUNK = 1 << 12 };

typedef struct making {
    rhm_runs *out;
    const rhm_intern *patches;
    size_t token;
    size_t *runs; /* (chunks): that begin there */
} making;

static size_t end_of(const making *m, size_t chunk) {
    return m->patches->count - chunk * CHUNK < CHUNK ? m->patches->count : (chunk + 1) * CHUNK;
}

static rhm_status number_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const making *m = context;
    for (size_t i = chunk * CHUNK; i < end_of(m, chunk); i++)
        m->out->order[i] = (uint32_t)i;
    return RHM_OK;
}

static uint32_t token_of(const void *context, uint32_t patch) {
    const making *m = context;
    return rhm_intern_tuple(m->patches, patch)[m->token];
}

static rhm_status copy_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const making *m = context;
    const size_t words = m->patches->words;
    for (size_t i = chunk * CHUNK; i < end_of(m, chunk); i++) {
        const uint32_t *tuple = rhm_intern_tuple(m->patches, m->out->order[i]);
        memcpy(m->out->ids + i * words, tuple, sizeof *tuple * words);
        m->runs[chunk] += i == 0 || memcmp(tuple, rhm_intern_tuple(m->patches, m->out->order[i - 1]),
                                           sizeof *tuple * (words - 1)) != 0;
    }
    return RHM_OK;
}

/* By the last token first: sorting is stable. */
static rhm_status put_in_order(making *m, const rhm_engine *engine, uint32_t **spare, size_t rows, rhm_error *error) {
    const size_t chunks = (m->patches->count + CHUNK - 1) / CHUNK;
    RHM_TRY(rhm_parallel(engine, chunks, number_chunk, m, error));
    for (m->token = m->patches->words; m->token-- > 0;)
        RHM_TRY(rhm_sort(engine, &m->out->order, spare, m->patches->count, token_of, m, rows, error));
    RHM_TRY(rhm_parallel(engine, chunks, copy_chunk, m, error));
    for (size_t c = 0; c < chunks; c++)
        m->out->runs += m->runs[c];
    return RHM_OK;
}

rhm_status rhm_runs_make(rhm_runs *out, const rhm_engine *engine, const rhm_intern *patches, size_t rows,
                         rhm_error *error) {
    const size_t count = patches->count, words = patches->words, each = sizeof(uint32_t) * count;
    *out = (rhm_runs){0};
    /* Tuples of so many words are in memory already: twice a word more of each cannot overflow. */
    RHM_TRY(rhm_memory_reserve(engine, each * (words + 2), "order of patches", error));
    out->engine = engine;
    out->reserved_nbytes = each * (words + 2);
    making m = {.out = out, .patches = patches};
    uint32_t *spare = RHM_NEW(uint32_t, count, 1, 1, "order of patches", error);
    rhm_status status = RHM_NO_MEMORY;
    if (spare && (out->order = RHM_NEW(uint32_t, count, 1, 1, "order of patches", error)) &&
        (out->ids = RHM_NEW(uint32_t, count, words, 1, "patches in order", error)) &&
        (m.runs = RHM_NEW(size_t, count / CHUNK + 1, 1, 1, "runs of patches", error)))
        status = put_in_order(&m, engine, &spare, rows, error);
    rhm_free(spare);
    rhm_free(m.runs);
    if (status != RHM_OK) {
        rhm_runs_clear(out);
        return status;
    }
    rhm_memory_release(engine, each);
    out->reserved_nbytes -= each;
    return RHM_OK;
}

void rhm_runs_clear(rhm_runs *runs) {
    rhm_free(runs->order);
    rhm_free(runs->ids);
    if (runs->engine)
        rhm_memory_release(runs->engine, runs->reserved_nbytes);
    *runs = (rhm_runs){0};
}
