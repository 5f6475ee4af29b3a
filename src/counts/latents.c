#include "counts/latents.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* The first `width` of every row. */
static void first_columns(uint16_t *out, size_t width, const uint16_t *rows, size_t stride, size_t count) {
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * width, rows + i * stride, sizeof *out * width);
}

/* Symbols of `level` of rows first.. of a data set; the tokens at level L, the labels at level 0. */
static const uint16_t *rows_of(const rhm_data *data, uint32_t level, uint64_t first) {
    const uint16_t *symbols = level == 0                   ? data->labels
                              : level == data->tree.levels ? data->tokens
                                                           : data->latents[level];
    return symbols + first * data->tree.nodes[level];
}

rhm_status rhm_latents_read_patches(const rhm_latents *latents, uint32_t level, size_t positions, uint64_t first,
                                    size_t count, uint16_t *symbols, uint16_t *parents, rhm_error *error) {
    const rhm_tree *tree = latents->tree;
    const size_t above = tree->nodes[level - 1], here = tree->nodes[level];
    const size_t width = positions * tree->branching[level];
    if (latents->data) {
        first_columns(symbols, width, rows_of(latents->data, level, first), here, count);
        first_columns(parents, positions, rows_of(latents->data, level - 1, first), above, count);
        return RHM_OK;
    }
    uint16_t *tokens = RHM_NEW(uint16_t, count, tree->leaves[0], 1, "sequences", error);
    uint16_t *labels = RHM_NEW(uint16_t, count, 1, 1, "labels", error);
    uint16_t *of_level = RHM_NEW(uint16_t, count, here, 1, "latents", error);
    uint16_t *of_above = RHM_NEW(uint16_t, count, above, 1, "latents", error);
    const bool ready = tokens && labels && of_level && of_above;
    if (ready) {
        uint16_t *wanted[RHM_MAX_LEVELS + 1] = {0};
        wanted[level] = level < tree->levels ? of_level : NULL;
        wanted[level - 1] = level > 1 ? of_above : NULL;
        rhm_sample_sequences(latents->sampler, latents->stream, first, count, tokens, labels, wanted);
        first_columns(symbols, width, level < tree->levels ? of_level : tokens, here, count);
        first_columns(parents, positions, level > 1 ? of_above : labels, above, count);
    }
    rhm_free(tokens);
    rhm_free(labels);
    rhm_free(of_level);
    rhm_free(of_above);
    return ready ? RHM_OK : RHM_NO_MEMORY;
}
