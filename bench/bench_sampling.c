/*
 * Drawing samples at every instruction set and thread count, for the instances of shapes/sampling.txt (or
 * --shapes=FILE):
 *     sequences/instance/isa/t   whole sequences with their labels, items are tokens
 *     written/instance/isa/t     so many of them that they go past the caches to memory
 *     first/instance/isa/t       the first patches of one level with their labels, items are samples
 *     counted/instance/isa/t     the same, counted as the learner does it, items are samples
 *
 * Threads draw into memory of their own, which but for `written` stays in the second-level cache. An iteration is a
 * trial of a few milliseconds; the best one counts, since neighbours on a shared machine only ever take time away.
 * Sequences are compared with writing alone to the same level of memory, measured before and after them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ceilings/ceilings.h"
#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/parallel.h"
#include "instance.h"
#include "patches/patches.h"
#include "program.h"
#include "sampling/sampler.h"

enum {
    CALL_TOKENS = 1 << 15,    /* drawn by one call: 64 KiB */
    WRITTEN_TOKENS = 1 << 22, /* by the one call of a trial: 8 MiB */
    TRIAL_TOKENS = 1 << 21,   /* of a thread in one trial */
    TRIAL_COUNTED = 1 << 18,  /* samples of a thread in one trial */
    SCALAR_FRACTION = 8,      /* of that for the scalar path, so that its trials are as short */
    CEILING_TRIALS = 24,
};

typedef enum drawing { SEQUENCES, WRITTEN, FIRST, COUNTED, DRAWING_COUNT } drawing;

typedef struct problem {
    instance of;
    uint32_t first; /* the level of first patches */
} problem;

typedef struct row {
    problem *of;
    drawing what;
    rhm_isa isa;
} row;

/* What the threads of a trial share. */
typedef struct trial {
    const row *r;
    rhm_engine *engine;
    int threads;
    uint64_t start;              /* the next sample */
    size_t leaves;               /* tokens of a sample */
    size_t call;                 /* samples of one call */
    size_t calls;                /* of one thread */
    uint16_t *memory;            /* per thread: leaves, labels, as drawn by one call */
    size_t lane;                 /* elements of it */
    rhm_ceilings_trial *ceiling; /* of writing; NULL where there is none, or nobody asks */
    uint64_t rounds;             /* of it */
    double best_write;           /* bytes per second */
} trial;

static bool whole(const row *r) {
    return r->what == SEQUENCES || r->what == WRITTEN;
}

static uint32_t stream_of(const row *r) {
    return whole(r) ? rhm_stream(RHM_TEST, 0) : rhm_stream(RHM_TRAINING, r->of->first);
}

static void draw(const row *r, uint64_t first, size_t count, uint16_t *leaves, uint16_t *labels) {
    if (whole(r))
        rhm_sample_sequences(r->of->of.sampler, stream_of(r), first, count, leaves, labels, NULL);
    else
        rhm_sample_first_patches(r->of->of.sampler, stream_of(r), r->of->first, first, count, leaves, labels, NULL);
}

static rhm_status draw_lane(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)error;
    const trial *t = context;
    uint16_t *leaves = t->memory + (size_t)thread * t->lane;
    for (size_t i = 0; i < t->calls; i++)
        draw(t->r, t->start + (chunk * t->calls + i) * t->call, t->call, leaves, leaves + t->call * t->leaves);
    return RHM_OK;
}

static void source(const void *context, uint32_t level, uint64_t first, size_t count, uint16_t *leaves,
                   uint16_t *labels) {
    (void)level;
    draw(context, first, count, leaves, labels);
}

static rhm_status count_samples(rhm_patches *out, const row *r, const rhm_engine *engine, uint64_t samples,
                                double *seconds, rhm_error *error) {
    rhm_status status =
        rhm_patches_init(out, r->of->first, rhm_grammar_tree(r->of->of.grammar), r->of->of.vocab, error);
    const double start = rhm_seconds();
    if (status == RHM_OK)
        status = rhm_patches_add(out, engine, "benchmark", source, r, 0, samples, NULL, error);
    *seconds = rhm_seconds() - start;
    return status;
}

/* ---------------------------------------------------------------------------------------------------- verification */

/* The counts by patch and label, and that they are of all samples. */
static bool same_counts(const rhm_patch_counts *a, const rhm_patch_counts *b, size_t distinct, uint64_t samples) {
    const size_t cells = a->offset[distinct];
    uint64_t total = 0;
    for (size_t i = 0; i < cells; i++)
        total += a->count[i];
    return total == samples && memcmp(a->offset, b->offset, sizeof *a->offset * (distinct + 1)) == 0 &&
           memcmp(a->label, b->label, sizeof *a->label * cells) == 0 &&
           memcmp(a->count, b->count, sizeof *a->count * cells) == 0;
}

static rhm_status verify_counts(const row *r, const rhm_engine *engine, uint64_t samples, bool *same,
                                rhm_error *error) {
    rhm_patches patches[2] = {0};
    rhm_patch_counts counts[2] = {0};
    double seconds;
    rhm_status status = RHM_OK;
    for (int i = 0; i < 2 && status == RHM_OK; i++) {
        rhm_sampler_use(r->of->of.sampler, i ? RHM_ISA_SCALAR : r->isa);
        status = count_samples(&patches[i], r, engine, samples, &seconds, error);
        if (status == RHM_OK)
            status = rhm_patch_counts_make(&counts[i], &patches[i], engine, error);
    }
    rhm_sampler_use(r->of->of.sampler, r->isa);
    if (status == RHM_OK) {
        const size_t distinct = rhm_patches_distinct(&patches[0]);
        *same = distinct == rhm_patches_distinct(&patches[1]) && same_counts(&counts[0], &counts[1], distinct, samples);
    }
    for (int i = 0; i < 2; i++) {
        rhm_patch_counts_clear(&counts[i]);
        rhm_patches_destroy(&patches[i]);
    }
    return status;
}

static rhm_status verify_draws(const trial *t, bool *same, rhm_error *error) {
    uint16_t *other = RHM_NEW(uint16_t, t->lane, 1, 1, "samples of a benchmark", error);
    if (!other)
        return RHM_NO_MEMORY;
    draw(t->r, 0, t->call, t->memory, t->memory + t->call * t->leaves);
    rhm_sampler_use(t->r->of->of.sampler, RHM_ISA_SCALAR);
    draw(t->r, 0, t->call, other, other + t->call * t->leaves);
    rhm_sampler_use(t->r->of->of.sampler, t->r->isa);
    *same = memcmp(t->memory, other, sizeof *other * t->call * (t->leaves + 1)) == 0;
    rhm_free(other);
    return RHM_OK;
}

/* ------------------------------------------------------------------------------------------------------------ rows */

static size_t leaves_of(const row *r) {
    return rhm_grammar_tree(r->of->of.grammar)->leaves[whole(r) ? 0 : r->of->first - 1];
}

static rhm_status trial_make(trial *t, rhm_error *error) {
    t->leaves = leaves_of(t->r);
    const size_t tokens = t->r->what == WRITTEN ? WRITTEN_TOKENS : CALL_TOKENS;
    t->call = t->leaves < tokens ? tokens / t->leaves : 1;
    const size_t trial_tokens = TRIAL_TOKENS / (t->r->isa == RHM_ISA_SCALAR ? SCALAR_FRACTION : 1);
    t->calls = t->call * t->leaves < trial_tokens ? trial_tokens / (t->call * t->leaves) : 1;
    t->lane = (t->call * (t->leaves + 1) + 63) / 32 * 32;
    t->memory = RHM_NEW(uint16_t, (size_t)t->threads, t->lane, 1, "samples of a benchmark", error);
    if (!t->memory)
        return RHM_NO_MEMORY;
    const rhm_ceilings_memory where = t->r->what == WRITTEN ? CEILINGS_DRAM : CEILINGS_L2;
    if (whole(t->r) && session_has_ceilings() &&
        rhm_ceilings_trial_bandwidth(&t->ceiling, t->engine, CEILINGS_WRITE, where, NULL) == RHM_OK)
        t->rounds = rhm_ceilings_trial_rounds(t->ceiling);
    return RHM_OK;
}

/* Bytes a second, before and after the trials: in between it would be part of their processor time. */
static double best_write(const trial *t) {
    double most = t->best_write;
    for (int i = 0; i < CEILING_TRIALS && t->ceiling; i++) {
        const double seconds = rhm_ceilings_trial_run(t->ceiling, t->rounds);
        most = fmax(most, rhm_ceilings_trial_work(t->ceiling) * (double)t->rounds / seconds);
    }
    return most;
}

/* Of a trial. */
static uint64_t samples_of(const trial *t) {
    if (t->r->what == COUNTED)
        return (uint64_t)TRIAL_COUNTED * (uint64_t)t->threads / (t->r->isa == RHM_ISA_SCALAR ? SCALAR_FRACTION : 1);
    return (uint64_t)t->call * t->calls * (uint64_t)t->threads;
}

static rhm_status run_trial(void *context, double *seconds, rhm_error *error) {
    trial *t = context;
    if (t->r->what == COUNTED) {
        rhm_patches patches = {0};
        const rhm_status status = count_samples(&patches, t->r, t->engine, samples_of(t), seconds, error);
        rhm_patches_destroy(&patches);
        return status;
    }
    const double start = rhm_seconds();
    const rhm_status status = rhm_parallel(t->engine, (size_t)t->threads, draw_lane, t, error);
    *seconds = rhm_seconds() - start;
    t->start += samples_of(t);
    return status;
}

static void report(gb_state *gb, const void *state, double best) {
    const trial *t = state;
    const row *r = t->r;
    const double samples = (double)samples_of(t);
    const double items = whole(r) ? samples * (double)t->leaves : samples;
    gb_items_processed(gb, (int64_t)items * gb_iterations_done(gb));
    gb_counter(gb, "bytes", 2 * samples * (double)(t->leaves + 1), 0);
    gb_counter(gb, "samples", samples, 0);
    gb_counter(gb, "best_items_per_second", items / best, 0);
    if (t->ceiling) {
        const double written = 2 * samples * (double)t->leaves, most = best_write(t);
        gb_counter(gb, "best_bytes_per_second", written / best, 0);
        gb_counter(gb, "ceiling_bytes_per_second", most, 0);
        gb_counter(gb, "share", written / best / most, 0);
    }
    session_report_placement(gb);
    gb_label(gb, whole(r) ? "tokens" : "samples");
}

static rhm_status verify(const trial *t, rhm_error *error) {
    bool same = true;
    RHM_TRY(t->r->what == COUNTED ? verify_counts(t->r, t->engine, samples_of(t), &same, error)
                                  : verify_draws(t, &same, error));
    return same ? RHM_OK
                : rhm_fail(error, RHM_FAILED, "wrong result: the samples differ from those of the scalar path");
}

static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    trial *t = state;
    t->r = of;
    t->threads = threads;
    RHM_TRY(session_engine(&t->engine, t->r->isa, threads, error));
    RHM_TRY(trial_make(t, error));
    rhm_sampler_use(t->r->of->of.sampler, t->r->isa);
    if (verified)
        RHM_TRY(verify(t, error));
    t->best_write = best_write(t);
    return RHM_OK;
}

static void clear(void *state) {
    trial *t = state;
    rhm_ceilings_trial_destroy(t->ceiling);
    rhm_free(t->memory);
}

static const program_kind kind = {sizeof(trial), false, prepare, run_trial, report, clear};

static void register_problems(void *problems, size_t count) {
    static const char *const kinds[] = {"sequences", "written", "first", "counted"};
    problem *p = problems;
    for (int what = 0; what < DRAWING_COUNT; what++)
        for (size_t i = 0; i < count; i++)
            for (int isa = what == WRITTEN ? RHM_ISA_SCALAR + 1 : RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++) {
                const row r = {&p[i], (drawing)what, (rhm_isa)isa};
                program_add(&kind, &r, sizeof r, "%s/%s/%s", kinds[what], p[i].of.source->name, rhm_isa_name(r.isa));
            }
}

static rhm_status make_problem(void *out, const shapes *all, const shape *line, rhm_error *error) {
    problem *p = out;
    int64_t first = 0;
    RHM_TRY(instance_make(&p->of, all, line, error));
    RHM_TRY(shape_value(all, line, "first", 1, p->of.levels, &first, error));
    p->first = (uint32_t)first;
    return RHM_OK;
}

static void clear_problem(void *p) {
    instance_clear(&((problem *)p)->of);
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "rules", "branching", "levels", "first", NULL};
    const program what = {
        .about = "bench_sampling [--shapes=FILE]: drawing and counting samples",
        .shapes_path = RHM_BENCH_DIR "/shapes/sampling.txt",
        .keys = keys,
        .problem_nbytes = sizeof(problem),
        .make = make_problem,
        .clear = clear_problem,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
