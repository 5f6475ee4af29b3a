/* Options that several subcommands have, each in its own words: entries of tables of rhm_option. */
#ifndef RHM_CLI_SHARED_OPTIONS_H
#define RHM_CLI_SHARED_OPTIONS_H

#include "cli/settings.h"

#define RHM_OPTION_DATA(default_is, words)                                                                             \
    {                                                                                                                  \
        .name = "data", .kind = RHM_OPTION_TEXT, .argument = "FILE", .otherwise = default_is,                          \
        .place = offsetof(rhm_settings, data), .file = RHM_FILE_READ, .help = words                                    \
    }

#define RHM_OPTION_SEQUENCES(called, member, default_is, words)                                                        \
    {                                                                                                                  \
        .name = called, .kind = RHM_OPTION_COUNT, .argument = "N", .unit = "sequences", .otherwise = default_is,       \
        .least = 1, .greatest = 1e12, .place = offsetof(rhm_settings, member), .help = words                           \
    }

#define RHM_OPTION_DATA_SEED(words)                                                                                    \
    {                                                                                                                  \
        .name = "data-seed", .kind = RHM_OPTION_COUNT, .argument = "S", .otherwise = "the value of --seed",            \
        .least = 0, .greatest = RHM_MOST_SEED, .place = offsetof(rhm_settings, data_seed), .help = words               \
    }

#define RHM_OPTION_SHARE(called, symbol, of, member, words)                                                            \
    {                                                                                                                  \
        .name = called, .kind = RHM_OPTION_REAL, .argument = symbol, .unit = of, .fallback = "0", .least = 0,          \
        .greatest = 1, .place = offsetof(rhm_settings, member), .help = words                                          \
    }

#define RHM_OPTION_OUTPUT(default_is, words)                                                                           \
    {                                                                                                                  \
        .name = "output", .letter = 'o', .kind = RHM_OPTION_TEXT, .argument = "FILE", .otherwise = default_is,         \
        .place = offsetof(rhm_settings, output), .file = RHM_FILE_RESULT, .help = words                                \
    }

#define RHM_OPTION_REPORT(words)                                                                                       \
    {                                                                                                                  \
        .name = "report", .kind = RHM_OPTION_TEXT, .argument = "FILE", .place = offsetof(rhm_settings, report),        \
        .file = RHM_FILE_TEXT, .help = words                                                                           \
    }

#define RHM_OPTION_MEMORY_LIMIT(words)                                                                                 \
    {                                                                                                                  \
        .name = "memory-limit", .kind = RHM_OPTION_NBYTES, .argument = "SIZE", .unit = "bytes",                        \
        .otherwise = "what the machine or the control group has", .least = 1, .greatest = RHM_MOST_NBYTES,             \
        .place = offsetof(rhm_settings, running.memory_limit_nbytes), .help = words                                    \
    }

extern const rhm_word rhm_progress_words[];

#define RHM_OPTION_PROGRESS                                                                                            \
    {                                                                                                                  \
        .name = "progress", .kind = RHM_OPTION_CHOICE, .argument = "WHEN", .fallback = "auto",                         \
        .words = rhm_progress_words, .place = offsetof(rhm_settings, running.progress),                                \
        .help = "Show a progress bar on standard error. auto: when that is a terminal."                                \
    }

#define RHM_OPTION_JSON                                                                                                \
    {                                                                                                                  \
        .name = "json", .kind = RHM_OPTION_FLAG, .place = offsetof(rhm_settings, json),                                \
        .help = "Print JSON instead of text."                                                                          \
    }

#endif
