#include "sampling/source.h"

#include <string.h>

#include "sampling/sampler.h"

void rhm_draw_from_grammar(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                           uint16_t *labels) {
    const rhm_grammar_source *source = context;
    rhm_sample_first_patches(source->sampler, source->stream, level, first, count, leaves, labels, NULL);
}

void rhm_draw_from_data(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                        uint16_t *labels) {
    const rhm_data_source *source = context;
    const rhm_data *data = source->data;
    const size_t tokens = data->tree.leaves[0], width = data->tree.leaves[level - 1];
    const size_t row = (size_t)(source->first + first);
    for (size_t i = 0; i < count; i++)
        memcpy(leaves + i * width, data->tokens + (row + i) * tokens, sizeof *leaves * width);
    if (data->labels)
        memcpy(labels, data->labels + row, sizeof *labels * count);
    else
        memset(labels, 0, sizeof *labels * count);
}

static void pieces_from_grammar(const void *context, uint32_t level, size_t node, uint64_t first, size_t count,
                                uint16_t *tokens) {
    const rhm_grammar_source *source = context;
    const rhm_part part = {source->stream, first, count, level, node};
    rhm_sample_tokens(source->sampler, &part, tokens);
}

static void pieces_from_data(const void *context, uint32_t level, size_t node, uint64_t first, size_t count,
                             uint16_t *tokens) {
    const rhm_data_source *source = context;
    const rhm_data *data = source->data;
    const size_t width = data->tree.leaves[level], row = (size_t)(source->first + first);
    for (size_t i = 0; i < count; i++)
        memcpy(tokens + i * width, data->tokens + (row + i) * data->tree.leaves[0] + node * width,
               sizeof *tokens * width);
}

rhm_piece_source *rhm_pieces_of(rhm_patch_source *source) {
    return source == rhm_draw_from_grammar ? pieces_from_grammar
           : source == rhm_draw_from_data  ? pieces_from_data
                                           : NULL;
}
