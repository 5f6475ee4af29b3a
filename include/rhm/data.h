/*
 * Labelled sequences in HDF5 files (layout: docs/data.md), ours or written by another program.
 */
#ifndef RHM_DATA_H
#define RHM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/grammar.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A data set in memory. Release with rhm_data_clear, which accepts a zeroed one. */
typedef struct rhm_data {
    size_t count;         /* N sequences */
    rhm_tree tree;        /* L, s_l; d = tree.leaves[0] tokens a sequence */
    uint32_t token_vocab; /* |V_L|: every token is smaller */
    uint32_t label_vocab; /* |V_0|: every label is smaller */
    uint16_t *tokens;     /* (N, d), owned */
    uint16_t *labels;     /* (N), owned; NULL where the file has none and the caller allowed that */
    rhm_grammar *grammar; /* owned; NULL where the file has none */

    /* Hidden symbols, [l] of level l = 1..L-1, where the hints asked for them, else NULL: (N, nodes of level l), owned;
     * every one is smaller than latent_vocab[l]. */
    uint16_t *latents[RHM_MAX_LEVELS + 1];
    uint32_t latent_vocab[RHM_MAX_LEVELS + 1];

    int shuffled; /* nonzero: rhm_data_shuffle has changed the order of the file */
} rhm_data;

/* What the caller knows about a file of others; 0 means "infer it": from /grammar, from attributes, from the data. */
typedef struct rhm_data_hints {
    uint32_t token_vocab;
    uint32_t label_vocab;
    uint32_t branching[RHM_MAX_LEVELS + 1]; /* [0]: of every level; or, with [0] = 0, [l] of level l = 1..levels */
    uint32_t levels;
    int latents;              /* nonzero: read the hidden symbols too, and refuse a file without */
    int allow_missing_labels; /* nonzero: a file without labels is accepted (prediction needs none) */

    /* What should be known of a file that was read all the same, as a sentence: symbols that never occur, ... May be
     * NULL. */
    void (*note)(void *user, const char *sentence);
    void *user;
} rhm_data_hints;

/*
 * Read a data set. Tokens and labels of any integer type are accepted as long as their values fit. One
 * branching for all levels, and the levels, are inferred from the number of tokens only when a single (s, L) is
 * possible or when the file or the hints name one of them; otherwise the sentence asks for --branching. `hints` may be
 * NULL.
 */
RHM_API rhm_status rhm_data_load(rhm_data *out, const char *path, const rhm_data_hints *hints, rhm_error *error);
RHM_API void rhm_data_clear(rhm_data *data);

/*
 * Whether sequences may be in random order: labels and first tokens are distributed alike in all parts of the data set,
 * as far as chance goes (chi-squared statistics of 5, 20 and 80 parts). Files that are sorted, by class or otherwise,
 * are not.
 */
RHM_API rhm_status rhm_data_is_mixed(bool *mixed, const rhm_data *data, rhm_error *error);

/*
 * Put the sequences, with their labels and hidden symbols, into an order that the seed alone decides
 * (docs/reproducibility.md). In place, without memory of its own.
 */
RHM_API void rhm_data_shuffle(rhm_data *data, uint64_t seed);

/* Streaming writer: nothing appears under `path` before rhm_data_writer_commit. */
typedef struct rhm_data_writer rhm_data_writer;

/* Tokens are stored as uint8 when V_L <= 256, else uint16. with_latents adds latents_l, l = 1..L-1. */
RHM_API rhm_status rhm_data_writer_open(rhm_data_writer **out, const char *path, const rhm_grammar *grammar,
                                        uint64_t seed, size_t total_count, int with_latents, rhm_error *error);

/* Append sequences; latents as in rhm_sample_sequences, NULL without with_latents. */
RHM_API rhm_status rhm_data_writer_append(rhm_data_writer *writer, size_t count, const uint16_t *tokens,
                                          const uint16_t *labels, uint16_t *const *latents, rhm_error *error);

/* Both release the writer and set it to NULL; abandon (which accepts NULL) removes what was written. */
RHM_API rhm_status rhm_data_writer_commit(rhm_data_writer **writer, rhm_error *error);
RHM_API void rhm_data_writer_abandon(rhm_data_writer **writer);

#ifdef __cplusplus
}
#endif
#endif
