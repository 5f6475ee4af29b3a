/* Data sets on their way to a file, in any number of steps. */
#include <stdio.h>

#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "hierarchy/grammar_file.h"
#include "hierarchy/tree_file.h"
#include "rhm/data.h"
#include "rhm/sampling.h"

struct rhm_data_writer {
    rhm_h5 *file;
    uint64_t total, written;
    bool with_latents;
    rhm_tree tree;
};

static const char tokens_object[] = "/data/tokens";
static const char labels_object[] = "/data/labels";

static const char *latents_object(char text[32], uint32_t level) {
    snprintf(text, 32, "/data/latents_%u", level);
    return text;
}

/* Bytes where they suffice: most vocabularies are small, and most of the file is tokens. */
static rhm_h5_type smallest_type(uint32_t vocab) {
    return vocab <= 256 ? RHM_H5_U8 : RHM_H5_U16;
}

static rhm_status write_attributes(rhm_h5 *file, const rhm_grammar *grammar, uint64_t seed, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t *token_vocab = &shape->vocab[shape->levels], version = RHM_STREAM_VERSION;
    RHM_TRY(rhm_tree_write_branching(file, "/data", rhm_grammar_tree(grammar), error));
    RHM_TRY(rhm_h5_write_attribute(file, "/data", "levels", RHM_H5_U32, 0, &shape->levels, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/data", "token_vocab", RHM_H5_U32, 0, token_vocab, error));
    RHM_TRY(rhm_h5_write_attribute(file, "/data", "label_vocab", RHM_H5_U32, 0, &shape->vocab[0], error));
    RHM_TRY(rhm_h5_write_attribute(file, "/data", "stream_version", RHM_H5_U32, 0, &version, error));
    return rhm_h5_write_attribute(file, "/data", "seed", RHM_H5_U64, 0, &seed, error);
}

static rhm_status reserve(const rhm_data_writer *writer, const rhm_shape *shape, rhm_error *error) {
    char object[32];
    for (uint32_t level = 1; level <= shape->levels; level++) {
        const rhm_h5_shape array = rhm_h5_shape2(writer->total, writer->tree.nodes[level]);
        const bool visible = level == shape->levels;
        if (visible || writer->with_latents)
            RHM_TRY(rhm_h5_reserve(writer->file, visible ? tokens_object : latents_object(object, level),
                                   smallest_type(shape->vocab[level]), &array, error));
    }
    const rhm_h5_shape labels = rhm_h5_shape1(writer->total);
    return rhm_h5_reserve(writer->file, labels_object, smallest_type(shape->vocab[0]), &labels, error);
}

static rhm_status start(rhm_data_writer *writer, const char *path, const rhm_grammar *grammar, uint64_t seed,
                        rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    size_t nbytes = sizeof(uint16_t);
    writer->tree = *rhm_grammar_tree(grammar);
    const size_t tokens = writer->tree.nodes[shape->levels];
    if (writer->total == 0)
        return rhm_fail(error, RHM_INVALID, "%s: 0 samples were asked for; at least 1 is needed", path);
    if (!rhm_size_mul(&nbytes, writer->total) || !rhm_size_mul(&nbytes, tokens) || nbytes > PTRDIFF_MAX)
        return rhm_fail(error, RHM_INVALID, "%s: %llu samples of %zu tokens exceed the size of a file", path,
                        (unsigned long long)writer->total, tokens);
    RHM_TRY(rhm_h5_create(&writer->file, path, "data", error));
    RHM_TRY(rhm_grammar_write_group(writer->file, grammar, error));
    RHM_TRY(rhm_h5_write_group(writer->file, "/data", error));
    RHM_TRY(write_attributes(writer->file, grammar, seed, error));
    return reserve(writer, shape, error);
}

rhm_status rhm_data_writer_open(rhm_data_writer **out, const char *path, const rhm_grammar *grammar, uint64_t seed,
                                size_t total_count, int with_latents, rhm_error *error) {
    *out = NULL;
    rhm_data_writer *writer = RHM_NEW(rhm_data_writer, 1, 1, 1, "writer of a data set", error);
    if (!writer)
        return RHM_NO_MEMORY;
    writer->total = total_count;
    writer->with_latents = with_latents;
    const rhm_status status = start(writer, path, grammar, seed, error);
    if (status != RHM_OK) {
        rhm_data_writer_abandon(&writer);
        return status;
    }
    *out = writer;
    return RHM_OK;
}

static rhm_status write_rows(rhm_data_writer *writer, const char *object, uint64_t columns, size_t count,
                             const uint16_t *values, rhm_error *error) {
    const rhm_h5_shape shape = columns ? rhm_h5_shape2(writer->total, columns) : rhm_h5_shape1(writer->total);
    return rhm_h5_write_rows(writer->file, object, RHM_H5_U16, &shape, writer->written, count, values, error);
}

rhm_status rhm_data_writer_append(rhm_data_writer *writer, size_t count, const uint16_t *tokens, const uint16_t *labels,
                                  uint16_t *const *latents, rhm_error *error) {
    if (count > writer->total - writer->written)
        return rhm_fail(error, RHM_INVALID, "%zu more sequences do not fit: %llu of %llu are written", count,
                        (unsigned long long)writer->written, (unsigned long long)writer->total);
    if (count == 0)
        return RHM_OK;
    RHM_TRY(write_rows(writer, tokens_object, writer->tree.nodes[writer->tree.levels], count, tokens, error));
    RHM_TRY(write_rows(writer, labels_object, 0, count, labels, error));
    for (uint32_t level = 1; writer->with_latents && level < writer->tree.levels; level++) {
        char object[32];
        if (!latents || !latents[level])
            return rhm_fail(error, RHM_INVALID, "the latent symbols of level %u are missing from %zu sequences", level,
                            count);
        RHM_TRY(
            write_rows(writer, latents_object(object, level), writer->tree.nodes[level], count, latents[level], error));
    }
    writer->written += count;
    return RHM_OK;
}

rhm_status rhm_data_writer_commit(rhm_data_writer **handle, rhm_error *error) {
    rhm_data_writer *writer = *handle;
    rhm_status status;
    if (writer->written != writer->total)
        status = rhm_fail(error, RHM_INVALID, "%llu of %llu sequences were written to the data set",
                          (unsigned long long)writer->written, (unsigned long long)writer->total);
    else
        status = rhm_h5_commit(&writer->file, error);
    rhm_data_writer_abandon(handle);
    return status;
}

void rhm_data_writer_abandon(rhm_data_writer **handle) {
    rhm_data_writer *writer = *handle;
    if (!writer)
        return;
    rhm_h5_close(&writer->file);
    rhm_free(writer);
    *handle = NULL;
}
