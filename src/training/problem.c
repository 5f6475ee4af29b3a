#include "training/problem.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/intern.h"
#include "core/memory.h"
#include "engine/trace.h"
#include "rhm/sampling.h"

const rhm_tree *rhm_problem_tree(const rhm_problem *problem) {
    return problem->data ? &problem->data->tree : rhm_grammar_tree(problem->grammar);
}

uint32_t rhm_problem_classes(const rhm_problem *problem) {
    return problem->data ? problem->data->label_vocab : rhm_grammar_shape(problem->grammar)->vocab[0];
}

uint32_t rhm_problem_token_vocab(const rhm_problem *problem) {
    const rhm_shape *shape = problem->data ? NULL : rhm_grammar_shape(problem->grammar);
    return shape ? shape->vocab[shape->levels] : problem->data->token_vocab;
}

rhm_problem rhm_problem_of_grammar(const rhm_grammar *grammar, const rhm_train_options *options) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    rhm_problem problem = {.grammar = grammar, .test_samples = options->test_samples};
    for (uint32_t l = 1; l <= shape->levels; l++)
        problem.parents[l] = shape->vocab[l - 1];
    return problem;
}

/* What learners index with: a caller's structure may hold anything. */
rhm_status rhm_problem_check_data(const rhm_data *data, const uint32_t *parents, rhm_error *error) {
    rhm_tree tree;
    RHM_TRY(rhm_tree_make(&tree, data->tree.levels, data->tree.branching, error));
    if (memcmp(&tree, &data->tree, sizeof tree) != 0)
        return rhm_fail(error, RHM_INVALID, "the tree of the data set is not one that rhm_tree_make has made");
    const size_t tokens = tree.leaves[0];
    for (uint32_t l = 1; l <= tree.levels && parents; l++)
        if (parents[l] < 1 || parents[l] > RHM_MAX_VOCAB)
            return rhm_fail(error, RHM_INVALID, "level %u has %u parent symbols: allowed are 1 to %d", l, parents[l],
                            RHM_MAX_VOCAB);
    if (!data->labels)
        return rhm_fail(error, RHM_INVALID, "the data set has no labels to train on");
    for (size_t i = 0; i < data->count; i++) {
        if (data->labels[i] >= data->label_vocab)
            return rhm_fail(error, RHM_INVALID, "the label of sequence %zu is %u, but the data set has %u labels", i,
                            data->labels[i], data->label_vocab);
        for (size_t t = 0; t < tokens; t++)
            if (data->tokens[i * tokens + t] >= data->token_vocab)
                return rhm_fail(error, RHM_INVALID, "token %zu of sequence %zu is %u, but the data set has %u tokens",
                                t, i, data->tokens[i * tokens + t], data->token_vocab);
    }
    return RHM_OK;
}

/* |V_{l-1}| as far as data themselves say. */
static uint32_t parents_of(const rhm_data *data, uint32_t level) {
    return level == 1                 ? data->label_vocab
           : data->latents[level - 1] ? data->latent_vocab[level - 1]
                                      : data->token_vocab;
}

rhm_status rhm_problem_check_latents(const rhm_data *data, const uint32_t *parents, rhm_error *error) {
    for (uint32_t l = 1; l < data->tree.levels; l++) {
        const uint32_t known = parents ? parents[l + 1] : parents_of(data, l + 1);
        if (!data->latents[l])
            return rhm_fail(error, RHM_INVALID,
                            "the data set does not show its hidden symbols of level %u, which the learner needs", l);
        for (size_t i = 0; i < data->count * data->tree.nodes[l]; i++)
            if (data->latents[l][i] >= known)
                return rhm_fail(error, RHM_INVALID, "a hidden symbol of level %u is %u, but there are %u", l,
                                data->latents[l][i], known);
    }
    return RHM_OK;
}

rhm_problem rhm_problem_of_data(const rhm_data *data, const uint32_t *parents, const rhm_train_options *options) {
    const uint64_t most = data->count / RHM_HELD_OUT;
    rhm_problem problem = {.grammar = data->grammar,
                           .data = data,
                           .test_samples = options->test_samples < most ? options->test_samples : most};
    for (uint32_t l = 1; l <= data->tree.levels; l++)
        problem.parents[l] = parents ? parents[l] : parents_of(data, l);
    return problem;
}

rhm_status rhm_problem_bottom_patches(size_t *distinct, const rhm_data *data, size_t count, rhm_error *error) {
    rhm_intern set;
    const size_t tokens = data->tree.leaves[0], branching = data->tree.branching[data->tree.levels];
    RHM_TRY(rhm_intern_init(&set, branching, 0, error));
    rhm_status status = RHM_OK;
    for (size_t i = 0; i < count && status == RHM_OK; i++) {
        uint32_t tuple[RHM_MAX_BRANCHING], id;
        for (size_t t = 0; t < branching; t++)
            tuple[t] = data->tokens[i * tokens + t];
        status = rhm_intern_add(&set, tuple, &id, NULL, error);
    }
    *distinct = set.count;
    rhm_intern_destroy(&set);
    return status;
}

rhm_status rhm_problem_patches(double *patches, const rhm_problem *problem, rhm_error *error) {
    const rhm_data *data = problem->data;
    const rhm_grammar *grammar = data ? data->grammar : problem->grammar;
    const uint32_t levels = rhm_problem_tree(problem)->levels;
    size_t distinct = 0;
    if (!grammar)
        RHM_TRY(rhm_problem_bottom_patches(&distinct, data, data->count, error));
    const double rules = fmax(1, (double)distinct / problem->parents[levels]);
    for (uint32_t l = 1; l <= levels; l++)
        patches[l] = grammar ? (double)rhm_grammar_patch_count(grammar, l) : rules * problem->parents[l];
    return RHM_OK;
}

static void take_score(rhm_train_report *report, const rhm_score *score, double seconds) {
    report->test_samples = score->samples;
    report->test_clamped = score->clamped;
    report->test_accuracy = (double)score->correct / (double)score->samples;
    report->test_sample_seconds = score->sample_seconds;
    report->test_kernel_seconds = score->kernel_seconds;
    report->test_seconds = seconds;
    report->seconds += seconds;
}

rhm_status rhm_problem_test_batch(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                                  const rhm_batch *batch, rhm_error *error) {
    const double begin = rhm_seconds();
    rhm_outputs outputs = {0};
    const int span = rhm_trace_begin(engine, "test", 0);
    RHM_TRY(rhm_model_forward(model, engine, batch, &outputs, error));
    rhm_trace_end(engine, span, (rhm_span_work){.items = (double)outputs.score.samples});
    take_score(report, &outputs.score, rhm_seconds() - begin);
    return RHM_OK;
}

rhm_status rhm_problem_test(rhm_train_report *report, const rhm_engine *engine, const rhm_model *model,
                            const rhm_problem *problem, const rhm_train_options *options, rhm_error *error) {
    rhm_batch batch = {.count = problem->test_samples, .stage = "testing"};
    if (problem->test_samples == 0)
        return RHM_OK;
    if (problem->data) {
        const rhm_data_source source = {problem->data, problem->data->count - problem->test_samples};
        batch.source = rhm_draw_from_data;
        batch.context = &source;
        return rhm_problem_test_batch(report, engine, model, &batch, error);
    }
    rhm_sampler *sampler;
    RHM_TRY(rhm_sampler_create(&sampler, problem->grammar, options->seed, error));
    const rhm_grammar_source source = {problem->grammar, options->seed, sampler, rhm_stream(RHM_TEST, 0)};
    batch.source = rhm_draw_from_grammar;
    batch.context = &source;
    const rhm_status status = rhm_problem_test_batch(report, engine, model, &batch, error);
    rhm_sampler_destroy(sampler);
    return status;
}
