#include "learners/latent/synonyms.h"

#include <math.h>
#include <string.h>

#include "core/elementary.h"
#include "core/fail.h"
#include "core/memory.h"
#include "counts/eigen.h"
#include "engine/memory.h"
#include "engine/parallel.h"

enum { MOST_REFINEMENTS = 12, MOST_MOVES = 30 };

/* Added to counts of groups, so that what never happened has a probability. */
static const double never = 1e-3;

/*
 * Block 2 i of a row has the siblings at the other place of pair i, where the patch is at the one place; block 2 i + 1
 * the other way round.
 */
static uint64_t cell(const rhm_pairs *pairs, size_t block, size_t mu, size_t sibling) {
    const size_t p = pairs->patch.count, row = block % 2 ? sibling : mu, column = block % 2 ? mu : sibling;
    return pairs->count[(block / 2 * p + row) * p + column];
}

/* ---- all siblings ---------------------------------------------------------------------------------------- */

typedef struct residuals {
    const rhm_pairs *pairs;
    size_t blocks;
    double *sum;   /* (blocks, patches): n(mu) */
    double *value; /* (patches, blocks, patches) */
} residuals;

static rhm_status sum_block(void *context, size_t block, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const residuals *r = context;
    const size_t p = r->pairs->patch.count;
    for (size_t mu = 0; mu < p; mu++)
        for (size_t c = 0; c < p; c++)
            r->sum[block * p + mu] += (double)cell(r->pairs, block, mu, c);
    return RHM_OK;
}

static rhm_status fill_row(void *context, size_t mu, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const residuals *r = context;
    const size_t p = r->pairs->patch.count;
    for (size_t b = 0; b < r->blocks; b++) {
        /* the sibling's own row of the opposite block */
        const double *own = r->sum + b * p, *sibling = r->sum + (b ^ 1) * p;
        double *x = r->value + (mu * r->blocks + b) * p;
        for (size_t c = 0; c < p; c++) {
            const double expected = own[mu] * (sibling[c] / (double)r->pairs->families);
            x[c] = expected > 0 ? ((double)cell(r->pairs, b, mu, c) - expected) / sqrt(expected) : 0;
        }
    }
    return RHM_OK;
}

/* Rows of all siblings on their leading directions. */
static rhm_status spectral_rows(rhm_rows *out, const rhm_engine *engine, const rhm_pairs *pairs, size_t rank,
                                rhm_error *error) {
    const size_t p = pairs->patch.count, blocks = 2 * rhm_pairs_places(pairs->siblings);
    const size_t nbytes = sizeof(double) * p * p * (blocks + 1);
    rhm_rows rows = {.count = p, .width = rank};
    residuals r = {.pairs = pairs, .blocks = blocks};
    double *gram = NULL;
    RHM_TRY(rhm_memory_reserve(engine, nbytes, "residuals of siblings", error));
    rhm_status status = RHM_NO_MEMORY;
    if ((r.sum = RHM_NEW(double, blocks, p, 1, "residuals of siblings", error)) &&
        (r.value = RHM_NEW(double, p, blocks, p, "residuals of siblings", error)) &&
        (gram = RHM_NEW(double, p, p, 1, "residuals of siblings", error)) &&
        (rows.value = RHM_NEW(double, p, rank, 1, "rows of siblings", error)) &&
        (rows.weight = RHM_NEW(double, p, 1, 1, "rows of siblings", error)))
        status = rhm_parallel(engine, blocks, sum_block, &r, error);
    if (status == RHM_OK)
        status = rhm_parallel(engine, p, fill_row, &r, error);
    if (status == RHM_OK)
        status = rhm_gram(gram, engine, r.value, p, blocks * p, error);
    if (status == RHM_OK)
        status = rhm_leading(rows.value, engine, gram, p, rank, error);
    for (size_t i = 0; status == RHM_OK && i < blocks * p; i++)
        rows.weight[i % p] += r.sum[i];
    rhm_free(r.sum);
    rhm_free(r.value);
    rhm_free(gram);
    rhm_memory_release(engine, nbytes);
    if (status == RHM_OK)
        rhm_rows_scale(&rows);
    else
        rhm_rows_clear(&rows);
    *out = rows;
    return status;
}

/* ---- groups of siblings ---------------------------------------------------------------------------------- */

/* Counts of (patch, block, group of the sibling); the patches are borrowed. */
static rhm_status collapse(rhm_table_counts *out, const rhm_pairs *pairs, const rhm_groups *groups, rhm_error *error) {
    const size_t p = pairs->patch.count, blocks = 2 * rhm_pairs_places(pairs->siblings);
    *out = (rhm_table_counts){
        .patch = pairs->patch, .positions = blocks, .classes = groups->count, .samples = pairs->families};
    if (!(out->count = RHM_NEW(uint64_t, p, blocks, groups->count, "counts of groups", error)))
        return RHM_NO_MEMORY;
    for (size_t mu = 0; mu < p; mu++)
        for (size_t b = 0; b < blocks; b++)
            for (size_t c = 0; c < p; c++)
                out->count[(mu * blocks + b) * groups->count + groups->own[c]] += cell(pairs, b, mu, c);
    return RHM_OK;
}

/* The same, of (group, block, group). */
static void collapse_rows(double *out, const rhm_table_counts *counts, const rhm_groups *groups) {
    const size_t row = counts->positions * counts->classes;
    memset(out, 0, sizeof *out * groups->count * row);
    for (size_t mu = 0; mu < counts->patch.count; mu++)
        for (size_t i = 0; i < row; i++)
            out[groups->own[mu] * row + i] += (double)counts->count[mu * row + i];
}

/* Mutual information of the groups of siblings, times the number of pairs. */
static rhm_status information(double *out, const rhm_pairs *pairs, const rhm_groups *groups, rhm_error *error) {
    rhm_table_counts counts;
    RHM_TRY(collapse(&counts, pairs, groups, error));
    const size_t k = groups->count, row = counts.positions * k;
    double *n = RHM_NEW(double, k, row, 1, "counts of groups", error);
    double sum = 0, *margin = n ? RHM_NEW(double, 2, k, 1, "counts of groups", error) : NULL;
    if (margin)
        collapse_rows(n, &counts, groups);
    for (size_t b = 0; margin && b < counts.positions; b++) {
        memset(margin, 0, sizeof *margin * 2 * k);
        for (size_t i = 0; i < k * k; i++) {
            margin[i / k] += n[i / k * row + b * k + i % k];
            margin[k + i % k] += n[i / k * row + b * k + i % k];
        }
        for (size_t i = 0; i < k * k; i++) {
            const double here = n[i / k * row + b * k + i % k];
            if (here > 0)
                sum += here * (rhm_log(here) + rhm_log((double)pairs->families) - rhm_log(margin[i / k]) -
                               rhm_log(margin[k + i % k]));
        }
    }
    *out = sum;
    rhm_free(n);
    rhm_free(margin);
    rhm_free(counts.count);
    return margin ? RHM_OK : RHM_NO_MEMORY;
}

/* ---- likelihood ------------------------------------------------------------------------------------------ */

typedef struct moving {
    const rhm_table_counts *counts;
    const double *chance; /* (groups, blocks groups): logarithms */
    size_t groups;
    uint32_t *next; /* (patches) */
} moving;

static rhm_status choose_group(void *context, size_t mu, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const moving *m = context;
    const size_t row = m->counts->positions * m->counts->classes;
    const uint64_t *n = m->counts->count + mu * row;
    double best = -HUGE_VAL;
    for (size_t g = 0; g < m->groups; g++) {
        double sum = 0;
        for (size_t i = 0; i < row; i++)
            sum += n[i] ? (double)n[i] * m->chance[g * row + i] : 0;
        if (sum > best) {
            best = sum;
            m->next[mu] = (uint32_t)g;
        }
    }
    return RHM_OK;
}

/* Patches to their next groups, which keep at least one; false where none has moved. */
static bool move(rhm_groups *groups, const uint32_t *next, size_t count, size_t *members) {
    bool moved = false;
    memset(members, 0, sizeof *members * groups->count);
    for (size_t mu = 0; mu < count; mu++)
        members[groups->own[mu]]++;
    for (size_t mu = 0; mu < count; mu++) {
        if (next[mu] == groups->own[mu] || members[groups->own[mu]] == 1)
            continue;
        members[groups->own[mu]]--;
        members[groups->own[mu] = next[mu]]++;
        moved = true;
    }
    return moved;
}

/* One round of moves; siblings count by the groups as they are at its beginning. */
static rhm_status move_once(bool *moved, rhm_groups *groups, const rhm_engine *engine, const rhm_pairs *pairs,
                            rhm_error *error) {
    rhm_table_counts counts;
    RHM_TRY(collapse(&counts, pairs, groups, error));
    const size_t k = groups->count, row = counts.positions * k, p = pairs->patch.count;
    double *chance = RHM_NEW(double, k, row, 1, "likelihoods", error);
    size_t *members = chance ? RHM_NEW(size_t, k, 1, 1, "likelihoods", error) : NULL;
    moving m = {&counts, chance, k, members ? RHM_NEW(uint32_t, p, 1, 1, "likelihoods", error) : NULL};
    rhm_status status = m.next ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK) {
        collapse_rows(chance, &counts, groups);
        for (size_t i = 0; i < k * counts.positions; i++) {
            double *c = chance + i * k, sum = 0;
            for (size_t g = 0; g < k; g++)
                sum += c[g] += never;
            for (size_t g = 0; g < k; g++)
                c[g] = rhm_log(c[g] / sum);
        }
        status = rhm_parallel(engine, p, choose_group, &m, error);
    }
    *moved = status == RHM_OK && move(groups, m.next, p, members);
    rhm_free(chance);
    rhm_free(members);
    rhm_free(m.next);
    rhm_free(counts.count);
    return status;
}

static rhm_status settle(rhm_groups *groups, const rhm_engine *engine, const rhm_pairs *pairs, rhm_error *error) {
    bool moved = true;
    for (int i = 0; i < MOST_MOVES && moved; i++)
        RHM_TRY(move_once(&moved, groups, engine, pairs, error));
    return RHM_OK;
}

/* ---- both ------------------------------------------------------------------------------------------------ */

static rhm_status collapsed_rows(rhm_rows *out, const rhm_engine *engine, const rhm_pairs *pairs,
                                 const rhm_groups *groups, rhm_error *error) {
    rhm_table_counts counts;
    RHM_TRY(collapse(&counts, pairs, groups, error));
    const rhm_status status = rhm_rows_residuals(out, engine, &counts, error);
    rhm_free(counts.count);
    if (status == RHM_OK)
        rhm_rows_scale(out);
    return status;
}

/* Groups by the groups of siblings. */
static rhm_status regroup(rhm_groups *out, const rhm_engine *engine, const rhm_pairs *pairs, const rhm_groups *groups,
                          size_t most, rhm_error *error) {
    rhm_rows rows;
    RHM_TRY(collapsed_rows(&rows, engine, pairs, groups, error));
    rhm_status status = rhm_rows_group(out, engine, &rows, most, true, error);
    rhm_rows_clear(&rows);
    if (status == RHM_OK)
        status = settle(out, engine, pairs, error);
    return status;
}

static rhm_status refine(rhm_groups *groups, const rhm_engine *engine, const rhm_pairs *pairs, size_t most,
                         rhm_error *error) {
    double have, got;
    RHM_TRY(settle(groups, engine, pairs, error));
    RHM_TRY(information(&have, pairs, groups, error));
    for (int i = 0; i < MOST_REFINEMENTS; i++) {
        rhm_groups next = {0};
        rhm_status status = regroup(&next, engine, pairs, groups, most, error);
        if (status == RHM_OK)
            status = information(&got, pairs, &next, error);
        const bool better =
            status == RHM_OK && (next.count < groups->count || (next.count == groups->count && got > have));
        rhm_free(better ? groups->own : next.own);
        if (!better)
            return status;
        *groups = next;
        have = got;
    }
    return RHM_OK;
}

/* The id of most patches that occurred. */
static uint32_t most_frequent(const rhm_groups *groups, const rhm_rows *rows) {
    uint32_t best = 0;
    double most = -1;
    for (uint32_t g = 0; g < groups->count; g++) {
        double sum = 0;
        for (size_t i = 0; i < rows->count; i++)
            sum += groups->own[i] == g ? rows->weight[i] : 0;
        best = sum > most ? g : best;
        most = fmax(most, sum);
    }
    return best;
}

rhm_status rhm_synonyms_find(rhm_groups *out, const rhm_engine *engine, const rhm_pairs *pairs, size_t most,
                             rhm_error *error) {
    const size_t rank = most < pairs->patch.count ? most : pairs->patch.count;
    rhm_rows rows;
    *out = (rhm_groups){0};
    RHM_TRY(spectral_rows(&rows, engine, pairs, rank, error));
    rhm_status status = rhm_rows_group(out, engine, &rows, most, true, error);
    rhm_rows_clear(&rows);
    if (status == RHM_OK)
        status = refine(out, engine, pairs, most, error);
    if (status == RHM_OK)
        status = collapsed_rows(&rows, engine, pairs, out, error);
    if (status == RHM_OK) {
        out->ids = out->count;
        out->other = most_frequent(out, &rows);
        status = rhm_rows_measure(out, &rows, error);
        rhm_rows_clear(&rows);
    }
    if (status != RHM_OK) {
        rhm_free(out->own);
        *out = (rhm_groups){0};
    }
    return status;
}
