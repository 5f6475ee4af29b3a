#include <string.h>

#include "cli/completion.h"
#include "core/fail.h"

static const struct {
    const char *shell;
    void (*write)(FILE *stream);
} shells[] = {{"bash", rhm_completion_bash}, {"zsh", rhm_completion_zsh}, {"fish", rhm_completion_fish}};

enum { SHELLS = sizeof shells / sizeof *shells };

static const char *shell_name(int index) {
    return index < SHELLS ? shells[index].shell : NULL;
}

rhm_completion rhm_completion_of(const rhm_option *option) {
    if (option->file == RHM_FILE_DIRECTORY)
        return RHM_COMPLETE_DIRECTORIES;
    if (option->file != RHM_FILE_NONE)
        return RHM_COMPLETE_FILES;
    return rhm_option_word(option, 0).text ? RHM_COMPLETE_WORDS : RHM_COMPLETE_NOTHING;
}

void rhm_completion_sentence(const rhm_option *option, char *text, size_t text_nbytes) {
    const char *end = strstr(option->help, ". ");
    size_t length = end ? (size_t)(end - option->help) : strlen(option->help);
    if (!end && length && option->help[length - 1] == '.')
        length--;
    snprintf(text, text_nbytes, "%.*s", (int)length, option->help);
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    for (int i = 0; i < SHELLS; i++)
        if (!strcmp(settings->operands[0], shells[i].shell)) {
            shells[i].write(stdout);
            return RHM_OK;
        }
    return rhm_fail(error, RHM_INVALID, "there is no completion for the shell '%.80s': allowed are bash, zsh and fish",
                    settings->operands[0]);
}

const rhm_command rhm_command_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish ",
    .operand_count = 1,
    .operand_name_of = shell_name,
    .summary = "a script with which a shell completes command lines",
    .description = "Print a script with which a shell completes commands, options, their values and names of files. "
                   "Packages install it; without one, let the shell read it when it starts.",
    .examples = "source <(rhm completion bash)\nsource <(rhm completion zsh)\nrhm completion fish | source",
    .run = run,
};
