#include "patches/merge.h"

#include "core/fail.h"
#include "core/memory.h"
#include "patches/whole.h"

enum { FLUSH_CELLS = 1 << 12 }; /* of the threads' own counts, added up in one go */

rhm_status rhm_merge_init(rhm_merge *merge, rhm_patches *patches, const rhm_engine *engine, size_t chunks,
                          rhm_error *error) {
    *merge = (rhm_merge){.patches = patches, .engine = engine};
    if (!(merge->dealt = RHM_NEW(size_t, chunks, RHM_INDEX_PARTS + 1, 1, "parts of chunks", error)) ||
        !(merge->of_chunk = RHM_NEW(rhm_merge_share, chunks, 1, 1, "parts of chunks", error)) ||
        !(merge->done = RHM_NEW(bool, chunks + RHM_INDEX_PARTS, 1, 1, "parts of chunks", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

void rhm_merge_destroy(rhm_merge *merge) {
    rhm_free(merge->listed);
    rhm_free(merge->newcomer);
    rhm_free(merge->dealt);
    rhm_free(merge->of_chunk);
    rhm_free(merge->done);
}

/* Patches that reading has not counted, and the caller's ids. */
static rhm_status count_rest(void *context, size_t c, int thread, rhm_error *error) {
    (void)error;
    rhm_merge *m = context;
    rhm_patches *patches = m->patches;
    rhm_patch_chunk *chunk = &m->chunk[c];
    uint32_t *own = m->scratch[thread].own;
    for (size_t i = 0; chunk->ids && i < chunk->patches; i++)
        chunk->ids[i] = rhm_fresh_number(&chunk->fresh[patches->level], m->known[patches->level], chunk->ids[i]);
    for (size_t i = 0; i < chunk->uncounted_count; i++) {
        const uint32_t cell =
            rhm_fresh_number(&chunk->fresh[patches->level - 1], m->known[patches->level - 1], chunk->uncounted[i]);
        if (own && cell < RHM_OWN_CELLS)
            own[cell]++;
        else
            __atomic_fetch_add(&patches->count[cell], 1, __ATOMIC_RELAXED);
    }
    return RHM_OK;
}

static size_t own_cells(const rhm_patches *patches) {
    return patches->cell.count < RHM_OWN_CELLS ? patches->cell.count : RHM_OWN_CELLS;
}

static rhm_status flush_own(void *context, size_t block, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    rhm_merge *m = context;
    const size_t begin = block * FLUSH_CELLS, most = own_cells(m->patches);
    const size_t end = begin + FLUSH_CELLS < most ? begin + FLUSH_CELLS : most;
    for (int t = 0; t < rhm_engine_threads(m->engine); t++) {
        uint32_t *own = m->scratch[t].own;
        for (size_t cell = begin; own && cell < end; cell++) {
            m->patches->count[cell] += own[cell];
            own[cell] = 0;
        }
    }
    return RHM_OK;
}

/* Blind reading lists every tuple; looking lists each once a chunk, if the collection lacks it. */
static void choose_reading(rhm_patches *patches, uint32_t level, size_t units, size_t listed, size_t new) {
    if (patches->blind[level])
        patches->blind[level] = new >= units / 2;
    else
        patches->blind[level] = listed > units / 4 * 3;
}

rhm_status rhm_merge_round(rhm_merge *m, size_t chunks, size_t *listed, rhm_error *error) {
    rhm_patches *patches = m->patches;
    size_t first = 0, uncounted = 0; /* patches of the level */
    m->chunks = chunks;
    *listed = 0;
    for (size_t c = 0; c < chunks; c++) {
        first += m->chunk[c].patches;
        uncounted += m->chunk[c].uncounted_count + (m->chunk[c].ids ? m->chunk[c].patches : 0);
    }
    for (uint32_t j = patches->tree.levels + 1; j-- >= patches->level;) {
        const bool cells = j < patches->level;
        const size_t units = cells ? first : first * rhm_tree_below(&patches->tree, patches->level - 1, j - 1);
        m->level = j;
        m->known[j] = rhm_patches_tuples(patches, j)->count;
        RHM_TRY(rhm_merge_level(m, error));
        choose_reading(patches, j, units, m->listed_count, rhm_patches_tuples(patches, j)->count - m->known[j]);
        *listed += m->listed_count;
    }
    RHM_TRY(rhm_merge_run(m, chunks, uncounted < RHM_MERGE_FEW, count_rest, error));
    const size_t blocks = (own_cells(patches) + FLUSH_CELLS - 1) / FLUSH_CELLS;
    RHM_TRY(rhm_merge_run(m, blocks, blocks < 2, flush_own, error));
    patches->samples += first / patches->positions;
    return RHM_OK;
}
