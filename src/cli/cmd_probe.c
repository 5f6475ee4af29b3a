#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "rhm/machine.h"
#include "rhm/probe.h"
#include "rhm/report.h"

static const rhm_option own[] = {
    {.name = "sequences",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .unit = "sequences",
     .fallback = "1000",
     .least = 4,
     .greatest = 1e9,
     .place = offsetof(rhm_settings, samples),
     .help = "Sequences that are drawn, and changed."},
    {.name = "position",
     .kind = RHM_OPTION_COUNT,
     .argument = "J",
     .otherwise = "all patches of the level",
     .least = 1,
     .greatest = UINT32_MAX,
     .place = offsetof(rhm_settings, position),
     .help = "Change only the patch below the J-th symbol of a level. Levels with fewer symbols are left out."},
    RHM_OPTION_DATA_SEED("Seed of the sequences and of what is changed."),
    RHM_OPTION_REPORT("Write the result as JSON to this file."),
    RHM_OPTION_JSON,
    {0}};
static const rhm_option_group own_options = {"Probes", own};

typedef struct probing {
    rhm_model *model;
    rhm_grammar *drawn; /* from instance options; NULL without */
    const rhm_grammar *grammar;
    rhm_engine *engine;
    rhm_progress_bar bar;
    rhm_probe_options options;
    rhm_probe_report report;
} probing;

static rhm_status choose_grammar(probing *p, const rhm_settings *settings, rhm_error *error) {
    if (rhm_instance_given(settings))
        RHM_TRY(rhm_instance_grammar(&p->drawn, settings, error));
    p->grammar = p->drawn ? p->drawn : rhm_model_grammar(p->model);
    return p->grammar ? RHM_OK
                      : rhm_fail(error, RHM_INVALID,
                                 "%s holds no grammar, and without one there is nothing to exchange: give the instance "
                                 "options, such as --grammar FILE",
                                 rhm_path_shown(settings->operands[0]));
}

static void print_number(double value, int width, int digits) {
    if (isnan(value))
        printf(" %*s", width, "-");
    else
        printf(" %*.*f", width, digits, value);
}

static void print_matrix(const probing *p, const char *title, bool synonyms) {
    const uint32_t levels = p->report.levels, first = synonyms ? 1 : 0;
    printf("\n%s\n\n%14s", title, synonyms ? "patches of:" : "symbols of:");
    for (uint32_t k = first; k < first + levels; k++)
        printf("  level %-2u", k);
    printf("\n");
    for (uint32_t level = levels; level >= 1; level--) {
        const rhm_probe_level *one = &p->report.level[level];
        if (!one->width)
            continue;
        printf("outputs of %3u", level);
        for (uint32_t k = first; k < first + levels; k++)
            print_number(synonyms ? one->synonyms[k] : one->redrawn[k], 9, 4);
        printf("\n");
    }
}

static void print_levels(const probing *p) {
    printf("%5s %7s %8s %7s %9s %9s %9s %9s %9s\n", "level", "numbers", "symbols", "points", "majority", "grouping",
           "Rand", "linear", "label");
    for (uint32_t level = p->report.levels; level >= 1; level--) {
        const rhm_probe_level *one = &p->report.level[level];
        if (!one->width) {
            printf("%5u   the model shows no outputs at this level\n", level);
            continue;
        }
        printf("%5u %7u %8u %7zu", level, one->width, one->symbols, one->points);
        print_number(one->majority, 9, 4);
        print_number(one->clustering_error, 9, 4);
        print_number(one->adjusted_rand, 9, 4);
        print_number(one->linear_accuracy, 9, 4);
        print_number(one->linear_of_label, 9, 4);
        printf("\n");
    }
    printf(
        "  The outputs of level l stand for symbols of level l - 1. majority: share of the most frequent symbol;\n"
        "  grouping: share of points outside of the majority of their group, of as many groups as symbols (k-means);\n"
        "  Rand: adjusted Rand index of these groups, 1 agreement, 0 chance; linear, label: share of symbols, and of\n"
        "  labels, that a linear map fitted to the other half of the points reads off the outputs\n");
}

static void print_results(const probing *p, const rhm_settings *settings) {
    char where[64] = "all patches of the level";
    if (p->options.position)
        snprintf(where, sizeof where, "patch %u of the level", p->options.position);
    printf("model       %s of the kind %s, %zu sequences, seed %" PRIu64 ", %s changed\n\n", settings->operands[0],
           rhm_model_kind(p->model), p->report.sequences, p->options.seed, where);
    print_levels(p);
    print_matrix(p, "Synonyms exchanged: patches of a level for others of the same symbols", true);
    print_matrix(p, "Redrawn: all below the symbols of a level (0: the label) drawn again", false);
    printf(
        "\n  Mean squared change of the outputs over their mean squared distance between sequences: 0 where outputs "
        "do\n"
        "  not see the change, 1 where they change as much as from sequence to sequence. A level that has learnt its\n"
        "  synonyms does not see those of its own level and of levels below it (with larger numbers).\n");
}

static rhm_status tell(const probing *p, const rhm_settings *settings, double seconds, rhm_error *error) {
    char command[RHM_COMMAND_LINE_NBYTES], *machine, *text;
    rhm_results_command(command, settings);
    RHM_TRY(rhm_machine_describe(&machine, p->engine, NULL, error));
    const rhm_report_run run = {
        .command = command,
        .instance = {.grammar = p->grammar, .tree = rhm_model_tree(p->model)},
        .machine = machine,
        .seconds = seconds,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
    rhm_status status = rhm_report_probe(&text, &run, p->model, &p->options, &p->report, error);
    free(machine);
    if (status != RHM_OK)
        return status;
    status = rhm_results_write(settings, text, error);
    if (status == RHM_OK && settings->json)
        fputs(text, stdout);
    else if (status == RHM_OK)
        print_results(p, settings);
    free(text);
    return status;
}

static rhm_status work(probing *p, const rhm_settings *settings, rhm_error *error) {
    const double start = rhm_progress_seconds();
    RHM_TRY(rhm_running_input(rhm_model_load(&p->model, settings->operands[0], error)));
    rhm_running_notes(&(rhm_listener){settings->command->name}, rhm_model_notes(p->model));
    RHM_TRY(choose_grammar(p, settings, error));
    const bool seeded = rhm_option_given(settings, "data-seed") || rhm_option_given(settings, "seed");
    p->options = (rhm_probe_options){
        .seed = seeded ? rhm_settings_data_seed(settings) : rhm_grammar_seed(p->grammar),
        .sequences = settings->samples,
        .position = (uint32_t)settings->position,
    };
    RHM_TRY(rhm_running_engine(&p->engine, &p->bar, settings, error));
    RHM_TRY(rhm_probe(&p->report, p->engine, p->model, p->grammar, &p->options, error));
    rhm_progress_clear(&p->bar);
    return tell(p, settings, rhm_progress_seconds() - start, error);
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    probing p = {0};
    const rhm_status status = work(&p, settings, error);
    rhm_progress_clear(&p.bar);
    rhm_engine_destroy(p.engine);
    rhm_grammar_destroy(p.drawn);
    rhm_model_destroy(p.model);
    return status;
}

const rhm_command rhm_command_probe = {
    .name = "probe",
    .operands = "MODEL ",
    .operand_count = 1,
    .summary = "what the levels of a model know of the hidden symbols",
    .description =
        "Compare the outputs of a model's levels with the hidden symbols of fresh sequences: groups of outputs, what a "
        "linear map reads off them, and how much they change when synonyms are exchanged or symbols are drawn again.",
    .examples = "rhm probe model.h5\n"
                "rhm probe model.h5 --position 1 --json",
    .groups = {&own_options, &rhm_instance_options, &rhm_thread_options, &rhm_kernel_options},
    .run = run,
};
