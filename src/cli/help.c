#include <string.h>

#include "cli/options.h"
#include "cli/settings.h"

enum { LINE = 100, INDENT = 6 };

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

static void describe(FILE *stream, const rhm_option *option) {
    char text[512];
    fprintf(stream, "  ");
    if (option->letter)
        fprintf(stream, "-%c, ", option->letter);
    fprintf(stream, "--%s%s%s\n%*s", option->name, option->kind == RHM_OPTION_FLAG ? "" : " ",
            option->kind == RHM_OPTION_FLAG ? "" : option->argument, INDENT, "");
    int column = INDENT;
    wrap(stream, option->help, INDENT, &column);
    if (option->kind != RHM_OPTION_FLAG) {
        if (option->kind != RHM_OPTION_TEXT) {
            char allowed[256];
            rhm_option_allowed(option, allowed, sizeof allowed);
            snprintf(text, sizeof text, "Allowed: %s.", allowed);
            wrap(stream, text, INDENT, &column);
        }
        if (option->unit) {
            snprintf(text, sizeof text, "Unit: %s.", option->unit);
            wrap(stream, text, INDENT, &column);
        }
        const char *fallback = option->otherwise ? option->otherwise : option->fallback;
        snprintf(text, sizeof text, "Default: %s.", fallback ? fallback : "none");
        wrap(stream, text, INDENT, &column);
    }
    fputc('\n', stream);
    if (option->list)
        option->list(stream);
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
}
