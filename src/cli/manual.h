/* Manual pages in the language of man(7), made from the same tables as --help. */
#ifndef RHM_CLI_MANUAL_H
#define RHM_CLI_MANUAL_H

#include "cli/settings.h"

/* Of a subcommand, or of rhm itself where `command` is NULL. */
void rhm_manual_write(FILE *stream, const rhm_command *command);

#endif
