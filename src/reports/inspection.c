#include "rhm/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/fields.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "reports/parts.h"

/* ---- notes ----------------------------------------------------------------------------------------------- */

/* Kept, and told to whoever asked. */
typedef struct listening {
    rhm_inspection *inspection;
    const rhm_data_hints *hints;
    bool refused; /* memory for one of them */
} listening;

static void note(void *user, const char *sentence) {
    listening *l = user;
    const char *before = l->inspection->notes ? l->inspection->notes : "";
    const size_t old = strlen(before), more = strlen(sentence);
    if (l->hints && l->hints->note)
        l->hints->note(l->hints->user, sentence);
    char *grown = RHM_NEW(char, old + more + 2, 1, 1, "notes on a file", NULL);
    if (!grown) {
        l->refused = true;
        return;
    }
    memcpy(grown, before, old);
    if (old)
        grown[old] = '\n';
    memcpy(grown + old + (old > 0), sentence, more + 1);
    rhm_free(l->inspection->notes);
    l->inspection->notes = grown;
}

/* Of a sentence a line. */
static rhm_status note_lines(listening *l, const char *lines, rhm_error *error) {
    while (lines && *lines && !l->refused) {
        const size_t length = strcspn(lines, "\n");
        char *sentence = RHM_NEW(char, length + 1, 1, 1, "notes on a file", error);
        if (!sentence)
            return RHM_NO_MEMORY;
        memcpy(sentence, lines, length);
        note(l, sentence);
        rhm_free(sentence);
        lines += length + (lines[length] == '\n');
    }
    return RHM_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static rhm_status read_grammar(listening *l, const char *path, rhm_error *error) {
    RHM_TRY(rhm_grammar_load(&l->inspection->grammar, path, error));
    return note_lines(l, rhm_grammar_notes(l->inspection->grammar), error);
}

static rhm_status count_labels(rhm_inspection *of, rhm_error *error) {
    const rhm_data *data = &of->data;
    uint64_t *counts = RHM_NEW(uint64_t, data->label_vocab, 1, 1, "label counts", error);
    if (!counts)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < data->count; i++)
        counts[data->labels[i]]++;
    of->least_per_label = of->most_per_label = counts[0];
    for (uint32_t label = 1; label < data->label_vocab; label++) {
        of->least_per_label = counts[label] < of->least_per_label ? counts[label] : of->least_per_label;
        of->most_per_label = counts[label] > of->most_per_label ? counts[label] : of->most_per_label;
    }
    rhm_free(counts);
    return RHM_OK;
}

static rhm_status read_data(listening *l, const char *path, rhm_error *error) {
    rhm_data_hints hints = l->hints ? *l->hints : (rhm_data_hints){0};
    hints.allow_missing_labels = 1;
    hints.note = note;
    hints.user = l;
    RHM_TRY(rhm_data_load(&l->inspection->data, path, &hints, error));
    return l->inspection->data.labels ? count_labels(l->inspection, error) : RHM_OK;
}

static rhm_status read_model(listening *l, const char *path, rhm_error *error) {
    RHM_TRY(rhm_model_load(&l->inspection->model, path, error));
    rhm_model_hash(l->inspection->model, l->inspection->model_hash);
    return note_lines(l, rhm_model_notes(l->inspection->model), error);
}

/* The posteriors and the accuracy of a group. */
static rhm_status read_posteriors(rhm_inspection *of, const rhm_h5 *file, const char *group, const char *posteriors,
                                  rhm_error *error) {
    rhm_h5_shape shape;
    RHM_TRY(rhm_h5_read_shape(file, posteriors, RHM_H5_FLOATS, &shape, error));
    if (shape.rank != 2)
        return rhm_h5_refuse(file, posteriors, error, "has %u dimensions: two are wanted, N x |V_0|", shape.rank);
    of->sequences = shape.extent[0];
    of->classes = shape.extent[1];
    if (rhm_h5_has_attribute(file, group, "accuracy"))
        RHM_TRY(rhm_h5_read_float_attribute(file, group, "accuracy", &of->accuracy, error));
    return RHM_OK;
}

static rhm_status read_prediction_file(void *context, const rhm_h5 *file, rhm_error *error) {
    listening *l = context;
    rhm_inspection *of = l->inspection;
    char *notes = NULL;
    RHM_TRY(read_posteriors(of, file, "/prediction", "/prediction/posteriors", error));
    RHM_TRY(
        rhm_h5_read_text_attribute(file, "/prediction", "model_hash", of->model_hash, sizeof of->model_hash, error));
    RHM_TRY(rhm_h5_notes(file, &notes, error));
    const rhm_status status = note_lines(l, notes, error);
    rhm_free(notes);
    return status;
}

static rhm_status read_prediction(listening *l, const char *path, rhm_error *error) {
    return rhm_h5_load(path, read_prediction_file, l, error);
}

static rhm_status read_beliefs_file(void *context, const rhm_h5 *file, rhm_error *error) {
    listening *l = context;
    l->inspection->marginals = rhm_h5_has(file, "/oracle/marginals_0");
    return read_posteriors(l->inspection, file, "/oracle", "/oracle/posteriors", error);
}

static rhm_status read_beliefs(listening *l, const char *path, rhm_error *error) {
    return rhm_h5_load(path, read_beliefs_file, l, error);
}

static const struct {
    const char *kind;
    rhm_status (*read)(listening *l, const char *path, rhm_error *error);
} kinds[] = {{"grammar", read_grammar},
             {"data", read_data},
             {"model", read_model},
             {"prediction", read_prediction},
             {"oracle", read_beliefs}};

rhm_status rhm_inspect(rhm_inspection *out, const char *path, const rhm_data_hints *hints, rhm_error *error) {
    char kind[RHM_FILE_KIND_NBYTES];
    *out = (rhm_inspection){.accuracy = (double)NAN};
    RHM_TRY(rhm_h5_load_kind(path, kind, error));
    if (!strcmp(kind, "checkpoint") || !strcmp(kind, "samples"))
        return rhm_fail(error, RHM_INVALID,
                        "%s belongs to the checkpoints of an interrupted training: rhm train --checkpoint DIR --resume "
                        "goes on from them, and h5dump shows them",
                        rhm_path_shown(path));
    listening l = {.inspection = out, .hints = hints};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kind, kinds[i].kind)) {
            out->kind = kinds[i].kind;
            rhm_status status = kinds[i].read(&l, path, error);
            if (status == RHM_OK && l.refused)
                status = rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the notes on a file");
            if (status != RHM_OK)
                rhm_inspection_clear(out);
            return status;
        }
    return rhm_fail(error, RHM_INVALID, "%s holds none of the groups /grammar, /data, /model and /prediction",
                    rhm_path_shown(path));
}

void rhm_inspection_clear(rhm_inspection *inspection) {
    rhm_grammar_destroy(inspection->grammar);
    rhm_data_clear(&inspection->data);
    rhm_model_destroy(inspection->model);
    rhm_free(inspection->notes);
    *inspection = (rhm_inspection){0};
}

/* ---- as JSON --------------------------------------------------------------------------------------------- */

static json_t *list_notes(const char *notes) {
    json_t *list = json_array();
    for (const char *line = notes; line && *line;) {
        const size_t length = strcspn(line, "\n");
        char *sentence = RHM_NEW(char, length + 1, 1, 1, "notes on a file", NULL);
        if (sentence)
            memcpy(sentence, line, length);
        rhm_json_append(&list, sentence ? rhm_json_text(sentence) : NULL);
        rhm_free(sentence);
        line += length + (line[length] == '\n');
    }
    return list;
}

/* With its analysis; null without a grammar. */
static rhm_status describe_instance(json_t **json, const rhm_grammar *grammar, rhm_error *error) {
    rhm_analysis analysis = {0};
    *json = NULL;
    if (!grammar) {
        *json = json_null();
        return RHM_OK;
    }
    RHM_TRY(rhm_analyse(&analysis, grammar, error));
    *json = rhm_report_part_instance(&(rhm_report_instance){grammar, &analysis, NULL, NULL});
    rhm_analysis_clear(&analysis);
    return RHM_OK;
}

static json_t *describe_data(const rhm_inspection *of, json_t *instance) {
    const rhm_data *data = &of->data;
    /* clang-format off */
    return json_pack("{s:s, s:o, s:i, s:o, s:i, s:i, s:b, s:o, s:o, s:o, s:o}",
                     "kind", of->kind,
                     "sequences", rhm_json_unsigned(data->count),
                     "levels", (int)data->tree.levels,
                     "branching", rhm_json_sizes(data->tree.branching + 1, data->tree.levels),
                     "token_vocab", (int)data->token_vocab,
                     "label_vocab", (int)data->label_vocab,
                     "labelled", data->labels != NULL,
                     "least_per_label", data->labels ? rhm_json_unsigned(of->least_per_label) : json_null(),
                     "most_per_label", data->labels ? rhm_json_unsigned(of->most_per_label) : json_null(),
                     "instance", instance,
                     "notes", list_notes(of->notes));
    /* clang-format on */
}

/* The report inside the model; null where there is none or it is not JSON. */
static json_t *describe_training(const rhm_model *model) {
    const char *text = rhm_model_report(model);
    json_t *report = text ? json_loads(text, 0, NULL) : NULL;
    return report ? report : json_null();
}

static rhm_status describe_model(json_t **json, const rhm_inspection *of, json_t *instance, rhm_error *error) {
    char *text;
    const rhm_status status = rhm_model_describe(of->model, &text, error);
    if (status != RHM_OK) {
        json_decref(instance);
        return status;
    }
    json_t *levels = json_loads(text, 0, NULL);
    free(text);
    /* clang-format off */
    *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}",
                      "kind", of->kind,
                      "model_kind", rhm_model_kind(of->model),
                      "model_hash", of->model_hash,
                      "parameter_bytes", rhm_json_unsigned(rhm_model_nbytes(of->model)),
                      "levels", levels,
                      "instance", instance,
                      "report", describe_training(of->model),
                      "notes", list_notes(of->notes));
    /* clang-format on */
    return RHM_OK;
}

static json_t *describe_prediction(const rhm_inspection *of) {
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", of->kind, "sequences", rhm_json_unsigned(of->sequences),
                     "classes", rhm_json_unsigned(of->classes), "model_hash", rhm_json_text(of->model_hash), "accuracy",
                     rhm_json_number(of->accuracy), "notes", list_notes(of->notes));
}

static json_t *describe_beliefs(const rhm_inspection *of) {
    return json_pack("{s:s, s:o, s:o, s:b, s:o}", "kind", of->kind, "sequences", rhm_json_unsigned(of->sequences),
                     "classes", rhm_json_unsigned(of->classes), "marginals", of->marginals != 0, "accuracy",
                     rhm_json_number(of->accuracy));
}

rhm_status rhm_report_inspection(char **json, const rhm_inspection *inspection, rhm_error *error) {
    const rhm_inspection *of = inspection;
    json_t *whole = NULL, *instance = NULL;
    *json = NULL;
    if (!strcmp(of->kind, "prediction"))
        return rhm_report_finish(json, describe_prediction(of), error);
    if (!strcmp(of->kind, "oracle"))
        return rhm_report_finish(json, describe_beliefs(of), error);
    const rhm_grammar *grammar = of->model     ? rhm_model_grammar(of->model)
                                 : of->grammar ? of->grammar
                                               : of->data.grammar;
    RHM_TRY(describe_instance(&instance, grammar, error));
    if (of->model)
        RHM_TRY(describe_model(&whole, of, instance, error));
    else if (of->grammar)
        whole = json_pack("{s:s, s:o, s:o}", "kind", of->kind, "instance", instance, "notes", list_notes(of->notes));
    else
        whole = describe_data(of, instance);
    return rhm_report_finish(json, whole, error);
}
