#include "learners/cnn/sequences.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"
#include "learners/cnn/streams.h"

enum { USUAL = 1 << 15 };

/* ---- how many ---------------------------------------------------------------------------------------------------- */

static rhm_status count_of_data(uint64_t *out, const rhm_problem *problem, rhm_error *error) {
    const uint64_t most = problem->data->count - problem->test_samples;
    *out = *out ? *out : most;
    if (*out > most || !most)
        return rhm_fail(error, RHM_INVALID, "%llu sequences: the data set has %llu that are not kept for the test",
                        (unsigned long long)*out, (unsigned long long)most);
    return RHM_OK;
}

/* The numbers that sequences of the grammar have; RHM_UNSUPPORTED where they have none. */
static rhm_status number(double *out, const rhm_grammar *grammar, rhm_error *error) {
    rhm_sampler *sampler;
    rhm_number count;
    RHM_TRY(rhm_sampler_create(&sampler, grammar, 0, error));
    const rhm_status status = rhm_sequence_count(&count, sampler, error);
    rhm_sampler_destroy(sampler);
    if (status == RHM_OK)
        *out = (double)count.low + 0x1p64 * (double)count.high;
    return status;
}

static rhm_status count_distinct(uint64_t *out, double possible, rhm_error *error) {
    if (!*out)
        *out = possible * 4 / 5 < USUAL ? (uint64_t)(possible * 4 / 5) : USUAL;
    *out = *out ? *out : 1;
    if ((double)*out > possible)
        return rhm_fail(error, RHM_INVALID,
                        "%llu sequences without replacement: the grammar writes %.0f different ones",
                        (unsigned long long)*out, possible);
    return RHM_OK;
}

rhm_status rhm_cnn_sequences_count(rhm_cnn_recipe *recipe, const rhm_problem *problem, const rhm_train_options *options,
                                   rhm_error *error) {
    double possible;
    if (problem->data) {
        recipe->sampling = RHM_SEQUENCES_PROTOCOL; /* none */
        return count_of_data(&recipe->sequences, problem, error);
    }
    if (recipe->sampling == RHM_SEQUENCES_DISTINCT) {
        rhm_error why;
        const rhm_status status = number(&possible, problem->grammar, &why);
        if (status == RHM_OK)
            return count_distinct(&recipe->sequences, possible, error);
        if (status != RHM_UNSUPPORTED || options->cnn.sampling)
            return rhm_fail(error, status == RHM_UNSUPPORTED ? RHM_INVALID : status, "%s", why.text);
        recipe->sampling = RHM_SEQUENCES_REPEATED;
    }
    recipe->sequences = recipe->sequences ? recipe->sequences : USUAL;
    return RHM_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static rhm_status draw(rhm_cnn_sequences *s, uint64_t first, rhm_error *error) {
    return rhm_sample_with_engine(s->engine, s->sampler, rhm_stream(RHM_TRAINING, 0), first, s->count, s->token,
                                  s->label, NULL, error);
}

static rhm_status draw_distinct(rhm_cnn_sequences *s, rhm_error *error) {
    return rhm_sample_distinct(s->engine, s->sampler, (rhm_number){0}, s->count + s->tested, s->token, s->label, NULL,
                               error);
}

/* As many others as the test wants, where there are so many. */
static rhm_status choose_tested(rhm_cnn_sequences *s, rhm_error *error) {
    rhm_number possible;
    RHM_TRY(rhm_sequence_count(&possible, s->sampler, error));
    const uint64_t left = possible.high ? UINT64_MAX : possible.low - s->count;
    s->tested = s->problem->test_samples < left ? (size_t)s->problem->test_samples : (size_t)left;
    return RHM_OK;
}

static rhm_status open_grammar(rhm_cnn_sequences *s, rhm_error *error) {
    const rhm_home home = {.kind = RHM_HOME_TOUCH};
    RHM_TRY(rhm_sampler_create(&s->sampler, s->problem->grammar, s->seed, error));
    if (s->sampling == RHM_SEQUENCES_DISTINCT)
        RHM_TRY(choose_tested(s, error));
    RHM_TRY(rhm_buffer_create(&s->token_buffer, s->engine, home, sizeof(uint16_t), s->count + s->tested, s->tokens, 1,
                              "sequences", error));
    RHM_TRY(rhm_buffer_create(&s->label_buffer, s->engine, home, sizeof(uint16_t), s->count + s->tested, 1, 1, "labels",
                              error));
    s->token = s->token_buffer.data;
    s->label = s->label_buffer.data;
    if (s->sampling == RHM_SEQUENCES_DISTINCT)
        return draw_distinct(s, error);
    return s->sampling == RHM_SEQUENCES_REPEATED ? draw(s, 0, error) : RHM_OK;
}

rhm_status rhm_cnn_sequences_open(rhm_cnn_sequences *out, const rhm_engine *engine, const rhm_problem *problem,
                                  const rhm_cnn_recipe *recipe, uint64_t seed, rhm_error *error) {
    *out = (rhm_cnn_sequences){.engine = engine,
                               .problem = problem,
                               .seed = seed,
                               .sampling = recipe->sampling,
                               .count = (size_t)recipe->sequences,
                               .tokens = rhm_problem_tree(problem)->leaves[0],
                               .epoch = UINT64_MAX};
    if (out->sampling != RHM_SEQUENCES_FRESH &&
        !(out->order = RHM_NEW(uint32_t, out->count, 1, 1, "order of sequences", error)))
        return RHM_NO_MEMORY;
    if (!problem->data)
        return open_grammar(out, error);
    out->token = problem->data->tokens;
    out->label = problem->data->labels;
    return RHM_OK;
}

void rhm_cnn_sequences_close(rhm_cnn_sequences *s) {
    rhm_free(s->order);
    rhm_sampler_destroy(s->sampler);
    if (s->engine) {
        rhm_buffer_destroy(&s->token_buffer, s->engine);
        rhm_buffer_destroy(&s->label_buffer, s->engine);
    }
    *s = (rhm_cnn_sequences){0};
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

/* Fisher and Yates. Fewer than 2^34 words are used, and no epoch reads those of another. */
static void shuffle(rhm_cnn_sequences *s, uint64_t epoch) {
    rhm_random random = {.seed = s->seed, .stream = RHM_CNN_ORDER_STREAM, .next = epoch << 34};
    for (size_t i = 0; i < s->count; i++)
        s->order[i] = (uint32_t)i;
    for (size_t i = s->count; i > 1; i--) {
        const uint32_t j = rhm_random_below(&random, (uint32_t)i), last = s->order[i - 1];
        s->order[i - 1] = s->order[j];
        s->order[j] = last;
    }
}

rhm_status rhm_cnn_sequences_turn(rhm_cnn_sequences *s, uint64_t epoch, rhm_error *error) {
    if (s->epoch == epoch)
        return RHM_OK;
    if (s->order)
        shuffle(s, epoch);
    else
        RHM_TRY(draw(s, epoch * s->count, error));
    s->epoch = epoch;
    return RHM_OK;
}

void rhm_cnn_sequences_take(const rhm_cnn_sequences *s, size_t first, size_t count, size_t tokens, uint16_t *token,
                            uint16_t *label) {
    for (size_t i = 0; i < count; i++) {
        const size_t row = s->order ? s->order[first + i] : first + i;
        memcpy(token + i * tokens, s->token + row * s->tokens, sizeof *token * tokens);
        label[i] = s->label[row];
    }
}
