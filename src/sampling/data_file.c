/* Reading data sets of anybody: what is not said is inferred, what is said twice must agree. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "hierarchy/grammar_file.h"
#include "hierarchy/tree_file.h"
#include "rhm/data.h"
#include "sampling/latents_file.h"
#include "sampling/usage.h"

/* Where the arrays are: in the group /data or, in files of others, at the top. */
struct place {
    const char *group, *tokens, *labels;
};

static const struct place in_group = {"/data", "/data/tokens", "/data/labels"};
static const struct place at_top = {"/", "/tokens", "/labels"};

static rhm_status find_place(const rhm_h5 *file, struct place *place, rhm_error *error) {
    *place = rhm_h5_has(file, at_top.tokens) && !rhm_h5_has(file, in_group.tokens) ? at_top : in_group;
    if (rhm_h5_has(file, place->tokens))
        return RHM_OK;
    const char *kind = rhm_h5_kind(file);
    return rhm_h5_refuse(file, place->tokens, error, "is missing: %s%s%s",
                         kind[0] ? "this is a file of the kind " : "no data set", kind,
                         kind[0] ? ", not a data set" : " is in this file");
}

/*
 * One number that may be told by the caller, by the file's grammar and by an attribute; 0 in *value when by none. The
 * caller's word may widen a vocabulary that an attribute names; anything else that disagrees is refused.
 */
static rhm_status decide(const rhm_h5 *file, const char *group, const char *name, uint32_t hint, uint32_t of_grammar,
                         uint32_t low, uint32_t high, bool may_differ, uint32_t *value, rhm_error *error) {
    uint64_t attribute = 0;
    if (hint && (hint < low || hint > high))
        return rhm_fail(error, RHM_INVALID, "%s %u was asked for; allowed are %u to %u", name, hint, low, high);
    if (rhm_h5_has_attribute(file, group, name))
        RHM_TRY(rhm_h5_read_integer_attribute(file, group, name, 1, low, high, &attribute, error));
    if (of_grammar && hint && of_grammar != hint)
        return rhm_h5_refuse(file, "/grammar", error, "has %s %u; %u was asked for", name, of_grammar, hint);
    if (of_grammar && attribute && of_grammar != attribute)
        return rhm_h5_refuse(file, "/grammar", error, "has %s %u where the attribute %s says %u", name, of_grammar,
                             name, (uint32_t)attribute);
    if (hint && attribute && hint != attribute && !may_differ)
        return rhm_h5_refuse(file, group, error, "has %s %u; %u was asked for", name, (uint32_t)attribute, hint);
    *value = of_grammar ? of_grammar : hint ? hint : (uint32_t)attribute;
    return RHM_OK;
}

/* What the hints say of the branching; a list ends where the levels do. */
static rhm_status hinted_branching(rhm_branching *out, const rhm_data_hints *hints, rhm_error *error) {
    *out = (rhm_branching){0};
    if (hints->branching[0]) {
        out->count = 1;
        out->of[0] = hints->branching[0];
    }
    for (uint32_t level = 1; !hints->branching[0] && level <= RHM_MAX_LEVELS && hints->branching[level]; level++)
        out->of[out->count++] = hints->branching[level];
    for (uint32_t i = 0; i < out->count; i++)
        if (out->of[i] < 2 || out->of[i] > RHM_MAX_BRANCHING)
            return rhm_fail(error, RHM_INVALID, "branching %u was asked for; allowed are 2 to %d", out->of[i],
                            RHM_MAX_BRANCHING);
    return RHM_OK;
}

/* As decide(), for the branching: one number or a list. */
static rhm_status settle_branching(rhm_branching *value, const rhm_h5 *file, const char *group,
                                   const rhm_data_hints *hints, const rhm_grammar *grammar, rhm_error *error) {
    rhm_branching hint, attribute = {0}, of_grammar = {0};
    char there[RHM_BRANCHING_TEXT_NBYTES], asked[RHM_BRANCHING_TEXT_NBYTES];
    RHM_TRY(hinted_branching(&hint, hints, error));
    if (rhm_h5_has_attribute(file, group, "branching"))
        RHM_TRY(rhm_tree_read_branching(&attribute, file, group, error));
    if (grammar)
        of_grammar = rhm_branching_of(rhm_grammar_tree(grammar));
    rhm_branching_text(asked, &hint);
    if (!rhm_branching_agree(&of_grammar, &hint))
        return rhm_h5_refuse(file, "/grammar", error, "has branching %s; %s was asked for",
                             rhm_branching_text(there, &of_grammar), asked);
    if (!rhm_branching_agree(&of_grammar, &attribute))
        return rhm_h5_refuse(file, "/grammar", error, "has branching %s where the attribute branching says %s",
                             rhm_branching_text(there, &of_grammar), rhm_branching_text(asked, &attribute));
    if (!rhm_branching_agree(&attribute, &hint))
        return rhm_h5_refuse(file, group, error, "has branching %s; %s was asked for",
                             rhm_branching_text(there, &attribute), asked);
    *value = of_grammar.count ? of_grammar : hint.count > 1 ? hint : attribute.count ? attribute : hint;
    return RHM_OK;
}

/* L with s^L = tokens, or 0. */
static uint32_t levels_of(uint64_t tokens, uint64_t branching) {
    uint32_t levels = 0;
    while (tokens > 1 && tokens % branching == 0) {
        tokens /= branching;
        levels++;
    }
    return tokens == 1 ? levels : 0;
}

/* Every (s, L) with s^L = d that agrees with what is known (0: nothing) is a candidate; there must be one. */
static rhm_status find_uniform(rhm_tree *tree, const rhm_h5 *file, const char *object, uint64_t tokens,
                               uint32_t branching, uint32_t levels, rhm_error *error) {
    char candidates[128] = "";
    size_t used = 0;
    uint32_t found = 0, found_branching = 0, found_levels = 0;
    for (uint32_t s = 2; s <= RHM_MAX_BRANCHING; s++) {
        const uint32_t l = levels_of(tokens, s);
        if (l == 0 || l > RHM_MAX_LEVELS || (branching && branching != s) || (levels && levels != l))
            continue;
        found_branching = s;
        found_levels = l;
        if (used < sizeof candidates)
            used += (size_t)snprintf(candidates + used, sizeof candidates - used, "%sbranching %u with %u level%s",
                                     found ? " or " : "", s, l, l == 1 ? "" : "s");
        found++;
    }
    if (found > 1)
        return rhm_h5_refuse(file, object, error,
                             "has %" PRIu64 " tokens a sequence, which could be %s: say which with "
                             "--branching",
                             tokens, candidates);
    if (found == 0 && branching && levels)
        return rhm_h5_refuse(file, object, error,
                             "has %" PRIu64 " tokens a sequence; branching %u with %u levels needs %u^%u", tokens,
                             branching, levels, branching, levels);
    if (found == 0 && (branching || levels))
        return rhm_h5_refuse(file, object, error, "has %" PRIu64 " tokens a sequence, which do not fit %s %u", tokens,
                             branching ? "branching" : "a number of levels of", branching ? branching : levels);
    if (found == 0)
        return rhm_h5_refuse(file, object, error,
                             "has %" PRIu64 " tokens a sequence, which is no power of a branching 2 to %d: a list for "
                             "--branching says otherwise",
                             tokens, RHM_MAX_BRANCHING);
    return rhm_h5_blame(file, rhm_tree_uniform(tree, found_levels, found_branching, error), error);
}

static rhm_status find_tree(rhm_tree *tree, const rhm_h5 *file, const char *object, uint64_t tokens,
                            const rhm_branching *branching, uint32_t levels, rhm_error *error) {
    if (branching->count < 2)
        return find_uniform(tree, file, object, tokens, branching->of[0], levels, error);
    char text[RHM_BRANCHING_TEXT_NBYTES];
    rhm_branching_text(text, branching);
    if (levels && levels != branching->count)
        return rhm_h5_refuse(file, object, error, "has %u levels; branching %s is for %u", levels, text,
                             branching->count);
    RHM_TRY(rhm_h5_blame(file, rhm_branching_tree(tree, branching, branching->count, error), error));
    if (tree->leaves[0] != tokens)
        return rhm_h5_refuse(file, object, error, "has %" PRIu64 " tokens a sequence; branching %s needs %zu", tokens,
                             text, tree->leaves[0]);
    return RHM_OK;
}

/* Say with a refusal of tokens or labels how symbols come of what other programs keep. */
static rhm_status advise(rhm_status status, const char *what, rhm_error *error) {
    if (status != RHM_INVALID || !error)
        return status;
    const size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used,
             ": %s are integers from 0 on; of one-hot or floating-point ones take numpy.argmax over the axis of the "
             "%s, or astype(int) where they are whole numbers or true and false, of words numpy.unique(words, "
             "return_inverse=True)[1]",
             what, strcmp(what, "tokens") == 0 ? "vocabulary" : "classes");
    return status;
}

static rhm_status read_shape(rhm_data *data, const rhm_h5 *file, const struct place *place, const rhm_data_hints *hints,
                             rhm_h5_shape *tokens, rhm_error *error) {
    RHM_TRY(advise(rhm_h5_read_shape(file, place->tokens, RHM_H5_INTEGERS, tokens, error), "tokens", error));
    if (tokens->rank != 2)
        return advise(
            rhm_h5_refuse(file, place->tokens, error, "has %u dimensions; 2 expected: sequences, tokens", tokens->rank),
            "tokens", error);
    if (tokens->extent[0] == 0 || tokens->extent[1] < 2)
        return rhm_h5_refuse(file, place->tokens, error,
                             "holds %" PRIu64 " sequences of %" PRIu64 " tokens; at least 1 of at least 2 is needed",
                             tokens->extent[0], tokens->extent[1]);
    const rhm_shape *known = data->grammar ? rhm_grammar_shape(data->grammar) : NULL;
    rhm_branching branching = {0};
    uint32_t levels = 0;
    RHM_TRY(settle_branching(&branching, file, place->group, hints, data->grammar, error));
    RHM_TRY(decide(file, place->group, "levels", hints->levels, known ? known->levels : 0, 1, RHM_MAX_LEVELS, false,
                   &levels, error));
    RHM_TRY(find_tree(&data->tree, file, place->tokens, tokens->extent[1], &branching, levels, error));
    RHM_TRY(decide(file, place->group, "token_vocab", hints->token_vocab, known ? known->vocab[known->levels] : 0, 1,
                   RHM_MAX_VOCAB, true, &data->token_vocab, error));
    RHM_TRY(decide(file, place->group, "label_vocab", hints->label_vocab, known ? known->vocab[0] : 0, 1, RHM_MAX_VOCAB,
                   true, &data->label_vocab, error));
    data->count = tokens->extent[0];
    return RHM_OK;
}

/* Symbols below *vocab or, where that is 0, below the smallest vocabulary that holds them; `noun` is one of them. */
static rhm_status read_symbols(const rhm_h5 *file, const char *object, const char *noun, const rhm_h5_shape *shape,
                               uint32_t *vocab, uint16_t **out, rhm_error *error) {
    const bool inferred = *vocab == 0;
    const size_t rows = shape->extent[0], columns = shape->rank == 2 ? shape->extent[1] : 1;
    *out = RHM_NEW(uint16_t, rows, columns, 1, object, error);
    if (!*out)
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_h5_read_symbols(file, object, shape, *vocab ? *vocab : RHM_MAX_VOCAB, RHM_H5_U16, *out, error));
    if (inferred) {
        uint32_t largest = 0;
        for (size_t i = 0; i < rows * columns; i++)
            largest = (*out)[i] > largest ? (*out)[i] : largest;
        *vocab = largest + 1;
    }
    return rhm_h5_intact(file) ? RHM_OK
                               : rhm_usage_note(file, object, noun, *out, rows * columns, *vocab, inferred, error);
}

static rhm_status read_labels(rhm_data *data, const rhm_h5 *file, const struct place *place, bool may_lack,
                              rhm_error *error) {
    if (!rhm_h5_has(file, place->labels)) {
        if (may_lack)
            return RHM_OK;
        return rhm_h5_refuse(file, place->labels, error, "is missing: training and accuracy need the labels");
    }
    rhm_h5_shape shape;
    RHM_TRY(advise(rhm_h5_read_shape(file, place->labels, RHM_H5_INTEGERS, &shape, error), "labels", error));
    const bool column = shape.rank == 2 && shape.extent[1] == 1;
    if (shape.rank != 1 && !column)
        return advise(rhm_h5_refuse(file, place->labels, error,
                                    "has %u dimensions; one label for each sequence expected", shape.rank),
                      "labels", error);
    if (shape.extent[0] != data->count)
        return rhm_h5_refuse(file, place->labels, error, "has %" PRIu64 " labels for %zu sequences", shape.extent[0],
                             data->count);
    return read_symbols(file, place->labels, "class", &shape, &data->label_vocab, &data->labels, error);
}

static rhm_status read_data(rhm_data *data, const rhm_h5 *file, const rhm_data_hints *hints, rhm_error *error) {
    struct place place;
    rhm_h5_shape tokens;
    RHM_TRY(find_place(file, &place, error));
    if (rhm_h5_has(file, "/grammar"))
        RHM_TRY(rhm_grammar_read_group(&data->grammar, file, error));
    RHM_TRY(read_shape(data, file, &place, hints, &tokens, error));
    RHM_TRY(read_symbols(file, place.tokens, "symbol", &tokens, &data->token_vocab, &data->tokens, error));
    RHM_TRY(read_labels(data, file, &place, hints->allow_missing_labels, error));
    return hints->latents ? rhm_latents_read(data, file, place.group, error) : RHM_OK;
}

struct request {
    rhm_data data;
    rhm_data_hints hints;
    char *notes;
};

static rhm_status read_file(void *context, const rhm_h5 *file, rhm_error *error) {
    struct request *request = context;
    RHM_TRY(read_data(&request->data, file, &request->hints, error));
    return rhm_h5_notes(file, &request->notes, error);
}

/* One by one; the text is taken apart. */
static void tell(const rhm_data_hints *hints, char *notes) {
    for (char *line = notes; hints->note && line && *line;) {
        char *end = strchr(line, '\n');
        *end = '\0';
        hints->note(hints->user, line);
        line = end + 1;
    }
}

rhm_status rhm_data_load(rhm_data *out, const char *path, const rhm_data_hints *hints, rhm_error *error) {
    struct request request = {.hints = hints ? *hints : (rhm_data_hints){0}};
    *out = request.data;
    const rhm_status status = rhm_h5_load(path, read_file, &request, error);
    if (status == RHM_OK) {
        *out = request.data;
        tell(&request.hints, request.notes);
    } else {
        rhm_data_clear(&request.data);
    }
    rhm_free(request.notes);
    return status;
}

void rhm_data_clear(rhm_data *data) {
    rhm_free(data->tokens);
    rhm_free(data->labels);
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++)
        rhm_free(data->latents[level]);
    rhm_grammar_destroy(data->grammar);
    *data = (rhm_data){0};
}
