#include <math.h>
#include <string.h>

#include "core/fields.h"
#include "reports/parts.h"

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

/* Keys stand one to a line. */
/* clang-format off */

static json_t *known(const rhm_grammar *grammar, const rhm_analysis *analysis) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_grammar_options *origin = rhm_grammar_origin(grammar);
    const bool given = rhm_grammar_sampling(grammar) == RHM_GIVEN;
    const bool decided = analysis && (analysis->posterior[1] || !analysis->assumption_6);
    json_t *rho = analysis ? json_array() : json_null();
    for (uint32_t level = 1; analysis && level <= shape->levels; level++)
        rhm_json_append(&rho, rhm_json_number(analysis->rho[level]));
    return json_pack("{s:o, s:o, s:o, s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "vocab", rhm_json_sizes(shape->vocab, shape->levels + 1),
                     "rules", rhm_json_sizes(shape->rules + 1, shape->levels),
                     "branching", rhm_json_sizes(shape->branching + 1, shape->levels),
                     "levels", (int)shape->levels,
                     "seed", given ? json_null() : rhm_json_unsigned(rhm_grammar_seed(grammar)),
                     "rule_sampling", rhm_rule_sampling_name(rhm_grammar_sampling(grammar)),
                     "rule_law", laws(origin->rule_law + 1, shape->levels),
                     "label_law", laws(&origin->label_law, 1),
                     "ambiguity", rhm_json_number(origin->ambiguity),
                     "token_noise", rhm_json_number(origin->token_noise),
                     "label_noise", rhm_json_number(origin->label_noise),
                     "kappa", rhm_json_number(analysis ? analysis->kappa : (double)NAN),
                     "rho", rho,
                     "assumption_6", decided ? json_boolean(analysis->assumption_6) : json_null());
}

json_t *rhm_report_part_instance(const rhm_report_instance *instance) {
    if (instance->grammar)
        return known(instance->grammar, instance->analysis);
    const uint32_t levels = instance->tree->levels;
    return json_pack("{s:o, s:n, s:o, s:i, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}",
                     "vocab", rhm_json_sizes(instance->vocab, levels + 1),
                     "rules",
                     "branching", rhm_json_sizes(instance->tree->branching + 1, levels),
                     "levels", (int)levels,
                     "seed",
                     "rule_sampling",
                     "rule_law",
                     "label_law",
                     "ambiguity",
                     "token_noise",
                     "label_noise",
                     "kappa",
                     "rho",
                     "assumption_6");
}

/* clang-format on */

json_t *rhm_report_part_machine(const rhm_report_run *run) {
    return run->machine ? json_loads(run->machine, 0, NULL) : json_null();
}

json_t *rhm_report_part_command(const rhm_report_run *run) {
    return run->command ? rhm_json_text(run->command) : json_null();
}

rhm_status rhm_report_finish(char **text, json_t *report, rhm_error *error) {
    const rhm_status status =
        rhm_json_dump(text, report, JSON_INDENT(2) | JSON_REAL_PRECISION(17), "\n", "the report's text", error);
    json_decref(report);
    return status;
}

rhm_status rhm_report_of_instance(char **json, const rhm_report_instance *instance, rhm_error *error) {
    return rhm_report_finish(json, rhm_report_part_instance(instance), error);
}
