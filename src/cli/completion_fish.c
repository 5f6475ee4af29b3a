#include "cli/completion.h"

/* Inside single quotes. */
static void put(FILE *stream, const char *text) {
    for (; *text; text++)
        fprintf(stream, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
}

static void put_option(FILE *stream, const rhm_command *command, const rhm_option *option) {
    char sentence[256];
    rhm_completion_sentence(option, sentence, sizeof sentence);
    fprintf(stream, "complete -c rhm -n '__fish_seen_subcommand_from %s' -l %s", command->name, option->name);
    if (option->letter)
        fprintf(stream, " -s %c", option->letter);
    if (option->kind != RHM_OPTION_FLAG) {
        rhm_word word;
        switch (rhm_completion_of(option)) {
        case RHM_COMPLETE_NOTHING: fputs(" -x", stream); break;
        case RHM_COMPLETE_FILES: fputs(" -r -F", stream); break;
        case RHM_COMPLETE_DIRECTORIES: fputs(" -x -a '(__fish_complete_directories)'", stream); break;
        case RHM_COMPLETE_WORDS:
            fputs(" -x -a '", stream);
            for (int i = 0; (word = rhm_option_word(option, i)).text; i++)
                fprintf(stream, "%s%s", i ? " " : "", word.text);
            fputs("'", stream);
            break;
        }
    }
    fputs(" -d '", stream);
    put(stream, sentence);
    fputs("'\n", stream);
}

static void put_command(FILE *stream, const rhm_command *command) {
    fprintf(stream, "complete -c rhm -n __fish_use_subcommand -a %s -d '", command->name);
    put(stream, command->summary);
    fprintf(stream, "'\ncomplete -c rhm -n '__fish_seen_subcommand_from %s' -s h -l help -d 'Print help and exit'\n",
            command->name);
    if (command->operand_count && !command->operand_name_of)
        fprintf(stream, "complete -c rhm -n '__fish_seen_subcommand_from %s' -F\n", command->name);
    for (int i = 0; command->operand_name_of && command->operand_name_of(i); i++)
        fprintf(stream, "complete -c rhm -n '__fish_seen_subcommand_from %s' -a %s\n", command->name,
                command->operand_name_of(i));
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            put_option(stream, command, option);
}

void rhm_completion_fish(FILE *stream) {
    fputs("# Completion of rhm for fish, made by `rhm completion fish`.\n"
          "complete -c rhm -f\n"
          "complete -c rhm -n __fish_use_subcommand -l version -d 'Print the version'\n"
          "complete -c rhm -n __fish_use_subcommand -s h -l help -d 'Print the commands'\n",
          stream);
    const rhm_command *command;
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        put_command(stream, command);
}
