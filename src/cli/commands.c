/* The subcommands. */
#include <string.h>

#include "cli/settings.h"

static const rhm_command *const commands[] = {
    &rhm_command_grammar, &rhm_command_sample, &rhm_command_train,   &rhm_command_eval,       &rhm_command_predict,
    &rhm_command_inspect, &rhm_command_plan,   &rhm_command_machine, &rhm_command_oracle,     &rhm_command_sweep,
    &rhm_command_burn,    &rhm_command_probe,  &rhm_command_help,    &rhm_command_completion,
};

const rhm_command *rhm_command_at(size_t index) {
    return index < sizeof commands / sizeof *commands ? commands[index] : NULL;
}

const rhm_command *rhm_command_named(const char *name) {
    const rhm_command *command;
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        if (!strcmp(name, command->name))
            return command;
    return NULL;
}

void rhm_command_overview(FILE *stream) {
    fputs("usage: rhm COMMAND [options]\n\n"
          "Random Hierarchy Models and their layerwise learner on multicore CPUs.\n\nCommands:\n",
          stream);
    const rhm_command *command;
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        fprintf(stream, "  %-10s %s\n", command->name, command->summary);
    fputs("\nOptions:\n  -h, --help   Print this text, or after a command the options of that command.\n"
          "  --version    Print the version.\n\n"
          "Exit status: 0 done, 1 the run failed, 2 bad usage or bad input, 130 interrupted.\n",
          stream);
}
