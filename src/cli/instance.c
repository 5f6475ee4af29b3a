#include "cli/instance.h"

#include <inttypes.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/running.h"
#include "core/fail.h"

/* The most degenerate family known (V = 20, m = 2, L = 4) violates Assumption 6 for 56 % of the seeds. */
enum { MOST_SEEDS = 10000, EXPLANATION_NBYTES = 2048 };

static rhm_status check_list(const rhm_settings *settings, const char *name, const rhm_list *list, uint32_t levels,
                             rhm_error *error) {
    if (list->count > 1 && list->count != levels)
        return rhm_fail(error, RHM_INVALID,
                        "--%s %s has %u values: with %u levels allowed are one, or %u for levels 1 to %u", name,
                        rhm_option_given(settings, name), list->count, levels, levels, levels);
    return RHM_OK;
}

static rhm_status choose_levels(uint32_t *levels, const rhm_settings *settings, rhm_error *error) {
    const rhm_list *vocab = &settings->instance.vocab, *rules = &settings->instance.rules;
    const rhm_list *branching = &settings->instance.branching;
    if (rhm_option_given(settings, "levels"))
        *levels = (uint32_t)settings->instance.levels;
    else if (vocab->count > 1)
        *levels = vocab->count - 1;
    else
        *levels = rules->count > 1       ? rules->count
                  : branching->count > 1 ? branching->count
                                         : (uint32_t)settings->instance.levels;
    if (*levels > RHM_MAX_LEVELS)
        return rhm_fail(error, RHM_INVALID, "--%s %s has %u values, one for each level: there are at most %d levels",
                        rules->count > 1 ? "rules" : "branching",
                        rhm_option_given(settings, rules->count > 1 ? "rules" : "branching"), *levels, RHM_MAX_LEVELS);
    RHM_TRY(check_list(settings, "rules", rules, *levels, error));
    return check_list(settings, "branching", branching, *levels, error);
}

void rhm_instance_branching(uint32_t branching[RHM_MAX_LEVELS + 1], const rhm_settings *settings) {
    const rhm_list *list = &settings->instance.branching;
    memset(branching, 0, sizeof *branching * (RHM_MAX_LEVELS + 1));
    if (list->count == 1)
        branching[0] = (uint32_t)list->value[0];
    for (uint32_t level = 1; list->count > 1 && level <= list->count && level <= RHM_MAX_LEVELS; level++)
        branching[level] = (uint32_t)list->value[level - 1];
}

rhm_status rhm_instance_vocab(uint32_t vocab[RHM_MAX_LEVELS + 1], const rhm_settings *settings, uint32_t levels,
                              rhm_error *error) {
    const rhm_list *list = &settings->instance.vocab;
    if (list->count > 1 && list->count != levels + 1)
        return rhm_fail(error, RHM_INVALID,
                        "--vocab %s has %u values: with %u levels allowed are one, or %u for levels 0 to %u",
                        rhm_option_given(settings, "vocab"), list->count, levels, levels + 1, levels);
    for (uint32_t level = 0; level <= levels; level++)
        vocab[level] = (uint32_t)list->value[list->count > 1 ? level : 0];
    return RHM_OK;
}

static rhm_status typed_shape(rhm_shape *shape, const rhm_settings *settings, rhm_error *error) {
    *shape = (rhm_shape){0};
    RHM_TRY(choose_levels(&shape->levels, settings, error));
    RHM_TRY(rhm_instance_vocab(shape->vocab, settings, shape->levels, error));
    const rhm_list *rules = &settings->instance.rules, *branching = &settings->instance.branching;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        shape->rules[level] = (uint32_t)rules->value[rules->count > 1 ? level - 1 : 0];
        shape->branching[level] = (uint32_t)branching->value[branching->count > 1 ? level - 1 : 0];
    }
    return RHM_OK;
}

/* Laws 0..count-1 that an option says. */
static rhm_status typed_laws(rhm_rule_law *laws, uint32_t count, const char *option, const char *text,
                             rhm_error *error) {
    rhm_error why;
    const rhm_status status = rhm_rule_laws_parse(laws, count, text, &why);
    return status == RHM_OK ? RHM_OK : rhm_fail(error, status, "--%s: %s", option, why.text);
}

static rhm_status typed_options(rhm_grammar_options *out, const rhm_settings *settings, uint32_t levels,
                                rhm_error *error) {
    *out = (rhm_grammar_options){
        .sampling = (rhm_rule_sampling)settings->instance.rule_sampling,
        .seed = settings->instance.seed,
        .ambiguity = settings->instance.ambiguity,
        .token_noise = settings->instance.token_noise,
        .label_noise = settings->instance.label_noise,
    };
    RHM_TRY(typed_laws(out->rule_law + 1, levels, "rule-law", settings->instance.rule_law, error));
    return typed_laws(&out->label_law, 1, "label-law", settings->instance.label_law, error);
}

static rhm_status refuse_beside_grammar(const rhm_settings *settings, rhm_error *error) {
    static const char *const replaced[] = {"vocab",    "rules",     "branching", "levels",      "rule-sampling",
                                           "rule-law", "label-law", "ambiguity", "token-noise", "label-noise"};
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
        RHM_TRY(rhm_option_refuse(settings, replaced[i],
                                  "contradicts --grammar, whose file says it all: give one of them", error));
    /* Where samples are drawn, --seed still seeds them; elsewhere it would be ignored. */
    for (size_t g = 0; g < RHM_MOST_GROUPS && settings->command->groups[g]; g++)
        for (const rhm_option *option = settings->command->groups[g]->options; option->name; option++)
            if (!strcmp(option->name, "data-seed"))
                return RHM_OK;
    return rhm_option_refuse(settings, "seed", "has no effect with --grammar, whose rules are not drawn: leave it out",
                             error);
}

static rhm_status load(rhm_grammar **out, const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(refuse_beside_grammar(settings, error));
    RHM_TRY(rhm_running_input(rhm_grammar_load(out, settings->instance.grammar, error)));
    rhm_listener listener = {settings->command->name};
    rhm_running_notes(&listener, rhm_grammar_notes(*out));
    return RHM_OK;
}

rhm_status rhm_instance_grammar(rhm_grammar **out, const rhm_settings *settings, rhm_error *error) {
    *out = NULL;
    if (settings->instance.grammar)
        return load(out, settings, error);
    rhm_shape shape;
    rhm_grammar_options options;
    RHM_TRY(typed_shape(&shape, settings, error));
    RHM_TRY(typed_options(&options, settings, shape.levels, error));
    return rhm_grammar_draw_with(out, &shape, &options, error);
}

static rhm_status search_seed(rhm_grammar **out, rhm_analysis *analysis, const rhm_settings *settings,
                              rhm_error *error) {
    rhm_shape shape;
    rhm_grammar_options options;
    RHM_TRY(typed_shape(&shape, settings, error));
    RHM_TRY(typed_options(&options, settings, shape.levels, error));
    const uint64_t first = settings->instance.seed;
    const uint64_t seeds = MOST_SEEDS <= INT64_MAX - first ? MOST_SEEDS : INT64_MAX - first + 1;
    for (uint64_t tried = 0; tried < seeds; tried++) {
        RHM_TRY(rhm_interrupt_check(error));
        options.seed = first + tried;
        RHM_TRY(rhm_grammar_draw_with(out, &shape, &options, error));
        const rhm_status status = rhm_analyse(analysis, *out, error);
        if (status == RHM_OK && analysis->assumption_6) {
            if (tried > 0)
                fprintf(stderr,
                        "rhm %s: seed %" PRIu64 " is used: the grammars of the %" PRIu64
                        " seed%s before it, from %" PRIu64 " on, violate Assumption 6\n",
                        settings->command->name, first + tried, tried, tried == 1 ? "" : "s", first);
            return RHM_OK;
        }
        rhm_analysis_clear(analysis);
        rhm_grammar_destroy(*out);
        *out = NULL;
        if (status != RHM_OK)
            return status;
    }
    return rhm_fail(error, RHM_FAILED,
                    "no seed from %" PRIu64 " on, out of %" PRIu64 ", draws a grammar that satisfies Assumption 6",
                    first, seeds);
}

rhm_status rhm_instance_analyse(rhm_analysis *analysis, const rhm_grammar *grammar, double most_work,
                                rhm_error *error) {
    const bool costly = most_work > 0 && rhm_analysis_work(grammar) > most_work;
    return (costly ? rhm_analyse_frequencies : rhm_analyse)(analysis, grammar, error);
}

rhm_status rhm_instance_build(rhm_grammar **out, rhm_analysis *analysis, const rhm_settings *settings, double most_work,
                              rhm_error *error) {
    *out = NULL;
    *analysis = (rhm_analysis){0};
    if (settings->instance.identifiable && !settings->instance.grammar)
        return search_seed(out, analysis, settings, error);
    rhm_status status = rhm_instance_grammar(out, settings, error);
    if (status == RHM_OK)
        status = rhm_instance_analyse(analysis, *out, most_work, error);
    if (status == RHM_OK && settings->instance.identifiable && !analysis->assumption_6) {
        char text[EXPLANATION_NBYTES];
        rhm_analysis_explain(analysis, text, sizeof text);
        status = rhm_fail(error, RHM_INVALID, "--require-identifiable refuses --grammar %s: %s",
                          settings->instance.grammar, text);
    }
    if (status != RHM_OK) {
        rhm_analysis_clear(analysis);
        rhm_grammar_destroy(*out);
        *out = NULL;
        return status;
    }
    rhm_instance_warn(settings, analysis);
    return RHM_OK;
}

bool rhm_instance_given(const rhm_settings *settings) {
    for (const rhm_option *option = rhm_instance_options.options; option->name; option++)
        if (rhm_option_given(settings, option->name))
            return true;
    return false;
}

void rhm_instance_warn(const rhm_settings *settings, const rhm_analysis *analysis) {
    if (analysis->assumption_6)
        return;
    char text[EXPLANATION_NBYTES];
    rhm_analysis_explain(analysis, text, sizeof text);
    fprintf(stderr, "rhm %s: warning: %s\n", settings->command->name, text);
}

void rhm_instance_print_sizes(FILE *stream, const uint32_t *sizes, uint32_t first, uint32_t last) {
    bool equal = true;
    for (uint32_t level = first; level <= last; level++)
        equal &= sizes[level] == sizes[first];
    for (uint32_t level = first; level <= (equal ? first : last); level++)
        fprintf(stream, "%s%u", level == first ? "" : ",", sizes[level]);
}

/* Laws that are not uniform, and noise. */
static void print_laws(FILE *stream, const rhm_grammar *grammar) {
    const rhm_grammar_options *origin = rhm_grammar_origin(grammar);
    char rules[RHM_RULE_LAWS_TEXT_NBYTES], labels[RHM_RULE_LAWS_TEXT_NBYTES];
    rhm_rule_laws_text(rules, origin->rule_law + 1, rhm_grammar_shape(grammar)->levels);
    rhm_rule_laws_text(labels, &origin->label_law, 1);
    if (strcmp(rules, "uniform") != 0)
        fprintf(stream, " with probabilities %s", rules);
    if (strcmp(labels, "uniform") != 0)
        fprintf(stream, ", labels %s", labels);
    if (origin->ambiguity > 0)
        fprintf(stream, ", ambiguity %g", origin->ambiguity);
    if (origin->token_noise > 0)
        fprintf(stream, ", token noise %g", origin->token_noise);
    if (origin->label_noise > 0)
        fprintf(stream, ", label noise %g", origin->label_noise);
}

void rhm_instance_print(FILE *stream, const rhm_grammar *grammar, const rhm_analysis *analysis) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const rhm_rule_sampling sampling = rhm_grammar_sampling(grammar);
    fprintf(stream, "instance    V = ");
    rhm_instance_print_sizes(stream, shape->vocab, 0, shape->levels);
    fprintf(stream, ", m = ");
    rhm_instance_print_sizes(stream, shape->rules, 1, shape->levels);
    fprintf(stream, ", s = ");
    rhm_instance_print_sizes(stream, shape->branching, 1, shape->levels);
    fprintf(stream, ", L = %u (%zu tokens), rules %s", shape->levels, rhm_grammar_tree(grammar)->leaves[0],
            rhm_rule_sampling_name(sampling));
    print_laws(stream, grammar);
    if (sampling != RHM_GIVEN)
        fprintf(stream, ", seed %" PRIu64, rhm_grammar_seed(grammar));
    fprintf(stream, "\nkappa       %.6g\n\n%5s %9s %9s %10s %10s   %s\n", analysis->kappa, "level", "patches", "rho",
            "K_rho", "not first", "closest symbols above");
    for (uint32_t level = shape->levels; level >= 1; level--)
        if (!analysis->posterior[level])
            fprintf(stream, "%5u %9zu %9s %10s %10u   -\n", level, rhm_grammar_patch_count(grammar, level), "-", "-",
                    analysis->never_first[level]);
        else
            fprintf(stream, "%5u %9zu %9.4g %10.4g %10u   %u and %u of level %u\n", level,
                    rhm_grammar_patch_count(grammar, level), analysis->rho[level], analysis->k_rho[level],
                    analysis->never_first[level], analysis->closest[level][0], analysis->closest[level][1], level - 1);
    fprintf(
        stream,
        "rho: distance of the closest label posteriors; K_rho = rho m^(level/2); not first: symbols that first patches "
        "never show\n");
    char text[EXPLANATION_NBYTES];
    rhm_analysis_explain(analysis, text, sizeof text);
    fprintf(stream, "\n%s\n", text);
    if (!analysis->posterior[1])
        fprintf(stream, "rho would take %.1e multiply-adds, which `rhm grammar` does\n", rhm_analysis_work(grammar));
}
