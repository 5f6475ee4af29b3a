/* Sequences through a model on several ranks: ranges of their numbers. */
#include "core/fail.h"
#include "core/memory.h"
#include "engine/spread.h"
#include "model/model.h"
#include "ranks/group.h"

/* Counts of all ranks; their times go by side by side. */
static rhm_status add_scores(const rhm_engine *engine, rhm_score *score, rhm_error *error) {
    rhm_ranks *ranks = rhm_engine_ranks(engine);
    const size_t size = (size_t)rhm_ranks_size(ranks);
    rhm_score *all = RHM_NEW(rhm_score, size, 1, 1, "scores of ranks", error);
    if (!all)
        return RHM_NO_MEMORY;
    all[rhm_ranks_rank(ranks)] = *score;
    const rhm_status status = rhm_ranks_gather_equal(ranks, all, sizeof *all, error);
    *score = (rhm_score){.sample_seconds = score->sample_seconds, .kernel_seconds = score->kernel_seconds};
    for (size_t rank = 0; rank < size; rank++) {
        score->samples += all[rank].samples;
        score->correct += all[rank].correct;
        score->clamped += all[rank].clamped;
        score->flops += all[rank].flops;
    }
    rhm_free(all);
    return status;
}

static rhm_outputs outputs_from(const rhm_outputs *outputs, size_t first, size_t classes) {
    return (rhm_outputs){.labels = outputs->labels ? outputs->labels + first : NULL,
                         .posteriors = outputs->posteriors ? outputs->posteriors + first * classes : NULL};
}

static rhm_batch part_of(const rhm_batch *batch, size_t first, size_t end) {
    rhm_batch part = *batch;
    part.first += first;
    part.count = end - first;
    return part;
}

/* The first `count` sequences, each rank its own of them. */
static rhm_status forward_apart(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch, size_t count,
                                size_t together, rhm_outputs *outputs, rhm_error *error) {
    const rhm_ranks_part own = rhm_ranks_share(rhm_engine_ranks(engine), count, together);
    const rhm_batch part = part_of(batch, own.first, own.end);
    rhm_outputs mine = outputs_from(outputs, own.first, model->classes);
    if (part.count > 0)
        RHM_TRY(model->kind->forward(model, rhm_engine_alone(engine), &part, &mine, error));
    RHM_TRY(add_scores(engine, &mine.score, error));
    outputs->score = mine.score;
    const size_t blocks = (count + together - 1) / together, row = sizeof(float) * model->classes;
    const rhm_spread_output labels = {outputs->labels, together * sizeof(uint16_t), count * sizeof(uint16_t)};
    const rhm_spread_output posteriors = {outputs->posteriors, together * row, count * row};
    if (outputs->labels)
        RHM_TRY(rhm_spread_gather(engine, blocks, &labels, error));
    return outputs->posteriors ? rhm_spread_gather(engine, blocks, &posteriors, error) : RHM_OK;
}

rhm_status rhm_model_forward(const rhm_model *model, const rhm_engine *engine, const rhm_batch *batch,
                             rhm_outputs *outputs, rhm_error *error) {
    if (!rhm_engine_ranks(engine))
        return model->kind->forward(model, engine, batch, outputs, error);
    const size_t count = (size_t)batch->count, ranks = (size_t)rhm_ranks_size(rhm_engine_ranks(engine));
    const size_t together = model->kind->together ? model->kind->together(model) : 1;
    /* Blocks that are left when all ranks have had as many are shared from within. */
    const size_t apart = model->kind->together ? count / (together * ranks) * together * ranks : count;
    RHM_TRY(forward_apart(model, engine, batch, apart, together, outputs, error));
    if (apart == count)
        return RHM_OK;
    const rhm_batch rest = part_of(batch, apart, count);
    rhm_outputs last = outputs_from(outputs, apart, model->classes);
    last.score = outputs->score;
    RHM_TRY(model->kind->forward(model, engine, &rest, &last, error));
    outputs->score = last.score;
    return RHM_OK;
}
