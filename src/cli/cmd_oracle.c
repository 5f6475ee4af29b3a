#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/h5file.h"
#include "core/memory.h"
#include "rhm/data.h"
#include "rhm/machine.h"
#include "rhm/oracle.h"
#include "rhm/report.h"
#include "rhm/sampling.h"

/* Training and evaluation test on the streams 0 and 1 of this purpose. */
enum { ORACLE_STREAM = 2, DEFAULT_SAMPLES = 10000 };

/* Sequences inferred and written at a time: so many tokens, and so many numbers of beliefs. */
enum { BLOCK_TOKENS = 1 << 22, BLOCK_NUMBERS = 1 << 23, MOST_SEQUENCES = 1 << 15 };

static const rhm_word precisions[] = {
    {"auto", RHM_PRECISION_AUTO}, {"single", RHM_PRECISION_SINGLE}, {"double", RHM_PRECISION_DOUBLE}, {NULL, 0}};

static const rhm_option own[] = {
    RHM_OPTION_DATA(
        "draw fresh sequences",
        "Infer from the sequences of this HDF5 file, under its own grammar unless an instance is given. An array "
        "`mask` beside its tokens, of the same shape, hides those where it is not 0."),
    RHM_OPTION_SEQUENCES("samples", samples, "10000, with --data all of them",
                         "How many sequences: fresh ones, or the first of the file."),
    RHM_OPTION_DATA_SEED("Seed of the fresh sequences and of the tokens that --mask hides."),
    RHM_OPTION_SHARE("mask", "F", "share of the tokens", oracle.mask, "Hide each token with this probability."),
    {.name = "precision",
     .kind = RHM_OPTION_CHOICE,
     .argument = "auto|single|double",
     .fallback = "auto",
     .words = precisions,
     .place = offsetof(rhm_settings, oracle.precision),
     .help = "Of messages. single: probabilities to about 1e-6. auto: single where no patch is longer than 8 symbols."},
    RHM_OPTION_OUTPUT(
        NULL, "HDF5 file for the most probable labels and the posteriors; for fresh sequences also tokens and labels."),
    {.name = "marginals",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, oracle.marginals),
     .help = "Write the marginals of all symbols of all levels too, of the tokens before noise, hidden ones included."},
    RHM_OPTION_REPORT("Write the result as JSON to this file."),
    RHM_OPTION_JSON,
    {0}};
static const rhm_option_group own_options = {"Inference", own};

typedef struct consultation {
    rhm_grammar *drawn; /* from instance options; NULL without */
    rhm_data data;      /* empty without --data */
    const rhm_grammar *grammar;
    rhm_engine *engine;
    rhm_progress_bar bar;
    rhm_sampler *sampler;
    rhm_oracle *oracle;
    rhm_beliefs_writer *writer; /* NULL without -o */
    uint8_t *mask;              /* of the file, or NULL */
    uint64_t samples;
    size_t block;
    uint16_t *tokens, *labels; /* of a block of fresh ones */
    uint8_t *masked;           /* of a block, or NULL */
    rhm_beliefs beliefs;       /* of a block */
    double *marginals[RHM_MAX_LEVELS + 1];
    rhm_bayes bayes;
    double seconds;
} consultation;

/* ---- inputs -------------------------------------------------------------------------------------------------------
 */

typedef struct mask_request {
    const rhm_data *data;
    uint8_t *mask;
} mask_request;

static rhm_status read_mask(void *context, const rhm_h5 *file, rhm_error *error) {
    mask_request *request = context;
    const char *object = rhm_h5_has(file, "/data/tokens") ? "/data/mask" : "/mask";
    const size_t count = request->data->count, tokens = request->data->tree.leaves[0];
    if (!rhm_h5_has(file, object))
        return RHM_OK;
    uint16_t *wide = RHM_NEW(uint16_t, count, tokens, 1, "mask", error);
    uint8_t *mask = wide ? RHM_NEW(uint8_t, count, tokens, 1, "mask", error) : NULL;
    const rhm_h5_shape shape = rhm_h5_shape2(count, tokens);
    rhm_status status =
        mask ? rhm_h5_read_symbols(file, object, &shape, RHM_MAX_VOCAB, RHM_H5_U16, wide, error) : RHM_NO_MEMORY;
    for (size_t i = 0; i < count * tokens && status == RHM_OK; i++)
        mask[i] = wide[i] != 0;
    rhm_free(wide);
    rhm_free(request->mask);
    request->mask = mask;
    return status;
}

static rhm_status open_data(consultation *c, const rhm_settings *settings, rhm_error *error) {
    rhm_data_hints hints = {.allow_missing_labels = 1};
    if (c->drawn) {
        const rhm_shape *shape = rhm_grammar_shape(c->drawn);
        hints.token_vocab = shape->vocab[shape->levels];
        hints.label_vocab = shape->vocab[0];
        hints.levels = shape->levels;
        for (uint32_t level = 1; level <= shape->levels; level++)
            hints.branching[level] = shape->branching[level];
    }
    RHM_TRY(rhm_running_input(rhm_data_load(&c->data, settings->data, &hints, error)));
    c->grammar = c->drawn ? c->drawn : c->data.grammar;
    if (!c->grammar)
        return rhm_fail(error, RHM_INVALID,
                        "%s holds no grammar: exact inference needs one, from --grammar or the "
                        "instance options",
                        rhm_path_shown(settings->data));
    mask_request request = {.data = &c->data};
    const rhm_status status = rhm_running_input(rhm_h5_load(settings->data, read_mask, &request, error));
    c->mask = request.mask;
    return status;
}

static rhm_status open_inputs(consultation *c, const rhm_settings *settings, rhm_error *error) {
    if (settings->oracle.marginals && !settings->output)
        return rhm_option_refuse(settings, "marginals", "has nowhere to go: give -o too", error);
    static const char unseeded[] = "has no effect with --data unless --mask hides tokens";
    if (settings->data && settings->oracle.mask <= 0) {
        RHM_TRY(rhm_option_refuse(settings, "data-seed", unseeded, error));
        if (settings->instance.grammar)
            RHM_TRY(rhm_option_refuse(settings, "seed", unseeded, error));
    }
    if (!settings->data || rhm_instance_given(settings))
        RHM_TRY(rhm_instance_grammar(&c->drawn, settings, error));
    c->grammar = c->drawn;
    if (settings->data)
        RHM_TRY(open_data(c, settings, error));
    const bool given = rhm_option_given(settings, "samples") != NULL;
    c->samples = given ? settings->samples : settings->data ? c->data.count : DEFAULT_SAMPLES;
    if (settings->data && c->samples > c->data.count)
        return rhm_fail(error, RHM_INVALID, "--samples %" PRIu64 " is more than the %zu sequences of %s", c->samples,
                        c->data.count, rhm_path_shown(settings->data));
    return RHM_OK;
}

/* ---- inference -----------------------------------------------------------------------------------------------------
 */

/* Numbers that a sequence's beliefs consist of. */
static double numbers(const rhm_grammar *grammar, bool marginals) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    double sum = shape->vocab[0];
    for (uint32_t level = 0; marginals && level <= shape->levels; level++)
        sum += (double)rhm_grammar_tree(grammar)->nodes[level] * shape->vocab[level];
    return sum;
}

static rhm_status allocate_beliefs(consultation *c, bool marginals, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(c->grammar);
    for (uint32_t level = 0; marginals && level <= shape->levels; level++)
        if (!(c->marginals[level] = RHM_NEW(double, c->block, rhm_grammar_tree(c->grammar)->nodes[level],
                                            shape->vocab[level], "marginals", error)))
            return RHM_NO_MEMORY;
    c->beliefs.marginals = marginals ? c->marginals : NULL;
    if (!(c->beliefs.posteriors = RHM_NEW(double, c->block, shape->vocab[0], 1, "posteriors", error)) ||
        !(c->beliefs.log_likelihood = RHM_NEW(double, c->block, 1, 1, "likelihoods", error)))
        return RHM_NO_MEMORY;
    return RHM_OK;
}

static rhm_status allocate(consultation *c, const rhm_settings *settings, rhm_error *error) {
    const size_t tokens = rhm_grammar_tree(c->grammar)->leaves[0];
    const double each = numbers(c->grammar, settings->oracle.marginals);
    c->block = BLOCK_TOKENS / tokens < MOST_SEQUENCES ? BLOCK_TOKENS / tokens : MOST_SEQUENCES;
    c->block = (double)c->block * each > BLOCK_NUMBERS ? (size_t)(BLOCK_NUMBERS / each) : c->block;
    c->block = c->block < 16 ? 16 : c->block;
    c->block = c->samples < c->block ? (size_t)c->samples : c->block;
    if (!settings->data && (!(c->tokens = RHM_NEW(uint16_t, c->block, tokens, 1, "tokens", error)) ||
                            !(c->labels = RHM_NEW(uint16_t, c->block, 1, 1, "labels", error))))
        return RHM_NO_MEMORY;
    if ((c->mask || settings->oracle.mask > 0) &&
        !(c->masked = RHM_NEW(uint8_t, c->block, tokens, 1, "hidden tokens", error)))
        return RHM_NO_MEMORY;
    return allocate_beliefs(c, settings->oracle.marginals, error);
}

/* Rows of a block from `at` on. */
static void beliefs_from(rhm_beliefs *out, double *marginals[RHM_MAX_LEVELS + 1], const consultation *c, size_t at) {
    const rhm_shape *shape = rhm_grammar_shape(c->grammar);
    for (uint32_t level = 0; level <= shape->levels; level++)
        marginals[level] = c->marginals[level] ? c->marginals[level] + at * rhm_grammar_tree(c->grammar)->nodes[level] *
                                                                           shape->vocab[level]
                                               : NULL;
    *out = (rhm_beliefs){.posteriors = c->beliefs.posteriors + at * shape->vocab[0],
                         .log_likelihood = c->beliefs.log_likelihood + at,
                         .marginals = c->beliefs.marginals ? marginals : NULL};
}

/* Sequences first..first+count-1, which are `at` and the following ones of a block. */
static rhm_status infer_own(consultation *c, const rhm_settings *settings, uint64_t first, size_t at, size_t count,
                            rhm_error *error) {
    const size_t tokens = rhm_grammar_tree(c->grammar)->leaves[0];
    const uint32_t stream = rhm_stream(RHM_TEST, ORACLE_STREAM);
    const uint16_t *seen = settings->data ? c->data.tokens + first * tokens : c->tokens + at * tokens;
    uint8_t *masked = c->masked ? c->masked + at * tokens : NULL;
    double *marginals[RHM_MAX_LEVELS + 1];
    rhm_beliefs beliefs;
    beliefs_from(&beliefs, marginals, c, at);
    if (!settings->data)
        RHM_TRY(rhm_sample_with_engine(c->engine, c->sampler, stream, first, count, c->tokens + at * tokens,
                                       c->labels + at, NULL, error));
    if (settings->oracle.mask > 0)
        rhm_oracle_mask(rhm_settings_data_seed(settings), stream, first, count, tokens, settings->oracle.mask, masked);
    for (size_t i = 0; c->mask && i < count * tokens; i++)
        masked[i] = c->mask[first * tokens + i] || (settings->oracle.mask > 0 && masked[i]);
    return rhm_oracle_infer(c->oracle, seen, masked, count, &beliefs, error);
}

static rhm_status collect(rhm_ranks *ranks, void *items, size_t nbytes, size_t count, rhm_error *error) {
    return items ? rhm_ranks_collect(ranks, items, nbytes, count, RHM_ORACLE_TOGETHER, error) : RHM_OK;
}

/* What ranks have of a block, on the one that writes; without a file it only counts. */
static rhm_status collect_block(const consultation *c, rhm_ranks *ranks, size_t count, bool file, rhm_error *error) {
    const rhm_shape *shape = rhm_grammar_shape(c->grammar);
    const rhm_tree *tree = rhm_grammar_tree(c->grammar);
    RHM_TRY(collect(ranks, c->labels, sizeof *c->labels, count, error));
    RHM_TRY(collect(ranks, c->beliefs.posteriors, sizeof(double) * shape->vocab[0], count, error));
    if (!file)
        return RHM_OK;
    RHM_TRY(collect(ranks, c->tokens, sizeof *c->tokens * tree->leaves[0], count, error));
    RHM_TRY(collect(ranks, c->masked, tree->leaves[0], count, error));
    RHM_TRY(collect(ranks, c->beliefs.log_likelihood, sizeof(double), count, error));
    for (uint32_t level = 0; level <= shape->levels; level++)
        RHM_TRY(collect(ranks, c->marginals[level], sizeof(double) * tree->nodes[level] * shape->vocab[level], count,
                        error));
    return RHM_OK;
}

static rhm_status infer_block(consultation *c, const rhm_settings *settings, uint64_t first, size_t count,
                              rhm_error *error) {
    const size_t tokens = rhm_grammar_tree(c->grammar)->leaves[0];
    const uint32_t classes = rhm_grammar_shape(c->grammar)->vocab[0];
    const rhm_ranks_part mine = rhm_ranks_share(settings->running.ranks, count, RHM_ORACLE_TOGETHER);
    RHM_TRY(infer_own(c, settings, first + mine.first, mine.first, mine.end - mine.first, error));
    RHM_TRY(collect_block(c, settings->running.ranks, count, settings->output != NULL, error));
    if (!rhm_running_writes(settings))
        return RHM_OK;
    const uint16_t *seen = settings->data ? c->data.tokens + first * tokens : c->tokens;
    const uint16_t *labels = !settings->data ? c->labels : c->data.labels ? c->data.labels + first : NULL;
    if (labels)
        rhm_bayes_add(&c->bayes, c->beliefs.posteriors, labels, count, classes);
    if (!c->writer)
        return RHM_OK;
    return rhm_beliefs_writer_append(c->writer, count, &c->beliefs, seen, labels, c->masked, error);
}

static rhm_status check_labels(const consultation *c, rhm_error *error) {
    const uint32_t classes = rhm_grammar_shape(c->grammar)->vocab[0];
    for (uint64_t i = 0; c->data.labels && i < c->samples; i++)
        if (c->data.labels[i] >= classes)
            return rhm_fail(error, RHM_INVALID, "the label of sequence %" PRIu64 " is %u: the grammar has %u labels", i,
                            c->data.labels[i], classes);
    return RHM_OK;
}

/* ---- results -------------------------------------------------------------------------------------------------------
 */

static rhm_status build_report(char **text, const consultation *c, const rhm_settings *settings, rhm_error *error) {
    char command[RHM_COMMAND_LINE_NBYTES], *machine;
    rhm_results_command(command, settings);
    RHM_TRY(rhm_machine_describe(&machine, c->engine, NULL, error));
    const rhm_report_run run = {
        .command = command,
        .instance.grammar = c->grammar,
        .machine = machine,
        .seconds = c->seconds,
        .peak_rss_nbytes = rhm_machine_peak_rss_nbytes(),
    };
    const rhm_status status = rhm_report_inference(text, &run, c->samples, &c->bayes, error);
    free(machine);
    return status;
}

static rhm_status tell(const consultation *c, const rhm_settings *settings, rhm_error *error) {
    const rhm_bayes *b = &c->bayes;
    FILE *words = rhm_files_words(settings);
    char *text;
    RHM_TRY(build_report(&text, c, settings, error));
    const rhm_status status = rhm_results_write(settings, text, error);
    if (status == RHM_OK && settings->json) {
        fputs(text, words);
    } else if (status == RHM_OK) {
        if (b->samples)
            fprintf(words, "Bayes accuracy %.4f, 95 %% interval %.4f to %.4f; expected %.5f +- %.1e\n", b->accuracy,
                    b->accuracy_low, b->accuracy_high, b->expected_accuracy, b->expected_accuracy_error);
        if (b->samples && isinf(b->cross_entropy))
            fprintf(words, "cross-entropy  infinite: sequences are there that the grammar cannot label so\n");
        else if (b->samples)
            fprintf(words, "cross-entropy  %.5f +- %.1e nats\n", b->cross_entropy, b->cross_entropy_error);
        if (b->impossible)
            fprintf(words, "WARNING: the grammar cannot produce %" PRIu64 " of the sequences\n", b->impossible);
        fprintf(words, "%" PRIu64 " %s sequences, %.2f s, %.4g a second\n", c->samples,
                settings->data ? "given" : "fresh", c->seconds, (double)c->samples / c->seconds);
    }
    free(text);
    return status;
}

static rhm_status work(consultation *c, const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(open_inputs(c, settings, error));
    RHM_TRY(check_labels(c, error));
    RHM_TRY(rhm_running_engine(&c->engine, &c->bar, settings, error));
    if (!settings->data)
        RHM_TRY(rhm_sampler_create(&c->sampler, c->grammar, rhm_settings_data_seed(settings), error));
    RHM_TRY(rhm_oracle_create(&c->oracle, c->engine, c->grammar, (rhm_precision)settings->oracle.precision, error));
    RHM_TRY(allocate(c, settings, error));
    const rhm_beliefs_contents contents = {settings->oracle.marginals, !settings->data, c->masked != NULL};
    if (settings->output && rhm_running_writes(settings))
        RHM_TRY(rhm_beliefs_writer_open(&c->writer, settings->output, c->grammar, c->samples, contents, error));
    const double start = rhm_progress_seconds();
    for (uint64_t first = 0; first < c->samples; first += c->block) {
        if (c->bar.on)
            rhm_progress_show(&c->bar, &(rhm_progress){"inferring", first, c->samples});
        const uint64_t left = c->samples - first;
        RHM_TRY(infer_block(c, settings, first, left < c->block ? (size_t)left : c->block, error));
    }
    c->seconds = rhm_progress_seconds() - start;
    if (c->writer)
        RHM_TRY(rhm_beliefs_writer_commit(&c->writer, c->bayes.samples ? &c->bayes : NULL, error));
    rhm_progress_clear(&c->bar);
    if (!rhm_running_writes(settings))
        return RHM_OK;
    return tell(c, settings, error);
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    consultation c = {0};
    const rhm_status status = work(&c, settings, error);
    rhm_progress_clear(&c.bar);
    rhm_beliefs_writer_abandon(&c.writer);
    rhm_oracle_destroy(c.oracle);
    rhm_sampler_destroy(c.sampler);
    rhm_engine_destroy(c.engine);
    rhm_free(c.tokens);
    rhm_free(c.labels);
    rhm_free(c.masked);
    rhm_free(c.beliefs.posteriors);
    rhm_free(c.beliefs.log_likelihood);
    for (uint32_t level = 0; level <= RHM_MAX_LEVELS; level++)
        rhm_free(c.marginals[level]);
    rhm_free(c.mask);
    rhm_data_clear(&c.data);
    rhm_grammar_destroy(c.drawn);
    return status;
}

const rhm_command rhm_command_oracle = {
    .name = "oracle",
    .operands = "",
    .summary = "exact inference: Bayes accuracy, posteriors, marginals",
    .description =
        "Infer labels and latent symbols exactly, by belief propagation under the known grammar, its laws and "
        "its noise: the accuracy and cross-entropy that no predictor can beat, on fresh sequences or on those "
        "of a file.",
    .examples = "rhm oracle --vocab 8 --levels 3 --token-noise 0.1\n"
                "rhm oracle --data data.h5 -o beliefs.h5",
    .groups = {&own_options, &rhm_instance_options, &rhm_thread_options, &rhm_kernel_options, &rhm_rank_options},
    .on_ranks = true,
    .run = run,
};
