/* Grammars from explicit tables: validation, look-up of parents, parsing. */
#include "hierarchy/grammar.h"
#include "hierarchy/rule_law.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* "(3, 1, 4)", cut after eight symbols so that a sentence around it fits an rhm_error. */
static const char *patch_text(char *text, size_t text_nbytes, const uint32_t *patch, uint32_t branching) {
    size_t used = 0;
    for (uint32_t i = 0; i < branching && i < 8; i++)
        used += (size_t)snprintf(text + used, text_nbytes - used, "%s%" PRIu32, i == 0 ? "(" : ", ", patch[i]);
    snprintf(text + used, text_nbytes - used, branching > 8 ? ", ...)" : ")");
    return text;
}

/* One row of probabilities; `what` names it, `item` its entries. */
static rhm_status check_distribution(const double *probability, size_t count, const char *what, const char *item,
                                     rhm_error *error) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(probability[i]) || probability[i] < 0)
            return rhm_fail(error, RHM_INVALID, "%s: %s %zu has probability %g: it must be finite and not negative",
                            what, item, i, probability[i]);
        sum += probability[i];
    }
    if (!(fabs(sum - 1) <= RHM_SUM_TOLERANCE))
        return rhm_fail(error, RHM_INVALID, "%s: the probabilities of its %zu entries sum to %.12g: they must sum to 1",
                        what, count, sum);
    return RHM_OK;
}

static double *copy_distributions(const double *given, size_t rows, size_t columns, rhm_error *error) {
    double *copy = RHM_NEW(double, rows, columns, 1, "probabilities", error);
    for (size_t i = 0; copy && i < rows * columns; i++)
        copy[i] = given ? given[i] : 1.0 / (double)columns;
    return copy;
}

static rhm_status check_symbols(const rhm_shape *shape, uint32_t level, const uint32_t *patches, rhm_error *error) {
    const size_t rules = shape->rules[level];
    for (size_t i = 0; i < rhm_shape_rules(shape, level) * shape->branching[level]; i++)
        if (patches[i] >= shape->vocab[level]) {
            const size_t row = i / shape->branching[level];
            return rhm_fail(error, RHM_INVALID,
                            "level %u, symbol %zu, rule %zu: token %zu is %" PRIu32 ": it must be 0 to %u", level,
                            row / rules, row % rules, i % shape->branching[level], patches[i], shape->vocab[level] - 1);
        }
    return RHM_OK;
}

static rhm_status refuse_again(const rhm_shape *shape, uint32_t level, const uint32_t *patch, uint32_t parent,
                               uint32_t other, rhm_error *error) {
    char text[128];
    patch_text(text, sizeof text, patch, shape->branching[level]);
    if (other == parent)
        return rhm_fail(error, RHM_INVALID, "level %u: symbol %u has the patch %s twice: its rules must be distinct",
                        level, parent, text);
    return rhm_fail(error, RHM_INVALID,
                    "level %u: the patch %s has two parents, symbols %u and %u: an ambiguous grammar is not allowed, "
                    "unless it says so",
                    level, text, other, parent);
}

/* Number the patches of a level and note their parents; refuse those that occur twice. Rows of a parent are together,
 * so `latest` finds a patch that it has twice. */
static rhm_status index_rows(rhm_grammar *grammar, uint32_t level, bool ambiguous, uint32_t *latest, rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    for (size_t row = 0; row < rhm_shape_rules(shape, level); row++) {
        if (!(grammar->probability[level][row] > 0))
            continue;
        const uint32_t *patch = grammar->patches[level] + row * shape->branching[level];
        const uint32_t parent = (uint32_t)(row / shape->rules[level]);
        uint32_t id;
        bool is_new;
        RHM_TRY(rhm_intern_add(&grammar->present[level], patch, &id, &is_new, error));
        if (!is_new && (!ambiguous || latest[id] == parent))
            return refuse_again(shape, level, patch, parent, latest[id], error);
        grammar->ambiguous[level] += !is_new && grammar->parent[level][id] != RHM_AMBIGUOUS;
        grammar->parent[level][id] = is_new ? parent : RHM_AMBIGUOUS;
        latest[id] = parent;
    }
    return RHM_OK;
}

static rhm_status index_level(rhm_grammar *grammar, uint32_t level, bool ambiguous, rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    const size_t rows = rhm_shape_rules(shape, level);
    RHM_TRY(rhm_intern_init(&grammar->present[level], shape->branching[level], rows, error));
    grammar->parent[level] = RHM_NEW(uint32_t, rows, 1, 1, "parents of patches", error);
    uint32_t *latest = grammar->parent[level] ? RHM_NEW(uint32_t, rows, 1, 1, "parents of patches", error) : NULL;
    const rhm_status status = latest ? index_rows(grammar, level, ambiguous, latest, error) : RHM_NO_MEMORY;
    rhm_free(latest);
    return status;
}

static rhm_status fill_level(rhm_grammar *grammar, uint32_t level, const uint32_t *patches, const double *probability,
                             bool ambiguous, rhm_error *error) {
    const rhm_shape *shape = &grammar->shape;
    const size_t parents = shape->vocab[level - 1];
    const size_t rules = shape->rules[level];
    RHM_TRY(check_symbols(shape, level, patches, error));
    for (size_t parent = 0; probability && parent < parents; parent++) {
        char what[64];
        snprintf(what, sizeof what, "level %u, symbol %zu", level, parent);
        RHM_TRY(check_distribution(probability + parent * rules, rules, what, "rule", error));
    }
    grammar->patches[level] = RHM_NEW(uint32_t, parents, rules, shape->branching[level], "rules", error);
    grammar->probability[level] = copy_distributions(probability, parents, rules, error);
    if (!grammar->patches[level] || !grammar->probability[level])
        return RHM_NO_MEMORY;
    memcpy(grammar->patches[level], patches, sizeof *patches * parents * rules * shape->branching[level]);
    return index_level(grammar, level, ambiguous, error);
}

/* Probabilities that are all equal make a uniform law; otherwise a law is what the origin says, if it knows. */
static rhm_rule_law law_of(const rhm_rule_law *stated, const double *probability, size_t count) {
    bool equal = true;
    for (size_t i = 1; i < count; i++)
        equal = equal && probability[i] == probability[0];
    if (rhm_rule_law_is_particular(stated))
        return *stated;
    return (rhm_rule_law){.kind = equal ? RHM_LAW_UNIFORM : RHM_LAW_GIVEN};
}

static void note_origin(rhm_grammar *grammar, const rhm_grammar_options *options) {
    static const rhm_grammar_options given = {.sampling = RHM_GIVEN};
    const rhm_shape *shape = &grammar->shape;
    const rhm_grammar_options *stated = options ? options : &given;
    rhm_grammar_options *origin = &grammar->origin;
    *origin = (rhm_grammar_options){.sampling = stated->sampling,
                                    .seed = stated->seed,
                                    .ambiguity = stated->ambiguity,
                                    .token_noise = stated->token_noise,
                                    .label_noise = stated->label_noise};
    origin->label_law = law_of(&stated->label_law, grammar->label_probability, shape->vocab[0]);
    for (uint32_t level = 1; level <= shape->levels; level++)
        origin->rule_law[level] =
            law_of(&stated->rule_law[level], grammar->probability[level], rhm_shape_rules(shape, level));
}

rhm_status rhm_grammar_create(rhm_grammar **out, const rhm_shape *shape, const uint32_t *const *patches,
                              const double *const *probability, const double *label_probability, rhm_error *error) {
    return rhm_grammar_create_with(out, shape, patches, probability, label_probability, NULL, error);
}

static rhm_status check_share(double share, const char *what, rhm_error *error) {
    if (!(share >= 0 && share <= 1))
        return rhm_fail(error, RHM_INVALID, "the %s is %g: it must be 0 to 1", what, share);
    return RHM_OK;
}

rhm_status rhm_grammar_create_with(rhm_grammar **out, const rhm_shape *shape, const uint32_t *const *patches,
                                   const double *const *probability, const double *label_probability,
                                   const rhm_grammar_options *options, rhm_error *error) {
    *out = NULL;
    rhm_tree tree;
    RHM_TRY(rhm_shape_check_with(shape, rhm_may_be_ambiguous(options), error));
    if (options) {
        RHM_TRY(check_share(options->token_noise, "token noise", error));
        RHM_TRY(check_share(options->label_noise, "label noise", error));
        RHM_TRY(check_share(options->ambiguity, "ambiguity", error));
    }
    RHM_TRY(rhm_tree_make(&tree, shape->levels, shape->branching, error));
    if (label_probability)
        RHM_TRY(check_distribution(label_probability, shape->vocab[0], "label distribution", "label", error));
    rhm_grammar *grammar = RHM_NEW(rhm_grammar, 1, 1, 1, "grammar", error);
    if (!grammar)
        return RHM_NO_MEMORY;
    grammar->shape = *shape;
    grammar->tree = tree;
    rhm_status status = RHM_NO_MEMORY;
    grammar->label_probability = copy_distributions(label_probability, 1, shape->vocab[0], error);
    if (!grammar->label_probability)
        goto fail;
    for (uint32_t level = 1; level <= shape->levels; level++) {
        status = fill_level(grammar, level, patches[level - 1], probability ? probability[level - 1] : NULL,
                            rhm_may_be_ambiguous(options), error);
        if (status != RHM_OK)
            goto fail;
    }
    note_origin(grammar, options);
    *out = grammar;
    return RHM_OK;
fail:
    rhm_grammar_destroy(grammar);
    return status;
}

void rhm_grammar_destroy(rhm_grammar *grammar) {
    if (!grammar)
        return;
    for (uint32_t level = 1; level <= RHM_MAX_LEVELS; level++) {
        rhm_free(grammar->patches[level]);
        rhm_free(grammar->probability[level]);
        rhm_free(grammar->parent[level]);
        rhm_intern_destroy(&grammar->present[level]);
    }
    rhm_free(grammar->label_probability);
    rhm_free(grammar->notes);
    rhm_free(grammar);
}

const rhm_shape *rhm_grammar_shape(const rhm_grammar *grammar) {
    return &grammar->shape;
}

const rhm_tree *rhm_grammar_tree(const rhm_grammar *grammar) {
    return &grammar->tree;
}

rhm_rule_sampling rhm_grammar_sampling(const rhm_grammar *grammar) {
    return grammar->origin.sampling;
}

const rhm_grammar_options *rhm_grammar_origin(const rhm_grammar *grammar) {
    return &grammar->origin;
}

uint64_t rhm_grammar_seed(const rhm_grammar *grammar) {
    return grammar->origin.seed;
}

const uint32_t *rhm_grammar_patches(const rhm_grammar *grammar, uint32_t level) {
    return grammar->patches[level];
}

const double *rhm_grammar_probability(const rhm_grammar *grammar, uint32_t level) {
    return grammar->probability[level];
}

const double *rhm_grammar_label_probability(const rhm_grammar *grammar) {
    return grammar->label_probability;
}

const char *rhm_grammar_notes(const rhm_grammar *grammar) {
    return grammar->notes;
}

const char *rhm_rule_sampling_name(rhm_rule_sampling sampling) {
    switch (sampling) {
    case RHM_FIRST_TOKEN_UNIFORM: return "first-token-uniform";
    case RHM_UNIFORM: return "uniform";
    case RHM_INDEPENDENT: return "independent";
    case RHM_GIVEN: return "given";
    }
    return "unknown";
}

size_t rhm_grammar_patch_count(const rhm_grammar *grammar, uint32_t level) {
    return grammar->present[level].count;
}

size_t rhm_grammar_ambiguous_count(const rhm_grammar *grammar, uint32_t level) {
    return grammar->ambiguous[level];
}

uint32_t rhm_grammar_parent(const rhm_grammar *grammar, uint32_t level, const uint32_t *patch) {
    const uint32_t id = rhm_intern_find(&grammar->present[level], patch);
    return id == UINT32_MAX ? UINT32_MAX : grammar->parent[level][id];
}

bool rhm_grammar_parses(const rhm_grammar *grammar) {
    bool unique = grammar->origin.token_noise == 0;
    for (uint32_t level = 1; level <= grammar->shape.levels; level++)
        unique = unique && grammar->ambiguous[level] == 0;
    return unique;
}

/* Bottom-up with one unfinished patch per level, like carries of a counter with the bases s_1..s_L: memory O(sum s_l),
 * not O(d). */
uint32_t rhm_grammar_parse(const rhm_grammar *grammar, const uint16_t *tokens) {
    const uint32_t levels = grammar->shape.levels;
    const rhm_tree *tree = &grammar->tree;
    uint32_t patch[RHM_MAX_LEVELS + 1][RHM_MAX_BRANCHING];
    uint32_t filled[RHM_MAX_LEVELS + 1] = {0};
    uint32_t symbol = UINT32_MAX;
    for (size_t i = 0; i < tree->nodes[levels]; i++) {
        symbol = tokens[i];
        for (uint32_t level = levels; level > 0; level--) {
            patch[level][filled[level]++] = symbol;
            if (filled[level] < tree->branching[level])
                break;
            filled[level] = 0;
            symbol = rhm_grammar_parent(grammar, level, patch[level]);
            if (symbol == UINT32_MAX || symbol == RHM_AMBIGUOUS)
                return symbol;
        }
    }
    return grammar->label_probability[symbol] > 0 ? symbol : UINT32_MAX;
}
