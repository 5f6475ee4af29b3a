/* Reports of runs that train nothing. */
#include "core/fields.h"
#include "reports/parts.h"
#include "rhm/sampling.h"

/* Keys stand one to a line. */
/* clang-format off */

rhm_status rhm_report_evaluation(char **json, const rhm_report_run *run, const rhm_report_evaluated *evaluated,
                                 rhm_error *error) {
    const rhm_accuracy *counted = &evaluated->accuracy;
    char hash[RHM_HASH_TEXT_NBYTES];
    rhm_model_hash(evaluated->model, hash);
    json_t *test = json_pack("{s:o, s:o, s:o, s:o, s:o}",
                             "samples", rhm_json_unsigned(counted->samples),
                             "accuracy", rhm_json_number((double)counted->correct / (double)counted->samples),
                             "clamped", rhm_json_unsigned(counted->clamped),
                             "seconds", rhm_json_number(evaluated->seconds),
                             "bayes_accuracy", rhm_json_number(evaluated->bayes_accuracy));
    return rhm_report_finish(json, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                                             "schema", "rhm-eval/1",
                                             "version", rhm_version(),
                                             "stream_version", RHM_STREAM_VERSION,
                                             "command", rhm_report_part_command(run),
                                             "instance", rhm_report_part_instance(&run->instance),
                                             "machine", rhm_report_part_machine(run),
                                             "test", test,
                                             "model_hash", hash,
                                             "seconds", rhm_json_number(run->seconds),
                                             "peak_rss_bytes", rhm_json_unsigned(run->peak_rss_nbytes)),
                             error);
}

static json_t *describe(const rhm_bayes *b) {
    if (!b->samples)
        return json_null();
    return json_pack("{s:o, s:[o, o], s:o, s:o, s:o, s:o, s:o}",
                     "accuracy", rhm_json_number(b->accuracy),
                     "accuracy_interval", rhm_json_number(b->accuracy_low), rhm_json_number(b->accuracy_high),
                     "expected_accuracy", rhm_json_number(b->expected_accuracy),
                     "expected_accuracy_error", rhm_json_number(b->expected_accuracy_error),
                     "cross_entropy", rhm_json_number(b->cross_entropy),
                     "cross_entropy_error", rhm_json_number(b->cross_entropy_error),
                     "impossible", rhm_json_unsigned(b->impossible));
}

rhm_status rhm_report_inference(char **json, const rhm_report_run *run, uint64_t samples, const rhm_bayes *bayes,
                                rhm_error *error) {
    return rhm_report_finish(json, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                                             "schema", "rhm-oracle/1",
                                             "version", rhm_version(),
                                             "stream_version", RHM_STREAM_VERSION,
                                             "command", rhm_report_part_command(run),
                                             "instance", rhm_report_part_instance(&run->instance),
                                             "machine", rhm_report_part_machine(run),
                                             "samples", rhm_json_unsigned(samples),
                                             "bayes", describe(bayes),
                                             "seconds", rhm_json_number(run->seconds),
                                             "sequences_per_second", rhm_json_number((double)samples / run->seconds),
                                             "peak_rss_bytes", rhm_json_unsigned(run->peak_rss_nbytes)),
                             error);
}

/* clang-format on */
