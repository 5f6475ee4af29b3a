#include "learners/cnn/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/elementary.h"
#include "core/fail.h"
#include "engine/spread.h"

static const rhm_cnn_recipe protocols[] = {
    /* Phys. Rev. X 14, 031001 (hierarchy-learning) */
    {
        .protocol = "prx",
        .width = {64},
        .bias = RHM_BIAS_PER_POSITION,
        .weight_scale = RHM_SCALE_CHANNELS,
        .whitening = RHM_WHITENING_SHIFTED,
        .rate_schedule = RHM_RATE_COSINE,
        .sampling = RHM_SEQUENCES_DISTINCT,
        .bias_scale = 0.1,
        .learning_rate = 0.1,
        .momentum = 0.9,
        .regulariser = 5e-4,
        .rate_period = 0.8,
        .loss_threshold = 1e-2,
        .batch = 128,
        .epochs = 250,
    },
    /* the field's code of 2025 (random-hierarchy-model) */
    {
        .protocol = "2025",
        .width = {512},
        .bias = RHM_BIAS_NONE,
        .weight_scale = RHM_SCALE_INPUTS,
        .whitening = RHM_WHITENING_STANDARDIZED,
        .rate_schedule = RHM_RATE_CONSTANT,
        .sampling = RHM_SEQUENCES_REPEATED,
        .bias_scale = 0.1,
        .learning_rate = 1,
        .rate_period = 0.8,
        .loss_threshold = 1e-3,
        .batch = 128,
        .epochs = 10000,
    },
};

enum { PROTOCOLS = sizeof protocols / sizeof protocols[0] };

const rhm_cnn_recipe *rhm_cnn_protocol(size_t i) {
    return i < PROTOCOLS ? &protocols[i] : NULL;
}

const char *rhm_cnn_sampling_name(rhm_sequence_sampling sampling) {
    static const char *const names[] = {"protocol", "without-replacement", "with-replacement", "fresh"};
    return names[sampling];
}

static rhm_status find(rhm_cnn_recipe *out, const char *name, rhm_error *error) {
    for (size_t i = 0; i < PROTOCOLS; i++)
        if (!name || !strcmp(name, protocols[i].protocol)) {
            *out = protocols[i];
            return RHM_OK;
        }
    return rhm_fail(error, RHM_INVALID, "protocol is '%.64s': for the learner cnn allowed are prx, 2025", name);
}

/* ---- what the options say ---------------------------------------------------------------------------------------- */

#define CHOOSE(member)                                                                                                 \
    do {                                                                                                               \
        if (given->member)                                                                                             \
            r->member = given->member;                                                                                 \
    } while (0)

/* RHM_NONE is `none`. */
static double choose(double given, double protocol, double none) {
    return given == RHM_NONE ? none : given != 0 ? given : protocol;
}

static void take_options(rhm_cnn_recipe *r, const rhm_train_options *options, const rhm_tree *tree) {
    const rhm_cnn_options *given = &options->cnn;
    const size_t all = options->width ? options->width : r->width[0];
    r->width[0] = 0;
    for (uint32_t l = 1; l <= tree->levels; l++) {
        r->width[l] = given->width[l] ? given->width[l] : all;
        r->positions[l] = given->schedule == RHM_BY_LEVEL && options->positions[l] ? options->positions[l] : SIZE_MAX;
        r->positions[l] = r->positions[l] < tree->nodes[l - 1] ? r->positions[l] : tree->nodes[l - 1];
    }
    CHOOSE(bias);
    CHOOSE(weight_scale);
    CHOOSE(whitening);
    CHOOSE(rate_schedule);
    CHOOSE(sampling);
    CHOOSE(schedule);
    CHOOSE(arithmetic);
    CHOOSE(batch);
    CHOOSE(epochs);
    CHOOSE(sequences);
    r->bias_scale = choose(given->bias_scale, r->bias_scale, 0);
    r->learning_rate = choose(options->learning_rate, r->learning_rate, 0);
    r->momentum = choose(given->momentum, r->momentum, 0);
    r->regulariser = choose(given->regulariser, r->regulariser, 0);
    r->rate_period = choose(given->rate_period, r->rate_period, 0);
    r->loss_threshold = choose(given->loss_threshold, r->loss_threshold, -1);
}

static bool gives_positions(const rhm_train_options *options, uint32_t levels) {
    for (uint32_t l = 1; l <= levels; l++)
        if (options->positions[l])
            return true;
    return false;
}

/* Options that would be parsed and ignored. */
static rhm_status refuse_idle(const rhm_cnn_recipe *r, const rhm_problem *problem, const rhm_train_options *options,
                              uint32_t levels, rhm_error *error) {
    const rhm_cnn_options *given = &options->cnn;
    if (given->rate_period != 0 && r->rate_schedule != RHM_RATE_COSINE)
        return rhm_fail(error, RHM_INVALID,
                        "rate-period has no effect on a constant learning rate: leave it out, or "
                        "choose rate-schedule cosine");
    if (given->bias_scale != 0 && r->bias == RHM_BIAS_NONE)
        return rhm_fail(error, RHM_INVALID,
                        "bias-scale has no effect without biases: leave it out, or choose bias per-position");
    if (given->sampling && problem->data)
        return rhm_fail(error, RHM_INVALID,
                        "sampling has no effect on a data set, whose sequences are taken as they are: leave it out");
    if (gives_positions(options, levels) && r->schedule == RHM_END_TO_END)
        return rhm_fail(error, RHM_INVALID,
                        "positions has no effect on a network that is trained end to end, which "
                        "reads all: leave it out, or choose schedule layerwise");
    return RHM_OK;
}

static rhm_status check(const rhm_cnn_recipe *r, const rhm_problem *problem, const rhm_train_options *options,
                        uint32_t levels, rhm_error *error) {
    const uint32_t vocab = rhm_problem_token_vocab(problem);
    if (options->width)
        for (uint32_t l = 1; l <= levels; l++)
            if (options->cnn.width[l])
                return rhm_fail(error, RHM_INVALID,
                                "width says %u channels for all levels, and widths %u for level %u: give one of them",
                                options->width, options->cnn.width[l], l);
    if (vocab < 2 && r->whitening != RHM_WHITENING_NONE)
        return rhm_fail(error, RHM_INVALID, "whitening divides by zero with %u token: choose whitening none", vocab);
    return RHM_OK;
}

rhm_status rhm_cnn_recipe_make(rhm_cnn_recipe *out, const rhm_problem *problem, const rhm_train_options *options,
                               rhm_error *error) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    RHM_TRY(find(out, options->protocol, error));
    take_options(out, options, tree);
    RHM_TRY(refuse_idle(out, problem, options, tree->levels, error));
    return check(out, problem, options, tree->levels, error);
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

double rhm_cnn_rate(const rhm_cnn_recipe *recipe, uint64_t epoch) {
    const double rate = recipe->learning_rate * (double)recipe->width[1];
    if (recipe->rate_schedule == RHM_RATE_CONSTANT)
        return rate;
    const double half_turns = (double)epoch / (recipe->rate_period * (double)recipe->epochs);
    double cosine, sine;
    rhm_quarter_turns(2 * fmod(half_turns, 2), &cosine, &sine);
    return rate * (1 + cosine) / 2;
}

static void set_input(rhm_network_shape *out, rhm_whitening whitening, double vocab) {
    const double q = 1 / sqrt(vocab - 1), root = sqrt(1 - 1 / vocab);
    out->input_scale = 1;
    out->input_shift = 0;
    if (whitening == RHM_WHITENING_SHIFTED) {
        out->input_scale = (float)(1 + q);
        out->input_shift = (float)-q;
    } else if (whitening == RHM_WHITENING_STANDARDIZED) {
        out->input_scale = (float)(1 / root);
        out->input_shift = (float)(-1 / (vocab * root));
    }
}

void rhm_cnn_network(rhm_network_shape *out, const rhm_cnn_recipe *recipe, const rhm_problem *problem, uint32_t level,
                     size_t positions) {
    const rhm_tree *tree = rhm_problem_tree(problem);
    *out = (rhm_network_shape){.levels = tree->levels - level + 1,
                               .positions = positions,
                               .vocab = rhm_problem_token_vocab(problem),
                               .classes = rhm_problem_classes(problem),
                               .bias = recipe->bias == RHM_BIAS_PER_POSITION,
                               .bias_scale = (float)recipe->bias_scale,
                               .readout_scale = (float)(1 / (double)recipe->width[level])};
    set_input(out, recipe->whitening, (double)out->vocab);
    size_t inputs = out->vocab;
    for (uint32_t l = tree->levels; l >= level; l--) {
        const uint32_t k = l - level + 1;
        const size_t summed = recipe->weight_scale == RHM_SCALE_INPUTS ? inputs * tree->branching[l] : inputs;
        out->branching[k] = tree->branching[l];
        out->width[k] = recipe->width[l];
        out->weight_scale[k] = (float)(1 / sqrt((double)summed));
        inputs = out->width[k];
    }
}

rhm_status rhm_cnn_network_make(rhm_network **out, const rhm_cnn_recipe *recipe, const rhm_engine *engine,
                                const rhm_network_shape *shape, size_t batch, rhm_error *error) {
    /* Its sums depend on the number of threads, which ranks need not have in common: each would have its own model. */
    if (rhm_engine_ranks(engine) && strcmp(rhm_engine_describe(engine).backend, "native") != 0)
        return rhm_fail(error, RHM_INVALID,
                        "backend %s: ranks train a network with native only, whose bits are the same for any threads",
                        rhm_engine_describe(engine).backend);
    if (recipe->arithmetic == RHM_BFLOAT16)
        return rhm_network_make_narrow(out, engine, shape, batch, error);
    return rhm_network_make_shared(out, engine, shape, batch, error);
}
