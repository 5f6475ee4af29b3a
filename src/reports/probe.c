/* The report of what the levels of a model know. */
#include "core/fields.h"
#include "reports/parts.h"

static json_t *by_level(const double *values, uint32_t first, uint32_t last) {
    json_t *list = json_array();
    for (uint32_t level = first; level <= last; level++)
        rhm_json_append(&list, rhm_json_number(values[level]));
    return list;
}

/* Keys stand one to a line. */
/* clang-format off */

static json_t *describe(const rhm_probe_level *one, uint32_t levels) {
    return json_pack("{s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "level", (int)one->level,
                     "width", (int)one->width,
                     "symbols", (int)one->symbols,
                     "points", rhm_json_unsigned(one->points),
                     "majority", rhm_json_number(one->majority),
                     "clustering_error", rhm_json_number(one->clustering_error),
                     "adjusted_rand", rhm_json_number(one->adjusted_rand),
                     "linear_accuracy", rhm_json_number(one->linear_accuracy),
                     "linear_accuracy_of_label", rhm_json_number(one->linear_of_label),
                     "synonyms", by_level(one->synonyms, 1, levels),
                     "redrawn", by_level(one->redrawn, 0, levels - 1));
}

rhm_status rhm_report_probe(char **json, const rhm_report_run *run, const rhm_model *model,
                            const rhm_probe_options *options, const rhm_probe_report *probed, rhm_error *error) {
    char hash[RHM_HASH_TEXT_NBYTES];
    json_t *levels = json_array();
    for (uint32_t level = probed->levels; level >= 1; level--)
        rhm_json_append(&levels, describe(&probed->level[level], probed->levels));
    rhm_model_hash(model, hash);
    return rhm_report_finish(json, json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                                             "schema", "rhm-probe/1",
                                             "version", rhm_version(),
                                             "command", rhm_report_part_command(run),
                                             "instance", rhm_report_part_instance(&run->instance),
                                             "machine", rhm_report_part_machine(run),
                                             "model_kind", rhm_model_kind(model),
                                             "sequences", rhm_json_unsigned(probed->sequences),
                                             "seed", rhm_json_unsigned(options->seed),
                                             "position", options->position ? json_integer(options->position) : json_null(),
                                             "levels", levels,
                                             "model_hash", hash,
                                             "seconds", rhm_json_number(run->seconds),
                                             "peak_rss_bytes", rhm_json_unsigned(run->peak_rss_nbytes)),
                             error);
}

/* clang-format on */
