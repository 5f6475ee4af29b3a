#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "core/json.h"
#include "rhm/inspect.h"

enum { LEVEL_COLUMN = 11 };

static const rhm_option own[] = {
    RHM_OPTION_JSON,
    {.name = "branching",
     .kind = RHM_OPTION_COUNTS,
     .argument = "s|s_1,...,s_L",
     .unit = "symbols per patch",
     .otherwise = "what the file says or implies",
     .least = 2,
     .greatest = RHM_MAX_BRANCHING,
     .place = offsetof(rhm_settings, instance.branching),
     .help = "Of a data set of another program whose number of tokens can be read as s^L in several ways, or in none."},
    {0}};
static const rhm_option_group own_options = {"Inspection", own};

static rhm_status print_instance(const rhm_grammar *grammar, rhm_error *error) {
    rhm_analysis analysis = {0};
    RHM_TRY(rhm_analyse(&analysis, grammar, error));
    rhm_instance_print(stdout, grammar, &analysis);
    rhm_analysis_clear(&analysis);
    return RHM_OK;
}

static rhm_status print_grammar(const char *path, const rhm_inspection *of, rhm_error *error) {
    printf("grammar     %s\n", path);
    return print_instance(of->grammar, error);
}

static rhm_status print_data(const char *path, const rhm_inspection *of, rhm_error *error) {
    const rhm_data *data = &of->data;
    printf("data        %s\nsequences   %zu, s = ", path, data->count);
    rhm_instance_print_sizes(stdout, data->tree.branching, 1, data->tree.levels);
    printf(", L = %u (%zu tokens each), |V_L| = %u, |V_0| = %u\n", data->tree.levels, data->tree.leaves[0],
           data->token_vocab, data->label_vocab);
    if (data->labels)
        printf("labels      each on %" PRIu64 " to %" PRIu64 " sequences\n", of->least_per_label, of->most_per_label);
    else
        printf("labels      none\n");
    return data->grammar ? print_instance(data->grammar, error) : RHM_OK;
}

/* A table of what the levels of the model's kind have: a column a key, four digits of reals. */
static void print_levels(const json_t *levels) {
    const char *key;
    json_t *value, *level;
    size_t i;
    printf("\n");
    json_object_foreach(json_array_get(levels, 0), key, value) printf("%*s", LEVEL_COLUMN, key);
    printf("\n");
    json_array_foreach(levels, i, level) {
        json_object_foreach(level, key, value) {
            if (json_is_integer(value))
                printf("%*" JSON_INTEGER_FORMAT, LEVEL_COLUMN, json_integer_value(value));
            else if (json_is_real(value))
                printf("%*.4g", LEVEL_COLUMN, json_real_value(value));
            else
                printf("%*s", LEVEL_COLUMN, "-");
        }
        printf("\n");
    }
}

static void print_training(const json_t *report) {
    const json_t *test = json_object_get(report, "test");
    if (test)
        printf("test        accuracy %.4f on %" JSON_INTEGER_FORMAT " sequences\n",
               json_number_value(json_object_get(test, "accuracy")),
               json_integer_value(json_object_get(test, "samples")));
}

static rhm_status print_model(const char *path, const rhm_inspection *of, rhm_error *error) {
    const rhm_model *model = of->model;
    json_t *levels, *report = rhm_model_report(model) ? json_loads(rhm_model_report(model), 0, NULL) : NULL;
    char *text;
    rhm_status status = rhm_model_describe(model, &text, error);
    if (status == RHM_OK)
        status = rhm_results_parse(&levels, text, error);
    if (status == RHM_OK) {
        printf("model       %s\nkind        %s, %.1f KiB of parameters\nhash        %s\n", path, rhm_model_kind(model),
               (double)rhm_model_nbytes(model) / 0x1p10, of->model_hash);
        print_training(report);
        print_levels(levels);
        printf("\n");
        json_decref(levels);
    }
    json_decref(report);
    return status == RHM_OK && rhm_model_grammar(model) ? print_instance(rhm_model_grammar(model), error) : status;
}

static void print_accuracy(const rhm_inspection *of) {
    if (!isnan(of->accuracy))
        printf("accuracy    %.4f\n", of->accuracy);
}

static rhm_status print_prediction(const char *path, const rhm_inspection *of, rhm_error *error) {
    (void)error;
    printf("prediction  %s\nsequences   %" PRIu64 ", %" PRIu64 " labels\nmodel hash  %s\n", path, of->sequences,
           of->classes, of->model_hash);
    print_accuracy(of);
    return RHM_OK;
}

static rhm_status print_beliefs(const char *path, const rhm_inspection *of, rhm_error *error) {
    (void)error;
    printf("beliefs     %s\nsequences   %" PRIu64 ", %" PRIu64 " labels%s\n", path, of->sequences, of->classes,
           of->marginals ? ", with the marginals of all symbols" : "");
    print_accuracy(of);
    return RHM_OK;
}

static rhm_status print(const char *path, const rhm_inspection *of, rhm_error *error) {
    static const struct {
        const char *kind;
        rhm_status (*print)(const char *path, const rhm_inspection *of, rhm_error *error);
    } kinds[] = {{"grammar", print_grammar},
                 {"data", print_data},
                 {"model", print_model},
                 {"prediction", print_prediction},
                 {"oracle", print_beliefs}};
    size_t i = 0;
    while (strcmp(of->kind, kinds[i].kind))
        i++;
    return kinds[i].print(path, of, error);
}

static rhm_status print_json(const rhm_inspection *of, rhm_error *error) {
    char *text;
    RHM_TRY(rhm_report_inspection(&text, of, error));
    fputs(text, stdout);
    free(text);
    return RHM_OK;
}

static rhm_status show(const rhm_settings *settings, rhm_error *error) {
    rhm_listener listener = {settings->command->name};
    rhm_data_hints hints = {.note = rhm_running_note, .user = &listener};
    rhm_inspection of;
    if (rhm_option_given(settings, "branching"))
        rhm_instance_branching(hints.branching, settings);
    RHM_TRY(rhm_inspect(&of, settings->operands[0], &hints, error));
    rhm_status status = RHM_OK;
    if (strcmp(of.kind, "data") != 0)
        status = rhm_option_refuse(settings, "branching", "has no effect on a file that is not a data set", error);
    if (status == RHM_OK)
        status = settings->json ? print_json(&of, error) : print(settings->operands[0], &of, error);
    rhm_inspection_clear(&of);
    return status;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    return rhm_running_input(show(settings, error));
}

const rhm_command rhm_command_inspect = {
    .name = "inspect",
    .operands = "FILE ",
    .operand_count = 1,
    .summary = "what a grammar, data, model or prediction file holds",
    .description = "Check a file and say what it holds.",
    .examples = "rhm inspect data.h5\n"
                "rhm inspect model.h5 --json",
    .groups = {&own_options},
    .run = run,
};
