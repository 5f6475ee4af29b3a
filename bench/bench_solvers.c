/*
 * The ridge regression of a level in every way there is to solve it, for the regressions of shapes/solvers.txt (or
 * --shapes=FILE), with the widest instruction set of the machine:
 *   product/shape/way/t   one C w: passes (features made in cache), kept (features kept in memory), gram
 *   form/shape/gram/t     the Gram matrix
 *   ridges/shape/way/t    four ridges at one bandwidth to a residual of 1e-4, all that they need included (features or
 *                         Gram matrix once); also by gradient descent and by Cholesky factorisation
 * The label of a `ridges` row says what the rule of linear/plan.h chooses for that regression.
 *
 * Patches are pairs of noisy symbols and labels depend on the symbols, so that spectra are those of training: solvers
 * take as many iterations as there. Every solution's residual is measured by passes before anything is timed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/gaussian.h"
#include "core/memory.h"
#include "core/philox.h"
#include "engine/engine.h"
#include "learners/layerwise/design.h"
#include "linear/solve.h"
#include "linear/solvers.h"
#include "program.h"

enum { RIDGES = 4, ROWS_OF_TABLE = 4096, STREAM = 1 << 16, SEED = 1 };

static const double TOLERANCE = 1e-4;

typedef enum work { PRODUCT, FORM, SOLVE, WORKS } work;
typedef enum way { PASSES, KEPT, GRAM, DESCENT, CHOLESKY, WAYS } way;

static const char *const work_names[] = {"product", "form", "ridges"};
static const char *const way_names[] = {"passes", "kept", "gram", "gd", "cholesky"};

typedef struct instance {
    const shape *source;
    size_t vocab, branching, width, patches, rules;
    bool others;
    rhm_embeddings inputs;
    rhm_intern tuples;
    rhm_patch_counts counts;
    uint64_t samples;
    struct rhm_layer layer;
    rhm_ready_layer ready;
} instance;

/* Which ways a work has. */
static bool exists(const instance *p, work what, way how) {
    return (what == SOLVE && (how <= GRAM || p->others)) || (what == PRODUCT && how <= GRAM) ||
           (what == FORM && how == GRAM);
}

typedef struct row {
    instance *of;
    work what;
    way how;
} row;

/* ------------------------------------------------------------------------------------------------------- instances */

static double uniform(rhm_random *random) {
    return (double)rhm_random_word(random) * 0x1p-32 - 0.5;
}

/* Row i of the table is symbol i mod V with a little noise, as the outputs of a level below are. */
static rhm_status make_table(instance *p, rhm_random *random, rhm_error *error) {
    const size_t v = p->vocab;
    float *symbol = RHM_NEW(float, v, v, 1, "symbols of a benchmark", error);
    p->inputs = (rhm_embeddings){.count = ROWS_OF_TABLE, .capacity = ROWS_OF_TABLE, .width = v};
    p->inputs.row = RHM_NEW(float, ROWS_OF_TABLE, v, 1, "table of a benchmark", error);
    if (symbol && p->inputs.row) {
        for (size_t i = 0; i < v * v; i++)
            symbol[i] = (float)(0.5 * uniform(random));
        for (size_t i = 0; i < ROWS_OF_TABLE * v; i++)
            p->inputs.row[i] = symbol[i / v % v * v + i % v] + (float)(0.02 * uniform(random));
    }
    rhm_free(symbol);
    return symbol && p->inputs.row ? RHM_OK : RHM_NO_MEMORY;
}

/* Patches of V x rules of the V^2 pairs of symbols that start a patch; each counted a few times, with one label. */
static rhm_status make_patches(instance *p, rhm_random *random, rhm_error *error) {
    const size_t n = p->patches, v = p->vocab;
    p->counts.offset = RHM_NEW(size_t, n + 1, 1, 1, "counts of a benchmark", error);
    p->counts.label = RHM_NEW(uint32_t, n, 1, 1, "counts of a benchmark", error);
    p->counts.count = RHM_NEW(uint64_t, n, 1, 1, "counts of a benchmark", error);
    if (!p->counts.offset || !p->counts.label || !p->counts.count)
        return RHM_NO_MEMORY;
    RHM_TRY(rhm_intern_init(&p->tuples, (uint32_t)p->branching, 0, error));
    while (p->tuples.count < n) {
        uint32_t tuple[RHM_MAX_BRANCHING], id;
        for (size_t t = 0; t < p->branching; t++)
            tuple[t] = rhm_random_below(random, ROWS_OF_TABLE);
        const size_t first = tuple[0] % v, second = tuple[1] % v;
        bool added;
        if ((second + v - first) % v >= p->rules)
            continue;
        RHM_TRY(rhm_intern_add(&p->tuples, tuple, &id, &added, error));
        if (!added)
            continue;
        p->counts.offset[id + 1] = id + 1;
        p->counts.label[id] = (uint32_t)((first * 3 + second * 5) % v);
        p->counts.count[id] = 1 + rhm_random_below(random, 3);
        p->samples += p->counts.count[id];
    }
    return RHM_OK;
}

static rhm_status make_instance(void *problem, const shapes *all, const shape *source, rhm_error *error) {
    instance *p = problem;
    const struct {
        const char *key;
        int64_t low, high;
        size_t *value;
    } sizes[] = {{"vocab", 2, 1024, &p->vocab},
                 {"branching", 2, RHM_MAX_BRANCHING, &p->branching},
                 {"width", 1, RHM_GRAM_MOST_WIDTH, &p->width},
                 {"patches", 1, 1 << 20, &p->patches},
                 {"rules", 1, 1024, &p->rules}};
    *p = (instance){.source = source};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t value;
        RHM_TRY(shape_value(all, source, sizes[i].key, sizes[i].low, sizes[i].high, &value, error));
        *sizes[i].value = (size_t)value;
    }
    int64_t others;
    p->others = shape_find(source, "others", &others) && others;
    rhm_random random = {.seed = SEED, .stream = STREAM};
    RHM_TRY(make_table(p, &random, error));
    RHM_TRY(make_patches(p, &random, error));
    const double bandwidth = 0.3;
    p->layer = (struct rhm_layer){
        .tokens = (uint32_t)p->branching,
        .embedding = (uint32_t)p->vocab,
        .classes = (uint32_t)p->vocab,
        .width = (uint32_t)p->width,
        .bandwidth = bandwidth,
    };
    RHM_TRY(rhm_layer_alloc(&p->layer, error));
    for (size_t i = 0; i < p->width * p->branching * p->vocab; i++)
        p->layer.frequencies[i] = (float)(rhm_gaussian(SEED, STREAM, i) / bandwidth);
    return rhm_ready_layer_make(&p->ready, &p->layer, false, error);
}

static void clear_instance(void *problem) {
    instance *p = problem;
    rhm_embeddings_clear(&p->inputs);
    rhm_intern_destroy(&p->tuples);
    rhm_patch_counts_clear(&p->counts);
    rhm_layer_clear(&p->layer);
    rhm_ready_layer_clear(&p->ready);
}

/* ------------------------------------------------------------------------------------------------------------ work */

/* A regression, its right-hand side, and a solution for each ridge. */
typedef struct solving {
    const row *r;
    rhm_normal *normal;
    double *target;
    double *w[RIDGES];
    rhm_solve_result result[RIDGES];
    double flops; /* of the timed part */
    rhm_engine *engine;
} solving;

static double ridge_at(const instance *p, int i) {
    return 0.1 / ((double)(p->vocab * p->rules) * pow(3.2, i));
}

static rhm_status open_normal(rhm_normal **normal, const instance *p, const rhm_engine *engine, rhm_route route,
                              bool cache, rhm_error *error) {
    const rhm_linear_data data = rhm_design_data(&p->ready, &p->inputs, &p->tuples, &p->counts, p->samples);
    return rhm_normal_create(normal, engine, &data, route, cache ? SIZE_MAX : 0, error);
}

static rhm_status solve_ridges(solving *s, rhm_error *error) {
    static const rhm_solver solvers[WAYS] = {RHM_CG, RHM_CG, RHM_CG, RHM_GD, RHM_CHOLESKY};
    for (int i = 0; i < RIDGES; i++) {
        const rhm_solve_options options = {
            .solver = solvers[s->r->how], .lambda = ridge_at(s->r->of, i), .tolerance = TOLERANCE};
        memset(s->w[i], 0, sizeof(double) * rhm_normal_size(s->normal));
        RHM_TRY(rhm_solve(s->normal, &options, s->target, s->w[i], &s->result[i], error));
    }
    return RHM_OK;
}

/* The regression with its right-hand side and, for `matrix`, what the way keeps. */
static rhm_status start(solving *s, const rhm_engine *engine, bool matrix, rhm_error *error) {
    const row *r = s->r;
    const bool keep = r->how == KEPT || r->how == DESCENT || r->how == CHOLESKY;
    RHM_TRY(open_normal(&s->normal, r->of, engine, r->how == GRAM ? RHM_ROUTE_GRAM : RHM_ROUTE_PASSES, keep, error));
    const size_t size = rhm_normal_size(s->normal);
    if (!s->target && !(s->target = RHM_NEW(double, size, RIDGES + 1, 1, "solutions of a benchmark", error)))
        return RHM_NO_MEMORY;
    for (int i = 0; i < RIDGES; i++)
        s->w[i] = s->target + (size_t)(i + 1) * size;
    RHM_TRY(rhm_normal_right_hand_side(s->normal, s->target, error));
    return matrix ? rhm_normal_prepare(s->normal, error) : RHM_OK;
}

/* One trial. Products are taken of one regression again and again; all else starts anew. */
static rhm_status run_once(void *context, double *seconds, rhm_error *error) {
    solving *s = context;
    const work what = s->r->what;
    rhm_engine *engine = s->engine;
    if (what != PRODUCT) {
        rhm_normal_destroy(s->normal);
        s->normal = NULL;
    }
    if (what == FORM)
        RHM_TRY(start(s, engine, false, error));
    const double before = s->normal ? s->normal->flops : 0, begin = rhm_seconds();
    if (what == PRODUCT)
        RHM_TRY(rhm_normal_apply(s->normal, s->target, s->w[0], error));
    if (what == FORM)
        RHM_TRY(rhm_normal_prepare(s->normal, error));
    if (what == SOLVE) {
        RHM_TRY(start(s, engine, true, error));
        RHM_TRY(solve_ridges(s, error));
    }
    *seconds = rhm_seconds() - begin;
    s->flops = s->normal->flops - before;
    return RHM_OK;
}

/* The result against passes over recomputed features. */
static rhm_status verify(solving *s, const rhm_engine *engine, rhm_error *error) {
    rhm_normal *passes = NULL;
    const size_t size = rhm_normal_size(s->normal);
    double *out = RHM_NEW(double, size, 1, 1, "check of a benchmark", error);
    rhm_status status = out ? open_normal(&passes, s->r->of, engine, RHM_ROUTE_PASSES, false, error) : RHM_NO_MEMORY;
    for (int i = 0; i < (s->r->what == SOLVE ? RIDGES : 1) && status == RHM_OK; i++) {
        const bool solved = s->r->what == SOLVE;
        double off = 0, all_of_it = 0;
        if (s->r->what == FORM) /* two products must agree */
            status = rhm_normal_apply(s->normal, s->target, s->w[0], error);
        if (status == RHM_OK)
            status = rhm_normal_apply(passes, solved ? s->w[i] : s->target, out, error);
        for (size_t k = 0; k < size; k++) {
            const double want = solved ? s->target[k] - ridge_at(s->r->of, i) * s->w[i][k] : s->w[0][k];
            off += (out[k] - want) * (out[k] - want);
            all_of_it += solved ? s->target[k] * s->target[k] : out[k] * out[k];
        }
        const double most = solved ? 1.2 * TOLERANCE + 2e-6 : 2e-6;
        if (status == RHM_OK && !(sqrt(off / all_of_it) <= most))
            status =
                rhm_fail(error, RHM_FAILED, "wrong result: off by %.3g, allowed are %.3g", sqrt(off / all_of_it), most);
    }
    rhm_normal_destroy(passes);
    rhm_free(out);
    return status;
}

static rhm_status prepare(void *state, void *of, int threads, bool verified, rhm_error *error) {
    solving *s = state;
    const row *r = s->r = of;
    double seconds;
    RHM_TRY(session_engine(&s->engine, rhm_isa_here(), threads, error));
    if (r->what != SOLVE)
        RHM_TRY(start(s, s->engine, r->what == PRODUCT, error));
    if (!verified)
        return RHM_OK;
    RHM_TRY(run_once(s, &seconds, error));
    return verify(s, s->engine, error);
}

static void clear(void *state) {
    solving *s = state;
    rhm_normal_destroy(s->normal);
    rhm_free(s->target);
}

static void report(gb_state *gb, const void *state, double best) {
    const solving *s = state;
    const row *r = s->r;
    const instance *p = r->of;
    gb_counter(gb, "best_seconds", best, 0);
    program_report_flops(gb, s->flops, best);
    if (r->what != SOLVE)
        return;
    double steps = 0;
    for (int i = 0; i < RIDGES; i++)
        steps += s->result[i].iterations;
    gb_counter(gb, "steps", steps, 0);
    const rhm_route_sizes sizes = {
        .patches = (double)p->patches,
        .width = (double)p->width,
        .classes = (double)p->vocab,
        .inputs = (double)(p->branching * p->vocab),
        .products = rhm_solver_products(RHM_CG, RIDGES),
    };
    gb_label(gb, rhm_route_choose(&sizes) == RHM_ROUTE_GRAM ? "the rule takes gram" : "the rule takes passes");
}

/* Between products, which are short, a ceiling would be measured more often than they are. */
static const program_kind kind = {sizeof(solving), true, prepare, run_once, report, clear},
                          products = {sizeof(solving), false, prepare, run_once, report, clear};

static void register_problems(void *problems, size_t count) {
    instance *instances = problems;
    for (int what = 0; what < WORKS; what++)
        for (size_t i = 0; i < count; i++)
            for (int how = 0; how < WAYS; how++) {
                const row r = {&instances[i], (work)what, (way)how};
                if (exists(r.of, r.what, r.how))
                    program_add(what == PRODUCT ? &products : &kind, &r, sizeof r, "%s/%s/%s", work_names[what],
                                r.of->source->name, way_names[how]);
            }
}

int main(int argc, char **argv) {
    static const char *const keys[] = {"vocab", "branching", "width", "patches", "rules", "others", NULL};
    const program what = {
        .about = "bench_solvers [--shapes=FILE]: the regression of a level",
        .shapes_path = RHM_BENCH_DIR "/shapes/solvers.txt",
        .keys = keys,
        .problem_nbytes = sizeof(instance),
        .make = make_instance,
        .clear = clear_instance,
        .register_problems = register_problems,
    };
    return program_main(argc, argv, &what);
}
