/* Loops and sums over the threads of all ranks (rhm/ranks.h); of one process, they are those of parallel.h and
 * reduce.h. */
#ifndef RHM_ENGINE_SPREAD_H
#define RHM_ENGINE_SPREAD_H

#include <stdint.h>

#include "engine/parallel.h"
#include "rhm/ranks.h"

/* What a loop writes: chunk i the bytes from i chunk_nbytes on, up to nbytes. */
typedef struct rhm_spread_output {
    void *data;
    size_t chunk_nbytes, nbytes;
} rhm_spread_output;

/* The ranks, or NULL. */
rhm_ranks *rhm_engine_ranks(const rhm_engine *engine);

/* The same engine without them: what it is asked for is this rank's business. The engine itself where there are none;
 * lives as long as it. */
const rhm_engine *rhm_engine_alone(const rhm_engine *engine);

/* First of `count` things that belong to rank 0..ranks, with `ranks` the end of all: equal shares, in order. */
size_t rhm_spread_begin(const rhm_engine *engine, size_t count, int rank);

/* This rank's, from `first` up to but without `end`. */
typedef rhm_ranks_part rhm_spread_part;
rhm_spread_part rhm_spread_own(const rhm_engine *engine, size_t count);

/*
 * rhm_parallel with the chunks shared among all ranks; what they write is then on every rank. Everything that chunks
 * read must be the same on all of them. Every rank must come here, in the same order as to all other calls of this
 * kind; a failure on one of them is a failure of all.
 */
rhm_status rhm_spread(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                      const rhm_spread_output *outputs, size_t output_count, rhm_error *error);

/* The same where there is a chunk for each rank; else every rank runs all of them. */
rhm_status rhm_spread_many(const rhm_engine *engine, size_t chunk_count, rhm_chunk_body *body, void *context,
                           const rhm_spread_output *outputs, size_t output_count, rhm_error *error);

/* Whether there is a chunk for each of several ranks. */
bool rhm_spread_is_many(const rhm_engine *engine, size_t chunk_count);

/* The second half of rhm_spread alone: what each rank wrote for its share of the chunks, to all of them. */
rhm_status rhm_spread_gather(const rhm_engine *engine, size_t chunk_count, const rhm_spread_output *output,
                             rhm_error *error);

/*
 * Of `all` things rank r has those from begin[r] (ranks + 1) on. `rows` are `count` of them, evenly thinned: row i, of
 * `nbytes`, is of thing i all / count, which the rank that has it has written. To all ranks.
 */
rhm_status rhm_spread_gather_thinned(const rhm_engine *engine, void *rows, size_t count, size_t nbytes, size_t all,
                                     const size_t *begin, rhm_error *error);

/* What each rank has, in the order of ranks. */
typedef struct rhm_spread_parcels {
    void *data;
    size_t *begin; /* (ranks + 1), bytes: where each rank's begin */
} rhm_spread_parcels;

/* All ranks' `own` bytes, on all of them; engines without ranks have nothing to collect. Release with
 * rhm_spread_parcels_clear, also after failures. */
rhm_status rhm_spread_collect(rhm_spread_parcels *out, const rhm_engine *engine, const void *own, size_t nbytes,
                              rhm_error *error);
void rhm_spread_parcels_clear(rhm_spread_parcels *parcels); /* accepts zeroed ones */

/* From every rank to every other, as rhm_ranks_deal has it: rank r is sent the bytes slice[r] of `out`. *in receives
 * what all have sent to this one. Engines without ranks have nothing to deal. */
rhm_status rhm_spread_deal(rhm_spread_parcels *in, const rhm_engine *engine, const void *out,
                           const rhm_ranks_part *slice, rhm_error *error);

/* Threads of all ranks. */
size_t rhm_spread_threads(const rhm_engine *engine);

/*
 * rhm_reduce of `count` rows, of which this rank has its share only: `rows` is where row 0 would be, and the sum is
 * at *sum on all ranks: in row 0 where there are none, else in `spare` (size). The same tree, and so the same bits, as
 * in one process.
 */
rhm_status rhm_spread_reduce(const rhm_engine *engine, double *rows, size_t count, size_t size, size_t stride,
                             double *spare, const double **sum, rhm_error *error);

/* rhm_reduce of rows that rhm_spread_many has filled, those of the own chunks where these are many: the sum in row 0
 * of all ranks. */
rhm_status rhm_spread_reduce_many(const rhm_engine *engine, double *rows, size_t count, size_t size, rhm_error *error);

/* Of the ranks' numbers the sum, on all of them; and of several. */
rhm_status rhm_spread_count(const rhm_engine *engine, uint64_t *count, rhm_error *error);
rhm_status rhm_spread_add(const rhm_engine *engine, uint64_t *counts, size_t count, rhm_error *error);

/*
 * One sum that goes on from rank to rank, in their order: `add` adds what this rank has to sum (size). All of them get
 * what the last one ends with. As one process would add it up, one term after the other.
 */
typedef void rhm_spread_adder(void *context, double *sum);
rhm_status rhm_spread_chain(const rhm_engine *engine, double *sum, size_t size, rhm_spread_adder *add, void *context,
                            rhm_error *error);

/* A number that ranks may see differently, such as a time, as rank 0 sees it. */
rhm_status rhm_spread_agree(const rhm_engine *engine, double *value, rhm_error *error);

#endif
