/*
 * Ids of patches at every instruction set and thread count, for the shapes of shapes/ids.txt (or --shapes=FILE):
 * look_up/shape/isa/t   ids of the level above, items are patches; pairs/shape/isa/t   siblings counted beside each
 * other, items are families of two.
 *
 * Threads work on ids of their own: half a second-level cache of them. So the ceiling is the rate at which all threads
 * load from that cache, as src/ceilings measures it, in alternation with the row; bytes are those read and written, the
 * tables, which stay in the caches, aside.
 */
#include <math.h>
#include <string.h>

#include "ceilings/ceilings.h"
#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/parallel.h"
#include "kernels/ids.h"
#include "program.h"

enum { TRIAL_PATCHES = 1 << 20, SIBLINGS = 2 };

typedef enum work { LOOK_UP, PAIRS, WORKS } work;

typedef struct problem {
    const shape *source;
    size_t patches; /* that occur */
    rhm_id_table table;
} problem;

typedef struct row {
    problem *of;
    work what;
    rhm_isa isa;
} row;

typedef struct trial {
    const row *r;
    rhm_engine *engine;
    rhm_ceilings_trial *ceiling;
    uint64_t rounds; /* of the ceiling's trial */
    double most;     /* bytes a second, of the best of these trials */
    rhm_id_ops ops;
    size_t threads, items, calls; /* items of a call, calls of a thread */
    uint16_t *input, *output;     /* (threads, items, words), (threads, items) */
    uint32_t *count;              /* (threads, copies, patches, patches) */
    size_t words, copies, cells;
} trial;

static void work_once(const trial *t, const rhm_id_ops *ops, size_t thread) {
    const uint16_t *input = t->input + thread * t->items * t->words;
    if (t->r->what == LOOK_UP)
        ops->look_up(&t->r->of->table, input, t->items, t->output + thread * t->items);
    else
        ops->count_pairs(input, t->items, SIBLINGS, 0, 1, t->r->of->patches, t->copies, t->count + thread * t->cells);
}

static rhm_status lane(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const trial *t = context;
    for (size_t i = 0; i < t->calls; i++)
        work_once(t, &t->ops, chunk);
    return RHM_OK;
}

static rhm_status run_trial(void *context, double *seconds, rhm_error *error) {
    trial *t = context;
    const double start = rhm_seconds();
    RHM_TRY(rhm_parallel(t->engine, t->threads, lane, t, error));
    *seconds = rhm_seconds() - start;
    const double ceiling = rhm_ceilings_trial_run(t->ceiling, t->rounds);
    t->most = fmax(t->most, rhm_ceilings_trial_work(t->ceiling) * (double)t->rounds / ceiling);
    return RHM_OK;
}

static double nbytes_of(const trial *t) {
    const double each = 2 * (double)t->words + (t->r->what == LOOK_UP ? 2 : 0);
    return each * (double)t->items * (double)t->calls * (double)t->threads;
}

static rhm_status make_trial(trial *t, rhm_error *error) {
    const problem *p = t->r->of;
    rhm_random random = {.seed = 1, .stream = 1 << 20};
    t->words = t->r->what == LOOK_UP ? p->table.words : SIBLINGS;
    t->items = (size_t)(session_l2_nbytes() / 2) / (2 * (t->words + 1));
    t->calls = TRIAL_PATCHES / t->items + 1;
    t->copies = p->patches <= 64 ? RHM_PAIR_COPIES : 1;
    t->cells = t->copies * p->patches * p->patches;
    t->input = RHM_NEW(uint16_t, t->threads, t->items, t->words, "ids of a benchmark", error);
    t->output = RHM_NEW(uint16_t, t->threads, t->items, 1, "ids of a benchmark", error);
    t->count = RHM_NEW(uint32_t, t->threads, t->cells, 1, "counts of a benchmark", error);
    if (!t->input || !t->output || !t->count)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < t->threads * t->items * t->words; i++)
        t->input[i] =
            (uint16_t)rhm_random_below(&random, t->r->what == LOOK_UP ? p->table.inputs : (uint32_t)p->patches);
    RHM_TRY(rhm_ceilings_trial_bandwidth(&t->ceiling, t->engine, CEILINGS_LOAD, CEILINGS_L2, error));
    t->rounds = rhm_ceilings_trial_rounds(t->ceiling);
    return RHM_OK;
}

/* What the reference makes of it. */
static rhm_status verify(const trial *t, rhm_error *error) {
    const rhm_id_ops reference = rhm_id_ops_at(RHM_ISA_SCALAR);
    const size_t n = t->r->what == LOOK_UP ? sizeof *t->output * t->items : sizeof *t->count * t->cells;
    void *have = t->r->what == LOOK_UP ? (void *)t->output : t->count;
    uint8_t *kept = RHM_NEW(uint8_t, n, 1, 1, "results of a benchmark", error);
    if (!kept)
        return RHM_NO_MEMORY;
    work_once(t, &t->ops, 0);
    memcpy(kept, have, n);
    memset(have, 0, n);
    work_once(t, &reference, 0);
    const bool same = memcmp(kept, have, n) == 0;
    rhm_free(kept);
    return same ? RHM_OK : rhm_fail(error, RHM_FAILED, "wrong result: it differs from that of the reference");
}

static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    trial *t = state;
    t->r = of;
    t->threads = (size_t)threads;
    t->ops = rhm_id_ops_at(t->r->isa);
    RHM_TRY(session_engine(&t->engine, t->r->isa, threads, error));
    RHM_TRY(make_trial(t, error));
    return verified ? verify(t, error) : RHM_OK;
}

static void clear(void *state) {
    trial *t = state;
    rhm_ceilings_trial_destroy(t->ceiling);
    rhm_free(t->input);
    rhm_free(t->output);
    rhm_free(t->count);
}

static void report(gb_state *gb, const void *state, double best) {
    const trial *t = state;
    const double bytes = nbytes_of(t), items = (double)t->items * (double)t->calls * (double)t->threads;
    gb_items_processed(gb, (int64_t)items * gb_iterations_done(gb));
    gb_counter(gb, "bytes", bytes, 0);
    gb_counter(gb, "best_items_per_second", items / best, 0);
    gb_counter(gb, "best_bytes_per_second", bytes / best, 0);
    gb_counter(gb, "ceiling_bytes_per_second", t->most, 0);
    gb_counter(gb, "share", bytes / best / t->most, 0);
    session_report_placement(gb);
    gb_label(gb, t->r->what == LOOK_UP ? "patches" : "families");
}

static const program_kind kind = {sizeof(trial), false, prepare, run_trial, report, clear};

static void register_problems(void *problems, size_t count) {
    static const char *const kinds[] = {"look_up", "pairs"};
    problem *p = problems;
    for (int what = 0; what < WORKS; what++)
        for (size_t i = 0; i < count; i++)
            for (int isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++) {
                const row r = {.of = &p[i], .what = (work)what, .isa = (rhm_isa)isa};
                program_add(&kind, &r, sizeof r, "%s/%s/%s", kinds[what], p[i].source->name, rhm_isa_name(r.isa));
            }
}

static rhm_status make_problem(void *out, const shapes *all, const shape *line, rhm_error *error) {
    problem *p = out;
    int64_t vocab = 0, branching = 0, patches = 0;
    RHM_TRY(shape_value(all, line, "vocab", 1, RHM_ID_POSSIBLE, &vocab, error));
    RHM_TRY(shape_value(all, line, "branching", 1, 8, &branching, error));
    RHM_TRY(shape_value(all, line, "patches", 1, 1 << 12, &patches, error));
    if (rhm_id_possible((size_t)branching, (uint32_t)vocab) == 0)
        return rhm_fail(error, RHM_INVALID, "%s: more than %d patches are possible", line->name, RHM_ID_POSSIBLE);
    p->source = line;
    p->patches = (size_t)patches;
    RHM_TRY(rhm_id_table_init(&p->table, (size_t)branching, (uint32_t)vocab, error));
    for (size_t i = 0; i < p->table.possible; i++)
        p->table.entry[i] = (uint16_t)(i * 7 % (size_t)vocab);
    rhm_id_table_seal(&p->table);
    return RHM_OK;
}

static void clear_problem(void *p) {
    rhm_id_table_clear(&((problem *)p)->table);
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "branching", "patches", NULL};
    const program what = {
        .about = "bench_ids [--shapes=FILE]: ids of patches, and siblings counted",
        .shapes_path = RHM_BENCH_DIR "/shapes/ids.txt",
        .keys = keys,
        .problem_nbytes = sizeof(problem),
        .make = make_problem,
        .clear = clear_problem,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
