#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"
#include "training/level_report.h"

json_t *rhm_json_text(const char *text) {
    json_t *json = json_string(text);
    if (json)
        return json;
    char *plain = strdup(text);
    for (char *c = plain; c && *c; c++)
        *c = (unsigned char)*c < 128 ? *c : '?';
    json = plain ? json_string(plain) : NULL;
    free(plain);
    return json;
}

json_t *rhm_json_sizes(const uint32_t *values, uint32_t count) {
    bool equal = true;
    for (uint32_t i = 1; i < count; i++)
        equal &= values[i] == values[0];
    if (equal)
        return json_integer(values[0]);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        rhm_json_append(&list, json_integer(values[i]));
    return list;
}

/* One text where all laws are the same, else a list. */
static json_t *laws(const rhm_rule_law *laws, uint32_t count) {
    char text[RHM_RULE_LAWS_TEXT_NBYTES];
    rhm_rule_laws_text(text, laws, count);
    if (!strchr(text, ','))
        return json_string(text);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        rhm_json_append(&list, json_string(rhm_rule_laws_text(text, &laws[i], 1)));
    return list;
}

/* clang-format off: keys stand one to a line */

json_t *rhm_report_instance(const rhm_grammar *grammar, const rhm_analysis *analysis) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_grammar_options *origin = rhm_grammar_origin(grammar);
    json_t *rho = analysis ? json_array() : json_null();
    for (uint32_t level = 1; analysis && level <= shape->levels; level++)
        rhm_json_append(&rho, rhm_json_number(analysis->rho[level]));
    return json_pack(
        "{s:o, s:o, s:o, s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "vocab",
        rhm_json_sizes(shape->vocab, shape->levels + 1), "rules", rhm_json_sizes(shape->rules + 1, shape->levels),
        "branching", rhm_json_sizes(shape->branching + 1, shape->levels), "levels", (int)shape->levels, "seed",
        rhm_grammar_sampling(grammar) == RHM_GIVEN ? json_null() : rhm_json_unsigned(rhm_grammar_seed(grammar)),
        "rule_sampling", rhm_rule_sampling_name(rhm_grammar_sampling(grammar)), "rule_law",
        laws(origin->rule_law + 1, shape->levels), "label_law", laws(&origin->label_law, 1), "ambiguity",
        rhm_json_number(origin->ambiguity), "token_noise", rhm_json_number(origin->token_noise), "label_noise",
        rhm_json_number(origin->label_noise), "kappa", analysis ? rhm_json_number(analysis->kappa) : json_null(), "rho",
        rho, "assumption_6", analysis ? json_boolean(analysis->assumption_6) : json_null());
}

json_t *rhm_report_unknown_instance(const uint32_t *vocab, const rhm_tree *tree) {
    return json_pack("{s:o, s:n, s:o, s:i, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "vocab",
                     rhm_json_sizes(vocab, tree->levels + 1), "rules", "branching",
                     rhm_json_sizes(tree->branching + 1, tree->levels), "levels", (int)tree->levels, "seed",
                     "rule_sampling", "rule_law", "label_law", "ambiguity", "token_noise", "label_noise", "kappa",
                     "rho", "assumption_6");
}

json_t *rhm_report_machine(const rhm_engine *engine, const rhm_machine_peaks *peaks) {
    char *text;
    json_t *machine = NULL;
    if (rhm_machine_describe(&text, engine, peaks, NULL) != RHM_OK || rhm_report_parse(&machine, text, NULL) != RHM_OK)
        return NULL;
    return machine;
}

/* clang-format on */

/* Append `word` as a POSIX shell would need it typed; false when the buffer is full. */
static bool append_quoted(char *line, size_t line_nbytes, const char *word) {
    const bool plain = *word && !word[strcspn(word, " \t\n\"'\\$`!*?[](){}<>|&;#~")];
    size_t used = strlen(line);
    if (used + 4 * strlen(word) + 4 > line_nbytes)
        return false;
    if (used)
        line[used++] = ' ';
    if (plain) {
        memcpy(line + used, word, strlen(word) + 1);
        return true;
    }
    line[used++] = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(line + used, "'\\''", 4);
            used += 4;
        } else {
            line[used++] = *word;
        }
    }
    line[used++] = '\'';
    line[used] = '\0';
    return true;
}

json_t *rhm_report_command(const rhm_settings *settings) {
    char line[8192] = "rhm";
    append_quoted(line, sizeof line, settings->command->name);
    for (int i = 0; i < settings->argument_count; i++)
        if (!append_quoted(line, sizeof line, settings->arguments[i]))
            break;
    return rhm_json_text(line);
}

/* clang-format off */

/* What `rhm plan` would have said. */
static json_t *report_predicted_level(const rhm_training_plan *prediction, uint32_t level) {
    const rhm_plan_level *stage = &prediction->level[level];
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
                     "samples", rhm_json_number(stage->samples),
                     "distinct_patches", rhm_json_number(stage->distinct),
                     "width", stage->width ? json_integer(stage->width) : json_null(),
                     "attempts", rhm_json_number(stage->fits),
                     "memory_bytes", rhm_json_number(stage->nbytes),
                     "seconds", rhm_json_number(rhm_plan_level_seconds(prediction, level)));
}

static json_t *report_prediction(const rhm_training_plan *prediction, double seconds, uint64_t peak_rss_nbytes) {
    return json_pack("{s:o, s:o, s:o, s:o}",
                     "seconds", rhm_json_number(rhm_plan_seconds(prediction)),
                     "memory_bytes", rhm_json_number(rhm_plan_nbytes(prediction)),
                     "actual_over_predicted_seconds", rhm_json_number(seconds / rhm_plan_seconds(prediction)),
                     "actual_over_predicted_memory",
                     rhm_json_number((double)peak_rss_nbytes / rhm_plan_nbytes(prediction)));
}

/* What follows from the members of a level's report (training/level_report.c), and from the machine. */
static json_t *report_level(const rhm_level_report *level, const rhm_report_comparison *comparison) {
    const double kernel_seconds = level->embed_seconds + level->bandwidth_seconds + level->solve_seconds;
    const double gflops = level->flops > 0 ? level->flops / kernel_seconds * 1e-9 : (double)NAN;
    const bool predicted = comparison && comparison->predicted;
    json_t *rates = json_pack("{s:o, s:o}",
                              "raw", rhm_json_number((double)level->samples / level->total_seconds),
                              "distinct", rhm_json_number((double)level->distinct_patches / level->total_seconds));
    json_t *derived = json_pack("{s:o, s:o, s:o, s:o}",
                                "gflops", rhm_json_number(gflops),
                                "fraction_of_peak",
                                rhm_json_number(comparison ? gflops / comparison->peaks.fma_gflops : (double)NAN),
                                "patches_per_second", rates,
                                "predicted",
                                predicted ? report_predicted_level(&comparison->prediction, level->level) : json_null());
    json_t *json = rhm_fields_json(&rhm_level_report_fields, level);
    if (json_object_update(json, derived) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(derived);
    return json;
}

static json_t *report_checkpoints(const rhm_settings *settings, const rhm_checkpoint_report *done) {
    if (!settings->checkpoint.directory)
        return json_null();
    return json_pack("{s:o, s:b, s:o, s:i, s:i, s:o, s:o, s:o}",
                     "directory", rhm_json_text(settings->checkpoint.directory),
                     "resumed", (int)done->resumed,
                     "resumed_seconds", rhm_json_number(done->resumed_seconds),
                     "written", (int)done->written,
                     "failed", (int)done->failed,
                     "failure", done->failed ? rhm_json_text(done->failure) : json_null(),
                     "seconds", rhm_json_number(done->seconds),
                     "bytes", rhm_json_unsigned(done->nbytes));
}

json_t *rhm_report_training(const rhm_settings *settings, json_t *instance, json_t *machine,
                            const rhm_report_comparison *comparison, const rhm_train_report *train,
                            const rhm_model *model, double seconds, uint64_t peak_rss_nbytes) {
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(model, hash);
    json_t *levels = json_array();
    for (uint32_t level = train->levels; level >= 1; level--)
        rhm_json_append(&levels, report_level(&train->level[level], comparison));
    const bool regression = train->level[train->levels].width > 0;
    json_t *options = json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}",
                                "solver", regression ? json_string(rhm_solver_name((rhm_solver)settings->training.solver)) : json_null(),
                                "distinct", settings->training.distinct == 0,
                                "tolerance", regression ? rhm_json_number(settings->training.tolerance) : json_null(),
                                "data_seed", rhm_json_unsigned(rhm_settings_data_seed(settings)),
                                "data", settings->data ? rhm_json_text(settings->data) : json_null(),
                                "tuning", train->tuning ? json_integer(train->tuning) : json_null());
    double sampling = train->test_sample_seconds, kernels = train->test_kernel_seconds;
    for (uint32_t level = 1; level <= train->levels; level++) {
        sampling += train->level[level].sample_seconds;
        kernels += train->level[level].kernel_seconds;
    }
    json_t *positions = json_array();
    for (uint32_t level = train->levels; level >= 1; level--)
        rhm_json_append(&positions, json_integer(train->level[level].positions));
    json_t *test = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
                             "samples", rhm_json_unsigned(train->test_samples),
                             "accuracy", rhm_json_number(train->test_accuracy),
                             "clamped", rhm_json_unsigned(train->test_clamped),
                             "seconds", rhm_json_number(train->test_seconds),
                             "sample_seconds", rhm_json_number(train->test_sample_seconds),
                             "kernel_seconds", rhm_json_number(train->test_kernel_seconds));
    json_t *shares = json_pack("{s:o, s:o, s:o}",
                               "sampling_seconds", rhm_json_number(sampling),
                               "kernel_seconds", rhm_json_number(kernels),
                               "share_of_seconds", rhm_json_number((sampling + kernels) / seconds));
    const bool predicted = comparison && comparison->predicted;
    return json_pack("{s:s, s:s, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                     "schema", "rhm-report/1",
                     "version", rhm_version(),
                     "command", rhm_report_command(settings),
                     "learner", train->learner,
                     "shown_latents", (int)train->shown_latents,
                     "positions", positions,
                     "instance", instance,
                     "machine", machine,
                     "options", options,
                     "levels", levels,
                     "test", test,
                     "kernels_and_sampling", shares,
                     "checkpoint", report_checkpoints(settings, &train->checkpoint),
                     "predicted",
                     predicted ? report_prediction(&comparison->prediction, seconds, peak_rss_nbytes) : json_null(),
                     "model_hash", hash,
                     "seconds", rhm_json_number(seconds),
                     "peak_rss_bytes", rhm_json_unsigned(peak_rss_nbytes));
}

/* clang-format on */

rhm_status rhm_report_parse(json_t **json, char *text, rhm_error *error) {
    *json = json_loads(text, 0, NULL);
    free(text);
    return *json ? RHM_OK
                 : rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for what the library says as JSON");
}

rhm_status rhm_report_text(char **text, json_t *json, rhm_error *error) {
    const rhm_status status =
        rhm_json_dump(text, json, JSON_INDENT(2) | JSON_REAL_PRECISION(17), "\n", "the report's text", error);
    json_decref(json);
    return status;
}

rhm_status rhm_report_write(const char *path, const char *text, rhm_error *error) {
    /* Where the report goes to standard output too, it comes after what was printed before. */
    fflush(stdout);
    return rhm_atomic_write_text(path, text, strlen(text), error);
}

rhm_status rhm_report_print(json_t *json, rhm_error *error) {
    char *text;
    RHM_TRY(rhm_report_text(&text, json, error));
    fputs(text, stdout);
    rhm_free(text);
    return RHM_OK;
}
