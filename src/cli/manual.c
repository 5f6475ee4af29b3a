#include "cli/manual.h"

#include <ctype.h>
#include <string.h>

enum { TEXT_NBYTES = 640 };

/* Text that roff prints as it stands, also where it would be a request or a typographic quote or hyphen. */
static void put(FILE *stream, const char *text) {
    static const char special[] = "\\-`'^~";
    static const char *const as[] = {"\\e", "\\-", "\\(ga", "\\(aq", "\\(ha", "\\(ti"};
    bool at_start = true;
    for (; *text; text++) {
        const char *found = strchr(special, *text);
        if (*text == '\n')
            fputs("\n.br\n", stream);
        else if (found)
            fputs(as[found - special], stream);
        else
            fprintf(stream, "%s%c", at_start && *text == '.' ? "\\&" : "", *text);
        at_start = *text == '\n';
    }
}

/* `text` in one of the fonts B and I. */
static void put_in(FILE *stream, char font, const char *text) {
    fprintf(stream, "\\f%c", font);
    put(stream, text);
    fputs("\\fR", stream);
}

static void section(FILE *stream, const char *name, const char *text) {
    fprintf(stream, ".SH %s\n", name);
    put(stream, text);
    fputc('\n', stream);
}

static void title(FILE *stream, const char *name, const char *summary) {
    fputs(".TH ", stream);
    for (const char *c = name; *c; c++)
        fputc(toupper((unsigned char)*c), stream);
    fprintf(stream, " 1 \"\" \"rhm %s\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\n", rhm_version());
    put(stream, name);
    fputs(" \\- ", stream);
    put(stream, summary);
    fputc('\n', stream);
}

static void item(FILE *stream, const char *name, const char *text) {
    fputs(".TP\n", stream);
    put_in(stream, 'B', name);
    fputc('\n', stream);
    put(stream, text);
    fputc('\n', stream);
}

static void describe(FILE *stream, const rhm_option *option) {
    char text[TEXT_NBYTES];
    fputs(".TP\n", stream);
    if (option->letter)
        fprintf(stream, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", stream);
    put(stream, option->name);
    fputs("\\fR", stream);
    if (option->kind != RHM_OPTION_FLAG) {
        fputc(' ', stream);
        put_in(stream, 'I', option->argument);
    }
    fputc('\n', stream);
    put(stream, option->help);
    rhm_option_facts(option, text, sizeof text);
    fputs(*text ? "\n.br\n" : "\n", stream);
    if (*text) {
        put(stream, text);
        fputc('\n', stream);
    }
    rhm_word word;
    if (option->about)
        fputs(".RS\n", stream);
    for (int i = 0; option->about && (word = rhm_option_word(option, i)).text; i++) {
        option->about(i, text, sizeof text);
        item(stream, word.text, text);
    }
    if (option->about)
        fputs(".RE\n", stream);
}

static void show_examples(FILE *stream, const char *examples) {
    fputs(".SH EXAMPLES\n.nf\n", stream);
    for (size_t length; *examples; examples += length + (examples[length] == '\n')) {
        char line[TEXT_NBYTES];
        length = strcspn(examples, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, examples);
        fputs(".RS 4\n", stream);
        put(stream, line);
        fputs("\n.RE\n", stream);
    }
    fputs(".fi\n", stream);
}

/* What holds for every subcommand; `but` has a paragraph already. */
static void end(FILE *stream, const rhm_command *but) {
    fputs(".SH EXIT STATUS\n", stream);
    item(stream, "0", "Done.");
    item(stream, "1", "The run failed.");
    item(stream, "2", "Bad usage or bad input: one line on standard error says which value, why, and what is allowed.");
    item(stream, "130", "Interrupted.");
    fputs(".SH SEE ALSO\n", stream);
    const rhm_command *command;
    const char *comma = "";
    if (but) {
        fputs("\\fBrhm\\fR(1)", stream);
        comma = ",\n";
    }
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        if (command != but) {
            fprintf(stream, "%s\\fBrhm\\-%s\\fR(1)", comma, command->name);
            comma = ",\n";
        }
    fputc('\n', stream);
}

static void of_command(FILE *stream, const rhm_command *command) {
    char name[64];
    snprintf(name, sizeof name, "rhm-%s", command->name);
    title(stream, name, command->summary);
    fprintf(stream, ".SH SYNOPSIS\n\\fBrhm %s\\fR ", command->name);
    put_in(stream, 'I', command->operands);
    fputs("[\\fIoptions\\fR]\n", stream);
    section(stream, "DESCRIPTION", command->description);
    fputs(".SH OPTIONS\n", stream);
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++) {
        fprintf(stream, ".SS %s\n", command->groups[g]->title);
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            describe(stream, option);
    }
    fputs(".SS Other\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint a summary of these options and exit.\n", stream);
    if (command->examples)
        show_examples(stream, command->examples);
    end(stream, command);
}

void rhm_manual_write(FILE *stream, const rhm_command *command) {
    if (command) {
        of_command(stream, command);
        return;
    }
    title(stream, "rhm", "Random Hierarchy Models and their learners on multicore CPUs");
    fputs(".SH SYNOPSIS\n\\fBrhm\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n", stream);
    section(
        stream, "DESCRIPTION",
        "rhm generates Random Hierarchy Models, context-free grammars in which a label is rewritten L times into a "
        "sequence of tokens, draws labelled sequences of them, trains learners on these level by level without "
        "back-propagation, and says what exact inference would know. Files are HDF5, reports are JSON. Results have "
        "the same bits for any number of threads, placement and instruction set.");
    fputs(".SH COMMANDS\n", stream);
    for (size_t i = 0; (command = rhm_command_at(i)); i++)
        item(stream, command->name, command->summary);
    fputs(".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint the list of commands; after a command, its "
          "options.\n",
          stream);
    item(stream, "--version", "Print the version.");
    end(stream, NULL);
}
