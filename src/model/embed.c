/* Outputs of a level for all its patches, each distinct one computed once. */
#include "model/random_features.h"

#include "core/fail.h"
#include "core/memory.h"
#include "model/forward.h"
#include "rhm/data.h"

enum {
    BLOCK_TOKENS = 1 << 22, /* tokens whose patches are evaluated together */
    CHUNK = 64,             /* sequences whose rows one thread copies at a time */
};

uint32_t rhm_random_features_embedding(const rhm_model *model, uint32_t level) {
    return rhm_layer_outputs(&rhm_model_layers(model)[level]);
}

/* From the table of distinct patches to the rows of the caller, which are not centred. */
typedef struct spread {
    const rhm_embeddings *table;
    const uint32_t *ids; /* (count, nodes) */
    size_t count, nodes;
    float centre;
    float *out;
} spread;

static rhm_status spread_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const spread *s = context;
    const size_t width = s->table->width, end = (chunk + 1) * CHUNK < s->count ? (chunk + 1) * CHUNK : s->count;
    for (size_t i = chunk * CHUNK * s->nodes; i < end * s->nodes; i++) {
        const float *row = s->table->row + s->ids[i] * width;
        for (size_t c = 0; c < width; c++)
            s->out[i * width + c] = row[c] + s->centre;
    }
    return RHM_OK;
}

static rhm_status embed_block(const rhm_model *model, const rhm_engine *engine, const rhm_ready_layer *ready,
                              uint32_t level, const rhm_data_source *source, size_t count, uint32_t *ids, float *out,
                              rhm_error *error) {
    const rhm_tree *tree = &model->tree;
    rhm_patches patches;
    rhm_embeddings table[RHM_MAX_LEVELS + 2] = {0};
    RHM_TRY(rhm_patches_init(&patches, level, tree, 1, error));
    patches.positions = (uint32_t)tree->nodes[level - 1];
    rhm_status status = rhm_embeddings_one_hot(&table[tree->levels + 1], model->token_vocab, error);
    if (status == RHM_OK)
        status = rhm_patches_add(&patches, engine, NULL, rhm_draw_from_data, source, 0, count, ids, error);
    if (status == RHM_OK)
        status = rhm_embed_subtrees(table, engine, ready, &patches, NULL, error);
    if (status == RHM_OK)
        status =
            rhm_embed(&table[level], engine, &ready[level], &patches.subtree[level], &table[level + 1], NULL, error);
    if (status == RHM_OK) {
        spread s = {.table = &table[level],
                    .ids = ids,
                    .count = count,
                    .nodes = tree->nodes[level - 1],
                    .centre = (float)(1.0 / (double)model->classes),
                    .out = out};
        status = rhm_parallel(engine, (count + CHUNK - 1) / CHUNK, spread_chunk, &s, error);
    }
    for (size_t j = 0; j < sizeof table / sizeof *table; j++)
        rhm_embeddings_clear(&table[j]);
    rhm_patches_destroy(&patches);
    return status;
}

rhm_status rhm_random_features_embed(const rhm_model *model, const rhm_engine *engine, uint32_t level,
                                     const uint16_t *tokens, size_t count, float *out, rhm_error *error) {
    const rhm_tree *tree = &model->tree;
    const size_t nodes = tree->nodes[level - 1], width = rhm_random_features_embedding(model, level);
    const size_t block = tree->leaves[0] < BLOCK_TOKENS ? BLOCK_TOKENS / tree->leaves[0] : 1;
    const rhm_data data = {
        .count = count,
        .tree = *tree,
        .token_vocab = model->token_vocab,
        .label_vocab = 1,
        .tokens = (uint16_t *)(uintptr_t)tokens, /* only read */
    };
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1];
    uint32_t *ids = RHM_NEW(uint32_t, block < count ? block : count, nodes, 1, "patches of sequences", error);
    if (!ids)
        return RHM_NO_MEMORY;
    rhm_status status = rhm_ready_model(ready, model, error);
    for (size_t done = 0; status == RHM_OK && done < count; done += block) {
        const rhm_data_source source = {&data, done};
        rhm_engine_progress(engine, "embedding", done, count);
        status = embed_block(model, engine, ready, level, &source, count - done < block ? count - done : block, ids,
                             out + done * nodes * width, error);
    }
    rhm_ready_model_clear(ready);
    rhm_free(ids);
    return status;
}
