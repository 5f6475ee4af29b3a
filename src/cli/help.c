#include <string.h>

#include "cli/options.h"
#include "cli/settings.h"

enum { LINE = 100, INDENT = 6, NAME = 11, FACTS_NBYTES = 640 };

/* Print words with line breaks at column LINE; `column` is where the cursor stands and is kept up to date. */
static void wrap(FILE *stream, const char *text, int indent, int *column) {
    while (*text) {
        const int length = (int)strcspn(text, " \n");
        if (*column > indent && *column + 1 + length > LINE) {
            fprintf(stream, "\n%*s", indent, "");
            *column = indent;
        } else if (*column > indent) {
            fputc(' ', stream);
            *column += 1;
        }
        fprintf(stream, "%.*s", length, text);
        *column += length;
        text += length;
        for (; *text == ' ' || *text == '\n'; text++)
            if (*text == '\n') {
                fprintf(stream, "\n%*s", indent, "");
                *column = indent;
            }
    }
}

void rhm_option_facts(const rhm_option *option, char *text, size_t text_nbytes) {
    char allowed[256] = "", unit[128] = "";
    *text = '\0';
    if (option->kind == RHM_OPTION_FLAG)
        return;
    if (option->kind != RHM_OPTION_TEXT) {
        rhm_option_allowed(option, allowed, sizeof allowed);
        snprintf(text, text_nbytes, "Allowed: %s. ", allowed);
    }
    if (option->unit)
        snprintf(unit, sizeof unit, "Unit: %s. ", option->unit);
    const char *fallback = option->otherwise ? option->otherwise : option->fallback;
    const size_t used = strlen(text);
    snprintf(text + used, text_nbytes - used, "%sDefault: %s.", unit, fallback ? fallback : "none");
}

static void describe(FILE *stream, const rhm_option *option) {
    char text[FACTS_NBYTES];
    fprintf(stream, "  ");
    if (option->letter)
        fprintf(stream, "-%c, ", option->letter);
    fprintf(stream, "--%s%s%s\n%*s", option->name, option->kind == RHM_OPTION_FLAG ? "" : " ",
            option->kind == RHM_OPTION_FLAG ? "" : option->argument, INDENT, "");
    int column = INDENT;
    wrap(stream, option->help, INDENT, &column);
    rhm_option_facts(option, text, sizeof text);
    wrap(stream, text, INDENT, &column);
    fputc('\n', stream);
    rhm_word word;
    for (int i = 0; option->about && (word = rhm_option_word(option, i)).text; i++) {
        option->about(i, text, sizeof text);
        fprintf(stream, "%*s%-*s", INDENT, "", NAME, word.text);
        wrap(stream, text, INDENT + NAME, &(int){INDENT + NAME});
        fputc('\n', stream);
    }
}

static void show_examples(FILE *stream, const char *examples) {
    fputs("\nExamples:\n", stream);
    for (size_t length; *examples; examples += length + (examples[length] == '\n')) {
        length = strcspn(examples, "\n");
        fprintf(stream, "  %.*s\n", (int)length, examples);
    }
}

void rhm_options_help(FILE *stream, const rhm_command *command) {
    int column = 0;
    fprintf(stream, "usage: rhm %s %s[options]\n\n", command->name, command->operands);
    wrap(stream, command->description, 0, &column);
    fputc('\n', stream);
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++) {
        fprintf(stream, "\n%s:\n", command->groups[g]->title);
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            describe(stream, option);
    }
    fputs("\nOther:\n  -h, --help\n      Print this text and exit.\n", stream);
    if (command->examples)
        show_examples(stream, command->examples);
}
