#include "cli/sweep/row.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* Those without a place are computed below. */
enum {
    LABELS,
    LEVELS,
    TOKENS,
    KAPPA,
    RHO,
    ASSUMPTION_6,
    SAMPLES,
    PATCHES,
    RESOLVED,
    TESTED,
    ACCURACY,
    BAYES,
    ERROR,
    STEPS,
    EPOCHS,
    LOSS
};

const rhm_sweep_column rhm_sweep_columns[RHM_SWEEP_COLUMNS] = {
    [LABELS] = {"labels", "", "|V_0|"},
    [LEVELS] = {"depth", "instance.levels", "L"},
    [TOKENS] = {"tokens", "", "d, of a sequence"},
    [KAPPA] = {"kappa", "instance.kappa", "how much rarer than average the rarest first patch is"},
    [RHO] = {"rho", "", "smallest rho of the levels"},
    [ASSUMPTION_6] = {"assumption_6", "instance.assumption_6", "1 where it holds"},
    [SAMPLES] = {"samples_used", "", "sum over the levels"},
    [PATCHES] = {"distinct_patches", "", "sum over the levels"},
    [RESOLVED] = {"resolved_levels", "", "levels whose groups are far enough apart"},
    [TESTED] = {"test_sequences", "test.samples", ""},
    [ACCURACY] = {"accuracy", "test.accuracy", "on the test"},
    [BAYES] = {"bayes_accuracy", "test.bayes_accuracy", "the best that can be expected on it"},
    [ERROR] = {"error_of_chance", "", "(1 - accuracy) / (1 - 1/labels)"},
    [STEPS] = {"steps", "training.steps", "of the optimiser"},
    [EPOCHS] = {"epochs_run", "training.epochs", ""},
    [LOSS] = {"loss", "training.loss", "at the end"},
};

enum { OF_LEVEL, RHO_OF_LEVEL };

const rhm_sweep_column rhm_sweep_level_columns[RHM_SWEEP_LEVEL_COLUMNS] = {
    [OF_LEVEL] = {"level", "level", ""},
    [RHO_OF_LEVEL] = {"rho", "", "exact"},
    {"samples", "samples", ""},
    {"distinct_patches", "distinct_patches", ""},
    {"positions", "positions", ""},
    {"width", "width", ""},
    {"bandwidth", "bandwidth", ""},
    {"ridge", "ridge", ""},
    {"iterations", "iterations", ""},
    {"cluster_separation", "cluster_separation", ""},
    {"cluster_radius", "cluster_radius", ""},
    {"clusters", "clusters", ""},
    {"separation", "separation", ""},
    {"radius", "radius", ""},
    {"posterior_error", "posterior_error.mean", ""},
    {"posterior_error_max", "posterior_error.max", ""},
    {"synonym_accuracy", "synonym_accuracy", ""},
    {"unseen_mass", "unseen_mass", ""},
    {"resolved", "resolved", ""},
};

const rhm_sweep_column rhm_sweep_costs[RHM_SWEEP_COSTS] = {
    {"seconds", "run.seconds", "of the process"},
    {"cpu_seconds", "run.cpu_seconds", ""},
    {"train_seconds", "report.seconds", ""},
    {"peak_rss_bytes", "report.peak_rss_bytes", ""},
    {"threads", "run.threads", ""},
};

static const json_t *member(const json_t *object, const char *place) {
    for (;;) {
        char name[64];
        const size_t length = strcspn(place, ".");
        if (length >= sizeof name)
            return NULL;
        memcpy(name, place, length);
        name[length] = '\0';
        object = json_object_get(object, name);
        if (!place[length])
            return object;
        place += length + 1;
    }
}

static double number(const json_t *value) {
    if (json_is_boolean(value))
        return json_is_true(value);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The sum of a column of the levels; NAN without any. */
static double sum(const rhm_sweep_row *row, const char *name) {
    size_t column = 0;
    while (strcmp(rhm_sweep_level_columns[column].name, name) != 0)
        column++;
    double all = NAN;
    for (uint32_t i = 0; i < row->levels; i++) {
        const double one = row->level[i * RHM_SWEEP_LEVEL_COLUMNS + column];
        if (!isnan(one))
            all = isnan(all) ? one : all + one;
    }
    return all;
}

/* One number for all levels, or a list with an entry for each. */
static double at_level(const json_t *sizes, size_t index) {
    return number(json_is_array(sizes) ? json_array_get(sizes, index) : sizes);
}

static void read_instance(rhm_sweep_row *row, const json_t *instance) {
    const json_t *rho = json_object_get(instance, "rho");
    row->value[LABELS] = at_level(json_object_get(instance, "vocab"), 0);
    row->value[TOKENS] = 1;
    for (size_t l = 0; l < (size_t)row->value[LEVELS]; l++)
        row->value[TOKENS] *= at_level(json_object_get(instance, "branching"), l);
    for (uint32_t i = 0; i < row->levels; i++) {
        double *level = row->level + i * RHM_SWEEP_LEVEL_COLUMNS;
        level[RHO_OF_LEVEL] = number(json_array_get(rho, (size_t)level[OF_LEVEL] - 1));
    }
    for (size_t l = 0; l < json_array_size(rho); l++)
        row->value[RHO] = fmin(row->value[RHO], number(json_array_get(rho, l)));
}

static rhm_status read_levels(rhm_sweep_row *row, const json_t *levels, rhm_error *error) {
    row->levels = (uint32_t)json_array_size(levels);
    row->level = RHM_NEW(double, row->levels, RHM_SWEEP_LEVEL_COLUMNS, 1, "levels of a cell", error);
    if (!row->level)
        return RHM_NO_MEMORY;
    for (uint32_t i = 0; i < row->levels; i++)
        for (size_t c = 0; c < RHM_SWEEP_LEVEL_COLUMNS; c++)
            row->level[i * RHM_SWEEP_LEVEL_COLUMNS + c] =
                *rhm_sweep_level_columns[c].place
                    ? number(member(json_array_get(levels, i), rhm_sweep_level_columns[c].place))
                    : (double)NAN;
    return RHM_OK;
}

rhm_status rhm_sweep_row_read(rhm_sweep_row *out, const json_t *line, rhm_error *error) {
    const json_t *report = json_object_get(line, "report"), *instance = json_object_get(report, "instance");
    const json_t *hash = json_object_get(report, "model_hash"), *levels = json_object_get(report, "levels");
    *out = (rhm_sweep_row){0};
    for (size_t c = 0; c < RHM_SWEEP_COLUMNS; c++)
        out->value[c] = *rhm_sweep_columns[c].place ? number(member(report, rhm_sweep_columns[c].place)) : (double)NAN;
    for (size_t c = 0; c < RHM_SWEEP_COSTS; c++)
        out->cost[c] = number(member(line, rhm_sweep_costs[c].place));
    if (!json_is_string(hash) || !json_is_array(levels) || !(out->value[LEVELS] >= 1) || isnan(out->value[ACCURACY]))
        return rhm_fail(error, RHM_CORRUPT, "the report of a cell lacks levels, model_hash or test.accuracy");
    snprintf(out->hash, sizeof out->hash, "%s", json_string_value(hash));
    RHM_TRY(read_levels(out, levels, error));
    for (uint32_t i = 0; i < out->levels; i++)
        if (!(out->level[i * RHM_SWEEP_LEVEL_COLUMNS] >= 1)) {
            rhm_sweep_row_clear(out);
            return rhm_fail(error, RHM_CORRUPT, "the report of a cell has a level without its number");
        }
    read_instance(out, instance);
    out->value[SAMPLES] = sum(out, "samples");
    out->value[PATCHES] = sum(out, "distinct_patches");
    out->value[RESOLVED] = sum(out, "resolved");
    out->value[ERROR] = (1 - out->value[ACCURACY]) / (1 - 1 / out->value[LABELS]);
    return RHM_OK;
}

double rhm_sweep_row_error(const rhm_sweep_row *row) {
    return row->value[ERROR];
}

void rhm_sweep_row_clear(rhm_sweep_row *row) {
    rhm_free(row->level);
    *row = (rhm_sweep_row){0};
}
