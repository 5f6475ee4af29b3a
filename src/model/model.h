/*
 * A trained model from the inside. Every kind is one structure that begins with rhm_model and one table of operations;
 * kinds.h lists them. What is common to all (shape, grammar, report, the frame of files) is done once, in model.c and
 * model_file.c.
 */
#ifndef RHM_MODEL_MODEL_H
#define RHM_MODEL_MODEL_H

#include <jansson.h>
#include <stdbool.h>

#include "core/h5file.h"
#include "core/sha256.h"
#include "rhm/engine.h"
#include "rhm/model.h"
#include "sampling/source.h"

/* Whole sequences `first`, ..., first + count - 1 of a source: level-1 patches. */
typedef struct rhm_batch {
    rhm_patch_source *source;
    const void *context;
    uint64_t first, count;
    const char *stage; /* what the progress display calls the work */
} rhm_batch;

/* What a model makes of a batch; labels of the source are compared with the largest output. */
typedef struct rhm_score {
    uint64_t samples, correct, clamped;
    double flops;
    double sample_seconds, kernel_seconds; /* drawing and counting; in the kernels' loops over patches */
} rhm_score;

typedef struct rhm_outputs {
    rhm_score score;
    uint16_t *labels;  /* NULL or (count): argmax, the smallest among equals */
    float *posteriors; /* NULL or (count, |V_0|) */
} rhm_outputs;

struct rhm_model_kind {
    const char *name; /* in files */
    bool flat;        /* there is one level, number 1, whatever the tree */

    /* Release what the kind added; the common part is the caller's. */
    void (*clear)(rhm_model *model);

    /* Everything that predictions depend on. */
    void (*hash)(const rhm_model *model, struct sha256_ctx *hash);
    size_t (*nbytes)(const rhm_model *model);

    /* A new JSON object with what there is to say of a level; NULL without memory. */
    json_t *(*describe)(const rhm_model *model, uint32_t level);

    /* A model with the common part (rhm_model_init) and no levels. */
    rhm_status (*create)(rhm_model **out, const rhm_tree *tree, uint32_t classes, uint32_t token_vocab,
                         rhm_error *error);

    /* Into and from the group /model; `read` fills what `create` has made. */
    rhm_status (*write)(rhm_h5 *file, const rhm_model *model, rhm_error *error);
    rhm_status (*read)(rhm_model *model, const rhm_h5 *file, rhm_error *error);

    /* Adds to outputs->score. Results do not depend on the engine, nor on how sequences are cut into batches. */
    rhm_status (*forward)(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                          rhm_outputs *outputs, rhm_error *error);

    /* Sequences from a multiple of this number on that `forward` takes together, and shares among the ranks of an
     * engine; what it counts as clamped depends on them. NULL: any, and every rank does all of them. */
    size_t (*together)(const rhm_model *model);

    /* Outputs of a level (rhm_model_embed), and how many numbers they are a patch; both NULL: there is no access. */
    uint32_t (*embedding)(const rhm_model *model, uint32_t level);
    rhm_status (*embed)(const rhm_model *model, const rhm_engine *engine, uint32_t level, const uint16_t *tokens,
                        size_t count, float *out, rhm_error *error);
};

struct rhm_model {
    const struct rhm_model_kind *kind;
    rhm_tree tree;
    uint32_t classes, token_vocab;
    rhm_grammar *grammar; /* owned, or NULL */
    char *report;         /* owned, NUL-terminated, or NULL */
    char *notes;          /* on the file that it was loaded from, owned, or NULL */
};

/* The common part of a zeroed model; refuses vocabularies out of range. */
rhm_status rhm_model_init(rhm_model *model, const struct rhm_model_kind *kind, const rhm_tree *tree, uint32_t classes,
                          uint32_t token_vocab, rhm_error *error);

/* The kind's `forward`, shared among the ranks of the engine: all of them have all results. `outputs` is zeroed but for
 * its pointers. */
rhm_status rhm_model_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                             rhm_outputs *outputs, rhm_error *error);

/* Keep a copy of the grammar (NULL: forget it); its shape must be the model's. */
rhm_status rhm_model_keep_grammar(rhm_model *model, const rhm_grammar *grammar, rhm_error *error);

/* RHM_INVALID, with the sizes of both, where the model does not read what the grammar writes. */
rhm_status rhm_model_check_grammar(const rhm_model *model, const rhm_grammar *grammar, rhm_error *error);

/* RHM_INVALID unless low <= value <= high. */
rhm_status rhm_model_check_range(const char *what, uint32_t value, uint32_t low, uint32_t high, rhm_error *error);

#endif
