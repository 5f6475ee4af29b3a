/* Beliefs of an oracle on their way to a file, in any number of steps. */
#include <stdio.h>

#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "hierarchy/grammar_file.h"
#include "rhm/oracle.h"
#include "rhm/sampling.h"

struct rhm_beliefs_writer {
    rhm_h5 *file;
    uint64_t total, written;
    rhm_beliefs_contents contents;
    rhm_tree tree;
    uint32_t vocab[RHM_MAX_LEVELS + 1];
};

static const char group[] = "/oracle";

static const char *marginals_object(char text[32], uint32_t level) {
    snprintf(text, 32, "/oracle/marginals_%u", level);
    return text;
}

static rhm_status reserve(const rhm_beliefs_writer *w, rhm_error *error) {
    const rhm_h5_shape each = rhm_h5_shape1(w->total), posteriors = rhm_h5_shape2(w->total, w->vocab[0]);
    const rhm_h5_shape tokens = rhm_h5_shape2(w->total, w->tree.leaves[0]);
    RHM_TRY(rhm_h5_reserve(w->file, "/oracle/labels", RHM_H5_U16, &each, error));
    RHM_TRY(rhm_h5_reserve(w->file, "/oracle/posteriors", RHM_H5_F32, &posteriors, error));
    RHM_TRY(rhm_h5_reserve(w->file, "/oracle/log_likelihood", RHM_H5_F64, &each, error));
    if (w->contents.sequences) {
        RHM_TRY(rhm_h5_reserve(w->file, "/oracle/tokens", RHM_H5_U16, &tokens, error));
        RHM_TRY(rhm_h5_reserve(w->file, "/oracle/recorded", RHM_H5_U16, &each, error));
    }
    if (w->contents.masked)
        RHM_TRY(rhm_h5_reserve(w->file, "/oracle/mask", RHM_H5_U8, &tokens, error));
    for (uint32_t level = 0; w->contents.marginals && level <= w->tree.levels; level++) {
        char object[32];
        const rhm_h5_shape shape = rhm_h5_shape3(w->total, w->tree.nodes[level], w->vocab[level]);
        RHM_TRY(rhm_h5_reserve(w->file, marginals_object(object, level), RHM_H5_F32, &shape, error));
    }
    return RHM_OK;
}

rhm_status rhm_beliefs_writer_open(rhm_beliefs_writer **out, const char *path, const rhm_grammar *grammar,
                                   uint64_t total, rhm_beliefs_contents contents, rhm_error *error) {
    *out = NULL;
    rhm_beliefs_writer *w = RHM_NEW(rhm_beliefs_writer, 1, 1, 1, "writer of beliefs", error);
    if (!w)
        return RHM_NO_MEMORY;
    w->total = total;
    w->contents = contents;
    w->tree = *rhm_grammar_tree(grammar);
    for (uint32_t level = 0; level <= w->tree.levels; level++)
        w->vocab[level] = rhm_grammar_shape(grammar)->vocab[level];
    const uint32_t version = RHM_STREAM_VERSION;
    rhm_status status = rhm_h5_create(&w->file, path, "oracle", error);
    if (status == RHM_OK)
        status = rhm_grammar_write_group(w->file, grammar, error);
    if (status == RHM_OK)
        status = rhm_h5_write_group(w->file, group, error);
    if (status == RHM_OK && w->contents.sequences)
        status = rhm_h5_write_attribute(w->file, group, "stream_version", RHM_H5_U32, 0, &version, error);
    if (status == RHM_OK)
        status = reserve(w, error);
    if (status != RHM_OK) {
        rhm_beliefs_writer_abandon(&w);
        return status;
    }
    *out = w;
    return RHM_OK;
}

static rhm_status write_rows(const rhm_beliefs_writer *w, const char *object, rhm_h5_type type, size_t columns,
                             size_t count, const void *values, rhm_error *error) {
    const rhm_h5_shape shape = columns ? rhm_h5_shape2(w->total, columns) : rhm_h5_shape1(w->total);
    return rhm_h5_write_rows(w->file, object, type, &shape, w->written, count, values, error);
}

/* Probabilities (count, nodes, symbols) in single precision; nodes 0: (count, symbols). */
static rhm_status write_narrow(const rhm_beliefs_writer *w, const char *object, size_t nodes, size_t symbols,
                               size_t count, const double *values, rhm_error *error) {
    const size_t each = (nodes ? nodes : 1) * symbols;
    const rhm_h5_shape shape = nodes ? rhm_h5_shape3(w->total, nodes, symbols) : rhm_h5_shape2(w->total, symbols);
    float *narrow = RHM_NEW(float, count, each, 1, "probabilities on their way to a file", error);
    if (!narrow)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < count * each; i++)
        narrow[i] = (float)values[i];
    const rhm_status status = rhm_h5_write_rows(w->file, object, RHM_H5_F32, &shape, w->written, count, narrow, error);
    rhm_free(narrow);
    return status;
}

/* The most probable label, the smallest among equals. */
static rhm_status write_labels(const rhm_beliefs_writer *w, size_t count, const double *posteriors, rhm_error *error) {
    const size_t classes = w->vocab[0];
    uint16_t *labels = RHM_NEW(uint16_t, count, 1, 1, "labels", error);
    if (!labels)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 1; c < classes; c++)
            labels[i] = posteriors[i * classes + c] > posteriors[i * classes + labels[i]] ? (uint16_t)c : labels[i];
    const rhm_status status = write_rows(w, "/oracle/labels", RHM_H5_U16, 0, count, labels, error);
    rhm_free(labels);
    return status;
}

rhm_status rhm_beliefs_writer_append(rhm_beliefs_writer *w, size_t count, const rhm_beliefs *beliefs,
                                     const uint16_t *tokens, const uint16_t *labels, const uint8_t *masked,
                                     rhm_error *error) {
    const size_t length = w->tree.leaves[0];
    if (count > w->total - w->written)
        return rhm_fail(error, RHM_INVALID, "beliefs of %zu more sequences do not fit: %llu of %llu are written", count,
                        (unsigned long long)w->written, (unsigned long long)w->total);
    if (count == 0)
        return RHM_OK;
    RHM_TRY(write_labels(w, count, beliefs->posteriors, error));
    RHM_TRY(write_narrow(w, "/oracle/posteriors", 0, w->vocab[0], count, beliefs->posteriors, error));
    RHM_TRY(write_rows(w, "/oracle/log_likelihood", RHM_H5_F64, 0, count, beliefs->log_likelihood, error));
    if (w->contents.sequences) {
        RHM_TRY(write_rows(w, "/oracle/tokens", RHM_H5_U16, length, count, tokens, error));
        RHM_TRY(write_rows(w, "/oracle/recorded", RHM_H5_U16, 0, count, labels, error));
    }
    if (w->contents.masked)
        RHM_TRY(write_rows(w, "/oracle/mask", RHM_H5_U8, length, count, masked, error));
    for (uint32_t level = 0; w->contents.marginals && level <= w->tree.levels; level++) {
        char object[32];
        RHM_TRY(write_narrow(w, marginals_object(object, level), w->tree.nodes[level], w->vocab[level], count,
                             beliefs->marginals[level], error));
    }
    w->written += count;
    return RHM_OK;
}

rhm_status rhm_beliefs_writer_commit(rhm_beliefs_writer **handle, const rhm_bayes *bayes, rhm_error *error) {
    rhm_beliefs_writer *w = *handle;
    rhm_status status = RHM_OK;
    if (w->written != w->total)
        status = rhm_fail(error, RHM_INVALID, "beliefs of %llu of %llu sequences were written",
                          (unsigned long long)w->written, (unsigned long long)w->total);
    if (status == RHM_OK && bayes) {
        const double interval[2] = {bayes->accuracy_low, bayes->accuracy_high};
        status = rhm_h5_write_attribute(w->file, group, "accuracy", RHM_H5_F64, 0, &bayes->accuracy, error);
        if (status == RHM_OK)
            status = rhm_h5_write_attribute(w->file, group, "accuracy_interval", RHM_H5_F64, 2, interval, error);
        if (status == RHM_OK)
            status =
                rhm_h5_write_attribute(w->file, group, "cross_entropy", RHM_H5_F64, 0, &bayes->cross_entropy, error);
    }
    if (status == RHM_OK)
        status = rhm_h5_commit(&w->file, error);
    rhm_beliefs_writer_abandon(handle);
    return status;
}

void rhm_beliefs_writer_abandon(rhm_beliefs_writer **handle) {
    if (!*handle)
        return;
    rhm_h5_close(&(*handle)->file);
    rhm_free(*handle);
    *handle = NULL;
}
