/* The accuracy that no predictor beats, beside that of a model. */
#ifndef RHM_CLI_BAYES_H
#define RHM_CLI_BAYES_H

#include <jansson.h>
#include <stdio.h>

#include "rhm/oracle.h"

/* Which sequences: first..first+count-1 of `data`, or, where that is NULL, of a stream of the grammar. */
typedef struct rhm_bayes_of {
    const rhm_grammar *grammar; /* NULL: not known */
    const rhm_data *data;
    uint64_t seed, first, count;
    uint32_t stream;
} rhm_bayes_of;

/* *accuracy: NAN where it is not known; 1, at no cost, where every sequence gives its label away. */
rhm_status rhm_bayes_beside(double *accuracy, const rhm_engine *engine, const rhm_bayes_of *of, rhm_error *error);

/* As "bayes_accuracy" of a report's "test"; and in a line of words, where it is below 1. */
void rhm_bayes_report(json_t **report, double accuracy);
void rhm_bayes_print(FILE *stream, double accuracy);

#endif
