#include "rhm/plan.h"

#include "core/fields.h"
#include "reports/parts.h"
#include "rhm/theory.h"

#define AT(member) offsetof(rhm_plan_level, member)
#define REGRESSION .only_with = AT(width) + 1
#define SEARCH     .only_with = AT(allowed_searches) + 1

static const char *draw_word(uint32_t draw) {
    return draw == RHM_DRAW_COUNTS ? "counts" : "samples";
}

static const char *route_word(uint32_t route) {
    return rhm_route_name((rhm_route)route);
}

static const rhm_field level_fields[] = {
    {"level", RHM_FIELD_U32, AT(level), .meaning = "1..L, level L reads the tokens"},
    {"draw", RHM_FIELD_U32, AT(draw), .meaning = "how counts come about: samples or counts", .word = draw_word},
    {"kept_share", RHM_FIELD_F64, AT(kept_share), .meaning = "where the support is restricted, else 1"},
    {"first_samples", RHM_FIELD_F64, AT(first_samples), .meaning = "with which the search begins"},
    {"wanted_samples", RHM_FIELD_F64, AT(wanted_samples),
     .meaning = "after which outputs should be far enough apart; null where rho = 0"},
    {"samples", RHM_FIELD_F64, AT(samples), .meaning = "where the search is expected to end"},
    {"capped", RHM_FIELD_BOOL, AT(capped), .meaning = "fewer than wanted are allowed"},
    {"possible_patches", RHM_FIELD_F64, AT(possible), .meaning = "different first patches that exist"},
    {"distinct_patches", RHM_FIELD_F64, AT(distinct), .meaning = "and that are expected among the samples"},
    {"positions", RHM_FIELD_U32, AT(positions), .meaning = "patches of a sequence that are looked at"},
    {"width", RHM_FIELD_U32, AT(width), .meaning = "M; null without a regression, as route", REGRESSION},
    {"gap", RHM_FIELD_F64, AT(gap), .meaning = "separation / radius that is expected"},
    {"fits", RHM_FIELD_F64, AT(fits), .meaning = "attempts"},
    {"route", RHM_FIELD_U32, AT(route), .meaning = "of a fit at a bandwidth: passes or gram", .word = route_word,
     REGRESSION},
    {"ridge_route", RHM_FIELD_U32, AT(ridge_route), .meaning = "of the fits of a walk along ridges", .word = route_word,
     REGRESSION},
    {"memory_bytes", RHM_FIELD_F64, AT(nbytes), .meaning = "the largest that the level holds"},
    {"seconds.draw", RHM_FIELD_F64, AT(draw_seconds), .meaning = "drawing"},
    {"seconds.embed", RHM_FIELD_F64, AT(embed_seconds), .meaning = "pushing samples through the levels below"},
    {"seconds.fit", RHM_FIELD_F64, AT(fit_seconds), .meaning = "fits, or groupings"},
    {"seconds.messages", RHM_FIELD_F64, AT(messages.seconds), .meaning = "of messages between ranks"},
    {"messages", RHM_FIELD_F64, AT(messages.count), .meaning = "that all ranks send"},
    {"partial_sums", RHM_FIELD_F64, AT(shared_parts),
     .meaning = "of its passes: more ranks have no share; 0: any have"},
    {"message_bytes", RHM_FIELD_F64, AT(messages.nbytes), .meaning = "in these"},
    {"epochs", RHM_FIELD_F64, AT(epochs), .meaning = "of gradient descent, at most; 0: there are none"},
    {"seconds.epoch", RHM_FIELD_F64, AT(epoch_seconds), .meaning = "of an epoch, or the level's share of it"},
    {"budget.multiply_adds", RHM_FIELD_F64, AT(budget_work),
     .meaning = "that its searches do at most, together, if the levels below come out as foreseen", SEARCH},
    {"budget.seconds", RHM_FIELD_F64, AT(budget_seconds), .meaning = "about how long they take", SEARCH},
    {"at_most.multiply_adds", RHM_FIELD_F64, AT(allowed_work),
     .meaning = "that its searches do at most, whatever comes out of them, together", SEARCH},
    {"at_most.seconds", RHM_FIELD_F64, AT(allowed_seconds), .meaning = "about how long they take", SEARCH},
    {"at_most.searches", RHM_FIELD_U32, AT(allowed_searches), .meaning = "as many as there can be", SEARCH},
    {"at_most.positions", RHM_FIELD_U32, AT(allowed_positions), .meaning = "of the last of them", SEARCH},
    {"shared.merge_seconds", RHM_FIELD_F64, AT(merge_seconds), .meaning = "of drawing, what no ranks share"},
    {"shared.listed_bytes", RHM_FIELD_F64, AT(listed_nbytes), .meaning = "of lists of new patches, for all ranks"},
    {"shared.fit_seconds", RHM_FIELD_F64, AT(shared_fit_seconds), .meaning = "of fits, what ranks could share"},
    {"shared.parts_divide", RHM_FIELD_BOOL, AT(parts_divide),
     .meaning = "whether a rank's threads can work on one partial sum"},
    {"shared.if_faster", RHM_FIELD_BOOL, AT(shared_if_faster),
     .meaning = "whether ranks share it only where messages take less time than that saves"},
    {"shared.held_bytes", RHM_FIELD_F64, AT(shared_nbytes), .meaning = "of memory, what sharing it takes besides"},
    {"shared.sums", RHM_FIELD_F64, AT(sums), .meaning = "passes over all patches"},
    {"shared.sum_rows", RHM_FIELD_F64, AT(sum_rows), .meaning = "partial sums of one"},
    {"shared.sum_bytes", RHM_FIELD_F64, AT(sum_nbytes), .meaning = "of one"},
    {"shared.products", RHM_FIELD_F64, AT(products), .meaning = "products with Gram matrices"},
    {"shared.product_bytes", RHM_FIELD_F64, AT(product_nbytes), .meaning = "of one"},
    {"shared.embeddings", RHM_FIELD_F64, AT(embeddings), .meaning = "times that outputs are made"},
    {"shared.embedded_bytes", RHM_FIELD_F64, AT(embedded_nbytes), .meaning = "of all of them"},
    {"shared.grouped_bytes", RHM_FIELD_F64, AT(grouped_nbytes),
     .meaning = "of those, what every rank gets in any case"},
    {"shared.division_ranks", RHM_FIELD_F64, AT(division_ranks),
     .meaning = "that divide patches, at most; null: any number"},
    {"shared.patches_bytes", RHM_FIELD_F64, AT(patches_nbytes), .meaning = "of memory, what they have parts of then"},
    {"shared.keys_bytes", RHM_FIELD_F64, AT(keys_nbytes), .meaning = "of memory, what that takes"},
    {"shared.dealt_bytes", RHM_FIELD_F64, AT(dealt_nbytes), .meaning = "and of messages"},
    {"shared.divided_bytes", RHM_FIELD_F64, AT(divided_nbytes), .meaning = "of memory, in equal parts"},
    {"shared.passes_bytes", RHM_FIELD_F64, AT(passes_nbytes), .meaning = "of memory, what passes hold, likewise"},
    {"shared.gram_bytes", RHM_FIELD_F64, AT(gram_nbytes), .meaning = "of memory, Gram matrices"},
    {"shared.features_bytes", RHM_FIELD_F64, AT(features_nbytes), .meaning = "of features of all patches"},
};
const rhm_fields rhm_report_plan_levels = {level_fields, sizeof level_fields / sizeof *level_fields,
                                           sizeof(rhm_plan_level)};

#undef AT
#define AT(member) offsetof(rhm_theory_level, member)

static const rhm_field theory_fields[] = {
    {"level", RHM_FIELD_U32, AT(level), .meaning = "1..L"},
    {"rho", RHM_FIELD_F64, AT(rho), .meaning = "K_rho m^(-l/2)"},
    {"accuracy", RHM_FIELD_F64, AT(accuracy), .meaning = "eps*"},
    {"off_diagonal", RHM_FIELD_F64, AT(off_diagonal),
     .meaning = "eps_O, the allowed overlap of features of different patches"},
    {"synonym", RHM_FIELD_F64, AT(synonym), .meaning = "eps_S, the allowed spread of features within a patch"},
    {"ridge", RHM_FIELD_F64, AT(ridge), .meaning = "lambda = 1 / |P_l|"},
    {"gd_step", RHM_FIELD_F64, AT(gd_step), .meaning = "of gradient descent"},
    {"gd_steps", RHM_FIELD_F64, AT(gd_steps), .meaning = "T"},
    {"samples_printed", RHM_FIELD_F64, AT(samples_printed), .meaning = "N of Lemma 11"},
    {"samples_corrected", RHM_FIELD_F64, AT(samples_corrected), .meaning = "N as its proof needs it"},
    {"bandwidth_printed", RHM_FIELD_F64, AT(bandwidth_printed), .meaning = "sigma of Lemma 10"},
    {"bandwidth_corrected", RHM_FIELD_F64, AT(bandwidth_corrected), .meaning = "sigma as its proof needs it"},
    {"width", RHM_FIELD_F64, AT(width), .meaning = "order of M"},
};
static const rhm_fields theory_table = {theory_fields, sizeof theory_fields / sizeof *theory_fields,
                                        sizeof(rhm_theory_level)};

/* Keys stand one to a line. */
/* clang-format off */

static json_t *theorem(const rhm_theory_problem *problem) {
    json_t *levels = json_array();
    double printed = 0, corrected = 0;
    for (uint32_t level = problem->levels; level >= 1; level--) {
        const rhm_theory_level constants = rhm_theory_constants(problem, level);
        printed += constants.samples_printed;
        corrected += constants.samples_corrected;
        rhm_json_append(&levels, rhm_fields_json(&theory_table, &constants));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "constant", rhm_json_number(problem->constant),
                     "delta", rhm_json_number(problem->delta),
                     "kappa", rhm_json_number(problem->kappa),
                     "k_rho", rhm_json_number(problem->k_rho),
                     "levels", levels,
                     "samples_printed", rhm_json_number(printed),
                     "samples_corrected", rhm_json_number(corrected));
}

static json_t *link_json(const rhm_plan_link *link) {
    return json_pack("{s:f, s:f}",
                     "latency_us", 1e6 * link->latency,
                     "gbs", 1e-9 * link->rate);
}

static json_t *shared(unsigned spread) {
    return json_pack("{s:b, s:b, s:b, s:b}",
                     "draw", (spread & RHM_SPREAD_DRAW) != 0,
                     "embed", (spread & RHM_SPREAD_EMBED) != 0,
                     "fit", (spread & RHM_SPREAD_FIT) != 0,
                     "test", (spread & RHM_SPREAD_TEST) != 0);
}

/* Null for one process. */
static json_t *ranks(const rhm_training_plan *plan) {
    const rhm_plan_cluster *c = &plan->cluster;
    if (c->ranks == 0)
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:f, s:o, s:o, s:o}",
                     "ranks", c->ranks,
                     "nodes", c->nodes,
                     "node_cores", c->cores,
                     "rank_cores", rhm_plan_rank_cores(c),
                     "within_nodes", link_json(&c->within),
                     "between_nodes", link_json(&c->between),
                     "shared", shared(plan->spread));
}

json_t *rhm_report_part_practice(const rhm_training_plan *plan) {
    json_t *levels = json_array();
    for (uint32_t level = plan->levels; level >= 1; level--)
        if (plan->level[level].level > 0)
            rhm_json_append(&levels, rhm_fields_json(&rhm_report_plan_levels, &plan->level[level]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o}",
                     "levels", levels,
                     "ranks", ranks(plan),
                     "shared", shared(plan->spread),
                     "samples", rhm_json_number(rhm_plan_samples(plan)),
                     "memory_bytes", rhm_json_number(rhm_plan_nbytes(plan)),
                     "base_bytes", rhm_json_number(plan->base_nbytes),
                     "seconds", rhm_json_number(rhm_plan_seconds(plan)),
                     "test_seconds", rhm_json_number(plan->test_seconds),
                     "threads", plan->threads,
                     "cpu", *plan->cpu ? rhm_json_text(plan->cpu) : json_null(),
                     "isa", *plan->isa ? json_string(plan->isa) : json_null());
}

/* With K_rho of every level, which only the theorem asks for. */
static json_t *whole_instance(const rhm_report_instance *instance) {
    json_t *whole = rhm_report_part_instance(instance);
    json_t *k_rho = instance->grammar ? json_array() : json_null();
    for (uint32_t level = 1; instance->grammar && level <= rhm_grammar_shape(instance->grammar)->levels; level++)
        rhm_json_append(&k_rho, rhm_json_number(instance->analysis->k_rho[level]));
    rhm_json_set(&whole, "k_rho", k_rho);
    return whole;
}

/* Null for fresh sequences. */
static json_t *data(const rhm_training_plan *plan) {
    if (plan->sequences == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:b}",
                     "sequences", rhm_json_unsigned(plan->sequences),
                     "test_sequences", rhm_json_unsigned(plan->test_samples),
                     "stand_in", plan->stand_in);
}

rhm_status rhm_report_plan(char **json, const rhm_report_instance *instance, const rhm_training_plan *plan,
                           rhm_error *error) {
    json_t *constants = json_null();
    if (instance->grammar && instance->analysis->posterior[1]) {
        const rhm_theory_problem problem = rhm_theory_of_grammar(instance->grammar, instance->analysis);
        constants = theorem(&problem);
    }
    return rhm_report_finish(json, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
                                             "schema", "rhm-plan/1",
                                             "version", rhm_version(),
                                             "learner", plan->learner,
                                             "instance", whole_instance(instance),
                                             "data", data(plan),
                                             "theorem", constants,
                                             "practice", rhm_report_part_practice(plan)),
                             error);
}

/* clang-format on */
