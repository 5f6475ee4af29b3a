#include "sampling/law.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/intern.h"
#include "core/memory.h"
#include "core/philox.h"
#include "sampling/law_survey.h"

rhm_status rhm_law_measure(rhm_law_size *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                           rhm_error *error) {
    rhm_survey s;
    *out = (rhm_law_size){HUGE_VAL, HUGE_VAL};
    if (!rhm_grammar_parses(grammar))
        return RHM_OK;
    RHM_TRY(rhm_survey_make(&s, grammar, level, positions, error));
    *out = (rhm_law_size){s.cells, rhm_survey_places(&s, rhm_grammar_shape(grammar), level)};
    rhm_survey_clear(&s);
    return RHM_OK;
}

/* Derivations of a rule that get places. */
static double own_places(const rhm_survey *s, const rhm_grammar *grammar, uint32_t j, size_t row, size_t most) {
    const bool occurs = s->possible[j - 1][row / rhm_grammar_shape(grammar)->rules[j]];
    const double all = occurs ? rhm_survey_derivations(grammar, j, row, s->derivations[j + 1]) : 0;
    return most ? fmin(all, (double)most) : all;
}

/* Places of a rule at most, 0 for all of its derivations. */
static size_t most_places(const rhm_survey *s, const rhm_grammar *grammar, uint32_t level,
                          const rhm_law_choice *choice) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    size_t rules = 0;
    for (size_t row = 0; choice && row < (size_t)shape->vocab[level - 1] * shape->rules[level]; row++)
        rules += own_places(s, grammar, level, row, 0) > 0;
    return !choice ? 0 : rules == 0 || choice->patches < rules ? 1 : choice->patches / rules;
}

static double all_places(const rhm_survey *s, const rhm_grammar *grammar, uint32_t j, size_t most) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    double places = 0;
    for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
        places += own_places(s, grammar, j, row, most);
    return places;
}

rhm_status rhm_law_nbytes(double *nbytes, const rhm_grammar *grammar, uint32_t level, size_t positions,
                          const rhm_law_choice *choice, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_survey s;
    RHM_TRY(rhm_survey_make(&s, grammar, level, positions, error));
    double coins = (double)positions * shape->vocab[0] * (1.0 + shape->vocab[level - 1]);
    coins += (double)shape->vocab[level - 1] * shape->rules[level];
    double words = 0;
    const size_t most = most_places(&s, grammar, level, choice);
    for (uint32_t j = level; j <= shape->levels; j++)
        words += all_places(&s, grammar, j, j == level ? most : 0) <= RHM_MOST_PLACES
                     ? (double)shape->vocab[j - 1] * (1.0 + shape->rules[j]) + 2
                     : HUGE_VAL;
    if (choice) {
        const double places = all_places(&s, grammar, level, most);
        words += places * shape->branching[level];
        coins += places;
    } else if (level < shape->levels) {
        coins += rhm_survey_places(&s, shape, level + 1);
    }
    rhm_survey_clear(&s);
    *nbytes = (double)sizeof(rhm_coin) * coins + (double)sizeof(uint32_t) * words;
    return RHM_OK;
}

/* ----------------------------------------------------------------------------------------------------- the layout */

static rhm_status lay_out(rhm_law_level *at, const rhm_grammar *grammar, uint32_t j, const rhm_survey *s, size_t most,
                          rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t symbols = shape->vocab[j - 1], rules = shape->rules[j];
    const double places = all_places(s, grammar, j, most);
    if (!(places <= RHM_MOST_PLACES))
        return rhm_fail(
            error, RHM_NO_MEMORY,
            "level %u has %.3g possible patches, of which at most %d can be told apart: draw samples instead "
            "of counts",
            j, places, RHM_MOST_PLACES);
    at->places = (size_t)places;
    if (!(at->of_symbol = RHM_NEW(uint32_t, symbols + 1, 1, 1, "places of a level", error)) ||
        !(at->of_rule = RHM_NEW(uint32_t, symbols * rules + 1, 1, 1, "places of a level", error)))
        return RHM_NO_MEMORY;
    for (size_t row = 0; row < symbols * rules; row++)
        at->of_rule[row + 1] = at->of_rule[row] + (uint32_t)own_places(s, grammar, j, row, most);
    for (size_t symbol = 0; symbol <= symbols; symbol++)
        at->of_symbol[symbol] = at->of_rule[symbol * rules];
    return RHM_OK;
}

void rhm_law_children(const rhm_law *law, uint32_t j, size_t rule, size_t place, uint32_t *children) {
    const uint32_t branching = law->tree.branching[j];
    const uint32_t *symbols = rhm_grammar_patches(law->grammar, j) + rule * branching;
    if (j == law->tree.levels) {
        memcpy(children, symbols, sizeof *children * branching);
        return;
    }
    if (j == law->level && law->chosen) {
        memcpy(children, law->chosen + place * branching, sizeof *children * branching);
        return;
    }
    const uint32_t *of_symbol = law->at[j + 1].of_symbol;
    uint32_t rest = (uint32_t)place - law->at[j].of_rule[rule];
    for (uint32_t t = branching; t-- > 0;) {
        const uint32_t derivations = of_symbol[symbols[t] + 1] - of_symbol[symbols[t]];
        children[t] = of_symbol[symbols[t]] + rest % derivations;
        rest /= derivations;
    }
}

/* Derivations of a rule are all as likely to be chosen; one that comes again is tossed anew. */
static rhm_status choose_of_rule(rhm_law *law, size_t rule, rhm_random *random, rhm_intern *known, rhm_error *error) {
    const uint32_t branching = law->tree.branching[law->level];
    const uint32_t *of_rule = law->at[law->level].of_rule, *of_symbol = law->at[law->level + 1].of_symbol;
    const uint32_t *symbols = rhm_grammar_patches(law->grammar, law->level) + rule * branching;
    const size_t places = of_rule[rule + 1] - of_rule[rule];
    rhm_intern_clear(known);
    while (known->count < places) {
        uint32_t children[RHM_MAX_BRANCHING], id;
        for (uint32_t t = 0; t < branching; t++)
            children[t] =
                of_symbol[symbols[t]] + rhm_random_below(random, of_symbol[symbols[t] + 1] - of_symbol[symbols[t]]);
        RHM_TRY(rhm_intern_add(known, children, &id, NULL, error));
    }
    if (places > 0) /* else there may be no memory, which memcpy must not see even for 0 bytes */
        memcpy(law->chosen + of_rule[rule] * (size_t)branching, known->tuples,
               sizeof *law->chosen * places * branching);
    return RHM_OK;
}

static rhm_status choose(rhm_law *law, const rhm_law_choice *choice, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    rhm_random random = {.seed = choice->seed, .stream = choice->stream | RHM_DRAW_STREAM | RHM_CHOICE_STREAM};
    rhm_intern known;
    if (!(law->chosen = RHM_NEW(uint32_t, law->at[law->level].places, law->tree.branching[law->level], 1,
                                "patches of a thinned law", error)))
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_intern_init(&known, law->tree.branching[law->level], 0, error));
    rhm_status status = RHM_OK;
    for (size_t rule = 0; rule < (size_t)shape->vocab[law->level - 1] * shape->rules[law->level] && status == RHM_OK;
         rule++)
        status = choose_of_rule(law, rule, &random, &known, error);
    rhm_intern_destroy(&known);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ the coins */

/* coin[i] for every split of begin..end-1; returns the sum of the weights. Sums by halves lose next to nothing. */
static double fill_coins(rhm_coin *coin, const double *weight, size_t begin, size_t end) {
    if (end - begin < 2)
        return end > begin ? weight[begin] : 0;
    const size_t mid = begin + (end - begin) / 2;
    const double lower = fill_coins(coin, weight, begin, mid), upper = fill_coins(coin, weight, mid, end);
    if (lower + upper > 0)
        coin[mid] = rhm_coin_of(lower, upper);
    return lower + upper;
}

/* Probabilities of the level-j derivations, each given its symbol; those of their children are `below`. */
static void weigh(const rhm_law *law, uint32_t j, const double *below, double *weight) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const double *probability = rhm_grammar_probability(law->grammar, j);
    uint32_t children[RHM_MAX_BRANCHING];
    for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
        for (size_t place = law->at[j].of_rule[row]; place < law->at[j].of_rule[row + 1]; place++) {
            weight[place] = probability[row];
            rhm_law_children(law, j, row, place, children);
            for (uint32_t t = 0; j < law->tree.levels && t < law->tree.branching[j]; t++)
                weight[place] *= below[children[t]];
        }
}

/* Those of the chosen derivations given their rule; kept, (rules), receives the probability that one of them occurs. */
static rhm_status toss_chosen(rhm_law *law, const double *below, double *kept, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const rhm_law_level *at = &law->at[law->level];
    const uint32_t branching = law->tree.branching[law->level];
    double *weight = RHM_NEW(double, at->places, 1, 1, "probabilities of derivations", error);
    if (!weight || !(law->child = RHM_NEW(rhm_coin, at->places, 1, 1, "probabilities of derivations", error))) {
        rhm_free(weight);
        return RHM_NO_MEMORY;
    }
    for (size_t place = 0; place < at->places; place++) {
        weight[place] = 1;
        for (uint32_t t = 0; t < branching; t++)
            weight[place] *= below[law->chosen[place * branching + t]];
    }
    for (size_t rule = 0; rule < (size_t)shape->vocab[law->level - 1] * shape->rules[law->level]; rule++)
        kept[rule] = fill_coins(law->child, weight, at->of_rule[rule], at->of_rule[rule + 1]);
    rhm_free(weight);
    return RHM_OK;
}

static rhm_status toss_children(rhm_law *law, double *kept, rhm_error *error) {
    double *below = NULL, *weight = NULL;
    const uint32_t *of_symbol = law->at[law->level + 1].of_symbol;
    const size_t symbols = rhm_grammar_shape(law->grammar)->vocab[law->level];
    rhm_status status = RHM_NO_MEMORY;
    for (uint32_t j = law->tree.levels; j > law->level; j--) {
        rhm_free(below);
        below = weight;
        if (!(weight = RHM_NEW(double, law->at[j].places, 1, 1, "probabilities of derivations", error)))
            goto done;
        weigh(law, j, below, weight);
    }
    if (law->chosen) {
        status = toss_chosen(law, weight, kept, error);
        goto done;
    }
    if (!(law->child = RHM_NEW(rhm_coin, law->at[law->level + 1].places, 1, 1, "probabilities of derivations", error)))
        goto done;
    for (size_t symbol = 0; symbol < symbols; symbol++)
        fill_coins(law->child, weight, of_symbol[symbol], of_symbol[symbol + 1]);
    status = RHM_OK;
done:
    rhm_free(below);
    rhm_free(weight);
    return status;
}

/* What is kept of a rule's samples, `rule` (rules) on entry, becomes what its symbol keeps by it, and `symbol`,
 * (symbols), receives what is kept of a symbol's. */
static void weigh_kept(const rhm_law *law, double *rule, double *symbol) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const size_t symbols = shape->vocab[law->level - 1], rules = shape->rules[law->level];
    for (size_t row = 0; row < symbols * rules; row++) {
        rule[row] *= rhm_grammar_probability(law->grammar, law->level)[row];
        symbol[row / rules] += rule[row];
    }
}

/* Labels and symbols of one position. `symbol` is what is kept of each symbol's samples, or NULL: all; `label` (V_0) is
 * scratch. */
static void toss_position(rhm_law *law, rhm_survey *s, size_t position, const double *symbol, double *label) {
    const size_t symbols = rhm_grammar_shape(law->grammar)->vocab[law->level - 1];
    const double noise = rhm_grammar_origin(law->grammar)->label_noise;
    for (size_t c = 0; c < law->classes; c++)
        label[c] = noise > 0 ? (1 - noise) * rhm_grammar_label_probability(law->grammar)[c] + noise / law->classes
                             : rhm_grammar_label_probability(law->grammar)[c];
    for (size_t c = 0; c < law->classes; c++) {
        rhm_survey_reach(s, law->grammar, law->level, position, c);
        if (symbol)
            label[c] = 0;
        for (size_t v = 0; v < symbols && symbol; v++)
            label[c] += s->reached[v] *= symbol[v];
        fill_coins(law->symbol + (position * law->classes + c) * symbols, s->reached, 0, symbols);
    }
    const double share = fill_coins(law->label + position * law->classes, label, 0, law->classes);
    law->share += symbol ? share / (double)law->positions : 0;
}

static rhm_status toss(rhm_law *law, rhm_survey *s, rhm_error *error) {
    static const char what[] = "probabilities of kept samples";
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const size_t symbols = shape->vocab[law->level - 1], rules = shape->rules[law->level];
    double *rule = NULL, *symbol = NULL, *label = NULL;
    rhm_status status = RHM_NO_MEMORY;
    if (!(law->label = RHM_NEW(rhm_coin, law->positions, law->classes, 1, "probabilities of labels", error)) ||
        !(law->symbol = RHM_NEW(rhm_coin, law->positions, law->classes, symbols, "probabilities of symbols", error)) ||
        !(law->rule = RHM_NEW(rhm_coin, symbols, rules, 1, "probabilities of rules", error)) ||
        (law->chosen && (!(rule = RHM_NEW(double, symbols, rules, 1, what, error)) ||
                         !(symbol = RHM_NEW(double, symbols, 1, 1, what, error)))) ||
        !(label = RHM_NEW(double, law->classes, 1, 1, what, error)) ||
        (law->level < law->tree.levels && (status = toss_children(law, rule, error)) != RHM_OK))
        goto done;
    if (law->chosen)
        weigh_kept(law, rule, symbol);
    law->share = law->chosen ? 0 : 1;
    for (size_t p = 0; p < law->positions; p++)
        toss_position(law, s, p, symbol, label);
    for (size_t v = 0; v < symbols; v++)
        fill_coins(law->rule, rule ? rule : rhm_grammar_probability(law->grammar, law->level), v * rules,
                   (v + 1) * rules);
    status = RHM_OK;
done:
    rhm_free(rule);
    rhm_free(symbol);
    rhm_free(label);
    return status;
}

/* Pairs with a label of what has places. */
static double cells_of(const rhm_law *law, const rhm_survey *s) {
    const uint32_t *of_symbol = law->at[law->level].of_symbol;
    double cells = 0;
    for (size_t v = 0; v < rhm_grammar_shape(law->grammar)->vocab[law->level - 1]; v++)
        cells += (double)s->pairs[v] * (of_symbol[v + 1] - of_symbol[v]);
    return cells;
}

rhm_status rhm_law_create(rhm_law *out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                          const rhm_law_choice *choice, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_survey s;
    *out = (rhm_law){0};
    if (!rhm_grammar_parses(grammar))
        return rhm_fail(error, RHM_INVALID,
                        "counts cannot be drawn where tokens are noisy or rules ambiguous: a patch has several "
                        "derivations there; draw samples instead");
    RHM_TRY(rhm_survey_make(&s, grammar, level, positions, error));
    *out = (rhm_law){
        .grammar = grammar,
        .level = level,
        .tree = *rhm_grammar_tree(grammar),
        .classes = shape->vocab[0],
        .positions = positions,
        .share = 1,
    };
    const size_t most = most_places(&s, grammar, level, choice);
    rhm_status status = RHM_OK;
    for (uint32_t j = level; j <= shape->levels && status == RHM_OK; j++)
        status = lay_out(&out->at[j], grammar, j, &s, j == level ? most : 0, error);
    if (status == RHM_OK && choice)
        status = choose(out, choice, error);
    if (status == RHM_OK)
        status = toss(out, &s, error);
    if (status == RHM_OK)
        out->cells = cells_of(out, &s);
    rhm_survey_clear(&s);
    if (status != RHM_OK)
        rhm_law_destroy(out);
    return status;
}

void rhm_law_destroy(rhm_law *law) {
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++) {
        rhm_free(law->at[j].of_symbol);
        rhm_free(law->at[j].of_rule);
    }
    rhm_free(law->label);
    rhm_free(law->symbol);
    rhm_free(law->rule);
    rhm_free(law->child);
    rhm_free(law->chosen);
    *law = (rhm_law){0};
}
