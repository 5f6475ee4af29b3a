#include "counts/law.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/unite.h"
#include "engine/spread.h"
#include "sampling/binomial.h"
#include "sampling/law.h"

/* Products of a level's law that are summed: seconds of one core. */
#define MOST_PRODUCTS 0x1p26

/* ---- ids ------------------------------------------------------------------------------------------------- */

rhm_status rhm_id_law_tokens(rhm_id_law *out, uint32_t vocab, double noise, rhm_error *error) {
    *out = (rhm_id_law){.symbols = vocab, .ids = vocab};
    if (!(out->given = RHM_NEW(double, vocab, vocab, 1, "law of ids", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < (size_t)vocab * vocab; i++)
        out->given[i] = (i / vocab == i % vocab ? 1 - noise : 0) + noise / vocab;
    return RHM_OK;
}

void rhm_id_law_clear(rhm_id_law *law) {
    rhm_free(law->given);
    *law = (rhm_id_law){0};
}

rhm_status rhm_id_law_raise(rhm_id_law *out, const rhm_patch_law *patches, const struct rhm_table_level *table,
                            rhm_error *error) {
    rhm_id_law law = {.symbols = patches->parents, .ids = table->outputs};
    if (!(law.given = RHM_NEW(double, law.symbols, law.ids, 1, "law of ids", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < patches->patch.count; i++) {
        const uint32_t row = rhm_intern_find(&table->patch, rhm_intern_tuple(&patches->patch, i));
        const uint32_t id = row == UINT32_MAX ? table->other : table->id[row];
        for (size_t nu = 0; nu < law.symbols; nu++)
            law.given[nu * law.ids + id] += patches->given[i * law.symbols + nu];
    }
    *out = law;
    return RHM_OK;
}

/* ---- patches --------------------------------------------------------------------------------------------- */

/* The ids that a symbol can have. */
typedef struct supports {
    uint32_t *id;  /* (symbols, ids) */
    size_t *count; /* (symbols) */
} supports;

static rhm_status find_supports(supports *out, const rhm_id_law *ids, rhm_error *error) {
    out->id = RHM_NEW(uint32_t, ids->symbols, ids->ids, 1, "law of patches", error);
    out->count = out->id ? RHM_NEW(size_t, ids->symbols, 1, 1, "law of patches", error) : NULL;
    if (!out->count)
        return RHM_NO_MEMORY;
    for (size_t nu = 0; nu < ids->symbols; nu++)
        for (uint32_t a = 0; a < ids->ids; a++)
            if (ids->given[nu * ids->ids + a] > 0)
                out->id[nu * ids->ids + out->count[nu]++] = a;
    return RHM_OK;
}

/* A law in the order in which its patches are met. */
typedef struct growing {
    rhm_intern set;
    double *given; /* (capacity, parents) */
    size_t capacity;
} growing;

static rhm_status add(growing *g, const uint32_t *patch, size_t parents, size_t parent, double p, rhm_error *error) {
    uint32_t row;
    RHM_TRY(rhm_intern_add(&g->set, patch, &row, NULL, error));
    if (row >= g->capacity) {
        void *given = g->given;
        const size_t capacity = 2 * g->capacity + 256;
        RHM_TRY(rhm_grow(&given, sizeof(double) * parents, g->capacity, capacity, "law of patches", error));
        g->given = given;
        g->capacity = capacity;
    }
    g->given[row * parents + parent] += p;
    return RHM_OK;
}

/* All patches of ids that a rule can show. */
static rhm_status add_rule(growing *g, const rhm_id_law *ids, const supports *of, const uint32_t *rule, size_t s,
                           double probability, size_t parents, size_t parent, rhm_error *error) {
    size_t at[RHM_MAX_BRANCHING] = {0};
    uint32_t patch[RHM_MAX_BRANCHING];
    for (;;) {
        double p = probability;
        for (size_t t = 0; t < s; t++) {
            patch[t] = of->id[rule[t] * (size_t)ids->ids + at[t]];
            p *= ids->given[rule[t] * (size_t)ids->ids + patch[t]];
        }
        RHM_TRY(add(g, patch, parents, parent, p, error));
        size_t t = s;
        while (t > 0 && ++at[t - 1] == of->count[rule[t - 1]])
            at[--t] = 0;
        if (t == 0 || g->set.count > RHM_TABLE_MOST_PATCHES)
            return RHM_OK;
    }
}

static double products(const rhm_grammar *grammar, uint32_t level, const supports *of) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t rules = (size_t)shape->vocab[level - 1] * shape->rules[level], s = shape->branching[level];
    double sum = 0;
    for (size_t r = 0; r < rules; r++) {
        double one = 1;
        for (size_t t = 0; t < s; t++)
            one *= (double)of->count[rhm_grammar_patches(grammar, level)[r * s + t]];
        sum += one;
    }
    return sum;
}

static rhm_status sort(rhm_patch_law *out, const growing *g, size_t parents, rhm_error *error) {
    uint32_t *order, id;
    RHM_TRY(rhm_table_order(&order, &g->set, error));
    rhm_status status = rhm_intern_init(&out->patch, g->set.words, g->set.count, error);
    if (status == RHM_OK && !(out->given = RHM_NEW(double, g->set.count, parents, 1, "law of patches", error)))
        status = RHM_NO_MEMORY;
    for (size_t i = 0; i < g->set.count && status == RHM_OK; i++) {
        status = rhm_intern_add(&out->patch, rhm_intern_tuple(&g->set, order[i]), &id, NULL, error);
        memcpy(out->given + i * parents, g->given + order[i] * parents, sizeof(double) * parents);
    }
    rhm_free(order);
    return status;
}

rhm_status rhm_patch_law_make(rhm_patch_law *out, const rhm_grammar *grammar, uint32_t level, const rhm_id_law *ids,
                              rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t parents = shape->vocab[level - 1], s = shape->branching[level];
    const uint32_t *patches = rhm_grammar_patches(grammar, level);
    const double *probability = rhm_grammar_probability(grammar, level);
    supports of = {0};
    growing g = {0};
    *out = (rhm_patch_law){.parents = (uint32_t)parents};
    rhm_status status = find_supports(&of, ids, error);
    if (status != RHM_OK || products(grammar, level, &of) > MOST_PRODUCTS)
        goto done;
    status = rhm_intern_init(&g.set, s, 0, error);
    for (size_t r = 0; r < parents * shape->rules[level] && status == RHM_OK; r++)
        if (probability[r] > 0)
            status =
                add_rule(&g, ids, &of, patches + r * s, s, probability[r], parents, r / shape->rules[level], error);
    if (status == RHM_OK && g.set.count <= RHM_TABLE_MOST_PATCHES)
        status = sort(out, &g, parents, error);
done:
    if (status != RHM_OK)
        rhm_patch_law_clear(out);
    rhm_free(of.id);
    rhm_free(of.count);
    rhm_intern_destroy(&g.set);
    rhm_free(g.given);
    return status;
}

void rhm_patch_law_clear(rhm_patch_law *law) {
    rhm_intern_destroy(&law->patch);
    rhm_free(law->given);
    *law = (rhm_patch_law){0};
}

/* ---- positions ------------------------------------------------------------------------------------------- */

rhm_status rhm_parent_law(double **out, const rhm_grammar *grammar, uint32_t level, size_t positions,
                          rhm_error *error) {
    const size_t symbols = rhm_grammar_shape(grammar)->vocab[level], labels = rhm_grammar_shape(grammar)->vocab[0];
    double *joint;
    RHM_TRY(rhm_position_law(&joint, grammar, level, positions, error));
    *out = RHM_NEW(double, positions, symbols, symbols, "law of positions", error);
    for (size_t i = 0; *out && i < positions * symbols; i++)
        for (size_t z = 0; z < labels; z++)
            (*out)[i * symbols + i % symbols] += joint[i * labels + z];
    rhm_free(joint);
    return *out ? RHM_OK : RHM_NO_MEMORY;
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

typedef struct drawing {
    const rhm_patch_law *law;
    const double *position;
    rhm_table_counts *counts;
    uint64_t seed;
    uint32_t stream;
    size_t leaves; /* of the tree of splits: the first power of two that has room for all cells */
} drawing;

/* Weights of all cells at one position as the leaves of a tree of sums: node i is above nodes 2 i and 2 i + 1. */
static void fill_sums(double *sum, const drawing *d, size_t p) {
    const size_t parents = d->law->parents, classes = d->counts->classes;
    for (size_t i = 0; i < d->law->patch.count; i++)
        for (size_t nu = 0; nu < parents; nu++)
            for (size_t z = 0; z < classes; z++)
                sum[d->leaves + i * classes + z] +=
                    d->law->given[i * parents + nu] * d->position[(p * parents + nu) * classes + z];
    for (size_t i = d->leaves - 1; i > 0; i--)
        sum[i] = sum[2 * i] + sum[2 * i + 1];
}

static rhm_status draw_position(void *context, size_t p, int thread, rhm_error *error) {
    (void)thread;
    const drawing *d = context;
    const size_t classes = d->counts->classes, cells = d->law->patch.count * classes;
    double *sum = RHM_NEW(double, 2, d->leaves, 1, "law of a position", error);
    uint64_t *count = sum ? RHM_NEW(uint64_t, 2, d->leaves, 1, "counts of a position", error) : NULL;
    if (count) {
        fill_sums(sum, d, p);
        count[1] = d->counts->samples;
        for (size_t i = 1; i < d->leaves; i++) {
            if (count[i] == 0)
                continue;
            const rhm_coin coin = rhm_coin_of(sum[2 * i], sum[2 * i + 1]);
            count[2 * i] = rhm_binomial(&coin, count[i], d->seed, d->stream, (uint64_t)p << 32 | i);
            count[2 * i + 1] = count[i] - count[2 * i];
        }
        for (size_t i = 0; i < cells; i++)
            d->counts->count[(i / classes * d->counts->positions + p) * classes + i % classes] = count[d->leaves + i];
    }
    rhm_free(sum);
    rhm_free(count);
    return count ? RHM_OK : RHM_NO_MEMORY;
}

rhm_status rhm_table_draw_counts(rhm_table_counts *out, const rhm_engine *engine, const rhm_patch_law *law,
                                 const double *position, size_t positions, size_t classes, uint64_t samples,
                                 uint64_t seed, uint32_t stream, rhm_error *error) {
    RHM_TRY(rhm_table_counts_init(out, engine, &law->patch, positions, classes, samples, error));
    drawing d = {law, position, out, seed, stream | RHM_DRAW_STREAM, 1};
    while (d.leaves < law->patch.count * classes)
        d.leaves *= 2;
    rhm_status status = rhm_spread_many(engine, positions, draw_position, &d, NULL, 0, error);
    if (status == RHM_OK && rhm_spread_is_many(engine, positions))
        status = rhm_counts_add_up(out->count, law->patch.count * positions * classes, engine, error);
    if (status == RHM_OK)
        status = rhm_table_counts_compact(out, error);
    if (status != RHM_OK)
        rhm_table_counts_clear(out);
    return status;
}
