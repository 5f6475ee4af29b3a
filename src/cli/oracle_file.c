#include "cli/oracle_file.h"

#include <math.h>
#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"
#include "hierarchy/grammar_file.h"

static const char group[] = "/oracle";

static const char *marginals_object(char text[32], uint32_t level) {
    snprintf(text, 32, "/oracle/marginals_%u", level);
    return text;
}

double rhm_oracle_file_numbers(const rhm_grammar *grammar, bool marginals) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    double numbers = shape->vocab[0];
    for (uint32_t level = 0; marginals && level <= shape->levels; level++)
        numbers += (double)rhm_grammar_tree(grammar)->nodes[level] * shape->vocab[level];
    return numbers;
}

static rhm_status reserve(const rhm_oracle_file *f, bool fresh, bool masks, rhm_error *error) {
    const rhm_h5_shape each = rhm_h5_shape1(f->total), posteriors = rhm_h5_shape2(f->total, f->vocab[0]);
    const rhm_h5_shape tokens = rhm_h5_shape2(f->total, f->tree.leaves[0]);
    RHM_TRY(rhm_h5_reserve(f->file, "/oracle/labels", RHM_H5_U16, &each, error));
    RHM_TRY(rhm_h5_reserve(f->file, "/oracle/posteriors", RHM_H5_F32, &posteriors, error));
    RHM_TRY(rhm_h5_reserve(f->file, "/oracle/log_likelihood", RHM_H5_F64, &each, error));
    if (fresh) {
        RHM_TRY(rhm_h5_reserve(f->file, "/oracle/tokens", RHM_H5_U16, &tokens, error));
        RHM_TRY(rhm_h5_reserve(f->file, "/oracle/recorded", RHM_H5_U16, &each, error));
    }
    if (masks)
        RHM_TRY(rhm_h5_reserve(f->file, "/oracle/mask", RHM_H5_U8, &tokens, error));
    for (uint32_t level = 0; f->marginal[0] && level <= f->tree.levels; level++) {
        char object[32];
        const rhm_h5_shape shape = rhm_h5_shape3(f->total, f->tree.nodes[level], f->vocab[level]);
        RHM_TRY(rhm_h5_reserve(f->file, marginals_object(object, level), RHM_H5_F32, &shape, error));
    }
    return RHM_OK;
}

static rhm_status allocate(rhm_oracle_file *f, size_t block, bool marginals, rhm_error *error) {
    size_t most = f->vocab[0];
    for (uint32_t level = 0; marginals && level <= f->tree.levels; level++) {
        const size_t numbers = f->tree.nodes[level] * f->vocab[level];
        most = numbers > most ? numbers : most;
        if (!(f->marginal[level] = RHM_NEW(double, block, numbers, 1, "marginals", error)))
            return RHM_NO_MEMORY;
    }
    f->beliefs.marginals = marginals ? f->marginal : NULL;
    if (!(f->beliefs.posteriors = RHM_NEW(double, block, f->vocab[0], 1, "posteriors", error)) ||
        !(f->beliefs.log_likelihood = RHM_NEW(double, block, 1, 1, "likelihoods", error)) ||
        !(f->labels = RHM_NEW(uint16_t, block, 1, 1, "labels", error)) ||
        !(f->narrow = RHM_NEW(float, block, most, 1, "marginals", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

rhm_status rhm_oracle_file_open(rhm_oracle_file *out, const char *path, const rhm_grammar *grammar, uint64_t total,
                                size_t block, bool marginals, bool fresh, bool masks, rhm_error *error) {
    *out = (rhm_oracle_file){.total = total, .tree = *rhm_grammar_tree(grammar)};
    for (uint32_t level = 0; level <= out->tree.levels; level++)
        out->vocab[level] = rhm_grammar_shape(grammar)->vocab[level];
    RHM_TRY(allocate(out, block, marginals, error));
    if (!path)
        return RHM_OK;
    RHM_TRY(rhm_h5_create(&out->file, path, "oracle", error));
    RHM_TRY(rhm_grammar_write_group(out->file, grammar, error));
    RHM_TRY(rhm_h5_write_group(out->file, group, error));
    return reserve(out, fresh, masks, error);
}

static rhm_status write_narrow(const rhm_oracle_file *f, const char *object, const rhm_h5_shape *shape, uint64_t first,
                               size_t count, const double *values, size_t each, rhm_error *error) {
    for (size_t i = 0; i < count * each; i++)
        f->narrow[i] = (float)values[i];
    return rhm_h5_write_rows(f->file, object, RHM_H5_F32, shape, first, count, f->narrow, error);
}

rhm_status rhm_oracle_file_append(rhm_oracle_file *f, uint64_t first, size_t count, const uint16_t *tokens,
                                  const uint16_t *labels, const uint8_t *masked, rhm_error *error) {
    const size_t classes = f->vocab[0];
    if (!f->file)
        return RHM_OK;
    for (size_t i = 0; i < count; i++) {
        const double *p = f->beliefs.posteriors + i * classes;
        f->labels[i] = 0;
        for (size_t c = 1; c < classes; c++)
            f->labels[i] = p[c] > p[f->labels[i]] ? (uint16_t)c : f->labels[i];
    }
    const rhm_h5_shape each = rhm_h5_shape1(f->total), posteriors = rhm_h5_shape2(f->total, classes);
    const rhm_h5_shape all = rhm_h5_shape2(f->total, f->tree.leaves[0]);
    RHM_TRY(rhm_h5_write_rows(f->file, "/oracle/labels", RHM_H5_U16, &each, first, count, f->labels, error));
    RHM_TRY(write_narrow(f, "/oracle/posteriors", &posteriors, first, count, f->beliefs.posteriors, classes, error));
    RHM_TRY(rhm_h5_write_rows(f->file, "/oracle/log_likelihood", RHM_H5_F64, &each, first, count,
                              f->beliefs.log_likelihood, error));
    if (tokens)
        RHM_TRY(rhm_h5_write_rows(f->file, "/oracle/tokens", RHM_H5_U16, &all, first, count, tokens, error));
    if (labels)
        RHM_TRY(rhm_h5_write_rows(f->file, "/oracle/recorded", RHM_H5_U16, &each, first, count, labels, error));
    if (masked)
        RHM_TRY(rhm_h5_write_rows(f->file, "/oracle/mask", RHM_H5_U8, &all, first, count, masked, error));
    for (uint32_t level = 0; f->marginal[0] && level <= f->tree.levels; level++) {
        char object[32];
        const size_t nodes = f->tree.nodes[level], vocab = f->vocab[level];
        const rhm_h5_shape shape = rhm_h5_shape3(f->total, nodes, vocab);
        RHM_TRY(write_narrow(f, marginals_object(object, level), &shape, first, count, f->marginal[level],
                             nodes * vocab, error));
    }
    return RHM_OK;
}

rhm_status rhm_oracle_file_commit(rhm_oracle_file *f, const rhm_bayes *bayes, rhm_error *error) {
    if (!f->file)
        return RHM_OK;
    if (bayes) {
        const double interval[2] = {bayes->accuracy_low, bayes->accuracy_high};
        RHM_TRY(rhm_h5_write_attribute(f->file, group, "accuracy", RHM_H5_F64, 0, &bayes->accuracy, error));
        RHM_TRY(rhm_h5_write_attribute(f->file, group, "accuracy_interval", RHM_H5_F64, 2, interval, error));
        RHM_TRY(rhm_h5_write_attribute(f->file, group, "cross_entropy", RHM_H5_F64, 0, &bayes->cross_entropy, error));
    }
    return rhm_h5_commit(&f->file, error);
}

void rhm_oracle_file_clear(rhm_oracle_file *f) {
    rhm_h5_close(&f->file);
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++)
        rhm_free(f->marginal[level]);
    rhm_free(f->beliefs.posteriors);
    rhm_free(f->beliefs.log_likelihood);
    rhm_free(f->labels);
    rhm_free(f->narrow);
    *f = (rhm_oracle_file){0};
}
