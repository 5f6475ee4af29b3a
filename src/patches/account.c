/* Memory of a collection, in the account of the engine. */
#include "core/fail.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "patches/division.h"
#include "patches/draw.h"

static size_t taken_nbytes(const rhm_patches *patches) {
    size_t nbytes = sizeof *patches->count * patches->cell.capacity;
    for (uint32_t j = patches->level - 1; j <= patches->tree.levels; j++) {
        const rhm_intern *set = rhm_patches_tuples(patches, j);
        nbytes += sizeof *set->tuples * set->words * set->capacity + rhm_index_nbytes(&patches->index[j]);
    }
    nbytes += patches->division ? rhm_keys_nbytes(&patches->division->keys) : 0;
    return nbytes + (patches->drawing ? patches->drawing->nbytes : 0);
}

rhm_status rhm_patches_account(rhm_patches *patches, const rhm_engine *engine, rhm_error *error) {
    const size_t nbytes = taken_nbytes(patches);
    patches->engine = engine;
    if (nbytes > patches->reserved_nbytes)
        RHM_TRY(rhm_memory_reserve(engine, nbytes - patches->reserved_nbytes, "distinct patches", error));
    else
        rhm_memory_release(engine, patches->reserved_nbytes - nbytes);
    patches->reserved_nbytes = nbytes;
    return RHM_OK;
}
