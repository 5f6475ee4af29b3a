#include "rhm/plan.h"

#include <math.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "engine/spread.h"
#include "engine/trace.h"
#include "learners/learner.h"
#include "training/options.h"

rhm_status rhm_plan_training(rhm_training_plan *out, const rhm_engine *engine, const rhm_grammar *grammar,
                             const rhm_train_options *options, double base_nbytes, rhm_error *error) {
    const struct rhm_learner *learner;
    rhm_train_options resolved;
    *out = (rhm_training_plan){.levels = rhm_grammar_shape(grammar)->levels, .base_nbytes = base_nbytes};
    RHM_TRY(rhm_learner_find(&learner, options ? options->learner : NULL, error));
    out->learner = learner->info.name;
    out->spread = learner->spread | RHM_SPREAD_TEST;
    out->threads = engine ? rhm_engine_describe(engine).threads : 0;
    RHM_TRY(rhm_train_options_check(options, &learner->info, out->levels, error));
    RHM_TRY(rhm_train_options_resolve(&resolved, options, out->levels, error));
    /* Other ranks may be elsewhere: what is measured is this one's threads. */
    if (engine)
        engine = rhm_engine_alone(engine);
    /* What is measured here is not in the trace of what is planned, or was done before. */
    const int span = engine ? rhm_trace_begin(engine, "measure ceilings", 0) : 0;
    if (engine)
        rhm_trace_pause(engine);
    const rhm_status status = learner->plan(out->level, &out->test_seconds, engine, grammar, &resolved, error);
    if (engine) {
        rhm_trace_resume(engine);
        rhm_trace_end(engine, span, (rhm_span_work){0});
    }
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
