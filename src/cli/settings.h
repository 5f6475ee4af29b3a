/* Everything a command line can say, the groups of options that subcommands share, and the subcommands themselves. */
#ifndef RHM_CLI_SETTINGS_H
#define RHM_CLI_SETTINGS_H

#include "cli/options.h"
#include "rhm/learner.h"
#include "rhm/ranks.h"

/* JSON and HDF5 readers hold integers in signed 64-bit words; the bound is INT64_MAX. */
#define RHM_MOST_SEED 0x1p63

/* Largest memory size that makes sense as a number; what is affordable is decided later, with reasons. */
#define RHM_MOST_NBYTES 0x1p62

enum { RHM_MOST_GROUPS = 12, RHM_MOST_OPERANDS = 2, RHM_MOST_GIVEN = 96 };

typedef struct rhm_settings {
    const struct rhm_command *command;
    char *const *arguments; /* as typed, after the subcommand's name */
    int argument_count;
    const char *operands[RHM_MOST_OPERANDS];

    struct {
        rhm_list vocab, rules, branching;
        uint64_t levels, seed;
        int rule_sampling;
        const char *grammar, *rule_law, *label_law;
        double ambiguity, token_noise, label_noise;
        bool identifiable;
    } instance;

    struct {
        const char *learner;
        rhm_list samples, bandwidth, ridge, parents, positions, width;
        uint64_t max_samples, max_width;
        int solver, draw, distinct, between, slices, shuffle;
        double tolerance, max_seconds;
    } training;

    rhm_train_options own; /* options of few learners, where rhm_train reads them; zero elsewhere */

    struct {
        uint64_t threads, memory_limit_nbytes;
        const char *placement, *isa, *backend;
        int progress;
        double rank_timeout;
        rhm_ranks *ranks; /* NULL: this process is alone */
    } running;

    struct {
        uint64_t ranks, nodes, node_cores;
        const char *measured;      /* a plan of one process, made elsewhere */
        double latency, bandwidth; /* of the network: microseconds, GB/s; 0: usual ones */
    } cluster;

    struct {
        const char *directory;
        bool resume;
        double seconds;
    } checkpoint;

    struct {
        double mask;
        int precision;
        bool marginals;
    } oracle;

    struct {
        const char *grid, *grid_file;
        uint64_t jobs, trials;
        bool retry;
        int size; /* rhm_sweep_size */
        double bound, least, greatest;
    } sweep;

    struct {
        double minutes, tolerance, frequency_tolerance; /* percent */
        const char *cores, *json, *csv, *openmetrics;
    } burn;

    const char *measure; /* parts of the machine to measure */
    const char *data;    /* data set to read */
    const char *output;  /* file to write */
    const char *report;  /* JSON report to write */
    int ceilings;        /* whether they are measured for the report: 0 or 1 */
    const char *trace;   /* trace-event JSON to write */
    uint64_t data_seed;  /* use rhm_settings_data_seed */
    uint64_t samples;    /* sequences to draw */
    uint64_t position;   /* of a symbol at its level, from 1 */
    uint64_t test_samples;
    bool latents;
    bool json;
    bool manual; /* a manual page instead of the text of --help */

    struct {
        const rhm_option *option;
        const char *text;
    } given[RHM_MOST_GIVEN]; /* what the user typed */
    size_t given_count;
} rhm_settings;

typedef struct rhm_command {
    const char *name;
    const char *operands;                      /* as shown in the usage line; "" for none */
    size_t operand_count;                      /* exactly so many */
    bool operands_optional;                    /* or none */
    const char *(*operand_name_of)(int value); /* what they may be: the word for 0, 1, ...; NULL: names of files */
    const char *summary;                       /* one line in `rhm --help` */
    const char *description;                   /* first paragraphs of the subcommand's own --help */
    const char *examples;                      /* command lines, one a line; NULL: none */
    const rhm_option_group *groups[RHM_MOST_GROUPS];
    bool on_ranks; /* it can be one of several ranks of an MPI job */
    rhm_status (*run)(const rhm_settings *settings, rhm_error *error);
} rhm_command;

extern const rhm_option_group rhm_instance_options;     /* --vocab ... --grammar */
extern const rhm_option_group rhm_learner_options;      /* --learner, --positions, --between, --protocol (learner.c) */
extern const rhm_option_group rhm_network_options;      /* of --learner cnn (network_options.c) */
extern const rhm_option_group rhm_budget_options;       /* --samples, --width and their limits */
extern const rhm_option_group rhm_draw_options;         /* --draw, --distinct */
extern const rhm_option_group rhm_method_options;       /* --bandwidth ... --max-seconds */
extern const rhm_option_group rhm_thread_options;       /* --threads, --placement, --progress */
extern const rhm_option_group rhm_kernel_options;       /* --isa, --backend, --memory-limit */
extern const rhm_option_group rhm_rank_options;         /* --rank-timeout */
extern const rhm_option_group rhm_interruption_options; /* --checkpoint, --resume, --checkpoint-seconds */

/* --data-seed, or the value of --seed where it was not given. */
uint64_t rhm_settings_data_seed(const rhm_settings *settings);

/* Values of a per-level option, typed with level L first, as by_level[1..levels]; one value stands for all levels. */
rhm_status rhm_settings_by_level(double *by_level, const rhm_settings *settings, const char *name, const rhm_list *list,
                                 uint32_t levels, rhm_error *error);

/* The budget group into samples, width, max_samples and max_width; refuses limits on what is given outright. */
rhm_status rhm_settings_budget(rhm_train_options *options, const rhm_settings *settings, uint32_t levels,
                               rhm_error *error);

/* What there is to know of the learner of --learner. */
rhm_status rhm_settings_learner_info(const rhm_learner_info **out, const rhm_settings *settings, rhm_error *error);

/* The learner of --learner, its positions; refuses typed options that it does not take. */
rhm_status rhm_settings_learner(rhm_train_options *options, const rhm_settings *settings, uint32_t levels,
                                rhm_error *error);

extern const rhm_command rhm_command_grammar;
extern const rhm_command rhm_command_sample;
extern const rhm_command rhm_command_train;
extern const rhm_command rhm_command_eval;
extern const rhm_command rhm_command_predict;
extern const rhm_command rhm_command_inspect;
extern const rhm_command rhm_command_plan;
extern const rhm_command rhm_command_machine;
extern const rhm_command rhm_command_oracle;
extern const rhm_command rhm_command_sweep;
extern const rhm_command rhm_command_burn;
extern const rhm_command rhm_command_probe;
extern const rhm_command rhm_command_help;
extern const rhm_command rhm_command_completion;

/* All subcommands in the order of `rhm --help`; NULL beyond the last. */
const rhm_command *rhm_command_at(size_t index);

/* NULL where there is none of this name. */
const rhm_command *rhm_command_named(const char *name);

/* The text of `rhm --help`. */
void rhm_command_overview(FILE *stream);

#endif
