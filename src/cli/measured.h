/* What --measure of `rhm machine` asks for, and tables of what came of it. */
#ifndef RHM_CLI_MEASURED_H
#define RHM_CLI_MEASURED_H

#include <jansson.h>
#include <stdio.h>

#include "rhm/status.h"

/* "all", or names of parts with commas between, as rhm_machine_part has them. */
rhm_status rhm_measured_parts(unsigned *parts, const char *text, rhm_error *error);

/* `measured` is what rhm_machine_measure said. */
void rhm_measured_print(FILE *stream, const json_t *measured);

/* `messages` is what rhm_machine_measure_messages said. */
void rhm_measured_print_messages(FILE *stream, const json_t *messages);

#endif
