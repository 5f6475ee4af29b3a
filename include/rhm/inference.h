/*
 * Whole sequences through a trained model of any kind: every level applies its map to every patch, a convolution whose
 * kernel and stride are both s; the single level-1 output is the posterior of the label. All ranks of an engine must
 * call rhm_predict, rhm_evaluate and rhm_evaluate_data alike; they share the sequences, and each has all results.
 */
#ifndef RHM_INFERENCE_H
#define RHM_INFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/data.h"
#include "rhm/engine.h"
#include "rhm/model.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * tokens is (count, s^L), each smaller than the model's token vocabulary (else RHM_INVALID). labels is (count) and
 * receives the argmax (the smallest among equals); posteriors is NULL or (count, |V_0|) and receives the level-1
 * outputs, which sum to 1 (those of random features are normalised, and may be negative); clamped is NULL or receives
 * how many outputs met the floor of that normalisation.
 */
RHM_API rhm_status rhm_predict(const rhm_engine *engine, const rhm_model *model, const uint16_t *tokens, size_t count,
                               uint16_t *labels, float *posteriors, uint64_t *clamped, rhm_error *error);

typedef struct rhm_accuracy {
    uint64_t samples;
    uint64_t correct;
    uint64_t clamped;
} rhm_accuracy;

/* On fresh samples first..first+count-1 of a stream of the grammar under `seed`. */
RHM_API rhm_status rhm_evaluate(rhm_accuracy *out, const rhm_engine *engine, const rhm_model *model,
                                const rhm_grammar *grammar, uint64_t seed, uint32_t stream, uint64_t first,
                                uint64_t count, rhm_error *error);

/* On sequences first..first+count-1 of a data set with labels. */
RHM_API rhm_status rhm_evaluate_data(rhm_accuracy *out, const rhm_engine *engine, const rhm_model *model,
                                     const rhm_data *data, size_t first, size_t count, rhm_error *error);

/* Numbers that a patch of a level is embedded by; 0 where models of this kind do not show them, or without such a
 * level. */
RHM_API uint32_t rhm_model_embedding(const rhm_model *model, uint32_t level);

/*
 * Outputs of a level: embeddings is (count, nodes of level - 1, rhm_model_embedding), a row for every patch of the
 * level, tokens as above. Level 1 of random features and tables is the prediction; ids of tables are one-hot rows; of
 * cnn they are activations. RHM_UNSUPPORTED where a kind does not show them.
 */
RHM_API rhm_status rhm_model_embed(const rhm_engine *engine, const rhm_model *model, uint32_t level,
                                   const uint16_t *tokens, size_t count, float *embeddings, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
