#include "learners/latent/pairs.h"

#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "counts/counts.h"
#include "counts/unite.h"
#include "engine/spread.h"

enum {
    BLOCK = 4096,      /* patches whose numbers are looked up at a time, or as many as a family has */
    PRIVATE = 1 << 20, /* cells up to which each thread counts by itself */
    TWICE = 1 << 12,   /* cells up to which it has several copies of them, which a first-level cache holds */
    FLUSH = 1 << 30,   /* families after which a thread adds its counts to the common ones */
};

size_t rhm_pairs_places(size_t siblings) {
    return siblings <= RHM_PAIRS_ALL_PLACES ? siblings * (siblings - 1) / 2 : siblings;
}

void rhm_pairs_place(size_t siblings, size_t index, size_t *one, size_t *other) {
    if (siblings > RHM_PAIRS_ALL_PLACES) {
        *one = index;
        *other = (index + 1) % siblings;
        return;
    }
    for (*one = 0; index >= siblings - 1 - *one; ++*one)
        index -= siblings - 1 - *one;
    *other = *one + 1 + index;
}

void rhm_pairs_clear(rhm_pairs *pairs) {
    if (pairs->engine)
        rhm_memory_release(pairs->engine, pairs->reserved_nbytes);
    rhm_intern_destroy(&pairs->patch);
    rhm_free(pairs->count);
    *pairs = (rhm_pairs){0};
}

/* ---- one visit of sequences ------------------------------------------------------------------------------ */

/* What a thread sees, or counts. */
typedef struct worker {
    uint8_t *seen; /* (possible) */
    rhm_intern set;
    uint16_t *number; /* (block) */
    uint32_t *count;  /* (places, copies, patches, patches), or NULL: counted in common at once */
    uint64_t since;   /* families in `count` */
} worker;

typedef struct counting {
    size_t words, patches; /* ids of a patch; patches of a sequence */
    uint32_t inputs;
    size_t possible; /* patches, 0 where there are too many for a table */
    size_t most;     /* different patches */
    size_t block, copies;
    rhm_pairs *pairs;    /* where counts go */
    rhm_id_table number; /* of the patches that there are, where they are few */
    rhm_id_ops ops;
    worker *worker; /* (threads) */
    size_t threads;
} counting;

static size_t code_of(const counting *c, const uint16_t *patch) {
    size_t code = 0;
    for (size_t t = 0; t < c->words; t++)
        code = code * c->inputs + patch[t];
    return code;
}

static void tuple_of(const counting *c, const uint16_t *patch, uint32_t tuple[RHM_MAX_BRANCHING]) {
    for (size_t t = 0; t < c->words; t++)
        tuple[t] = patch[t];
}

static rhm_status survey(void *context, int thread, size_t count, const uint16_t *ids, const uint16_t *labels,
                         rhm_error *error) {
    (void)labels;
    const counting *c = context;
    worker *mine = &c->worker[thread];
    uint32_t tuple[RHM_MAX_BRANCHING], id;
    for (size_t i = 0; i < count * c->patches; i++) {
        if (c->possible) {
            mine->seen[code_of(c, ids + i * c->words)] = 1;
        } else if (mine->set.count <= c->most) {
            tuple_of(c, ids + i * c->words, tuple);
            RHM_TRY(rhm_intern_add(&mine->set, tuple, &id, NULL, error));
        }
    }
    return RHM_OK;
}

static void look_up(const counting *c, const uint16_t *ids, size_t patches, uint16_t *number) {
    uint32_t tuple[RHM_MAX_BRANCHING];
    if (c->possible) {
        c->ops.look_up(&c->number, ids, patches, number);
        return;
    }
    for (size_t i = 0; i < patches; i++) {
        tuple_of(c, ids + i * c->words, tuple);
        number[i] = (uint16_t)rhm_intern_find(&c->pairs->patch, tuple);
    }
}

static void flush(const counting *c, worker *mine) {
    const size_t p = c->pairs->patch.count, cells = p * p;
    for (size_t i = 0; i < rhm_pairs_places(c->pairs->siblings) * c->copies * cells; i++) {
        if (!mine->count[i])
            continue;
#pragma omp atomic
        c->pairs->count[i / cells / c->copies * cells + i % cells] += mine->count[i];
        mine->count[i] = 0;
    }
    mine->since = 0;
}

/* Pairs of one pair of places, of `families` whose numbers are in `number`. */
static void count_place(const counting *c, worker *mine, size_t place, size_t families) {
    const size_t s = c->pairs->siblings, p = c->pairs->patch.count, cells = p * p;
    size_t one, other;
    rhm_pairs_place(s, place, &one, &other);
    if (mine->count) {
        c->ops.count_pairs(mine->number, families, s, one, other, p, c->copies,
                           mine->count + place * c->copies * cells);
        return;
    }
    for (size_t f = 0; f < families; f++) {
        uint64_t *cell = &c->pairs->count[place * cells + mine->number[f * s + one] * p + mine->number[f * s + other]];
#pragma omp atomic
        *cell += 1;
    }
}

static rhm_status count(void *context, int thread, size_t count, const uint16_t *ids, const uint16_t *labels,
                        rhm_error *error) {
    (void)labels, (void)error;
    const counting *c = context;
    worker *mine = &c->worker[thread];
    const size_t s = c->pairs->siblings, places = rhm_pairs_places(s), all = count * c->patches;
    for (size_t done = 0; done < all; done += c->block) {
        const size_t patches = all - done < c->block ? all - done : c->block;
        look_up(c, ids + done * c->words, patches, mine->number);
        for (size_t place = 0; place < places; place++)
            count_place(c, mine, place, patches / s);
    }
    mine->since += all / s;
    if (mine->count && mine->since >= FLUSH)
        flush(c, mine);
    return RHM_OK;
}

/* ---- sets of patches ------------------------------------------------------------------------------------- */

static rhm_status survey_begin(counting *c, rhm_error *error) {
    for (size_t t = 0; t < c->threads; t++) {
        worker *mine = &c->worker[t];
        if (!c->possible)
            RHM_TRY(rhm_intern_init(&mine->set, c->words, 0, error));
        else if (!(mine->seen = RHM_NEW(uint8_t, c->possible, 1, 1, "patches that occur", error)))
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

/* What any thread has seen, added to a set. */
static rhm_status survey_end(const counting *c, rhm_intern *set, rhm_error *error) {
    uint32_t tuple[RHM_MAX_BRANCHING], id;
    for (size_t t = 0; t < c->threads; t++) {
        const worker *mine = &c->worker[t];
        for (size_t i = 0; i < mine->set.count; i++)
            RHM_TRY(rhm_intern_add(set, rhm_intern_tuple(&mine->set, i), &id, NULL, error));
        for (size_t code = 0; mine->seen && code < c->possible; code++) {
            size_t left = code;
            for (size_t w = c->words; w-- > 0; left /= c->inputs)
                tuple[w] = (uint32_t)(left % c->inputs);
            if (mine->seen[code])
                RHM_TRY(rhm_intern_add(set, tuple, &id, NULL, error));
        }
    }
    return RHM_OK;
}

static rhm_status sort(rhm_intern *set, rhm_error *error) {
    rhm_intern sorted = {0};
    uint32_t *order, id;
    RHM_TRY(rhm_table_order(&order, set, error));
    rhm_status status = rhm_intern_init(&sorted, set->words, set->count, error);
    for (size_t i = 0; i < set->count && status == RHM_OK; i++)
        status = rhm_intern_add(&sorted, rhm_intern_tuple(set, order[i]), &id, NULL, error);
    rhm_free(order);
    if (status == RHM_OK) {
        rhm_intern_destroy(set);
        *set = sorted;
    } else {
        rhm_intern_destroy(&sorted);
    }
    return status;
}

/* ---- counts ---------------------------------------------------------------------------------------------- */

rhm_status rhm_pairs_check(uint32_t level, size_t patches, size_t siblings, rhm_error *error) {
    if (patches == 0 || patches <= RHM_PAIRS_MOST_CELLS / patches / rhm_pairs_places(siblings))
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "level %u has at least %zu different patches of ids, %zu siblings together: the pairs of so many "
                    "are not counted, at most %d are",
                    level, patches, siblings, RHM_PAIRS_MOST_CELLS);
}

/* Room for the counts of a set of patches, with those of `old`, of which one rank takes care. */
static rhm_status make_room(rhm_pairs *out, const rhm_engine *engine, const rhm_pairs *old, uint32_t level,
                            rhm_error *error) {
    const size_t places = rhm_pairs_places(out->siblings), p = out->patch.count, before = old->patch.count;
    RHM_TRY(rhm_pairs_check(level, p, out->siblings, error));
    const size_t nbytes = sizeof(uint64_t) * places * p * p;
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "pairs of siblings", error));
    out->engine = engine;
    out->reserved_nbytes = nbytes;
    if (!(out->count = RHM_NEW(uint64_t, places, p, p, "pairs of siblings", error)))
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < before && rhm_ranks_rank(rhm_engine_ranks(engine)) == 0; i++) {
        const size_t row = rhm_intern_find(&out->patch, rhm_intern_tuple(&old->patch, i));
        for (size_t j = 0; j < before; j++) {
            const size_t column = rhm_intern_find(&out->patch, rhm_intern_tuple(&old->patch, j));
            for (size_t b = 0; b < places; b++)
                out->count[(b * p + row) * p + column] = old->count[(b * before + i) * before + j];
        }
    }
    return RHM_OK;
}

static rhm_status number_patches(counting *c, rhm_error *error) {
    RHM_TRY(rhm_id_table_init(&c->number, c->words, c->inputs, error));
    for (size_t i = 0; i < c->pairs->patch.count; i++) {
        size_t code = 0;
        for (size_t w = 0; w < c->words; w++)
            code = code * c->inputs + rhm_intern_tuple(&c->pairs->patch, i)[w];
        c->number.entry[code] = (uint16_t)i;
    }
    rhm_id_table_seal(&c->number);
    return RHM_OK;
}

static rhm_status count_begin(counting *c, rhm_error *error) {
    const size_t p = c->pairs->patch.count, places = rhm_pairs_places(c->pairs->siblings);
    c->copies = places * p * p <= TWICE ? RHM_PAIR_COPIES : 1;
    if (c->possible)
        RHM_TRY(number_patches(c, error));
    for (size_t t = 0; t < c->threads; t++) {
        worker *mine = &c->worker[t];
        if (!(mine->number = RHM_NEW(uint16_t, c->block, 1, 1, "numbers of patches", error)))
            return RHM_NO_MEMORY;
        if (places * p * p <= PRIVATE &&
            !(mine->count = RHM_NEW(uint32_t, places * c->copies, p, p, "counts of a thread", error)))
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

static rhm_status add(counting *c, const rhm_pairs *old, rhm_sequences *s, uint64_t first, uint64_t last,
                      const char *stage, rhm_error *error) {
    rhm_intern *set = &c->pairs->patch;
    uint32_t id;
    RHM_TRY(survey_begin(c, error));
    RHM_TRY(rhm_sequences_visit(s, first, last, stage, survey, c, error));
    RHM_TRY(rhm_intern_init(set, c->words, old->patch.count, error));
    for (size_t i = 0; i < old->patch.count; i++)
        RHM_TRY(rhm_intern_add(set, rhm_intern_tuple(&old->patch, i), &id, NULL, error));
    RHM_TRY(survey_end(c, set, error));
    RHM_TRY(rhm_tuples_unite(set, s->engine, error));
    RHM_TRY(sort(set, error));
    RHM_TRY(make_room(c->pairs, s->engine, old, s->level, error));
    RHM_TRY(count_begin(c, error));
    RHM_TRY(rhm_sequences_visit(s, first, last, stage, count, c, error));
    for (size_t t = 0; t < c->threads; t++)
        if (c->worker[t].count)
            flush(c, &c->worker[t]);
    RHM_TRY(rhm_counts_add_up(c->pairs->count, rhm_pairs_places(c->pairs->siblings) * set->count * set->count,
                              s->engine, error));
    c->pairs->families = old->families + (last - first) * (c->patches / c->pairs->siblings);
    return RHM_OK;
}

rhm_status rhm_pairs_add(rhm_pairs *pairs, rhm_sequences *s, uint64_t first, uint64_t last, const char *stage,
                         rhm_error *error) {
    const struct rhm_table *table = s->table;
    const rhm_tree *tree = &table->model.tree;
    const size_t siblings = tree->branching[s->level - 1];
    rhm_pairs next = {.siblings = siblings};
    counting c = {.words = tree->branching[s->level],
                  .patches = tree->nodes[s->level - 1],
                  .inputs = s->level == tree->levels ? table->model.token_vocab : table->level[s->level + 1].outputs,
                  .ops = s->ops,
                  .block = BLOCK / siblings * siblings,
                  .pairs = &next,
                  .threads = (size_t)rhm_engine_threads(s->engine)};
    c.possible = rhm_id_possible(c.words, c.inputs);
    c.most = (size_t)sqrt((double)RHM_PAIRS_MOST_CELLS / (double)rhm_pairs_places(siblings));
    if (!(c.worker = RHM_NEW(worker, c.threads, 1, 1, "counts of a thread", error)))
        return RHM_NO_MEMORY;
    const rhm_status status = add(&c, pairs, s, first, last, stage, error);
    for (size_t t = 0; t < c.threads; t++) {
        rhm_free(c.worker[t].seen);
        rhm_intern_destroy(&c.worker[t].set);
        rhm_free(c.worker[t].number);
        rhm_free(c.worker[t].count);
    }
    rhm_free(c.worker);
    rhm_id_table_clear(&c.number);
    rhm_pairs_clear(status == RHM_OK ? pairs : &next);
    if (status == RHM_OK)
        *pairs = next;
    return status;
}

/* ---- dependence ------------------------------------------------------------------------------------------ */

/* Sums over the rows of a matrix (p, p), or over its columns. */
static void add_up(double *sum, const uint64_t *n, size_t p, size_t row, size_t column) {
    for (size_t i = 0; i < p; i++) {
        sum[i] = 0;
        for (size_t j = 0; j < p; j++)
            sum[i] += (double)n[i * row + j * column];
    }
}

/* Of one pair of places: chi-square less its degrees of freedom, and its variance; sums (2 p) is scratch. */
static void dependence_of(const uint64_t *n, size_t p, double all, double *sums, double *square, double *variance) {
    double *row = sums, *column = sums + p, rows = 0, columns = 0, inverse[2] = {0};
    add_up(row, n, p, p, 1);
    add_up(column, n, p, 1, p);
    for (size_t i = 0; i < p; i++) {
        rows += row[i] > 0;
        columns += column[i] > 0;
        inverse[0] += row[i] > 0 ? 1 / row[i] : 0;
        inverse[1] += column[i] > 0 ? 1 / column[i] : 0;
        for (size_t j = 0; j < p; j++) {
            const double expected = row[i] * column[j] / all, off = (double)n[i * p + j] - expected;
            *square += expected > 0 ? off * off / expected : 0;
        }
    }
    const double freedom = (rows - 1) * (columns - 1);
    *square -= freedom;
    *variance += freedom > 0 ? 2 * freedom + all * inverse[0] * inverse[1] : 0;
}

rhm_status rhm_pairs_dependence(double *out, const rhm_pairs *pairs, rhm_error *error) {
    const size_t p = pairs->patch.count, places = rhm_pairs_places(pairs->siblings);
    double square = 0, variance = 0, *sums = RHM_NEW(double, 2, p, 1, "sums of pairs", error);
    if (!sums)
        return RHM_NO_MEMORY;
    for (size_t b = 0; b < places; b++)
        dependence_of(pairs->count + b * p * p, p, (double)pairs->families, sums, &square, &variance);
    rhm_free(sums);
    *out = variance > 0 ? square / sqrt(variance) : 0;
    return RHM_OK;
}
