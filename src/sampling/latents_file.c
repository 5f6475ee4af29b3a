#include "sampling/latents_file.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"

static rhm_status read_level(rhm_data *data, const rhm_h5 *file, const char *group, uint32_t level, rhm_error *error) {
    char object[64];
    rhm_h5_shape shape;
    snprintf(object, sizeof object, "%s/latents_%u", group[1] ? group : "", level);
    if (!rhm_h5_has(file, object))
        return rhm_h5_refuse(file, object, error,
                             "is missing: this learner is shown the hidden symbols of all levels (rhm sample --latents "
                             "writes them)");
    RHM_TRY(rhm_h5_read_shape(file, object, RHM_H5_INTEGERS, &shape, error));
    const size_t nodes = data->tree.nodes[level];
    if (shape.rank != 2 || shape.extent[0] != data->count || shape.extent[1] != nodes)
        return rhm_h5_refuse(file, object, error,
                             "has %u dimensions, the last %" PRIu64 ": wanted are %zu x %zu symbols", shape.rank,
                             shape.rank ? shape.extent[shape.rank - 1] : 0, data->count, nodes);
    const uint32_t known = data->grammar ? rhm_grammar_shape(data->grammar)->vocab[level] : 0;
    uint16_t *symbols = data->latents[level] = RHM_NEW(uint16_t, data->count, nodes, 1, "latent symbols", error);
    if (!symbols)
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_h5_read_symbols(file, object, &shape, known ? known : RHM_MAX_VOCAB, RHM_H5_U16, symbols, error));
    data->latent_vocab[level] = known;
    for (size_t i = 0; !known && i < data->count * nodes; i++)
        data->latent_vocab[level] =
            symbols[i] >= data->latent_vocab[level] ? symbols[i] + 1u : data->latent_vocab[level];
    return RHM_OK;
}

rhm_status rhm_latents_read(rhm_data *data, const rhm_h5 *file, const char *group, rhm_error *error) {
    for (uint32_t level = 1; level < data->tree.levels; level++)
        RHM_TRY(read_level(data, file, group, level, error));
    return RHM_OK;
}
