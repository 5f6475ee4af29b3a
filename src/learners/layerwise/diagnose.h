/* How far a trained level is from the exact posteriors of the grammar. For reports only: nothing here feeds training.
 */
#ifndef RHM_LEARNERS_LAYERWISE_DIAGNOSE_H
#define RHM_LEARNERS_LAYERWISE_DIAGNOSE_H

#include "model/layer.h"
#include "rhm/grammar.h"
#include "rhm/learner.h"

/*
 * Fill the oracle diagnostics of `report` from the outputs (a row for each own patch of held_out.h, centred) and
 * the exact posteriors. `samples` is the training N^(l), for the statistical floor sqrt((1 - ||q||^2) / (N p)).
 */
rhm_status rhm_diagnose(rhm_level_report *report, const rhm_engine *engine, const rhm_grammar *grammar,
                        const rhm_patches *patches, const rhm_patch_counts *counts, const rhm_embeddings *outputs,
                        uint64_t samples, rhm_error *error);

#endif
