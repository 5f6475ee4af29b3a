/*
 * Collecting first patches, at every thread count, for the instances of shapes/patches.txt (or --shapes=FILE):
 * known/instance/t    samples into a collection that has seen as many before: patches are mostly found;
 * empty/instance/t    the same from an empty collection: patches are mostly new, memory grows;
 * raw/instance/t      every sample a patch of its own, nothing looked up;
 * counts/instance/t   the counts of 10^9 samples drawn from their law; items are cells of its table.
 *
 * Items of the others are samples. An iteration is a trial; the best one counts, since neighbours on a shared machine
 * only ever take time away. The collection is as large as the level makes it: small ones stay in the caches.
 */
#include <math.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/fail.h"
#include "instance.h"
#include "patches/patches.h"
#include "program.h"
#include "sampling/law.h"

typedef enum way { KNOWN, EMPTY, RAW, COUNTS, WAYS } way;

static const double COUNTED = 1e9;

typedef struct level {
    instance of;
    uint32_t first;
    uint64_t samples;
    double cells; /* of the table of probabilities */
} level;

typedef struct row {
    level *of;
    way how;
} row;

static rhm_status make(rhm_patches *out, const row *r, rhm_error *error) {
    const instance *of = &r->of->of;
    const rhm_status status = rhm_patches_init(out, r->of->first, rhm_grammar_tree(of->grammar), of->vocab, error);
    out->raw = r->how == RAW;
    return status;
}

/* One trial's samples, the `turn`-th of a stream that never repeats. */
static rhm_status add(rhm_patches *patches, const row *r, const rhm_engine *engine, uint64_t turn, rhm_error *error) {
    const rhm_grammar_source source = instance_stream(&r->of->of, r->of->first);
    if (r->how == COUNTS)
        return rhm_patches_draw(patches, engine, source.grammar, source.seed, source.stream, turn % 60000,
                                (uint64_t)COUNTED, error);
    return rhm_patches_add(patches, engine, NULL, rhm_draw_from_grammar, &source, turn * r->of->samples, r->of->samples,
                           NULL, error);
}

/*
 * Every count belongs to a patch and label, they add up to the samples, the patches are no more than the grammar has,
 * and every label comes as often as chance allows: within six standard deviations.
 */
static rhm_status verify(const row *r, const rhm_engine *engine, rhm_error *error) {
    rhm_patches patches = {0};
    rhm_patch_counts counts = {0};
    const uint32_t classes = r->of->of.vocab;
    uint64_t of_label[RHM_MAX_VOCAB] = {0}, total = 0;
    rhm_status status = make(&patches, r, error);
    if (status == RHM_OK)
        status = add(&patches, r, engine, 0, error);
    if (status == RHM_OK)
        status = rhm_patch_counts_make(&counts, &patches, engine, error);
    if (status != RHM_OK)
        goto done;
    const double wanted = r->how == COUNTS ? COUNTED : (double)r->of->samples, share = 1.0 / classes;
    const size_t distinct = rhm_patches_distinct(&patches);
    for (size_t cell = 0; cell < counts.offset[distinct]; cell++) {
        of_label[counts.label[cell]] += counts.count[cell];
        total += counts.count[cell];
    }
    bool right = (double)total == wanted && (r->how != RAW || (double)distinct == wanted);
    for (uint32_t label = 0; label < classes; label++)
        right = right && fabs((double)of_label[label] - wanted * share) <= 6 * sqrt(wanted * share * (1 - share));
    const double possible = r->of->cells;
    if (!right || (r->how != RAW && (double)distinct > possible)) {
        snprintf(error->text, sizeof error->text,
                 "wrong result: %zu patches with %llu samples, not %.0f of at most %.0f", distinct,
                 (unsigned long long)total, wanted, possible);
        status = RHM_FAILED;
    }
done:
    rhm_patch_counts_clear(&counts);
    rhm_patches_destroy(&patches);
    return status;
}

typedef struct trials {
    const row *r;
    rhm_engine *engine;
    rhm_patches known; /* of KNOWN */
    uint64_t turn;
    size_t distinct; /* patches that the collection had after the last one */
} trials;

static rhm_status trial(void *context, double *seconds, rhm_error *error) {
    trials *t = context;
    const bool known = t->r->how == KNOWN;
    rhm_patches fresh = {0}, *patches = known ? &t->known : &fresh;
    rhm_status status = known ? RHM_OK : make(&fresh, t->r, error);
    const double start = rhm_seconds();
    if (status == RHM_OK)
        status = add(patches, t->r, t->engine, t->turn++, error);
    *seconds = rhm_seconds() - start;
    t->distinct = status == RHM_OK ? rhm_patches_distinct(patches) : 0;
    rhm_patches_destroy(&fresh);
    return status;
}

static void report(gb_state *gb, const void *state, double best) {
    const trials *t = state;
    const row *r = t->r;
    const double items = r->how == COUNTS ? r->of->cells : (double)r->of->samples;
    const double leaves = (double)rhm_grammar_tree(r->of->of.grammar)->leaves[r->of->first - 1];
    /* Each token drawn once and each count touched once; a cell of the table is a probability and a count. */
    const double nbytes = items * (r->how == COUNTS ? 2 * sizeof(double) : 2 * (leaves + 1) + sizeof(uint64_t));
    gb_items_processed(gb, (int64_t)items * gb_iterations_done(gb));
    gb_counter(gb, "flops", 0, 0);
    gb_counter(gb, "bytes", nbytes, 0);
    gb_counter(gb, "samples", r->how == COUNTS ? COUNTED : (double)r->of->samples, 0);
    gb_counter(gb, "distinct_patches", (double)t->distinct, 0);
    gb_counter(gb, "best_items_per_second", items / best, 0);
    session_report_placement(gb);
    gb_label(gb, r->how == COUNTS ? "cells of the law" : r->how == KNOWN ? "samples, collection warm" : "samples");
}

static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    trials *t = state;
    const row *r = t->r = of;
    t->turn = 1;
    if (r->how == COUNTS && r->of->cells > RHM_AFFORDABLE_CELLS)
        return rhm_fail(error, RHM_UNSUPPORTED, "the table of probabilities of this level is too large");
    RHM_TRY(session_engine(&t->engine, instance_isa(), threads, error));
    if (verified)
        RHM_TRY(verify(r, t->engine, error));
    if (r->how != KNOWN)
        return RHM_OK;
    RHM_TRY(make(&t->known, r, error));
    return add(&t->known, r, t->engine, t->turn++, error);
}

static void clear(void *state) {
    rhm_patches_destroy(&((trials *)state)->known);
}

static const program_kind kind = {sizeof(trials), false, prepare, trial, report, clear};

static void register_problems(void *problems, size_t count) {
    static const char *const kinds[] = {"known", "empty", "raw", "counts"};
    level *levels = problems;
    for (int how = 0; how < WAYS; how++)
        for (size_t i = 0; i < count; i++) {
            const row r = {&levels[i], (way)how};
            program_add(&kind, &r, sizeof r, "%s/%s", kinds[how], levels[i].of.source->name);
        }
}

static rhm_status make_level(void *problem, const shapes *all, const shape *line, rhm_error *error) {
    level *l = problem;
    int64_t first = 0, samples = 0;
    RHM_TRY(instance_make(&l->of, all, line, error));
    RHM_TRY(shape_value(all, line, "first", 1, l->of.levels, &first, error));
    RHM_TRY(shape_value(all, line, "samples", 1, 1 << 26, &samples, error));
    l->first = (uint32_t)first;
    l->samples = (uint64_t)samples;
    rhm_law_size table;
    RHM_TRY(rhm_law_measure(&table, l->of.grammar, l->first, 1, error));
    l->cells = table.cells;
    return RHM_OK;
}

static void clear_level(void *problem) {
    instance_clear(&((level *)problem)->of);
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "rules", "branching", "levels", "first", "samples", NULL};
    const program what = {
        .about = "bench_patches [--shapes=FILE]: collecting first patches",
        .shapes_path = RHM_BENCH_DIR "/shapes/patches.txt",
        .keys = keys,
        .problem_nbytes = sizeof(level),
        .make = make_level,
        .clear = clear_level,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
