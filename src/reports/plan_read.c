#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/fields.h"
#include "reports/parts.h"
#include "rhm/plan.h"

enum { MOST_ROWS = 1 << 20 }; /* partial sums of a pass: no plan has more than 65536 */

static rhm_status refuse(const char *path, const char *what, rhm_error *error) {
    return rhm_fail(error, RHM_CORRUPT, "%s: %s", rhm_path_shown(path), what);
}

static rhm_status load(json_t **out, const char *path, rhm_error *error) {
    json_error_t why;
    *out = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!*out && why.line < 0)
        return rhm_fail(error, RHM_IO, "%s: %.200s", rhm_path_shown(path), why.text);
    if (!*out)
        return rhm_fail(error, RHM_CORRUPT, "%s: line %d: %.200s", rhm_path_shown(path), why.line, why.text);
    const char *schema = json_string_value(json_object_get(*out, "schema"));
    if (schema && !strcmp(schema, "rhm-plan/1"))
        return RHM_OK;
    json_decref(*out);
    *out = NULL;
    return refuse(path, "this is not what rhm plan --json prints: its schema is not rhm-plan/1", error);
}

static bool is_sane(const rhm_plan_level *s) {
    const double numbers[] = {s->nbytes,         s->draw_seconds,  s->embed_seconds,   s->fit_seconds,
                              s->shared_parts,   s->merge_seconds, s->listed_nbytes,   s->shared_fit_seconds,
                              s->sums,           s->sum_rows,      s->sum_nbytes,      s->products,
                              s->product_nbytes, s->embeddings,    s->embedded_nbytes, s->grouped_nbytes,
                              s->patches_nbytes, s->keys_nbytes,   s->dealt_nbytes,    s->divided_nbytes,
                              s->passes_nbytes,  s->gram_nbytes,   s->features_nbytes, s->shared_nbytes};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i] >= 0 && isfinite(numbers[i])))
            return false;
    return s->division_ranks >= 0 && s->sum_rows <= MOST_ROWS && s->shared_parts <= MOST_ROWS;
}

static rhm_status read_level(rhm_training_plan *out, const char *path, const json_t *row, rhm_error *error) {
    rhm_error why = {0};
    rhm_plan_level level = {0};
    if (rhm_fields_from_json(&rhm_report_plan_levels, row, &level, &why) != RHM_OK)
        return rhm_fail(error, RHM_CORRUPT, "%s: a level has a member %.200s", rhm_path_shown(path), why.text);
    if (level.level < 1 || level.level > RHM_MAX_LEVELS || out->level[level.level].level)
        return rhm_fail(error, RHM_CORRUPT, "%s: level %u is out of range, or there twice", rhm_path_shown(path),
                        level.level);
    if (isnan(level.division_ranks))
        level.division_ranks = HUGE_VAL;
    if (!is_sane(&level))
        return rhm_fail(error, RHM_CORRUPT, "%s: level %u was not measured, or its numbers make no sense",
                        rhm_path_shown(path), level.level);
    if (isnan(level.wanted_samples))
        level.wanted_samples = HUGE_VAL;
    out->level[level.level] = level;
    out->levels = level.level > out->levels ? level.level : out->levels;
    return RHM_OK;
}

static unsigned read_shared(const json_t *shared) {
    static const struct {
        const char *name;
        rhm_plan_part part;
    } parts[] = {
        {"draw", RHM_SPREAD_DRAW}, {"embed", RHM_SPREAD_EMBED}, {"fit", RHM_SPREAD_FIT}, {"test", RHM_SPREAD_TEST}};
    unsigned all = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        all |= json_is_true(json_object_get(shared, parts[i].name)) ? (unsigned)parts[i].part : 0;
    return all;
}

static const char *read_learner(const json_t *file) {
    const char *name = json_string_value(json_object_get(file, "learner"));
    for (size_t i = 0; name && i < rhm_learner_count(); i++)
        if (!strcmp(rhm_learner_at(i)->name, name))
            return rhm_learner_at(i)->name;
    return NULL;
}

static rhm_status read_plan(rhm_training_plan *out, const char *path, const json_t *file, rhm_error *error) {
    const json_t *practice = json_object_get(file, "practice"), *levels = json_object_get(practice, "levels");
    const json_t *data = json_object_get(file, "data"), *threads = json_object_get(practice, "threads");
    const json_t *test = json_object_get(practice, "test_seconds"), *base = json_object_get(practice, "base_bytes");
    const json_int_t count = json_integer_value(threads);
    const char *cpu = json_string_value(json_object_get(practice, "cpu")),
               *isa = json_string_value(json_object_get(practice, "isa"));
    size_t i;
    json_t *row;
    *out = (rhm_training_plan){.learner = read_learner(file),
                               .sequences = (uint64_t)json_integer_value(json_object_get(data, "sequences")),
                               .test_samples = (uint64_t)json_integer_value(json_object_get(data, "test_sequences")),
                               .stand_in = json_is_true(json_object_get(data, "stand_in")),
                               .threads = (int)count,
                               .test_seconds = json_number_value(test),
                               .base_nbytes = json_number_value(base),
                               .spread = read_shared(json_object_get(practice, "shared"))};
    if (json_is_object(json_object_get(practice, "ranks")))
        return refuse(path, "this is a plan of several ranks: that of one process is needed, made without --ranks",
                      error);
    if (!cpu || !isa || !json_is_number(test) || !(out->test_seconds >= 0) || !json_is_number(base) ||
        !(out->base_nbytes >= 0) || count < 1 || count > 65536 || json_array_size(levels) == 0 || !out->learner)
        return refuse(path, "this plan was not measured, or lacks what later versions of rhm plan --json print", error);
    snprintf(out->cpu, sizeof out->cpu, "%s", cpu);
    snprintf(out->isa, sizeof out->isa, "%s", isa);
    json_array_foreach(levels, i, row) RHM_TRY(read_level(out, path, row, error));
    return RHM_OK;
}

rhm_status rhm_report_plan_load(rhm_training_plan *out, const char *path, rhm_error *error) {
    json_t *file;
    *out = (rhm_training_plan){0};
    RHM_TRY(load(&file, path, error));
    const rhm_status status = read_plan(out, path, file, error);
    json_decref(file);
    return status;
}

rhm_status rhm_report_plan_again(char **json, const char *path, const rhm_training_plan *plan, rhm_error *error) {
    json_t *file;
    *json = NULL;
    RHM_TRY(load(&file, path, error));
    rhm_json_set(&file, "practice", rhm_report_part_practice(plan));
    return rhm_report_finish(json, file, error);
}
