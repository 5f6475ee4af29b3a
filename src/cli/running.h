/* What the running options ask for: an engine. */
#ifndef RHM_CLI_RUNNING_H
#define RHM_CLI_RUNNING_H

#include "cli/progress.h"
#include "cli/settings.h"
#include "rhm/engine.h"

/* An engine that obeys the running options and Ctrl-C and draws on `bar`, which must outlive it. */
rhm_status rhm_running_engine(rhm_engine **out, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error);

/* Who is told what should be known of files that were read. */
typedef struct rhm_listener {
    const char *command;
} rhm_listener;

/* A sentence on standard error; to be an rhm_data_hints.note with an rhm_listener as `user`. */
void rhm_running_note(void *listener, const char *sentence);

/* A sentence a line, or NULL. */
void rhm_running_notes(rhm_listener *listener, const char *notes);

/* An input that is missing, unreadable or of a later version is bad input, unlike an output that cannot be written. */
static inline rhm_status rhm_running_input(rhm_status status) {
    return status == RHM_IO || status == RHM_UNSUPPORTED ? RHM_INVALID : status;
}

/* Whether this process talks and writes: of several ranks the first does. */
static inline bool rhm_running_writes(const rhm_settings *settings) {
    return rhm_ranks_rank(settings->running.ranks) == 0;
}

#endif
