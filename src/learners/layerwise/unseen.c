#include "learners/layerwise/unseen.h"

#include <string.h>

#include "core/fail.h"
#include "core/intern.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "patches/chunk.h"
#include "patches/division.h"

/* Subtrees are parsed as far as they are asked for: mostly the first samples show all rules. */
typedef struct parser {
    const rhm_grammar *grammar;
    const rhm_patches *patches;
    uint32_t *symbol[RHM_MAX_LEVELS + 1]; /* [j], (distinct): 1 + the level-(j-1) symbol of a subtree; 0: not parsed */
} parser;

static void clear(parser *p) {
    for (uint32_t j = 0; j <= RHM_MAX_LEVELS; j++)
        rhm_free(p->symbol[j]);
}

static rhm_status parse(const parser *p, uint32_t j, size_t id, uint32_t *symbol, rhm_error *error);

/* The level-j symbols that a level-j patch consists of. */
static rhm_status children(const parser *p, uint32_t j, size_t id, uint32_t tuple[RHM_MAX_BRANCHING],
                           rhm_error *error) {
    const rhm_intern *set = &p->patches->subtree[j];
    for (size_t t = 0; t < set->words; t++) {
        tuple[t] = rhm_intern_tuple(set, id)[t];
        if (j < p->patches->tree.levels)
            RHM_TRY(parse(p, j + 1, tuple[t], &tuple[t], error));
    }
    return RHM_OK;
}

static rhm_status parse(const parser *p, uint32_t j, size_t id, uint32_t *symbol, rhm_error *error) {
    uint32_t *known = &p->symbol[j][id], tuple[RHM_MAX_BRANCHING];
    if (*known == 0) {
        RHM_TRY(children(p, j, id, tuple, error));
        const uint32_t parent = rhm_grammar_parent(p->grammar, j, tuple);
        if (parent == UINT32_MAX)
            return rhm_fail(error, RHM_INVALID, "the data hold a level-%u patch that the grammar never produces", j);
        *known = parent + 1;
    }
    *symbol = *known - 1;
    return RHM_OK;
}

/* The tokens below a patch become the symbols that it consists of. */
static rhm_status rise(const rhm_grammar *grammar, const rhm_patches *patches, uint32_t *symbols, rhm_error *error) {
    size_t count = patches->tree.leaves[patches->level - 1];
    for (uint32_t j = patches->tree.levels; j > patches->level; j--) {
        const size_t s = patches->tree.branching[j];
        count /= s;
        for (size_t i = 0; i < count; i++) {
            symbols[i] = rhm_grammar_parent(grammar, j, symbols + i * s);
            if (symbols[i] == UINT32_MAX)
                return rhm_fail(error, RHM_INVALID, "the data hold a level-%u patch that the grammar never produces",
                                j);
        }
    }
    return RHM_OK;
}

/* The distinct patches of the collection as symbols of its level, until all that the grammar has are there. */
static rhm_status see(const parser *p, rhm_intern *seen, rhm_error *error) {
    const uint32_t level = p->patches->level;
    const size_t all = rhm_grammar_patch_count(p->grammar, level);
    for (size_t i = 0; i < rhm_patches_distinct(p->patches) && seen->count < all; i++) {
        uint32_t tuple[RHM_MAX_BRANCHING], id;
        RHM_TRY(children(p, level, i, tuple, error));
        RHM_TRY(rhm_intern_add(seen, tuple, &id, NULL, error));
    }
    return RHM_OK;
}

/* The same of one patch by its tokens (count); symbols (count) is scratch. */
static rhm_status see_tokens(const rhm_grammar *grammar, const rhm_patches *patches, const uint16_t *tokens,
                             size_t count, uint32_t *symbols, rhm_intern *seen, rhm_error *error) {
    uint32_t id;
    for (size_t t = 0; t < count; t++)
        symbols[t] = tokens[t];
    RHM_TRY(rise(grammar, patches, symbols, error));
    return rhm_intern_add(seen, symbols, &id, NULL, error);
}

/* The same of a divided collection, of whose patches this rank knows the tokens of some. */
static rhm_status see_keys(const rhm_grammar *grammar, const rhm_patches *patches, rhm_intern *seen, rhm_error *error) {
    const rhm_keys *keys = &patches->division->keys;
    const size_t all = rhm_grammar_patch_count(grammar, patches->level);
    uint16_t *tokens = RHM_NEW(uint16_t, keys->tokens, 1, 1, "tokens of a patch", error);
    uint32_t *symbols = RHM_NEW(uint32_t, keys->tokens, 1, 1, "symbols of a patch", error);
    rhm_status status = tokens && symbols ? RHM_OK : RHM_NO_MEMORY;
    for (size_t p = 0; p < RHM_KEY_PARTS; p++)
        for (size_t i = 0; i < keys->part[p].key.count && seen->count < all && status == RHM_OK; i++) {
            rhm_key_unpack(keys, rhm_intern_tuple(&keys->part[p].key, i), tokens);
            status = see_tokens(grammar, patches, tokens, keys->tokens, symbols, seen, error);
        }
    rhm_free(tokens);
    rhm_free(symbols);
    return status;
}

/* Samples of a share of the numbers that raw ones have, as they are read. */
static rhm_status see_samples(const rhm_grammar *grammar, const rhm_patches *patches, const rhm_engine *engine,
                              rhm_intern *seen, rhm_error *error) {
    enum { BLOCK = 1 << 6 };
    const struct rhm_division *d = patches->division;
    const rhm_spread_part own = rhm_spread_own(engine, (size_t)patches->samples);
    const rhm_sample_rows rows = rhm_sample_rows_of(patches);
    const size_t all = rhm_grammar_patch_count(grammar, patches->level), each = rows.leaves / patches->positions;
    uint16_t *tokens = RHM_NEW(uint16_t, BLOCK, rows.width + 1, 1, "samples", error);
    uint32_t *symbols = RHM_NEW(uint32_t, each, 1, 1, "symbols of a patch", error);
    rhm_status status = tokens && symbols ? RHM_OK : RHM_NO_MEMORY;
    for (size_t first = own.first; first < own.end && seen->count < all && status == RHM_OK; first += BLOCK) {
        const size_t count = own.end - first < BLOCK ? own.end - first : BLOCK;
        if ((status = rhm_engine_check(engine, error)) != RHM_OK)
            break;
        d->source(d->context, rows.from, first, count, tokens, tokens + BLOCK * rows.width);
        for (size_t i = 0; i < count * patches->positions && status == RHM_OK; i++) {
            const uint16_t *patch = tokens + i / patches->positions * rows.width + i % patches->positions * each;
            status = see_tokens(grammar, patches, patch, each, symbols, seen, error);
        }
    }
    rhm_free(tokens);
    rhm_free(symbols);
    return status;
}

/* Of a collection, or of this rank's part of one. */
static rhm_status see_some(const parser *p, const rhm_engine *engine, rhm_intern *seen, rhm_error *error) {
    const rhm_patches *patches = p->patches;
    return !patches->division ? see(p, seen, error)
           : patches->raw     ? see_samples(p->grammar, patches, engine, seen, error)
                              : see_keys(p->grammar, patches, seen, error);
}

/* Of the rules those that this rank, or any, has seen: seen_of (rules of all symbols) is not 0. */
static rhm_status unite(uint64_t *seen_of, const rhm_grammar *grammar, const rhm_patches *patches,
                        const rhm_engine *engine, const rhm_intern *seen, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t all = (size_t)shape->vocab[patches->level - 1] * shape->rules[patches->level], s = seen->words;
    for (size_t row = 0; row < all; row++)
        seen_of[row] = rhm_intern_find(seen, rhm_grammar_patches(grammar, patches->level) + row * s) != UINT32_MAX;
    return patches->division ? rhm_spread_add(engine, seen_of, all, error) : RHM_OK;
}

/* share (V_{level-1}): of the level-(level-1) symbols at a random position. */
static rhm_status shares(const rhm_grammar *grammar, uint32_t level, double **share, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    double *above = NULL, *here = RHM_NEW(double, shape->vocab[0], 1, 1, "shares of symbols", error);
    for (uint32_t z = 0; here && z < shape->vocab[0]; z++)
        here[z] = rhm_grammar_label_probability(grammar)[z];
    for (uint32_t j = 1; here && j < level; j++) {
        const size_t s = shape->branching[j], rules = shape->rules[j];
        const uint32_t *patches = rhm_grammar_patches(grammar, j);
        rhm_free(above);
        above = here;
        here = RHM_NEW(double, shape->vocab[j], 1, 1, "shares of symbols", error);
        for (size_t i = 0; here && i < shape->vocab[j - 1] * rules * s; i++)
            here[patches[i]] += above[i / s / rules] * rhm_grammar_probability(grammar, j)[i / s] / (double)s;
    }
    rhm_free(above);
    *share = here;
    return here ? RHM_OK : RHM_NO_MEMORY;
}

rhm_status rhm_unseen_mass(double *mass, const rhm_engine *engine, const rhm_grammar *grammar,
                           const rhm_patches *patches, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const uint32_t level = patches->level;
    const size_t rules = shape->rules[level];
    parser p = {.grammar = grammar, .patches = patches};
    rhm_intern seen = {0};
    double *share = NULL, unseen = 0;
    uint64_t *seen_of = RHM_NEW(uint64_t, shape->vocab[level - 1], rules, 1, "patches seen", error);
    rhm_status status = seen_of ? rhm_intern_init(&seen, shape->branching[level], 0, error) : RHM_NO_MEMORY;
    for (uint32_t j = level + 1; j <= shape->levels && status == RHM_OK && !patches->division; j++)
        if (!(p.symbol[j] = RHM_NEW(uint32_t, patches->subtree[j].count, 1, 1, "parsed symbols", error)))
            status = RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = see_some(&p, engine, &seen, error);
    if (status == RHM_OK)
        status = unite(seen_of, grammar, patches, engine, &seen, error);
    if (status == RHM_OK)
        status = shares(grammar, level, &share, error);
    for (size_t row = 0; status == RHM_OK && row < shape->vocab[level - 1] * rules; row++)
        if (seen_of[row] == 0)
            unseen += share[row / rules] * rhm_grammar_probability(grammar, level)[row];
    if (status == RHM_OK)
        *mass = unseen;
    rhm_free(share);
    rhm_free(seen_of);
    rhm_intern_destroy(&seen);
    clear(&p);
    return status;
}
