#include "learners/cnn/plan.h"

#include <math.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "learners/cnn/descent.h"
#include "learners/cnn/initial.h"
#include "model/cnn.h"
#include "network/tree.h"

static const double ENOUGH_SECONDS = 0.2; /* of steps of a stage */
enum { WARM_UP = 2, MOST_STEPS = 64 };

typedef struct planning {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_cnn_recipe *recipe;
    uint64_t seed;
    rhm_cnn_sequences sequences; /* of one step */
    uint16_t *token, *label;
    float *logits;
} planning;

/* What steps of a stage take, from one with initial parameters. */
static rhm_status time_steps(double *seconds, double *forward_seconds, const planning *p, rhm_network *network,
                             rhm_error *error) {
    const size_t count = rhm_network_batch(network);
    const rhm_network_rule rule = {
        .rate = 1e-6f, .momentum = (float)p->recipe->momentum, .penalty = (float)p->recipe->regulariser};
    rhm_network_result result;
    double begin = 0, took = 0;
    int steps = 0;
    rhm_cnn_sequences_take(&p->sequences, 0, count, rhm_network_layout_of(network)->tokens, p->token, p->label);
    for (int i = 0; i < MOST_STEPS && took < ENOUGH_SECONDS; i++) {
        if (i == WARM_UP) {
            begin = rhm_seconds();
            steps = 0;
        }
        rhm_engine_progress(p->engine, "measuring steps", (uint64_t)i, MOST_STEPS);
        RHM_TRY(rhm_network_step(network, p->token, p->label, count, &rule, &result, error));
        steps++;
        took = i >= WARM_UP ? rhm_seconds() - begin : 0;
    }
    *seconds = took / steps;
    begin = rhm_seconds();
    RHM_TRY(rhm_network_forward(network, p->token, count, p->logits, error));
    *forward_seconds = (rhm_seconds() - begin) / (double)count;
    return RHM_OK;
}

static rhm_status measure(double *step_seconds, double *forward_seconds, const planning *p,
                          const rhm_network_shape *shape, rhm_error *error) {
    rhm_network *network = NULL;
    rhm_network_layout layout;
    RHM_TRY(rhm_network_layout_init(&layout, shape, error));
    RHM_TRY(rhm_cnn_network_make(&network, p->recipe, p->engine, shape, p->sequences.count, error));
    float *parameters = RHM_NEW(float, layout.parameters, 1, 1, "parameters of a network", error);
    rhm_status status = parameters ? RHM_OK : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = rhm_cnn_initial(parameters, p->engine, shape, &layout, p->seed, error);
    if (status == RHM_OK)
        status = rhm_network_load(network, parameters, NULL, error);
    if (status == RHM_OK)
        status = time_steps(step_seconds, forward_seconds, p, network, error);
    rhm_free(parameters);
    rhm_network_free(network);
    return status;
}

/* What of a level's steps ranks can share, where messages with the gradients of its `parameters` allow. */
static void plan_sharing(rhm_plan_level *out, double steps, double chunks, double parameters, double levels) {
    enum { ROUNDS = 3 }; /* outcomes, sums of gradients to those who add them up, totals to all */
    out->shared_fit_seconds = out->fit_seconds;
    out->shared_parts = chunks;
    out->parts_divide = out->shared_if_faster = true;
    out->products = ROUNDS * steps / levels;
    out->product_nbytes = 2 * sizeof(float) * parameters * levels / ROUNDS;
}

/* The levels of a stage: `level` alone, or all of them, which share its time by the multiply-adds of their products. */
static rhm_status plan_stage(rhm_plan_level *out, double *test_seconds, const planning *p, uint32_t level, bool all,
                             rhm_error *error) {
    const uint32_t levels = rhm_problem_tree(p->problem)->levels;
    const double sequences = (double)p->recipe->sequences,
                 batch = (double)rhm_cnn_batch(p->recipe, p->recipe->sequences);
    rhm_network_shape shape;
    rhm_network_layout layout;
    size_t nbytes, fixed_nbytes, sums_nbytes;
    double step = (double)NAN, forward = (double)NAN, sum = 0;
    rhm_cnn_network(&shape, p->recipe, p->problem, level, all ? 1 : p->recipe->positions[level]);
    RHM_TRY(rhm_network_layout_init(&layout, &shape, error));
    RHM_TRY(rhm_network_nbytes(&fixed_nbytes, &sums_nbytes, &shape, 1, error));
    RHM_TRY(rhm_network_nbytes(&nbytes, &sums_nbytes, &shape, (size_t)batch, error));
    if (p->engine)
        RHM_TRY(measure(&step, &forward, p, &shape, error));
    const double tokens = (double)rhm_problem_tree(p->problem)->leaves[0];
    const double kept = p->problem->data ? 4 : 2 * tokens + 6; /* of a sequence: data are there already */
    const double threads = p->engine ? rhm_engine_threads(p->engine) : 1;
    const double held = (double)nbytes + threads * (double)sums_nbytes + 3 * sizeof(float) * (double)layout.parameters +
                        sequences * kept + (p->problem->data ? 0 : 2 * (double)p->problem->test_samples * tokens);
    const size_t chunk = rhm_network_least_chunk(rhm_network_multiply_adds(&shape, &layout));
    const double chunks = (double)rhm_network_tree_of((size_t)batch, chunk).count;
    for (uint32_t k = 1; k <= shape.levels; k++)
        sum += rhm_cnn_products(&shape, &layout, k);
    for (uint32_t l = all ? 1 : level; l <= (all ? levels : level); l++) {
        const uint32_t k = l - level + 1;
        const double share = all ? rhm_cnn_products(&shape, &layout, k) / sum : 1;
        out[l].nbytes = held + rhm_retained_nbytes(held);
        out[l].epochs = (double)p->recipe->epochs;
        out[l].epoch_seconds = ceil(sequences / batch) * step * share;
        out[l].fit_seconds = out[l].epochs * out[l].epoch_seconds;
        out[l].divided_nbytes = (double)(nbytes - fixed_nbytes);
        out[l].shared_nbytes = 2 * sizeof(float) * (double)layout.parameters;
        const size_t after = k > 1 ? layout.weights[k - 1] : layout.parameters;
        plan_sharing(&out[l], out[l].epochs * ceil(sequences / batch), chunks, (double)(after - layout.weights[k]),
                     all ? levels : 1);
    }
    if (level == 1)
        *test_seconds = forward * (double)p->problem->test_samples;
    return RHM_OK;
}

/* The sequences of one step. */
static rhm_status open_step(planning *p, const rhm_cnn_recipe *recipe, double *draw_seconds, rhm_error *error) {
    rhm_cnn_recipe step = *recipe;
    const double begin = rhm_seconds();
    step.sequences = rhm_cnn_batch(recipe, (size_t)recipe->sequences);
    if (!p->problem->data)
        step.sampling = RHM_SEQUENCES_REPEATED;
    RHM_TRY(rhm_cnn_sequences_open(&p->sequences, p->engine, p->problem, &step, p->seed, error));
    RHM_TRY(rhm_cnn_sequences_turn(&p->sequences, 0, error));
    *draw_seconds = (rhm_seconds() - begin) * (double)recipe->sequences / (double)step.sequences;
    p->token = RHM_NEW(uint16_t, p->sequences.count, p->sequences.tokens, 1, "sequences of a step", error);
    p->label = p->token ? RHM_NEW(uint16_t, p->sequences.count, 1, 1, "labels of a step", error) : NULL;
    p->logits =
        p->label ? RHM_NEW(float, p->sequences.count, rhm_problem_classes(p->problem), 1, "logits", error) : NULL;
    return p->logits ? RHM_OK : RHM_NO_MEMORY;
}

static rhm_status plan_stages(rhm_plan_level *out, double *test_seconds, const planning *p, rhm_error *error) {
    if (p->recipe->schedule == RHM_END_TO_END)
        return plan_stage(out, test_seconds, p, 1, true, error);
    for (uint32_t level = rhm_problem_tree(p->problem)->levels; level >= 1; level--)
        RHM_TRY(plan_stage(out, test_seconds, p, level, false, error));
    return RHM_OK;
}

rhm_status rhm_cnn_plan(rhm_plan_level *out, double *test_seconds, const rhm_engine *engine, const rhm_problem *problem,
                        const rhm_train_options *options, rhm_error *error) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    rhm_cnn_recipe recipe;
    double draw_seconds = (double)NAN;
    RHM_TRY(rhm_cnn_recipe_make(&recipe, problem, options, error));
    RHM_TRY(rhm_cnn_sequences_count(&recipe, problem, options, error));
    planning p = {.engine = engine, .problem = problem, .recipe = &recipe, .seed = options->seed};
    *test_seconds = (double)NAN;
    for (uint32_t l = 1; l <= tree->levels; l++)
        out[l] = (rhm_plan_level){.level = l,
                                  .positions = (uint32_t)recipe.positions[l],
                                  .draw = RHM_DRAW_SAMPLES,
                                  .kept_share = 1,
                                  .first_samples = (double)recipe.sequences,
                                  .wanted_samples = (double)NAN,
                                  .samples = (double)recipe.sequences,
                                  .possible = (double)NAN,
                                  .distinct = (double)NAN,
                                  .width = (uint32_t)recipe.width[l],
                                  .gap = (double)NAN,
                                  .fits = 1};
    rhm_status status = engine ? open_step(&p, &recipe, &draw_seconds, error) : RHM_OK;
    if (status == RHM_OK)
        status = plan_stages(out, test_seconds, &p, error);
    out[tree->levels].draw_seconds = draw_seconds;
    rhm_free(p.token);
    rhm_free(p.label);
    rhm_free(p.logits);
    rhm_cnn_sequences_close(&p.sequences);
    return status;
}
