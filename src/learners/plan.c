#include "rhm/plan.h"

#include <math.h>
#include <stdio.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "learners/learner.h"
#include "learners/stand_in.h"

static rhm_status plan_learning(rhm_training_plan *out, const rhm_engine *engine, const rhm_learning *learning,
                                double base_nbytes, rhm_error *error) {
    const struct rhm_learner *learner = learning->learner;
    *out = (rhm_training_plan){.learner = learner->info.name,
                               .levels = learning->levels,
                               .base_nbytes = base_nbytes,
                               .spread = learner->spread | RHM_SPREAD_TEST,
                               .threads = engine ? rhm_engine_describe(engine).threads : 0,
                               .test_samples = learning->problem.test_samples};
    if (engine) {
        const rhm_engine_info info = rhm_engine_describe(engine);
        snprintf(out->cpu, sizeof out->cpu, "%s", info.cpu);
        snprintf(out->isa, sizeof out->isa, "%s", info.isa);
    }
    /* Other ranks may be elsewhere: what is measured is this one's threads. */
    if (engine)
        engine = rhm_engine_alone(engine);
    /* What is measured here is not in the trace of what is planned, or was done before. */
    const int span = engine ? rhm_trace_begin(engine, "measure ceilings", 0) : 0;
    if (engine)
        rhm_trace_pause(engine);
    const rhm_status status =
        learner->plan(out->level, &out->test_seconds, engine, &learning->problem, &learning->options, error);
    if (engine) {
        rhm_trace_resume(engine);
        rhm_trace_end(engine, span, (rhm_span_work){0});
    }
    return status;
}

rhm_status rhm_plan_training(rhm_training_plan *out, const rhm_engine *engine, const rhm_grammar *grammar,
                             const rhm_train_options *options, double base_nbytes, rhm_error *error) {
    rhm_learning learning;
    *out = (rhm_training_plan){0};
    RHM_TRY(rhm_learning_of_grammar(&learning, grammar, options, error));
    return plan_learning(out, engine, &learning, base_nbytes, error);
}

rhm_status rhm_plan_training_data(rhm_training_plan *out, const rhm_engine *engine, const rhm_data *data,
                                  const uint32_t *parents, const rhm_train_options *options, double base_nbytes,
                                  rhm_error *error) {
    rhm_learning learning;
    rhm_grammar *stand_in = NULL;
    *out = (rhm_training_plan){0};
    RHM_TRY(rhm_learning_of_data(&learning, data, parents, options, error));
    if (!learning.problem.grammar) {
        RHM_TRY(rhm_stand_in_draw(&stand_in, &learning.problem, error));
        learning.problem.grammar = stand_in;
    }
    const rhm_status status = plan_learning(out, engine, &learning, base_nbytes, error);
    out->sequences = data->count;
    out->stand_in = stand_in != NULL;
    rhm_grammar_destroy(stand_in);
    return status;
}

double rhm_plan_level_seconds(const rhm_training_plan *plan, uint32_t level) {
    const rhm_plan_level *s = &plan->level[level];
    return s->draw_seconds + s->embed_seconds + s->fit_seconds + s->messages.seconds;
}

double rhm_plan_seconds(const rhm_training_plan *plan) {
    double sum = plan->test_seconds;
    for (uint32_t level = 1; level <= plan->levels; level++)
        sum += rhm_plan_level_seconds(plan, level);
    return sum;
}

double rhm_plan_samples(const rhm_training_plan *plan) {
    double sum = 0;
    for (uint32_t level = 1; level <= plan->levels; level++)
        sum += plan->level[level].samples;
    return sum;
}

double rhm_plan_nbytes(const rhm_training_plan *plan) {
    double most = 0;
    for (uint32_t level = 1; level <= plan->levels; level++)
        most = fmax(most, plan->level[level].nbytes);
    return most + plan->base_nbytes;
}
