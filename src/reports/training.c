#include <math.h>

#include "core/fail.h"
#include "core/fields.h"
#include "reports/parts.h"
#include "rhm/sampling.h"
#include "training/level_report.h"
#include "training/options.h"

/* Keys stand one to a line. */
/* clang-format off */

static json_t *predicted_level(const rhm_training_plan *plan, uint32_t level) {
    const rhm_plan_level *one = &plan->level[level];
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
                     "samples", rhm_json_number(one->samples),
                     "distinct_patches", rhm_json_number(one->distinct),
                     "width", one->width ? json_integer(one->width) : json_null(),
                     "attempts", rhm_json_number(one->fits),
                     "memory_bytes", rhm_json_number(one->nbytes),
                     "seconds", rhm_json_number(rhm_plan_level_seconds(plan, level)));
}

static json_t *predicted(const rhm_training_plan *plan, const rhm_report_run *run) {
    if (!plan)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}",
                     "seconds", rhm_json_number(rhm_plan_seconds(plan)),
                     "memory_bytes", rhm_json_number(rhm_plan_nbytes(plan)),
                     "actual_over_predicted_seconds", rhm_json_number(run->seconds / rhm_plan_seconds(plan)),
                     "actual_over_predicted_memory", rhm_json_number((double)run->peak_rss_nbytes / rhm_plan_nbytes(plan)));
}

/* What follows from the members of a level's report, and from what was measured beside the run. */
static json_t *derived(const rhm_level_report *level, const rhm_report_trained *t) {
    const double kernel_seconds = level->embed_seconds + level->bandwidth_seconds + level->solve_seconds;
    const double gflops = level->flops > 0 ? level->flops / kernel_seconds * 1e-9 : (double)NAN;
    json_t *rates = json_pack("{s:o, s:o}",
                              "raw", rhm_json_number((double)level->samples / level->total_seconds),
                              "distinct", rhm_json_number(level->attempts ? (double)level->distinct_patches / level->total_seconds : (double)NAN));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
                     "gap", rhm_json_number(level->cluster_separation),
                     "spread", rhm_json_number(level->cluster_radius),
                     "gflops", rhm_json_number(gflops),
                     "fraction_of_peak", rhm_json_number(t->peaks ? gflops / t->peaks->fma_gflops : (double)NAN),
                     "patches_per_second", rates,
                     "predicted", t->plan ? predicted_level(t->plan, level->level) : json_null());
}

static json_t *levels(const rhm_report_trained *t) {
    json_t *list = json_array();
    for (uint32_t level = t->train->levels; level >= 1; level--) {
        json_t *one = rhm_fields_json(&rhm_level_report_fields, &t->train->level[level]);
        json_t *more = derived(&t->train->level[level], t);
        if (json_object_update(one, more) != 0) {
            json_decref(one);
            one = NULL;
        }
        json_decref(more);
        rhm_json_append(&list, one);
    }
    return list;
}

static json_t *positions(const rhm_train_report *train) {
    json_t *list = json_array();
    for (uint32_t level = train->levels; level >= 1; level--)
        rhm_json_append(&list, json_integer(train->level[level].positions));
    return list;
}

static json_t *options(const rhm_train_options *o, const rhm_report_trained *t) {
    const bool regression = t->train->level[t->train->levels].width > 0;
    static const char *const slices[] = {[RHM_SLICES_DISJOINT] = "disjoint", [RHM_SLICES_SHARED] = "shared"};
    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:b, s:o, s:o}",
                     "solver", regression ? json_string(rhm_solver_name(o->solver)) : json_null(),
                     "distinct", (int)!o->raw,
                     "tolerance", rhm_json_number(regression ? o->tolerance : (double)NAN),
                     "data_seed", rhm_json_unsigned(o->seed),
                     "data", t->data ? rhm_json_text(t->data) : json_null(),
                     "shuffled", (int)t->shuffled,
                     "slices", t->train->slices ? json_string(slices[t->train->slices]) : json_null(),
                     "tuning", t->train->tuning ? json_integer(t->train->tuning) : json_null());
}

static json_t *test(const rhm_report_trained *t) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "samples", rhm_json_unsigned(t->train->test_samples),
                     "accuracy", rhm_json_number(t->train->test_accuracy),
                     "clamped", rhm_json_unsigned(t->train->test_clamped),
                     "seconds", rhm_json_number(t->train->test_seconds),
                     "sample_seconds", rhm_json_number(t->train->test_sample_seconds),
                     "kernel_seconds", rhm_json_number(t->train->test_kernel_seconds),
                     "bayes_accuracy", rhm_json_number(t->bayes_accuracy));
}

static json_t *shares(const rhm_train_report *train, double seconds) {
    double sampling = train->test_sample_seconds, kernels = train->test_kernel_seconds;
    for (uint32_t level = 1; level <= train->levels; level++) {
        sampling += train->level[level].sample_seconds;
        kernels += train->level[level].kernel_seconds;
    }
    return json_pack("{s:o, s:o, s:o}",
                     "sampling_seconds", rhm_json_number(sampling),
                     "kernel_seconds", rhm_json_number(kernels),
                     "share_of_seconds", rhm_json_number((sampling + kernels) / seconds));
}

static json_t *checkpoints(const rhm_checkpoint_options *asked, const rhm_checkpoint_report *done) {
    if (!asked->directory)
        return json_null();
    return json_pack("{s:o, s:b, s:o, s:i, s:i, s:o, s:o, s:o}",
                     "directory", rhm_json_text(asked->directory),
                     "resumed", (int)done->resumed,
                     "resumed_seconds", rhm_json_number(done->resumed_seconds),
                     "written", (int)done->written,
                     "failed", (int)done->failed,
                     "failure", done->failed ? rhm_json_text(done->failure) : json_null(),
                     "seconds", rhm_json_number(done->seconds),
                     "bytes", rhm_json_unsigned(done->nbytes));
}

rhm_status rhm_report_training(char **json, const rhm_report_run *run, const rhm_report_trained *trained,
                               rhm_error *error) {
    const rhm_train_report *train = trained->train;
    rhm_train_options o;
    char hash[RHM_HASH_TEXT_NBYTES];
    *json = NULL;
    RHM_TRY(rhm_train_options_resolve(&o, trained->options, train->levels, error));
    rhm_model_hash(trained->model, hash);
    return rhm_report_finish(json, json_pack("{s:s, s:s, s:i, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                                             "schema", "rhm-report/1",
                                             "version", rhm_version(),
                                             "stream_version", RHM_STREAM_VERSION,
                                             "command", rhm_report_part_command(run),
                                             "learner", train->learner,
                                             "shown_latents", (int)train->shown_latents,
                                             "positions", positions(train),
                                             "instance", rhm_report_part_instance(&run->instance),
                                             "machine", rhm_report_part_machine(run),
                                             "options", options(&o, trained),
                                             "levels", levels(trained),
                                             "training", rhm_report_part_descent(train),
                                             "test", test(trained),
                                             "kernels_and_sampling", shares(train, run->seconds),
                                             "checkpoint", checkpoints(&o.checkpoint, &train->checkpoint),
                                             "predicted", predicted(trained->plan, run),
                                             "model_hash", hash,
                                             "seconds", rhm_json_number(run->seconds),
                                             "peak_rss_bytes", rhm_json_unsigned(run->peak_rss_nbytes)),
                             error);
}

/* clang-format on */
