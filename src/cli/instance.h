/* The instance a command line asks for: a grammar drawn or read, and its exact analysis. */
#ifndef RHM_CLI_INSTANCE_H
#define RHM_CLI_INSTANCE_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/settings.h"
#include "rhm/grammar.h"

/* Draw or read the grammar; on success *out is the caller's. Refuses --grammar beside the options it replaces. */
rhm_status rhm_instance_grammar(rhm_grammar **out, const rhm_settings *settings, rhm_error *error);

/* Its analysis; without posteriors where these take more than `most_work` multiply-adds, unless that is 0. */
rhm_status rhm_instance_analyse(rhm_analysis *analysis, const rhm_grammar *grammar, double most_work, rhm_error *error);

/*
 * The same with its analysis. With --require-identifiable, seeds S, S + 1, ... are tried until Assumption 6 holds,
 * which is said on standard error; otherwise a grammar that violates it is announced there as a warning.
 */
rhm_status rhm_instance_build(rhm_grammar **out, rhm_analysis *analysis, const rhm_settings *settings,
                              double most_work, rhm_error *error);

/* Whether any option of the instance group was typed. */
bool rhm_instance_given(const rhm_settings *settings);

/* The vocabularies of --vocab as |V_0|..|V_L| for L = levels; RHM_INVALID when the list has another length. */
rhm_status rhm_instance_vocab(uint32_t vocab[RHM_MAX_LEVELS + 1], const rhm_settings *settings, uint32_t levels,
                              rhm_error *error);

/* --branching as rhm_data_hints takes it. */
void rhm_instance_branching(uint32_t branching[RHM_MAX_LEVELS + 1], const rhm_settings *settings);

/* "16" where the sizes of levels first..last are equal, else "8,16,16". */
void rhm_instance_print_sizes(FILE *stream, const uint32_t *sizes, uint32_t first, uint32_t last);

/* On standard error, one line: "rhm train: warning: ..." when the analysed grammar violates Assumption 6. */
void rhm_instance_warn(const rhm_settings *settings, const rhm_analysis *analysis);

/* A paragraph and a table of the levels for people. */
void rhm_instance_print(FILE *stream, const rhm_grammar *grammar, const rhm_analysis *analysis);

#endif
