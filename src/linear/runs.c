#include "linear/runs.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* Stable, by one token of each patch. first (rows + 1) is overwritten. */
static void sort_by(const rhm_intern *patches, size_t t, size_t rows, const uint32_t *from, uint32_t *to,
                    size_t *first) {
    memset(first, 0, sizeof *first * (rows + 1));
    for (size_t i = 0; i < patches->count; i++)
        first[rhm_intern_tuple(patches, i)[t] + 1]++;
    for (size_t r = 0; r < rows; r++)
        first[r + 1] += first[r];
    for (size_t i = 0; i < patches->count; i++)
        to[first[rhm_intern_tuple(patches, from[i])[t]]++] = from[i];
}

rhm_status rhm_runs_make(rhm_runs *out, const rhm_engine *engine, const rhm_intern *patches, size_t rows,
                         rhm_error *error) {
    const size_t count = patches->count, words = patches->words, each = sizeof(uint32_t) * count;
    *out = (rhm_runs){0};
    /* Tuples of so many words are in memory already: twice a word more of each cannot overflow. */
    RHM_TRY(rhm_memory_reserve(engine, each * (words + 2), "order of patches", error));
    out->engine = engine;
    out->reserved_nbytes = each * (words + 2);
    size_t *first = RHM_NEW(size_t, rows + 1, 1, 1, "patches by their tokens", error);
    uint32_t *other = RHM_NEW(uint32_t, count, 1, 1, "order of patches", error);
    out->order = RHM_NEW(uint32_t, count, 1, 1, "order of patches", error);
    out->ids = RHM_NEW(uint32_t, count, words, 1, "patches in order", error);
    if (!first || !other || !out->order || !out->ids) {
        rhm_free(first);
        rhm_free(other);
        rhm_runs_clear(out);
        return RHM_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++)
        out->order[i] = (uint32_t)i;
    for (size_t t = words; t-- > 0;) {
        uint32_t *sorted = other;
        sort_by(patches, t, rows, out->order, sorted, first);
        other = out->order;
        out->order = sorted;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t *ids = out->ids + i * words;
        memcpy(ids, rhm_intern_tuple(patches, out->order[i]), sizeof *ids * words);
        out->runs += i == 0 || memcmp(ids, ids - words, sizeof *ids * (words - 1)) != 0;
    }
    rhm_free(first);
    rhm_free(other);
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
