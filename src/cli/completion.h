/* Completion of command lines by shells: scripts made from the same tables as --help. */
#ifndef RHM_CLI_COMPLETION_H
#define RHM_CLI_COMPLETION_H

#include "cli/settings.h"

/* What a shell can offer for a value or an operand. */
typedef enum rhm_completion {
    RHM_COMPLETE_NOTHING, /* a number or free text */
    RHM_COMPLETE_WORDS,
    RHM_COMPLETE_FILES,
    RHM_COMPLETE_DIRECTORIES,
} rhm_completion;

/* Of the value of an option that takes one. */
rhm_completion rhm_completion_of(const rhm_option *option);

/* The first sentence of what --help says, without the full stop. */
void rhm_completion_sentence(const rhm_option *option, char *text, size_t text_nbytes);

void rhm_completion_bash(FILE *stream);
void rhm_completion_zsh(FILE *stream);
void rhm_completion_fish(FILE *stream);

#endif
