/* What of a grammar can occur at some positions of a level and below, before a law is laid out. */
#ifndef RHM_SAMPLING_LAW_SURVEY_H
#define RHM_SAMPLING_LAW_SURVEY_H

#include <stdbool.h>

#include "rhm/grammar.h"

/* Arrays are (symbols of the widest level). */
typedef struct rhm_survey {
    size_t positions;                        /* of the level: 0..positions-1 */
    double *reached;                         /* probability of a label and each level-(level-1) symbol */
    double *next;                            /* scratch */
    uint64_t *pairs;                         /* of a level-(level-1) symbol: with labels and positions (reach.h) */
    bool *possible[RHM_MAX_LEVELS + 1];      /* symbols of level - 1 and below that occur at or under one of them */
    double *derivations[RHM_MAX_LEVELS + 2]; /* [j]: of the level-j patches of each level-(j-1) symbol; 1 at L + 1 */
    double cells;
} rhm_survey;

/* On success the caller clears it. */
rhm_status rhm_survey_make(rhm_survey *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error);
void rhm_survey_clear(rhm_survey *survey);

/* `reached` at one position, for one label as it is recorded. */
void rhm_survey_reach(rhm_survey *survey, const rhm_grammar *grammar, uint32_t level, size_t position, size_t label);

/* Derivations of a rule, 0 for an absent one; those of its children's symbols are `below`. */
double rhm_survey_derivations(const rhm_grammar *grammar, uint32_t j, size_t row, const double *below);

/* All level-j patches that can occur. */
double rhm_survey_places(const rhm_survey *survey, const rhm_shape *shape, uint32_t j);

#endif
