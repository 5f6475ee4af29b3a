#include "cli/completion.h"

/* Inside single quotes, with what _arguments gives a meaning escaped. */
static void put(FILE *stream, const char *text) {
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stream);
        else
            fprintf(stream, "%s%c", *text == '[' || *text == ']' || *text == ':' || *text == '\\' ? "\\" : "", *text);
}

static void put_words(FILE *stream, const char *(*name_of)(int), const rhm_option *option) {
    const char *word;
    fputs("(", stream);
    for (int i = 0; (word = name_of ? name_of(i) : rhm_option_word(option, i).text); i++) {
        fputs(i ? " " : "", stream);
        put(stream, word);
    }
    fputs(")", stream);
}

/* `dashed`: "--name" or "-n"; both exclude each other. */
static void put_option(FILE *stream, const rhm_option *option, const char *dashed) {
    char sentence[256];
    rhm_completion_sentence(option, sentence, sizeof sentence);
    fputs(" \\\n            '", stream);
    if (option->letter)
        fprintf(stream, "(-%c --%s)", option->letter, option->name);
    fprintf(stream, "%s%s[", dashed, dashed[1] == '-' && option->kind != RHM_OPTION_FLAG ? "=" : "");
    put(stream, sentence);
    fputs("]", stream);
    if (option->kind != RHM_OPTION_FLAG) {
        fputs(":", stream);
        put(stream, option->argument);
        fputs(":", stream);
        switch (rhm_completion_of(option)) {
        case RHM_COMPLETE_NOTHING: break;
        case RHM_COMPLETE_FILES: fputs("_files", stream); break;
        case RHM_COMPLETE_DIRECTORIES: fputs("_files -/", stream); break;
        case RHM_COMPLETE_WORDS: put_words(stream, NULL, option); break;
        }
    }
    fputs("'", stream);
}

static void put_operands(FILE *stream, const rhm_command *command) {
    for (size_t i = 0; i < command->operand_count; i++) {
        fputs(command->operands_optional ? " \\\n            '::" : " \\\n            ':", stream);
        put(stream, command->operand_name_of ? "word" : "file");
        fputs(":", stream);
        if (command->operand_name_of)
            put_words(stream, command->operand_name_of, NULL);
        else
            fputs("_files", stream);
        fputs("'", stream);
    }
}

static void put_command(FILE *stream, const rhm_command *command) {
    fprintf(stream, "        %s)\n            _arguments '(- *)'{-h,--help}'[Print this text and exit]'",
            command->name);
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++) {
            char dashed[64];
            if (option->letter) {
                snprintf(dashed, sizeof dashed, "-%c", option->letter);
                put_option(stream, option, dashed);
            }
            snprintf(dashed, sizeof dashed, "--%s", option->name);
            put_option(stream, option, dashed);
        }
    put_operands(stream, command);
    fputs("\n            ;;\n", stream);
}

void rhm_completion_zsh(FILE *stream) {
    const rhm_command *command;
    fputs("#compdef rhm\n"
          "# Completion of rhm for zsh, made by `rhm completion zsh`.\n"
          "_rhm() {\n"
          "    local context state state_descr line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C '(- *)'{-h,--help}'[Print the commands]' '(- *)--version[Print the version]' \\\n"
          "        '1:command:->command' '*::argument:->argument'\n"
          "    case $state in\n"
          "    command)\n"
          "        local -a commands=(",
          stream);
    for (size_t i = 0; (command = rhm_command_at(i)); i++) {
        fprintf(stream, "\n            '%s:", command->name);
        put(stream, command->summary);
        fputs("'", stream);
    }
    fputs(")\n        _describe command commands\n        ;;\n    argument)\n        case $words[1] in\n", stream);
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        put_command(stream, command);
    fputs("        esac\n"
          "        ;;\n"
          "    esac\n"
          "}\n"
          "if [[ $funcstack[1] == _rhm ]]; then\n"
          "    _rhm \"$@\"\n"
          "else\n"
          "    compdef _rhm rhm\n"
          "fi\n",
          stream);
}
