#include <inttypes.h>
#include <stddef.h>

#include "cli/files.h"
#include "cli/instance.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "core/fail.h"
#include "core/memory.h"
#include "rhm/data.h"
#include "rhm/sampling.h"

/* What is held in memory before it goes to the file. */
enum { BLOCK_TOKENS = 1 << 22 };

static const rhm_option own[] = {
    RHM_OPTION_SEQUENCES("samples", samples, "must be given", "How many labelled sequences to draw."),
    {.name = "latents",
     .kind = RHM_OPTION_FLAG,
     .place = offsetof(rhm_settings, latents),
     .help = "Write the symbols of the levels 1 to L-1 as well."},
    RHM_OPTION_DATA_SEED("Seed of the sequences. They never coincide with those that train and eval draw themselves."),
    RHM_OPTION_OUTPUT("must be given", "HDF5 file to write."),
    {0}};
static const rhm_option_group own_options = {"Sampling", own};

/* A block of sequences being drawn. */
typedef struct block {
    const rhm_sampler *sampler;
    rhm_tree tree;
    uint64_t first; /* number of the block's first sequence */
    size_t count;
    uint16_t *tokens;
    uint16_t *labels;
    uint16_t *latents[RHM_MAX_LEVELS + 1]; /* all NULL unless asked for */
    bool with_latents;
} block;

typedef struct sampling {
    rhm_grammar *grammar;
    rhm_sampler *sampler;
    rhm_engine *engine;
    rhm_progress_bar bar;
    rhm_data_writer *writer;
    block block;
} sampling;

static rhm_status allocate(block *b, const rhm_settings *settings, const rhm_tree *tree, rhm_error *error) {
    const size_t tokens = tree->leaves[0];
    b->tree = *tree;
    b->count = tokens < BLOCK_TOKENS ? BLOCK_TOKENS / tokens : 1;
    if (b->count > settings->samples)
        b->count = (size_t)settings->samples;
    b->with_latents = settings->latents;
    b->tokens = RHM_NEW(uint16_t, b->count, tokens, 1, "tokens", error);
    b->labels = RHM_NEW(uint16_t, b->count, 1, 1, "labels", error);
    if (!b->tokens || !b->labels)
        return RHM_NO_MEMORY;
    for (uint32_t level = 1; b->with_latents && level < tree->levels; level++) {
        b->latents[level] = RHM_NEW(uint16_t, b->count, tree->nodes[level], 1, "latent symbols", error);
        if (!b->latents[level])
            return RHM_NO_MEMORY;
    }
    return RHM_OK;
}

/* This rank's share of the block. */
static rhm_status draw(const block *b, const rhm_engine *engine, rhm_ranks *ranks, rhm_error *error) {
    const rhm_ranks_part mine = rhm_ranks_share(ranks, b->count, 1);
    uint16_t *latents[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t level = 1; b->with_latents && level < b->tree.levels; level++)
        latents[level] = b->latents[level] + mine.first * b->tree.nodes[level];
    return rhm_sample_with_engine(engine, b->sampler, rhm_stream(RHM_EXPORT, 0), b->first + mine.first,
                                  mine.end - mine.first, b->tokens + mine.first * b->tree.leaves[0],
                                  b->labels + mine.first, b->with_latents ? latents : NULL, error);
}

static rhm_status collect(const block *b, rhm_ranks *ranks, rhm_error *error) {
    RHM_TRY(rhm_ranks_collect(ranks, b->tokens, sizeof *b->tokens * b->tree.leaves[0], b->count, 1, error));
    RHM_TRY(rhm_ranks_collect(ranks, b->labels, sizeof *b->labels, b->count, 1, error));
    for (uint32_t level = 1; b->with_latents && level < b->tree.levels; level++)
        RHM_TRY(
            rhm_ranks_collect(ranks, b->latents[level], sizeof *b->labels * b->tree.nodes[level], b->count, 1, error));
    return RHM_OK;
}

/* `writer` is NULL where another rank writes. */
static rhm_status stream(block *b, rhm_data_writer *writer, const rhm_engine *engine, rhm_ranks *ranks,
                         rhm_progress_bar *bar, uint64_t samples, rhm_error *error) {
    const size_t most = b->count;
    for (b->first = 0; b->first < samples; b->first += b->count) {
        if (bar->on)
            rhm_progress_show(bar, &(rhm_progress){"sampling", b->first, samples});
        b->count = samples - b->first < most ? (size_t)(samples - b->first) : most;
        RHM_TRY(draw(b, engine, ranks, error));
        RHM_TRY(collect(b, ranks, error));
        if (writer)
            RHM_TRY(rhm_data_writer_append(writer, b->count, b->tokens, b->labels, b->with_latents ? b->latents : NULL,
                                           error));
    }
    return RHM_OK;
}

static rhm_status work(sampling *s, const rhm_settings *settings, rhm_error *error) {
    if (!settings->output || !settings->samples)
        return rhm_fail(error, RHM_INVALID, "%s is missing: usage is rhm sample --samples N -o FILE [options]",
                        settings->output ? "--samples" : "-o");
    const uint64_t seed = rhm_settings_data_seed(settings);
    block *b = &s->block;
    RHM_TRY(rhm_instance_grammar(&s->grammar, settings, error));
    RHM_TRY(rhm_running_engine(&s->engine, &s->bar, settings, error));
    RHM_TRY(rhm_sampler_create(&s->sampler, s->grammar, seed, error));
    b->sampler = s->sampler;
    RHM_TRY(allocate(b, settings, rhm_grammar_tree(s->grammar), error));
    if (rhm_running_writes(settings))
        RHM_TRY(rhm_data_writer_open(&s->writer, settings->output, s->grammar, seed, (size_t)settings->samples,
                                     settings->latents, error));
    RHM_TRY(stream(b, s->writer, s->engine, settings->running.ranks, &s->bar, settings->samples, error));
    rhm_progress_clear(&s->bar);
    if (!s->writer)
        return RHM_OK;
    RHM_TRY(rhm_data_writer_commit(&s->writer, error));
    fprintf(rhm_files_words(settings), "%" PRIu64 " sequences of %zu tokens written to %s\n", settings->samples,
            b->tree.leaves[0], settings->output);
    return RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    sampling s = {0};
    const rhm_status status = work(&s, settings, error);
    rhm_progress_clear(&s.bar);
    rhm_data_writer_abandon(&s.writer);
    rhm_free(s.block.tokens);
    rhm_free(s.block.labels);
    for (size_t level = 0; level <= RHM_MAX_LEVELS; level++)
        rhm_free(s.block.latents[level]);
    rhm_sampler_destroy(s.sampler);
    rhm_engine_destroy(s.engine);
    rhm_grammar_destroy(s.grammar);
    return status;
}

const rhm_command rhm_command_sample = {
    .name = "sample",
    .operands = "",
    .summary = "draw labelled sequences and write them to a file",
    .description =
        "Draw labelled sequences from a grammar and write them, with the grammar, to an HDF5 file. The first "
        "sequences of a longer file are those of a shorter one.",
    .examples = "rhm sample --vocab 8 --levels 3 --samples 1e5 -o data.h5\n"
                "rhm sample --grammar grammar.h5 --samples 1000 --latents -o latents.h5",
    .groups = {&rhm_instance_options, &own_options, &rhm_thread_options, &rhm_rank_options},
    .on_ranks = true,
    .run = run,
};
