/*
 * Trained models. A model reads whole sequences and says how probable every label is; what is inside
 * depends on its kind, which model files name. A model is immutable but for its report, and may be shared by threads.
 *
 * Kinds: "random-features", the network of arXiv 2601.19756, which `layerwise` trains; "table", patches of ids looked
 * up level by level, which `table`, `one-step`, `latent`, `tensor` and `layerwise` with ids between levels train;
 * "shallow", one map of random features for the whole sequence; "cnn", convolutions trained by gradient descent.
 */
#ifndef RHM_MODEL_H
#define RHM_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/data.h"
#include "rhm/grammar.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_model rhm_model;

RHM_API void rhm_model_destroy(rhm_model *model); /* accepts NULL */

RHM_API const char *rhm_model_kind(const rhm_model *model);     /* its name in files, such as "random-features" */
RHM_API uint32_t rhm_model_levels(const rhm_model *model);      /* L */
RHM_API const rhm_tree *rhm_model_tree(const rhm_model *model); /* of the sequences it reads */
RHM_API uint32_t rhm_model_classes(const rhm_model *model);     /* |V_0| */
RHM_API uint32_t rhm_model_token_vocab(const rhm_model *model);
RHM_API size_t rhm_model_nbytes(const rhm_model *model); /* memory that its parameters take */

/* What rhm_data_load must know to read the model's data. */
RHM_API rhm_data_hints rhm_model_data_hints(const rhm_model *model);

/* The grammar the model was trained on, or NULL; owned by the model. */
RHM_API const rhm_grammar *rhm_model_grammar(const rhm_model *model);

/* The JSON report of the training run as text, or NULL; owned by the model. */
RHM_API const char *rhm_model_report(const rhm_model *model);
RHM_API rhm_status rhm_model_set_report(rhm_model *model, const char *text, rhm_error *error);

/* The levels, L first, as the text of a JSON array of objects whose keys depend on the kind; *text is released with
 * free(). */
RHM_API rhm_status rhm_model_describe(const rhm_model *model, char **text, rhm_error *error);

enum { RHM_HASH_TEXT_NBYTES = 65 };

/*
 * SHA-256, as hexadecimal text, over all that predictions depend on, whatever the report and the grammar say.
 *
 * random-features: over the levels L, L-1, ..., 1; of each: level, s_l, d_e, K |V_0|, M as little-endian uint32,
 * bandwidth and ridge as IEEE binary64, frequencies and weights as IEEE binary32 in row-major order.
 *
 * shallow: over the text "shallow", then as random-features, of level 1 with all tokens as s_1.
 *
 * table: over the text "table" and the levels L, ..., 1; of each: level, s, ids below, ids above, the id of patches
 * that are not listed and the number of those that are, then these and their ids, all as little-endian uint32; at the
 * end the posteriors of level 1 and the prior as IEEE binary32.
 *
 * cnn: over the text "cnn" and the levels L, ..., 1; of each: level, s, channels in, channels out, positions that have
 * biases (0: none) as little-endian uint32, scale; then scales of biases (0: none), readout and input and the shift of
 * the input; then weights and biases of the levels L, ..., 1 and the readout, in the order of the file; all numbers
 * IEEE binary32.
 */
RHM_API void rhm_model_hash(const rhm_model *model, char text[RHM_HASH_TEXT_NBYTES]);

/* HDF5 files as laid out in docs/data.md. A file that names no kind holds random features. */
RHM_API rhm_status rhm_model_save(const rhm_model *model, const char *path, rhm_error *error);
RHM_API rhm_status rhm_model_load(rhm_model **out, const char *path, rhm_error *error);

/* What should be known of the file that rhm_model_load read, a sentence a line, or NULL; owned by the model. */
RHM_API const char *rhm_model_notes(const rhm_model *model);

/* ---- random features ------------------------------------------------------------------------------------- */

/* One trained level as stored in a model file: row-major float32, owned by the model. */
typedef struct rhm_level_weights {
    uint32_t tokens;    /* s_l */
    uint32_t embedding; /* d_e: |V_L| at level L, K |V_0| of the level below above */
    uint32_t classes;   /* |V_0| */
    uint32_t width;     /* M */
    double bandwidth;
    double ridge;
    const float *frequencies; /* (M, s_l d_e): rows w_k, in radians */
    const float *weights; /* (K |V_0|, 2M): a block of |V_0| rows a position; M cosine columns, then M sine columns */
    uint32_t positions;   /* K; 1 at level 1. 0 is taken as 1 */
} rhm_level_weights;

/* Most numbers that embed a patch, K |V_0|. */
enum { RHM_MAX_OUTPUTS = 1 << 17 };

/* Outputs whose coordinate sum is smaller than this in magnitude are divided by it instead (docs/mathematics.md,
 * section 3). */
#define RHM_NORMALIZATION_FLOOR 1e-3f

/* Level 1..L; all zero for a model of another kind. */
RHM_API rhm_level_weights rhm_model_level(const rhm_model *model, uint32_t level);

/* A model from explicit levels (index 1..levels; contents copied), as when reading a file. `grammar` is copied or NULL.
 */
RHM_API rhm_status rhm_model_create(rhm_model **out, uint32_t levels, const rhm_level_weights *level,
                                    const rhm_grammar *grammar, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
