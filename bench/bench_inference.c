/*
 * Whole sequences through a trained model, at every thread count, for the models of shapes/jobs.txt (or --shapes=FILE):
 * predict/shape/t   sequences that lie in memory, to labels;
 * evaluate/shape/t  sequences drawn as they are needed, to an accuracy.
 *
 * Items are sequences. A trial takes fresh sequences each time: nothing of them is in the caches, and each distinct
 * subtree of a trial is evaluated once, so that flops differ a little from trial to trial; they are those of the last.
 * The model is trained at the first use, outside the timing. Labels must be those of the scalar kernels, exactly.
 */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "job.h"
#include "model/forward.h"
#include "program.h"

enum { VERIFIED = 256, TRIALS_IN_MEMORY = 8 };

typedef struct subject {
    job of;
    rhm_model *model;
    rhm_ready_layer ready[RHM_MAX_LEVELS + 1];
    uint16_t *tokens; /* (TRIALS_IN_MEMORY, sequences, s^L) */
    size_t length;    /* s^L */
} subject;

typedef struct row {
    subject *of;
    bool evaluate;
} row;

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

typedef struct trials {
    const row *r;
    rhm_engine *engine;
    uint64_t turn;
    rhm_score last;
} trials;

static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    trials *t = state;
    const row *r = t->r = of;
    t->turn = 1;
    RHM_TRY(session_engine(&t->engine, instance_isa(), threads, error));
    RHM_TRY(train(r->of, t->engine, error));
    if (verified)
        RHM_TRY(verify(r, r->of, threads, error));
    return session_engine(&t->engine, instance_isa(), threads, error);
}

static rhm_status timed(void *state, double *seconds, rhm_error *error) {
    trials *t = state;
    const subject *s = t->r->of;
    t->last = (rhm_score){0};
    const double start = rhm_seconds();
    const rhm_status status =
        trial(s, t->engine, t->r->evaluate, t->turn++, s->of.options.test_samples, &t->last, NULL, error);
    *seconds = rhm_seconds() - start;
    return status;
}

static void report(gb_state *gb, const void *state, double best) {
    const trials *t = state;
    const subject *s = t->r->of;
    const double sequences = (double)s->of.options.test_samples;
    gb_items_processed(gb, (int64_t)sequences * gb_iterations_done(gb));
    gb_counter(gb, "best_items_per_second", sequences / best, 0);
    gb_counter(gb, "bytes", 2 * sequences * (double)(s->length + 1), 0);
    program_report_flops(gb, t->last.flops, best);
    gb_counter(gb, "seconds_sampling", t->last.sample_seconds, 0);
    gb_counter(gb, "seconds_kernels", t->last.kernel_seconds, 0);
    session_report_placement(gb);
    gb_label(gb, "sequences, fresh ones each trial");
}

static const program_kind kind = {sizeof(trials), true, prepare, timed, report, NULL};

static void register_problems(void *problems, size_t count) {
    subject *subjects = problems;
    for (int evaluate = 0; evaluate < 2; evaluate++)
        for (size_t i = 0; i < count; i++) {
            const row r = {&subjects[i], evaluate};
            program_add(&kind, &r, sizeof r, "%s/%s", evaluate ? "evaluate" : "predict",
                        subjects[i].of.of.source->name);
        }
}

static rhm_status make_subject(void *problem, const shapes *all, const shape *line, rhm_error *error) {
    return job_make(&((subject *)problem)->of, all, line, error);
}

static void clear_subject(void *problem) {
    subject *s = problem;
    rhm_free(s->tokens);
    rhm_ready_model_clear(s->ready);
    rhm_model_destroy(s->model);
    job_clear(&s->of);
}

int main(int argc, char **argv) {
    const program what = {
        .about = "bench_inference [--shapes=FILE]: sequences through a model",
        .shapes_path = RHM_BENCH_DIR "/shapes/jobs.txt",
        .keys = job_keys,
        .problem_nbytes = sizeof(subject),
        .make = make_subject,
        .clear = clear_subject,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
