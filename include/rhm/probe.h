/*
 * What the levels of a trained model know of hidden symbols. The outputs of level l stand for symbols of level l - 1:
 * how well do groups of them agree with these, how well does a linear map read them, and what do outputs do when
 * synonyms are exchanged below.
 *
 * Sequences are drawn from the grammar for the purpose, without its noise on tokens and labels: they depend on the
 * grammar and the seed alone.
 */
#ifndef RHM_PROBE_H
#define RHM_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/model.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_probe_options {
    uint64_t seed;
    size_t sequences;  /* to draw, at least 4; 0: 1000 */
    uint32_t position; /* of the symbol whose patch is changed, from 1, at its level; 0: all of them */
} rhm_probe_options;

/*
 * Members are NAN where they have no meaning: kinds of models without outputs at the level, more symbols or outputs
 * than there are points or memory for. At most 4096 points (patches of sequences) are grouped and read.
 */
typedef struct rhm_probe_level {
    uint32_t level;          /* l */
    uint32_t width;          /* numbers that a patch is embedded by; 0: the model shows no outputs here */
    uint32_t symbols;        /* |V_{l-1}| */
    size_t points;           /* that are grouped and read */
    double majority;         /* share of the most frequent symbol: what knowing nothing gets right */
    double clustering_error; /* k-means into |V_{l-1}| groups: share of points outside of their group's majority */
    double adjusted_rand;    /* Hubert and Arabie's index of the same groups: 1 is agreement, 0 chance */
    double linear_accuracy;  /* a ridge regression of the symbols on the outputs, on the half it was not fitted to */
    double linear_of_label;  /* the same for the label */

    /*
     * Synonymic sensitivity S_{l,k} (Phys. Rev. X 14, 031001): mean squared change of the outputs of level l when
     * patches of level k = 1..L give way to other patches of the same symbols, over the mean squared distance between
     * outputs of different sequences; 0: the outputs do not see it. Tokens under symbols that change are drawn again.
     * Only outputs above or below a changed patch count.
     */
    double synonyms[RHM_MAX_LEVELS + 1];
    double redrawn[RHM_MAX_LEVELS + 1]; /* the same when all below the symbols of level k = 0..L-1 is drawn again */
} rhm_probe_level;

typedef struct rhm_probe_report {
    uint32_t levels;
    size_t sequences;
    rhm_probe_level level[RHM_MAX_LEVELS + 1]; /* entries 1..levels */
} rhm_probe_report;

/* RHM_INVALID where the grammar does not fit the model; RHM_UNSUPPORTED where no level of it shows its outputs.
 * `options` may be NULL. */
RHM_API rhm_status rhm_probe(rhm_probe_report *out, const rhm_engine *engine, const rhm_model *model,
                             const rhm_grammar *grammar, const rhm_probe_options *options, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
