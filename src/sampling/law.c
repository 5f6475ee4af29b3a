#include "sampling/law.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* What can occur, before anything is laid out. Arrays are (symbols of the widest level). */
typedef struct survey {
    double *reached;                         /* probability of a label and each level-(level-1) symbol */
    double *next;                            /* scratch */
    bool *possible[RHM_MAX_LEVELS + 1];      /* symbols of level - 1 and below that occur under a first patch */
    double *derivations[RHM_MAX_LEVELS + 2]; /* [j]: of the level-j patches of each level-(j-1) symbol; 1 at L + 1 */
    double cells;
} survey;

static void survey_clear(survey *s) {
    rhm_free(s->reached);
    rhm_free(s->next);
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS + 1; j++) {
        rhm_free(s->derivations[j]);
        if (j <= RHM_MAX_LEVELS)
            rhm_free(s->possible[j]);
    }
}

/* P[label, first level-(level-1) symbol] for one label. */
static void reach(const rhm_grammar *grammar, uint32_t level, size_t label, double *reached, double *next) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    memset(reached, 0, sizeof *reached * shape->vocab[0]);
    reached[label] = rhm_grammar_label_probability(grammar)[label];
    for (uint32_t j = 1; j < level; j++) {
        const uint32_t *patches = rhm_grammar_patches(grammar, j);
        const double *probability = rhm_grammar_probability(grammar, j);
        memset(next, 0, sizeof *next * shape->vocab[j]);
        for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
            next[patches[row * shape->branching]] += reached[row / shape->rules[j]] * probability[row];
        memcpy(reached, next, sizeof *reached * shape->vocab[j]);
    }
}

/* What the levels up to L + 1 need is allocated, and no level is above L:
 * NOLINTBEGIN(clang-analyzer-core.NullDereference)
 */

static void mark_children(const rhm_grammar *grammar, uint32_t j, const bool *parent, bool *child) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t *patches = rhm_grammar_patches(grammar, j);
    for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
        for (uint32_t t = 0;
             parent[row / shape->rules[j]] && rhm_grammar_probability(grammar, j)[row] > 0 && t < shape->branching; t++)
            child[patches[row * shape->branching + t]] = true;
}

/* Derivations of a rule, 0 for an absent one. */
static double derivations_of(const rhm_grammar *grammar, uint32_t j, size_t row, const double *below) {
    const uint32_t s = rhm_grammar_shape(grammar)->branching;
    double product = rhm_grammar_probability(grammar, j)[row] > 0 ? 1 : 0;
    for (uint32_t t = 0; t < s && product > 0; t++)
        product *= below[rhm_grammar_patches(grammar, j)[row * s + t]];
    return product;
}

static rhm_status survey_make(survey *out, const rhm_grammar *grammar, uint32_t level, rhm_error *error) {
    static const char what[] = "derivations of a grammar";
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    size_t widest = 0;
    for (uint32_t j = 0; j <= shape->levels; j++)
        widest = shape->vocab[j] > widest ? shape->vocab[j] : widest;
    *out = (survey){0};
    if (!(out->reached = RHM_NEW(double, widest, 1, 1, what, error)) ||
        !(out->next = RHM_NEW(double, widest, 1, 1, what, error)))
        goto fail;
    for (uint32_t j = level; j <= shape->levels + 1; j++)
        if (!(out->possible[j - 1] = RHM_NEW(bool, widest, 1, 1, what, error)) ||
            !(out->derivations[j] = RHM_NEW(double, widest, 1, 1, what, error)))
            goto fail;

    const size_t symbols = shape->vocab[level - 1];
    for (size_t label = 0; label < shape->vocab[0]; label++) {
        reach(grammar, level, label, out->reached, out->next);
        for (size_t symbol = 0; symbol < symbols; symbol++)
            out->possible[level - 1][symbol] |= out->reached[symbol] > 0;
    }
    for (uint32_t j = level; j <= shape->levels; j++)
        mark_children(grammar, j, out->possible[j - 1], out->possible[j]);
    for (size_t token = 0; token < shape->vocab[shape->levels]; token++)
        out->derivations[shape->levels + 1][token] = 1;
    for (uint32_t j = shape->levels; j >= level; j--)
        for (size_t row = 0; row < (size_t)shape->vocab[j - 1] * shape->rules[j]; row++)
            if (out->possible[j - 1][row / shape->rules[j]])
                out->derivations[j][row / shape->rules[j]] += derivations_of(grammar, j, row, out->derivations[j + 1]);
    for (size_t label = 0; label < shape->vocab[0]; label++) {
        reach(grammar, level, label, out->reached, out->next);
        for (size_t symbol = 0; symbol < symbols; symbol++)
            out->cells += out->reached[symbol] > 0 ? out->derivations[level][symbol] : 0;
    }
    return RHM_OK;
fail:
    survey_clear(out);
    return RHM_NO_MEMORY;
}

static double places_of(const survey *s, const rhm_shape *shape, uint32_t j) {
    double places = 0;
    for (size_t symbol = 0; symbol < shape->vocab[j - 1]; symbol++)
        places += s->derivations[j][symbol];
    return places;
}

/* NOLINTEND(clang-analyzer-core.NullDereference) */

double rhm_law_cells(const rhm_grammar *grammar, uint32_t level) {
    survey s;
    if (survey_make(&s, grammar, level, NULL) != RHM_OK)
        return HUGE_VAL;
    survey_clear(&s);
    return s.cells;
}

double rhm_law_nbytes(const rhm_grammar *grammar, uint32_t level) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    survey s;
    if (survey_make(&s, grammar, level, NULL) != RHM_OK)
        return HUGE_VAL;
    double coins = (double)shape->vocab[0] * (1.0 + shape->vocab[level - 1]);
    coins += (double)shape->vocab[level - 1] * shape->rules[level];
    double words = 0;
    for (uint32_t j = level; j <= shape->levels; j++)
        words += places_of(&s, shape, j) <= RHM_MOST_PLACES ? (double)shape->vocab[j - 1] * (1.0 + shape->rules[j]) + 2
                                                            : HUGE_VAL;
    if (level < shape->levels)
        coins += places_of(&s, shape, level + 1);
    survey_clear(&s);
    return (double)sizeof(rhm_coin) * coins + (double)sizeof(uint32_t) * words;
}

/* ----------------------------------------------------------------------------------------------------- the layout */

static rhm_status lay_out(rhm_law_level *at, const rhm_grammar *grammar, uint32_t j, const survey *s,
                          rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t symbols = shape->vocab[j - 1], rules = shape->rules[j];
    const double places = places_of(s, shape, j);
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
    for (size_t row = 0; row < symbols * rules; row++) {
        const double own = s->possible[j - 1][row / rules] ? derivations_of(grammar, j, row, s->derivations[j + 1]) : 0;
        at->of_rule[row + 1] = at->of_rule[row] + (uint32_t)own;
    }
    for (size_t symbol = 0; symbol <= symbols; symbol++)
        at->of_symbol[symbol] = at->of_rule[symbol * rules];
    return RHM_OK;
}

void rhm_law_children(const rhm_law *law, uint32_t j, size_t rule, size_t place, uint32_t *children) {
    const uint32_t *symbols = rhm_grammar_patches(law->grammar, j) + rule * law->branching;
    if (j == law->levels) {
        memcpy(children, symbols, sizeof *children * law->branching);
        return;
    }
    const uint32_t *of_symbol = law->at[j + 1].of_symbol;
    uint32_t rest = (uint32_t)place - law->at[j].of_rule[rule];
    for (uint32_t t = law->branching; t-- > 0;) {
        const uint32_t derivations = of_symbol[symbols[t] + 1] - of_symbol[symbols[t]];
        children[t] = of_symbol[symbols[t]] + rest % derivations;
        rest /= derivations;
    }
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
            for (uint32_t t = 0; j < law->levels && t < law->branching; t++)
                weight[place] *= below[children[t]];
        }
}

static rhm_status toss_children(rhm_law *law, rhm_error *error) {
    double *below = NULL, *weight = NULL;
    const uint32_t *of_symbol = law->at[law->level + 1].of_symbol;
    const size_t symbols = rhm_grammar_shape(law->grammar)->vocab[law->level];
    rhm_status status = RHM_NO_MEMORY;
    for (uint32_t j = law->levels; j > law->level; j--) {
        rhm_free(below);
        below = weight;
        if (!(weight = RHM_NEW(double, law->at[j].places, 1, 1, "probabilities of derivations", error)))
            goto done;
        weigh(law, j, below, weight);
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

static rhm_status toss(rhm_law *law, survey *s, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const size_t symbols = shape->vocab[law->level - 1], rules = shape->rules[law->level];
    if (!(law->label = RHM_NEW(rhm_coin, law->classes, 1, 1, "probabilities of labels", error)) ||
        !(law->symbol = RHM_NEW(rhm_coin, law->classes, symbols, 1, "probabilities of first symbols", error)) ||
        !(law->rule = RHM_NEW(rhm_coin, symbols, rules, 1, "probabilities of rules", error)))
        return RHM_NO_MEMORY;
    fill_coins(law->label, rhm_grammar_label_probability(law->grammar), 0, law->classes);
    for (size_t label = 0; label < law->classes; label++) {
        reach(law->grammar, law->level, label, s->reached, s->next);
        fill_coins(law->symbol + label * symbols, s->reached, 0, symbols);
    }
    for (size_t symbol = 0; symbol < symbols; symbol++)
        fill_coins(law->rule, rhm_grammar_probability(law->grammar, law->level), symbol * rules, (symbol + 1) * rules);
    return law->level < law->levels ? toss_children(law, error) : RHM_OK;
}

rhm_status rhm_law_create(rhm_law *out, const rhm_grammar *grammar, uint32_t level, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    survey s;
    RHM_TRY(survey_make(&s, grammar, level, error));
    *out = (rhm_law){
        .grammar = grammar,
        .level = level,
        .levels = shape->levels,
        .branching = shape->branching,
        .classes = shape->vocab[0],
        .cells = s.cells,
    };
    rhm_status status = RHM_OK;
    for (uint32_t j = level; j <= shape->levels && status == RHM_OK; j++)
        status = lay_out(&out->at[j], grammar, j, &s, error);
    if (status == RHM_OK)
        status = toss(out, &s, error);
    survey_clear(&s);
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
    *law = (rhm_law){0};
}
