/*
 * One table per group of options drives parsing, checking and --help, so that the three cannot disagree. Values land in
 * an rhm_settings (settings.h) at the place the table names.
 */
#ifndef RHM_CLI_OPTIONS_H
#define RHM_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rhm/grammar.h"
#include "rhm/status.h"

/* What a value is, and the type of the member of rhm_settings that receives it. */
typedef enum rhm_option_kind {
    RHM_OPTION_FLAG,   /* bool; takes no value */
    RHM_OPTION_COUNT,  /* uint64_t: 4096, 1e6, 2.5e6, or a word */
    RHM_OPTION_NBYTES, /* uint64_t: 512M, 1.5G; powers of 1024 */
    RHM_OPTION_REAL,   /* double */
    RHM_OPTION_TEXT,   /* const char *: a path, or a word that somebody else understands */
    RHM_OPTION_CHOICE, /* int: position in the list of words */
    RHM_OPTION_COUNTS, /* rhm_list of whole numbers or words */
    RHM_OPTION_REALS,  /* rhm_list of numbers or words */
} rhm_option_kind;

/* One value, or one per level; whole numbers up to 2^53 are exact. */
typedef struct rhm_list {
    uint32_t count;
    double value[RHM_MAX_LEVELS + 1];
} rhm_list;

/* A word that stands for a value. */
typedef struct rhm_word {
    const char *text;
    double value;
} rhm_word;

/* What the command does with the file that an RHM_OPTION_TEXT names. */
typedef enum rhm_option_file {
    RHM_FILE_NONE,      /* the text names no file */
    RHM_FILE_READ,      /* reads it */
    RHM_FILE_TEXT,      /* writes text to it */
    RHM_FILE_RESULT,    /* writes HDF5 to it */
    RHM_FILE_DIRECTORY, /* keeps checkpoints in this directory */
} rhm_option_file;

typedef struct rhm_option {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    rhm_option_kind kind;
    const char *argument;  /* what --help calls the value */
    const char *unit;      /* of the value; NULL: none */
    const char *fallback;  /* the default as one would type it; NULL: the member stays zero */
    const char *otherwise; /* what --help says instead of `fallback` when the default is not a plain value */
    double least;          /* smallest allowed value; DBL_MIN reads "greater than 0" */
    double greatest;       /* 2^63 stands for INT64_MAX */
    bool of_training;      /* both are what the library says of the option (rhm_train_option_bounds) */
    const rhm_word *words; /* ends with a NULL text; NULL: none. Of RHM_OPTION_TEXT: what completion offers */
    const char *(*name_of)(int value); /* instead: the word for 0, 1, ...; NULL beyond the last */
    void (*about)(int value, char *text, size_t text_nbytes); /* what --help says of each of those, or NULL */
    size_t place;                                             /* offset in rhm_settings */
    rhm_option_file file;                                     /* checked before work begins (files.h) */
    const char *help;                                         /* one or two sentences */
} rhm_option;

typedef struct rhm_option_group {
    const char *title;
    const rhm_option *options; /* ends with a NULL name */
} rhm_option_group;

struct rhm_command;
struct rhm_settings;

/*
 * Fill `settings` for `command` with defaults, then with the arguments that follow the subcommand's name. The sentence
 * of a failure names the option, the value, the reason and what is allowed.
 */
rhm_status rhm_options_parse(struct rhm_settings *settings, const struct rhm_command *command, int argument_count,
                             char **arguments, rhm_error *error);

/* The text typed for an option of the command, or NULL when the user did not give it. */
const char *rhm_option_given(const struct rhm_settings *settings, const char *name);

/* RHM_INVALID when the user gave the option; `why` completes the sentence "--name VALUE ...". */
rhm_status rhm_option_refuse(const struct rhm_settings *settings, const char *name, const char *why, rhm_error *error);

/* The smallest and the largest number that it allows. */
typedef struct rhm_option_bounds {
    double least, greatest;
} rhm_option_bounds;

rhm_option_bounds rhm_option_bounds_of(const rhm_option *option);

/* What values the option allows, such as "a whole number from 1 to 32"; at most text_nbytes with the NUL. */
void rhm_option_allowed(const rhm_option *option, char *text, size_t text_nbytes);

/* Word `i` of an option; its text is NULL beyond the last. */
rhm_word rhm_option_word(const rhm_option *option, int i);

/* What is allowed, in which unit, and the default, in sentences; "" of a flag. */
void rhm_option_facts(const rhm_option *option, char *text, size_t text_nbytes);

/* The --help text of a subcommand. */
void rhm_options_help(FILE *stream, const struct rhm_command *command);

#endif
