#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/fields.h"
#include "core/h5file.h"
#include "core/json.h"
#include "core/memory.h"
#include "rhm/data.h"
#include "rhm/model.h"
#include "rhm/report.h"

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

/* The instance of a grammar, with its analysis: as *json, or as text where `json` is NULL. */
static rhm_status show_instance(const rhm_grammar *grammar, json_t **json, rhm_error *error) {
    rhm_analysis analysis = {0};
    rhm_status status = rhm_analyse(&analysis, grammar, error);
    char *text = NULL;
    if (status == RHM_OK && json)
        status = rhm_report_of_instance(&text, &(rhm_report_instance){grammar, &analysis, NULL, NULL}, error);
    if (status == RHM_OK && json)
        status = rhm_results_parse(json, text, error);
    else if (status == RHM_OK)
        rhm_instance_print(stdout, grammar, &analysis);
    rhm_analysis_clear(&analysis);
    return status;
}

/* ---- grammars -------------------------------------------------------------------------------------------- */

static rhm_status show_grammar(const char *path, const rhm_settings *settings, rhm_error *error) {
    rhm_grammar *grammar;
    json_t *instance = NULL;
    RHM_TRY(rhm_grammar_load(&grammar, path, error));
    rhm_listener listener = {settings->command->name, json_array()};
    rhm_running_notes(&listener, rhm_grammar_notes(grammar));
    if (!settings->json)
        printf("grammar     %s\n", path);
    rhm_status status = show_instance(grammar, settings->json ? &instance : NULL, error);
    if (status == RHM_OK && settings->json)
        status = rhm_results_print(
            json_pack("{s:s, s:o, s:O}", "kind", "grammar", "instance", instance, "notes", listener.list), error);
    json_decref(listener.list);
    rhm_grammar_destroy(grammar);
    return status;
}

/* ---- data sets ------------------------------------------------------------------------------------------- */

/* Smallest and largest number of sequences that share a label. */
static rhm_status count_labels(const rhm_data *data, uint64_t *least, uint64_t *most, rhm_error *error) {
    uint64_t *counts = RHM_NEW(uint64_t, data->label_vocab, 1, 1, "label counts", error);
    if (!counts)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < data->count; i++)
        counts[data->labels[i]]++;
    *least = *most = counts[0];
    for (uint32_t label = 1; label < data->label_vocab; label++) {
        *least = counts[label] < *least ? counts[label] : *least;
        *most = counts[label] > *most ? counts[label] : *most;
    }
    rhm_free(counts);
    return RHM_OK;
}

static json_t *describe_data(const rhm_data *data, uint64_t least, uint64_t most, json_t *instance, json_t *notes) {
    return json_pack("{s:s, s:o, s:i, s:o, s:i, s:i, s:b, s:o, s:o, s:o, s:O}", "kind", "data", "sequences",
                     rhm_json_unsigned(data->count), "levels", (int)data->tree.levels, "branching",
                     rhm_json_sizes(data->tree.branching + 1, data->tree.levels), "token_vocab", (int)data->token_vocab,
                     "label_vocab", (int)data->label_vocab, "labelled", data->labels != NULL, "least_per_label",
                     data->labels ? rhm_json_unsigned(least) : json_null(), "most_per_label",
                     data->labels ? rhm_json_unsigned(most) : json_null(), "instance",
                     instance ? instance : json_null(), "notes", notes);
}

static rhm_status show_data(const char *path, const rhm_settings *settings, rhm_error *error) {
    rhm_listener listener = {settings->command->name, json_array()};
    rhm_data_hints hints = {.allow_missing_labels = 1, .note = rhm_running_note, .user = &listener};
    if (rhm_option_given(settings, "branching"))
        rhm_instance_branching(hints.branching, settings);
    rhm_data data = {0};
    json_t *instance = NULL;
    uint64_t least = 0, most = 0;
    rhm_status status = rhm_data_load(&data, path, &hints, error);
    if (status == RHM_OK && data.labels)
        status = count_labels(&data, &least, &most, error);
    if (status == RHM_OK && !settings->json) {
        printf("data        %s\nsequences   %zu, s = ", path, data.count);
        rhm_instance_print_sizes(stdout, data.tree.branching, 1, data.tree.levels);
        printf(", L = %u (%zu tokens each), |V_L| = %u, |V_0| = %u\n", data.tree.levels, data.tree.leaves[0],
               data.token_vocab, data.label_vocab);
        if (data.labels)
            printf("labels      each on %" PRIu64 " to %" PRIu64 " sequences\n", least, most);
        else
            printf("labels      none\n");
    }
    if (status == RHM_OK && data.grammar)
        status = show_instance(data.grammar, settings->json ? &instance : NULL, error);
    if (status == RHM_OK && settings->json)
        status = rhm_results_print(describe_data(&data, least, most, instance, listener.list), error);
    json_decref(listener.list);
    rhm_data_clear(&data);
    return status;
}

/* ---- models ---------------------------------------------------------------------------------------------- */

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

static rhm_status describe_levels(json_t **levels, const rhm_model *model, rhm_error *error) {
    char *text;
    RHM_TRY(rhm_model_describe(model, &text, error));
    return rhm_results_parse(levels, text, error);
}

/* The report inside the model, or NULL where there is none or it is not JSON. */
static json_t *training_report(const rhm_model *model) {
    const char *text = rhm_model_report(model);
    return text ? json_loads(text, 0, NULL) : NULL;
}

static void print_training(const json_t *report) {
    const json_t *test = json_object_get(report, "test");
    if (test)
        printf("test        accuracy %.4f on %" JSON_INTEGER_FORMAT " sequences\n",
               json_number_value(json_object_get(test, "accuracy")),
               json_integer_value(json_object_get(test, "samples")));
}

static rhm_status print_model(const char *path, const rhm_model *model, const json_t *levels, const json_t *report,
                              const char *hash, rhm_error *error) {
    printf("model       %s\nkind        %s, %.1f KiB of parameters\nhash        %s\n", path, rhm_model_kind(model),
           (double)rhm_model_nbytes(model) / 0x1p10, hash);
    print_training(report);
    print_levels(levels);
    printf("\n");
    return rhm_model_grammar(model) ? show_instance(rhm_model_grammar(model), NULL, error) : RHM_OK;
}

static rhm_status print_model_json(const rhm_model *model, json_t *levels, json_t *report, json_t *notes,
                                   const char *hash, rhm_error *error) {
    json_t *instance = NULL;
    if (rhm_model_grammar(model))
        RHM_TRY(show_instance(rhm_model_grammar(model), &instance, error));
    return rhm_results_print(json_pack("{s:s, s:s, s:s, s:o, s:O, s:o, s:O, s:O}", "kind", "model", "model_kind",
                                       rhm_model_kind(model), "model_hash", hash, "parameter_bytes",
                                       rhm_json_unsigned(rhm_model_nbytes(model)), "levels", levels, "instance",
                                       instance ? instance : json_null(), "report", report ? report : json_null(),
                                       "notes", notes),
                             error);
}

static rhm_status show_model(const char *path, const rhm_settings *settings, rhm_error *error) {
    rhm_model *model;
    RHM_TRY(rhm_model_load(&model, path, error));
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(model, hash);
    json_t *levels = NULL, *report = training_report(model);
    rhm_listener listener = {settings->command->name, json_array()};
    rhm_running_notes(&listener, rhm_model_notes(model));
    rhm_status status = describe_levels(&levels, model, error);
    if (status == RHM_OK)
        status = settings->json ? print_model_json(model, levels, report, listener.list, hash, error)
                                : print_model(path, model, levels, report, hash, error);
    json_decref(levels);
    json_decref(listener.list);
    json_decref(report);
    rhm_model_destroy(model);
    return status;
}

/* ---- predictions ----------------------------------------------------------------------------------------- */

typedef struct prediction {
    uint64_t sequences, classes;
    char hash[RHM_HASH_TEXT_NBYTES];
    double accuracy; /* NaN where the data had no labels */
    bool marginals;
    char *notes; /* on the file, or NULL */
} prediction;

/* The posteriors and the accuracy of a group. */
static rhm_status read_posteriors(prediction *p, const rhm_h5 *file, const char *group, const char *posteriors,
                                  rhm_error *error) {
    rhm_h5_shape shape;
    RHM_TRY(rhm_h5_read_shape(file, posteriors, RHM_H5_FLOATS, &shape, error));
    if (shape.rank != 2)
        return rhm_h5_refuse(file, posteriors, error, "has %u dimensions: two are wanted, N x |V_0|", shape.rank);
    p->sequences = shape.extent[0];
    p->classes = shape.extent[1];
    p->accuracy = (double)NAN;
    if (rhm_h5_has_attribute(file, group, "accuracy"))
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "accuracy", &p->accuracy, error));
    return RHM_OK;
}

static rhm_status read_prediction(void *context, const rhm_h5 *file, rhm_error *error) {
    prediction *p = context;
    RHM_TRY(read_posteriors(p, file, "/prediction", "/prediction/posteriors", error));
    RHM_TRY(rhm_h5_read_text_attribute(file, "/prediction", "model_hash", p->hash, sizeof p->hash, error));
    return rhm_h5_notes(file, &p->notes, error);
}

static rhm_status show_prediction(const char *path, const rhm_settings *settings, rhm_error *error) {
    prediction p = {.notes = NULL};
    RHM_TRY(rhm_h5_load(path, read_prediction, &p, error));
    rhm_listener listener = {settings->command->name, json_array()};
    rhm_running_notes(&listener, p.notes);
    rhm_free(p.notes);
    if (settings->json)
        return rhm_results_print(json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", "prediction", "sequences",
                                           rhm_json_unsigned(p.sequences), "classes", rhm_json_unsigned(p.classes),
                                           "model_hash", rhm_json_text(p.hash), "accuracy", rhm_json_number(p.accuracy),
                                           "notes", listener.list),
                                 error);
    json_decref(listener.list);
    printf("prediction  %s\nsequences   %" PRIu64 ", %" PRIu64 " labels\nmodel hash  %s\n", path, p.sequences,
           p.classes, p.hash);
    if (!isnan(p.accuracy))
        printf("accuracy    %.4f\n", p.accuracy);
    return RHM_OK;
}

/* ---- beliefs of an oracle -------------------------------------------------------------------------------- */

static rhm_status read_beliefs(void *context, const rhm_h5 *file, rhm_error *error) {
    prediction *p = context;
    p->marginals = rhm_h5_has(file, "/oracle/marginals_0");
    return read_posteriors(p, file, "/oracle", "/oracle/posteriors", error);
}

static rhm_status show_beliefs(const char *path, const rhm_settings *settings, rhm_error *error) {
    prediction p = {0};
    RHM_TRY(rhm_h5_load(path, read_beliefs, &p, error));
    if (settings->json)
        return rhm_results_print(json_pack("{s:s, s:o, s:o, s:b, s:o}", "kind", "oracle", "sequences",
                                           rhm_json_unsigned(p.sequences), "classes", rhm_json_unsigned(p.classes),
                                           "marginals", (int)p.marginals, "accuracy", rhm_json_number(p.accuracy)),
                                 error);
    printf("beliefs     %s\nsequences   %" PRIu64 ", %" PRIu64 " labels%s\n", path, p.sequences, p.classes,
           p.marginals ? ", with the marginals of all symbols" : "");
    if (!isnan(p.accuracy))
        printf("accuracy    %.4f\n", p.accuracy);
    return RHM_OK;
}

static rhm_status show(const rhm_settings *settings, rhm_error *error) {
    static const struct {
        const char *kind;
        rhm_status (*show)(const char *path, const rhm_settings *settings, rhm_error *error);
    } kinds[] = {{"grammar", show_grammar},
                 {"data", show_data},
                 {"model", show_model},
                 {"prediction", show_prediction},
                 {"oracle", show_beliefs}};
    const char *path = settings->operands[0];
    char kind[RHM_FILE_KIND_NBYTES];
    RHM_TRY(rhm_h5_load_kind(path, kind, error));
    if (strcmp(kind, "data") != 0)
        RHM_TRY(rhm_option_refuse(settings, "branching", "has no effect on a file that is not a data set", error));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kind, kinds[i].kind))
            return kinds[i].show(path, settings, error);
    if (!strcmp(kind, "checkpoint") || !strcmp(kind, "samples"))
        return rhm_fail(error, RHM_INVALID,
                        "%s belongs to the checkpoints of an interrupted training: rhm train --checkpoint DIR --resume "
                        "goes on from them, and h5dump shows them",
                        rhm_path_shown(path));
    return rhm_fail(error, RHM_INVALID, "%s holds none of the groups /grammar, /data, /model and /prediction",
                    rhm_path_shown(path));
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
