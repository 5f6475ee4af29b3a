#include <stddef.h>

#include "cli/manual.h"
#include "core/fail.h"

static const rhm_option own[] = {{.name = "man",
                                  .kind = RHM_OPTION_FLAG,
                                  .place = offsetof(rhm_settings, manual),
                                  .help = "Print a manual page, in the language of man(7): pipe it into `man -l -`."},
                                 {0}};
static const rhm_option_group own_options = {"Form", own};

static const char *command_name(int index) {
    const rhm_command *command = rhm_command_at((size_t)index);
    return command ? command->name : NULL;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    const char *name = settings->operands[0];
    const rhm_command *command = name ? rhm_command_named(name) : NULL;
    if (name && !command)
        return rhm_fail(error, RHM_INVALID, "unknown command '%.80s': the commands are listed by rhm --help", name);
    if (settings->manual)
        rhm_manual_write(stdout, command);
    else if (command)
        rhm_options_help(stdout, command);
    else
        rhm_command_overview(stdout);
    return RHM_OK;
}

const rhm_command rhm_command_help = {
    .name = "help",
    .operands = "[COMMAND] ",
    .operand_count = 1,
    .operands_optional = true,
    .operand_name_of = command_name,
    .summary = "the commands, or the options of one, as text or manual page",
    .description = "List the commands, or explain one and its options: the text of its --help, or a manual page.",
    .examples = "rhm help train\nrhm help --man train | man -l -",
    .groups = {&own_options},
    .run = run,
};
