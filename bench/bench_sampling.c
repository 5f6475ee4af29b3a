/*
 * Drawing samples at every instruction set and thread count, for the instances of shapes/sampling.txt (or
 * --shapes=FILE): sequences/instance/isa/t   whole sequences with their labels, items are tokens; first/instance/isa/t
 * the first patches of one level with their labels, items are samples; counted/instance/isa/t     the same, counted as
 * the learner does it, items are samples.
 *
 * Threads draw into memory of their own that stays in the second-level cache. An iteration is a trial of a few
 * milliseconds; the best one counts, since neighbours on a shared machine only ever take time away.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "engine/parallel.h"
#include "gbench.h"
#include "patches/patches.h"
#include "sampling/sampler.h"
#include "session.h"
#include "session_engine.h"
#include "shapes.h"

enum {
    CALL_TOKENS = 1 << 15,   /* drawn by one call: 64 KiB */
    TRIAL_TOKENS = 1 << 21,  /* of a thread in one trial */
    TRIAL_COUNTED = 1 << 18, /* samples of a thread in one trial */
    SCALAR_FRACTION = 8,     /* of that for the scalar path, so that its trials are as short */
    SEED = 1,
};

typedef enum drawing { SEQUENCES, FIRST, COUNTED, DRAWING_COUNT } drawing;

typedef struct instance {
    const shape *source;
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    uint32_t vocab, first; /* V, the level of first patches */
} instance;

typedef struct row {
    instance *of;
    drawing what;
    rhm_isa isa;
    double best; /* seconds, over all calls of the row */
} row;

static struct {
    const char *path;
    shapes shapes;
    instance *instances; /* (shapes.count) */
    row *rows;
} all = {.path = RHM_BENCH_DIR "/shapes/sampling.txt"};

/* What the threads of a trial share. */
typedef struct trial {
    const row *r;
    uint64_t start;   /* the next sample */
    size_t leaves;    /* tokens of a sample */
    size_t call;      /* samples of one call */
    size_t calls;     /* of one thread */
    uint16_t *memory; /* per thread: leaves, labels, as drawn by one call */
    size_t lane;      /* elements of it */
} trial;

static uint32_t stream_of(const row *r) {
    return r->what == SEQUENCES ? rhm_stream(RHM_TEST, 0) : rhm_stream(RHM_TRAINING, r->of->first);
}

static void draw(const row *r, uint64_t first, size_t count, uint16_t *leaves, uint16_t *labels) {
    if (r->what == SEQUENCES)
        rhm_sample_sequences(r->of->sampler, stream_of(r), first, count, leaves, labels, NULL);
    else
        rhm_sample_first_patches(r->of->sampler, stream_of(r), r->of->first, first, count, leaves, labels, NULL);
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
    rhm_status status = rhm_patches_init(out, r->of->first, rhm_grammar_tree(r->of->grammar), r->of->vocab, error);
    const double start = session_seconds();
    if (status == RHM_OK)
        status = rhm_patches_add(out, engine, "benchmark", source, r, 0, samples, NULL, error);
    *seconds = session_seconds() - start;
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
        rhm_sampler_use(r->of->sampler, i ? RHM_ISA_SCALAR : r->isa);
        status = count_samples(&patches[i], r, engine, samples, &seconds, error);
        if (status == RHM_OK)
            status = rhm_patch_counts_make(&counts[i], &patches[i], error);
    }
    rhm_sampler_use(r->of->sampler, r->isa);
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
    rhm_sampler_use(t->r->of->sampler, RHM_ISA_SCALAR);
    draw(t->r, 0, t->call, other, other + t->call * t->leaves);
    rhm_sampler_use(t->r->of->sampler, t->r->isa);
    *same = memcmp(t->memory, other, sizeof *other * t->call * (t->leaves + 1)) == 0;
    rhm_free(other);
    return RHM_OK;
}

/* ------------------------------------------------------------------------------------------------------------ rows */

static size_t leaves_of(const row *r) {
    return rhm_grammar_tree(r->of->grammar)->leaves[r->what == SEQUENCES ? 0 : r->of->first - 1];
}

static rhm_status trial_make(trial *t, const row *r, int threads, rhm_error *error) {
    const size_t leaves = leaves_of(r);
    const size_t call = leaves < CALL_TOKENS ? CALL_TOKENS / leaves : 1;
    size_t calls = TRIAL_TOKENS / CALL_TOKENS;
    calls = r->isa == RHM_ISA_SCALAR ? calls / SCALAR_FRACTION : calls;
    *t = (trial){.r = r, .leaves = leaves, .call = call, .calls = calls};
    t->lane = (call * (leaves + 1) + 63) / 32 * 32;
    t->memory = RHM_NEW(uint16_t, (size_t)threads, t->lane, 1, "samples of a benchmark", error);
    return t->memory ? RHM_OK : RHM_NO_MEMORY;
}

static uint64_t samples_of(const trial *t, int threads) {
    if (t->r->what == COUNTED)
        return (uint64_t)TRIAL_COUNTED * (uint64_t)threads / (t->r->isa == RHM_ISA_SCALAR ? SCALAR_FRACTION : 1);
    return (uint64_t)t->call * t->calls * (uint64_t)threads;
}

/* Seconds of one trial. */
static rhm_status run_trial(trial *t, const rhm_engine *engine, int threads, double *seconds, rhm_error *error) {
    if (t->r->what == COUNTED) {
        rhm_patches patches = {0};
        const rhm_status status = count_samples(&patches, t->r, engine, samples_of(t, threads), seconds, error);
        rhm_patches_destroy(&patches);
        return status;
    }
    const double start = session_seconds();
    const rhm_status status = rhm_parallel(engine, (size_t)threads, draw_lane, t, error);
    *seconds = session_seconds() - start;
    t->start += samples_of(t, threads);
    return status;
}

static rhm_status measure(gb_state *state, row *r, trial *t, const rhm_engine *engine, int threads, rhm_error *error) {
    bool same = true;
    rhm_status status = RHM_OK;
    if (gb_run_index(state) == 0) {
        r->best = HUGE_VAL;
        status = r->what == COUNTED ? verify_counts(r, engine, samples_of(t, threads), &same, error)
                                    : verify_draws(t, &same, error);
    }
    if (status != RHM_OK)
        return status;
    if (!same) {
        gb_skip_error(state, "wrong result: the samples differ from those of the scalar path");
        return RHM_OK;
    }
    while (gb_keep_running(state)) {
        double seconds;
        if ((status = run_trial(t, engine, threads, &seconds, error)) != RHM_OK) {
            gb_skip_error(state, error->text);
            continue;
        }
        gb_set_iteration_time(state, seconds);
        r->best = fmin(r->best, seconds);
    }
    const double samples = (double)samples_of(t, threads);
    const double items = r->what == SEQUENCES ? samples * (double)t->leaves : samples;
    gb_items_processed(state, (int64_t)items * gb_iterations_done(state));
    gb_counter(state, "bytes", 2 * samples * (double)(t->leaves + 1), 0);
    gb_counter(state, "samples", samples, 0);
    gb_counter(state, "best_items_per_second", items / r->best, 0);
    session_report_placement(state);
    gb_label(state, r->what == SEQUENCES ? "tokens" : "samples");
    return RHM_OK;
}

static void run(gb_state *state, void *user) {
    row *r = user;
    const int threads = (int)gb_range(state, 0);
    rhm_error error = {0};
    rhm_engine *engine = NULL;
    trial t = {0};
    rhm_status status = session_engine(&engine, r->isa, threads, &error);
    if (status == RHM_OK)
        status = trial_make(&t, r, threads, &error);
    if (status == RHM_OK) {
        rhm_sampler_use(r->of->sampler, r->isa);
        status = measure(state, r, &t, engine, threads, &error);
    }
    if (status == RHM_UNSUPPORTED)
        gb_skip_message(state, error.text);
    else if (status != RHM_OK && !gb_skipped(state))
        gb_skip_error(state, error.text);
    rhm_free(t.memory);
}

static void register_all(void) {
    static const char *const kinds[] = {"sequences", "first", "counted"}, *const names[] = {"t"};
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    row *r = all.rows;
    for (int what = 0; what < DRAWING_COUNT; what++)
        for (size_t i = 0; i < all.shapes.count; i++)
            for (int isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++, r++) {
                *r = (row){&all.instances[i], (drawing)what, (rhm_isa)isa, 0};
                char name[128];
                snprintf(name, sizeof name, "%s/%s/%s", kinds[what], r->of->source->name, rhm_isa_name(r->isa));
                gb_bench *bench = gb_register(name, run, r);
                gb_arg_names(bench, names, 1);
                for (int c = 0; c < n; c++)
                    gb_arg(bench, counts[c]);
                gb_use_manual_time(bench);
                gb_measure_process_cpu_time(bench);
                gb_unit(bench, GB_MILLISECOND);
            }
}

static rhm_status make_instance(instance *out, const shape *source_line, rhm_error *error) {
    struct {
        const char *key;
        int64_t low, high, value;
    } keys[] = {{"vocab", 1, RHM_MAX_VOCAB, 0},
                {"rules", 1, RHM_MAX_VOCAB, 0},
                {"branching", 2, RHM_MAX_BRANCHING, 0},
                {"levels", 1, RHM_MAX_LEVELS, 0},
                {"first", 1, RHM_MAX_LEVELS, 0}};
    rhm_status status = RHM_OK;
    for (size_t i = 0; status == RHM_OK && i < sizeof keys / sizeof keys[0]; i++)
        status = shape_value(&all.shapes, source_line, keys[i].key, keys[i].low, i == 4 ? keys[3].value : keys[i].high,
                             &keys[i].value, error);
    if (status != RHM_OK)
        return status;
    *out = (instance){.source = source_line, .vocab = (uint32_t)keys[0].value, .first = (uint32_t)keys[4].value};
    const rhm_shape uniform =
        rhm_shape_uniform(out->vocab, (uint32_t)keys[1].value, (uint32_t)keys[2].value, (uint32_t)keys[3].value);
    status = rhm_grammar_draw(&out->grammar, &uniform, RHM_UNIFORM, SEED, error);
    return status == RHM_OK ? rhm_sampler_create(&out->sampler, out->grammar, SEED, error) : status;
}

static rhm_status prepare(rhm_error *error) {
    static const char *const known[] = {"vocab", "rules", "branching", "levels", "first", NULL};
    rhm_status status = shapes_read(&all.shapes, all.path, known, error);
    if (status != RHM_OK)
        return status;
    all.instances = calloc(all.shapes.count, sizeof *all.instances);
    all.rows = calloc(all.shapes.count * DRAWING_COUNT * RHM_ISA_COUNT, sizeof *all.rows);
    if (!all.instances || !all.rows)
        return RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = make_instance(&all.instances[i], &all.shapes.items[i], error);
    return status;
}

static void clear(void) {
    session_engine_clear();
    for (size_t i = 0; all.instances && i < all.shapes.count; i++) {
        rhm_sampler_destroy(all.instances[i].sampler);
        rhm_grammar_destroy(all.instances[i].grammar);
    }
    free(all.instances);
    free(all.rows);
    shapes_destroy(&all.shapes);
}

int main(int argc, char **argv) {
    rhm_error error = {0};
    session_take_option(&argc, argv, "--shapes=", &all.path);
    const rhm_status prepared = prepare(&error);
    int status = 2;
    if (prepared == RHM_OK)
        status = session_main(argc, argv, "bench_sampling [--shapes=FILE]: drawing and counting samples", register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : rhm_status_name(prepared));
    clear();
    return status;
}
