/*
 * What a file of this library holds, of whatever kind: a grammar, a data set, a model, a prediction, the beliefs of an
 * oracle. Thread safety: calls on different inspections are independent.
 */
#ifndef RHM_INSPECT_H
#define RHM_INSPECT_H

#include <stdint.h>

#include "rhm/data.h"
#include "rhm/grammar.h"
#include "rhm/model.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_inspection {
    const char *kind;                         /* "grammar", "data", "model", "prediction" or "oracle" */
    rhm_grammar *grammar;                     /* of a grammar's file; those of data and models are theirs */
    rhm_data data;                            /* of a data set's */
    rhm_model *model;                         /* of a model's */
    uint64_t least_per_label, most_per_label; /* sequences that share a label; of data with labels */
    uint64_t sequences, classes;              /* of predictions and beliefs */
    double accuracy;                          /* of these; NAN where their data had no labels */
    int marginals;                            /* nonzero: the beliefs hold those of all symbols */
    char model_hash[RHM_HASH_TEXT_NBYTES];    /* of the model that predicted, or that there is */
    char *notes;                              /* what should be known of the file, a sentence a line, or NULL */
} rhm_inspection;

/*
 * Read and check a file. `hints` are for data sets of other programs (labels may be missing) and their `note` is told
 * of what should be known of a file of any kind, as rhm_data_load does; NULL: none. On failure *out holds nothing, and
 * the sentence says what is wrong with which file. Release with rhm_inspection_clear, which accepts a zeroed one.
 */
RHM_API rhm_status rhm_inspect(rhm_inspection *out, const char *path, const rhm_data_hints *hints, rhm_error *error);
RHM_API void rhm_inspection_clear(rhm_inspection *inspection);

/* As JSON, as the command prints it: docs/report.md lists the keys. *json is released with free(). */
RHM_API rhm_status rhm_report_inspection(char **json, const rhm_inspection *inspection, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
