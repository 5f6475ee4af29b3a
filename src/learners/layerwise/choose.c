#include "learners/layerwise/choose.h"

#include "core/fail.h"
#include "learners/layerwise/positions.h"
#include "learners/layerwise/watch.h"

static rhm_outcome outcome_of(const rhm_fit *fit) {
    return (rhm_outcome){
        .iterations = fit->solve.iterations,
        .route = fit->route,
        .loss = fit->loss,
        .accuracy = fit->accuracy,
        .evidence = fit->evidence,
        .clusters = fit->clusters,
    };
}

static rhm_status see(rhm_search_seen *out, const rhm_stage *stage, double deadline, rhm_error *error) {
    bool late;
    RHM_TRY(rhm_stage_late(&late, stage, deadline, error));
    *out = (rhm_search_seen){
        .samples = (double)stage->training.patches.samples,
        .distinct = (double)rhm_patches_distinct(&stage->training.patches),
        .held_out_distinct = (double)rhm_patches_distinct(&stage->validation.patches),
        .late = late,
    };
    return RHM_OK;
}

/* Do what the search asks for and tell it what came out; the best fit is kept. */
static rhm_status step(rhm_stage *stage, const rhm_search_problem *problem, double deadline, rhm_error *error) {
    rhm_search *search = &stage->search;
    rhm_fit *best = &stage->best;
    const rhm_search_request *ask = &search->request;
    if (ask->action == RHM_SEARCH_DRAW) {
        RHM_TRY(rhm_stage_draw(stage, ask->samples, ask->held_out, error));
        rhm_search_seen seen;
        RHM_TRY(see(&seen, stage, deadline, error));
        rhm_search_next(search, problem, &seen);
        /* A search that begins anew has no best fit; neither has a checkpoint, which may be written before the next. */
        if (!search->fitted)
            rhm_fit_clear(best);
        return RHM_OK;
    }
    rhm_fit fit;
    stage->solves = ask->solves;
    stage->most_iterations = ask->iterations;
    RHM_TRY(rhm_stage_fit(stage, ask->width, ask->bandwidth, ask->ridge, &fit, error));
    rhm_search_seen seen;
    const rhm_status status = see(&seen, stage, deadline, error);
    if (status != RHM_OK) {
        rhm_fit_clear(&fit);
        return status;
    }
    seen.fit = outcome_of(&fit);
    rhm_search_next(search, problem, &seen);
    if (search->keep) {
        rhm_fit_clear(best);
        *best = fit;
    } else {
        rhm_fit_clear(&fit);
    }
    return RHM_OK;
}

rhm_status rhm_choose(rhm_choice *out, rhm_stage *stage, double separation, double deadline, rhm_error *error) {
    const rhm_search_problem problem = {
        .task = stage->task,
        .options = stage->options,
        .level = stage->level,
        .draw = stage->training.draw,
        .available = stage->training.stream.available,
        .held_out_available = stage->validation.stream.available,
        .separation = separation,
        .spent = stage->costs.earlier_work,
        .positions_left = rhm_positions_more(stage->task, stage->options, stage->level, stage->costs.positions) > 0,
    };
    rhm_search *search = &stage->search;
    *out = (rhm_choice){0};
    if (stage->searching)
        RHM_TRY(rhm_stage_restore(stage, error));
    else
        rhm_search_begin(search, &problem);
    stage->searching = true;
    while (search->request.action != RHM_SEARCH_END) {
        RHM_TRY(step(stage, &problem, deadline, error));
        rhm_watch_work(stage->watch, stage->costs.earlier_work + search->work);
        rhm_stage_offer(stage);
    }
    out->resolved = rhm_search_resolved(search, &problem);
    out->apart = rhm_search_apart(search, &problem);
    out->work = stage->costs.earlier_work + search->work;
    out->foreseen = search->foreseen;
    out->allowed = stage->costs.earlier_work + search->allowed;
    rhm_search_limit(search, &problem, out->limit);
    return RHM_OK;
}
