#include "cli/running.h"

#include <stdio.h>
#include <string.h>

#include "cli/interrupt.h"
#include "core/fail.h"

enum { NOTE_NBYTES = 1024 };

rhm_status rhm_running_engine(rhm_engine **out, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error) {
    *bar = rhm_progress_open((rhm_progress_mode)settings->running.progress);
    const rhm_engine_options options = {
        .threads = (int)settings->running.threads,
        .placement = settings->running.placement,
        .isa = settings->running.isa,
        .backend = settings->running.backend,
        .trace = settings->trace != NULL,
        .memory_limit_nbytes = settings->running.memory_limit_nbytes,
        .ranks = settings->running.ranks,
        .interrupt = &rhm_interrupt,
        .progress = bar->on ? rhm_progress_show : NULL,
        .user = bar,
    };
    RHM_TRY(rhm_engine_create(out, &options, error));
    char sentence[RHM_SENTENCE_NBYTES];
    if (rhm_engine_shares_cpus(*out, sentence))
        fprintf(stderr, "rhm %s: warning: %s\n", settings->command->name, sentence);
    return RHM_OK;
}

void rhm_running_note(void *user, const char *sentence) {
    const rhm_listener *listener = user;
    fprintf(stderr, "rhm %s: note: %s\n", listener->command, sentence);
}

void rhm_running_notes(rhm_listener *listener, const char *notes) {
    for (const char *line = notes; line && *line;) {
        const size_t length = strcspn(line, "\n");
        char sentence[NOTE_NBYTES];
        snprintf(sentence, sizeof sentence, "%.*s", (int)length, line);
        rhm_running_note(listener, sentence);
        line += length + (line[length] == '\n');
    }
}
