/*
 * Whole sequences through a trained model, at every thread count, for the models of shapes/jobs.txt (or --shapes=FILE):
 * predict/shape/t   sequences that lie in memory, to labels;
 * evaluate/shape/t  sequences drawn as they are needed, to an accuracy.
 *
 * Items are sequences. A trial takes fresh sequences each time: nothing of them is in the caches, and each distinct
 * subtree of a trial is evaluated once, so that flops differ a little from trial to trial; they are those of the last.
 * The model is trained at the first use, outside the timing. Labels must be those of the scalar kernels, exactly.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "gbench.h"
#include "job.h"
#include "model/forward.h"
#include "session.h"
#include "session_engine.h"

enum { VERIFIED = 256, TRIALS_IN_MEMORY = 8 };

typedef struct row {
    size_t of; /* job */
    bool evaluate;
    double best; /* seconds, over all calls of the row */
} row;

typedef struct subject {
    job of;
    rhm_model *model;
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1];
    uint16_t *tokens; /* (TRIALS_IN_MEMORY, sequences, s^L) */
    size_t length;    /* s^L */
} subject;

static struct {
    const char *path;
    shapes shapes;
    subject *subjects; /* (shapes.count) */
    row *rows;
} all = {.path = RHM_BENCH_DIR "/shapes/jobs.txt"};

static rhm_status train(subject *s, const rhm_engine *engine, rhm_error *error) {
    const size_t sequences = (size_t)s->of.options.test_samples;
    if (s->model)
        return RHM_OK;
    rhm_status status = rhm_train(&s->model, NULL, engine, s->of.of.grammar, &s->of.options, error);
    if (status == RHM_OK)
        status = rhm_ready_model(s->ready, s->model, error);
    s->length = rhm_grammar_tree(s->of.of.grammar)->leaves[0];
    uint16_t *labels = RHM_NEW(uint16_t, sequences, 1, 1, "labels of a benchmark", error);
    s->tokens = RHM_NEW(uint16_t, TRIALS_IN_MEMORY, sequences, s->length, "sequences of a benchmark", error);
    if (status == RHM_OK && (!labels || !s->tokens))
        status = RHM_NO_MEMORY;
    for (uint64_t t = 0; status == RHM_OK && t < TRIALS_IN_MEMORY; t++)
        rhm_sample_sequences(s->of.of.sampler, rhm_stream(RHM_TEST, 0), t * sequences, sequences,
                             s->tokens + t * sequences * s->length, labels, NULL);
    rhm_free(labels);
    return status;
}

static rhm_status run_batch(const subject *s, const rhm_engine *engine, const rhm_batch *batch, rhm_score *score,
                            uint16_t *labels, rhm_error *error) {
    rhm_outputs outputs = {.labels = labels};
    const rhm_status status = rhm_run_sequences(engine, s->model, s->ready, batch, &outputs, error);
    *score = outputs.score;
    return status;
}

/* One trial, the `turn`-th; labels (sequences) may be NULL. */
static rhm_status trial(const subject *s, const rhm_engine *engine, bool evaluate, uint64_t turn, uint64_t sequences,
                        rhm_score *score, uint16_t *labels, rhm_error *error) {
    if (evaluate) {
        const rhm_grammar_source source = instance_stream(&s->of.of, 0);
        const rhm_batch batch = {rhm_draw_from_grammar, &source, turn * s->of.options.test_samples, sequences,
                                 "benchmark"};
        return run_batch(s, engine, &batch, score, labels, error);
    }
    const rhm_data data = {
        .count = (size_t)sequences,
        .tree = *rhm_grammar_tree(s->of.of.grammar),
        .token_vocab = s->of.of.vocab,
        .label_vocab = s->of.of.vocab,
        .tokens = s->tokens + turn % TRIALS_IN_MEMORY * s->of.options.test_samples * s->length,
    };
    const rhm_data_source source = {&data, 0};
    const rhm_batch batch = {rhm_draw_from_data, &source, 0, sequences, "benchmark"};
    return run_batch(s, engine, &batch, score, labels, error);
}

/* The first labels, and those of the scalar kernels on one thread; the session's engine is another one afterwards. */
static rhm_status verify(const row *r, subject *s, int threads, rhm_error *error) {
    uint16_t labels[2][VERIFIED];
    rhm_score score[2] = {0};
    rhm_engine *engine;
    const uint64_t count = s->of.options.test_samples < VERIFIED ? s->of.options.test_samples : VERIFIED;
    for (int scalar = 0; scalar < 2; scalar++) {
        rhm_status status =
            session_engine(&engine, scalar ? RHM_ISA_SCALAR : instance_isa(), scalar ? 1 : threads, error);
        if (status == RHM_OK)
            status = trial(s, engine, r->evaluate, 0, count, &score[scalar], labels[scalar], error);
        if (status != RHM_OK)
            return status;
    }
    if (memcmp(labels[0], labels[1], sizeof **labels * count) == 0 && score[0].samples == count &&
        (!r->evaluate || (double)score[0].correct >= (s->of.accuracy - 0.05) * (double)count))
        return RHM_OK;
    snprintf(error->text, sizeof error->text,
             "wrong result: labels differ from those of the scalar kernels, or only "
             "%llu of %llu are right",
             (unsigned long long)score[0].correct, (unsigned long long)count);
    return RHM_FAILED;
}

static void report(gb_state *state, const row *r, const subject *s, const rhm_score *last) {
    const double sequences = (double)s->of.options.test_samples;
    gb_items_processed(state, (int64_t)sequences * gb_iterations_done(state));
    gb_counter(state, "best_items_per_second", sequences / r->best, 0);
    gb_counter(state, "flops", last->flops, 0);
    gb_counter(state, "bytes", 2 * sequences * (double)(s->length + 1), 0);
    gb_counter(state, "best_flops_per_second", last->flops / r->best, 0);
    gb_counter(state, "ceiling_flops_per_second", session_ceiling(), 0);
    gb_counter(state, "share", last->flops / r->best / session_ceiling(), 0);
    gb_counter(state, "seconds_sampling", last->sample_seconds, 0);
    gb_counter(state, "seconds_kernels", last->kernel_seconds, 0);
    session_report_placement(state);
    gb_label(state, "sequences, fresh ones each trial");
}

static void run(gb_state *state, void *user) {
    row *r = user;
    subject *s = &all.subjects[r->of];
    const int threads = (int)gb_range(state, 0);
    rhm_error error = {0};
    rhm_engine *engine = NULL;
    rhm_score last = {0};
    rhm_status status = session_engine(&engine, instance_isa(), threads, &error);
    if (status == RHM_OK)
        status = train(s, engine, &error);
    if (status == RHM_OK && gb_run_index(state) == 0) {
        r->best = HUGE_VAL;
        status = verify(r, s, threads, &error);
    }
    if (status == RHM_OK)
        status = session_engine(&engine, instance_isa(), threads, &error);
    uint64_t turn = 1;
    while (status == RHM_OK && gb_keep_running(state)) {
        rhm_score score = {0};
        const double start = session_seconds();
        status = trial(s, engine, r->evaluate, turn++, s->of.options.test_samples, &score, NULL, &error);
        const double seconds = session_seconds() - start;
        gb_set_iteration_time(state, seconds);
        r->best = fmin(r->best, seconds);
        last = score;
        session_ceiling_trial();
    }
    if (status == RHM_OK)
        report(state, r, s, &last);
    else if (status == RHM_UNSUPPORTED)
        gb_skip_message(state, error.text);
    else
        gb_skip_error(state, error.text);
}

static void register_all(void) {
    static const char *const names[] = {"t"};
    int counts[SESSION_THREAD_COUNTS];
    const int n = session_thread_counts(counts, SESSION_THREAD_COUNTS);
    row *r = all.rows;
    for (int evaluate = 0; evaluate < 2; evaluate++)
        for (size_t i = 0; i < all.shapes.count; i++, r++) {
            *r = (row){i, evaluate, 0};
            char name[128];
            snprintf(name, sizeof name, "%s/%s", evaluate ? "evaluate" : "predict", all.subjects[i].of.of.source->name);
            gb_bench *bench = gb_register(name, run, r);
            gb_arg_names(bench, names, 1);
            for (int c = 0; c < n; c++)
                gb_arg(bench, counts[c]);
            gb_use_manual_time(bench);
            gb_measure_process_cpu_time(bench);
            gb_unit(bench, GB_MILLISECOND);
        }
}

static rhm_status prepare(rhm_error *error) {
    rhm_status status = shapes_read(&all.shapes, all.path, job_keys, error);
    if (status != RHM_OK)
        return status;
    all.subjects = calloc(all.shapes.count, sizeof *all.subjects);
    all.rows = calloc(2 * all.shapes.count, sizeof *all.rows);
    if (!all.subjects || !all.rows)
        return RHM_NO_MEMORY;
    for (size_t i = 0; status == RHM_OK && i < all.shapes.count; i++)
        status = job_make(&all.subjects[i].of, &all.shapes, &all.shapes.items[i], error);
    return status;
}

static void clear(void) {
    session_engine_clear();
    for (size_t i = 0; all.subjects && i < all.shapes.count; i++) {
        rhm_free(all.subjects[i].tokens);
        rhm_ready_model_clear(all.subjects[i].ready);
        rhm_model_destroy(all.subjects[i].model);
        job_clear(&all.subjects[i].of);
    }
    free(all.subjects);
    free(all.rows);
    shapes_destroy(&all.shapes);
}

int main(int argc, char **argv) {
    rhm_error error = {0};
    session_take_option(&argc, argv, "--shapes=", &all.path);
    const rhm_status prepared = prepare(&error);
    int status = 2;
    if (prepared == RHM_OK)
        status = session_main(argc, argv, "bench_inference [--shapes=FILE]: sequences through a model", register_all);
    else
        fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : rhm_status_name(prepared));
    clear();
    return status;
}
