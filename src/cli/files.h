/* The files that a command line names: that they can be written, and that no result destroys another file. */
#ifndef RHM_CLI_FILES_H
#define RHM_CLI_FILES_H

#include <stdio.h>

#include "cli/settings.h"

/*
 * Before work begins. RHM_INVALID, naming both: a result that is the same file as an input, as another result or as
 * what standard output or standard error are redirected to, be it through links, or one of the files that --checkpoint
 * itself keeps and removes. RHM_IO: a result that could not be written in the end.
 */
rhm_status rhm_files_check(const rhm_settings *settings, rhm_error *error);

/* Where the command's own words go: standard output, unless --output is written there. */
FILE *rhm_files_words(const rhm_settings *settings);

#endif
