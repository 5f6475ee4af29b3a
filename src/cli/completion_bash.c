#include "cli/completion.h"

static void put_options(FILE *stream, const rhm_command *command) {
    fputs("words=\"", stream);
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            fprintf(stream, "--%s ", option->name);
    fputs("--help\"", stream);
}

/* The branch that is taken where the word before is this option. */
static void put_value(FILE *stream, const rhm_option *option) {
    fprintf(stream, "        --%s", option->name);
    if (option->letter)
        fprintf(stream, " | -%c", option->letter);
    fputs(") ", stream);
    rhm_word word;
    switch (rhm_completion_of(option)) {
    case RHM_COMPLETE_NOTHING: fputs("return", stream); break;
    case RHM_COMPLETE_FILES: fputs("kind=default", stream); break;
    case RHM_COMPLETE_DIRECTORIES: fputs("kind=dirnames", stream); break;
    case RHM_COMPLETE_WORDS:
        fputs("words=\"", stream);
        for (int i = 0; (word = rhm_option_word(option, i)).text; i++)
            fprintf(stream, "%s%s", i ? " " : "", word.text);
        fputs("\"", stream);
        break;
    }
    fputs(" ;;\n", stream);
}

static void put_command(FILE *stream, const rhm_command *command) {
    fprintf(stream, "    %s)\n        case $prev in\n", command->name);
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            if (option->kind != RHM_OPTION_FLAG)
                put_value(stream, option);
    fputs("        *) ", stream);
    if (command->operand_count && !command->operand_name_of)
        fputs("[[ $cur == -* ]] || kind=default; ", stream);
    put_options(stream, command);
    if (command->operand_name_of) {
        fputs("; [[ $cur == -* ]] || words=\"", stream);
        const char *name;
        for (int i = 0; (name = command->operand_name_of(i)); i++)
            fprintf(stream, "%s%s", i ? " " : "", name);
        fputs("\"", stream);
    }
    fputs(" ;;\n        esac\n        ;;\n", stream);
}

void rhm_completion_bash(FILE *stream) {
    const rhm_command *command;
    fputs("# Completion of rhm for bash, made by `rhm completion bash`.\n"
          "_rhm() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words= kind=\n"
          "    COMPREPLY=()\n"
          "    # Bash takes --option=value for three words.\n"
          "    if [[ $cur == = ]]; then\n"
          "        cur=\n"
          "    elif [[ $prev == = ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"",
          stream);
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        fprintf(stream, "%s ", command->name);
    fputs("--help --version\" -- \"$cur\")\n"
          "        return\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          stream);
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        put_command(stream, command);
    fputs("    esac\n"
          "    if [[ $kind ]]; then\n"
          "        compopt -o \"$kind\"\n"
          "    else\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    fi\n"
          "}\n"
          "complete -F _rhm rhm\n",
          stream);
}
