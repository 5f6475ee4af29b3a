/* Ids as one-hot rows, and posteriors at level 1. */
#include <string.h>

#include "core/memory.h"
#include "engine/parallel.h"
#include "model/table.h"

uint32_t rhm_table_embedding(const rhm_model *model, uint32_t level) {
    return rhm_table_of(model)->level[level].outputs;
}

typedef struct embedding {
    const struct rhm_table *table;
    rhm_id_ops ops;
    uint32_t level;
    const uint16_t *tokens;
    size_t count, chunk;
    float *out;
} embedding;

static rhm_status embed_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    const embedding *e = context;
    const rhm_tree *tree = &e->table->model.tree;
    const size_t from = chunk * e->chunk, count = e->count - from < e->chunk ? e->count - from : e->chunk;
    const size_t nodes = tree->nodes[e->level - 1], width = rhm_table_embedding(&e->table->model, e->level);
    uint16_t *ids = RHM_NEW(uint16_t, count, tree->leaves[0], 1, "sequences of a thread", error);
    if (!ids)
        return RHM_NO_MEMORY;
    memcpy(ids, e->tokens + from * tree->leaves[0], sizeof *ids * count * tree->leaves[0]);
    rhm_table_rise(e->table, &e->ops, tree->levels, e->level > 1 ? e->level - 1 : 1, count, ids);
    for (size_t i = 0; i < count * nodes; i++) {
        float *row = e->out + (from * nodes + i) * width;
        if (e->level == 1) {
            memcpy(row, e->table->posterior + rhm_table_row(e->table, ids + i * tree->nodes[1]) * width,
                   sizeof *row * width);
        } else {
            memset(row, 0, sizeof *row * width);
            row[ids[i]] = 1;
        }
    }
    rhm_free(ids);
    return RHM_OK;
}

rhm_status rhm_table_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                           size_t count, float *out, rhm_error *error) {
    embedding e = {.table = rhm_table_of(model),
                   .ops = rhm_id_ops_of(engine),
                   .level = level,
                   .tokens = tokens,
                   .count = count,
                   .chunk = rhm_table_chunk(model->tree.leaves[0]),
                   .out = out};
    return rhm_parallel(engine, (count + e.chunk - 1) / e.chunk, embed_chunk, &e, error);
}
