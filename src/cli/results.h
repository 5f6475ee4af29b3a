/* What commands write as JSON, and what all of them say alike. */
#ifndef RHM_CLI_RESULTS_H
#define RHM_CLI_RESULTS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/settings.h"
#include "rhm/status.h"

enum { RHM_COMMAND_LINE_NBYTES = 8192 };

/* The command line, quoted for a shell; what does not fit is left out, whole words at a time. */
void rhm_results_command(char line[RHM_COMMAND_LINE_NBYTES], const rhm_settings *settings);

/* JSON text of the library, which is released in any case. */
rhm_status rhm_results_parse(json_t **json, char *text, rhm_error *error);

/* Such a text to the file of --report, if there is one. */
rhm_status rhm_results_write(const rhm_settings *settings, const char *text, rhm_error *error);

/* `json`, whose reference is taken over, to standard output; RHM_NO_MEMORY on NULL. */
rhm_status rhm_results_print(json_t *json, rhm_error *error);

/* A line on the accuracy that no predictor exceeds, where it is below 1. */
void rhm_results_bayes(FILE *stream, double accuracy);

#endif
