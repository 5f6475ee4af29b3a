/*
 * Tokens as networks read them, written by all threads of an engine straight into the arrays of a framework. Rows may
 * be picked from a data set in memory, so that a shuffled epoch costs one pass over what it writes.
 */
#ifndef RHM_ENCODING_H
#define RHM_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which rows of a data set: row[i] of tokens (rows, width) becomes row i of the output, i < count. */
typedef struct rhm_token_rows {
    const uint16_t *tokens; /* (rows, width) */
    size_t rows, width;
    const int64_t *row; /* (count), each 0..rows-1; NULL: 0, 1, ..., and count <= rows */
    size_t count;
} rhm_token_rows;

typedef struct rhm_one_hot {
    uint32_t vocab;     /* channels: every token is smaller */
    float on, off;      /* in the token's channel and in all others: 1 and 0, or what these are whitened to */
    bool channels_last; /* (count, width, vocab); else (count, vocab, width), as convolutions of PyTorch read it */
} rhm_one_hot;

/* RHM_INVALID for a row that is not there or a token out of range; `out` then holds anything. */
RHM_API rhm_status rhm_encode_one_hot(const rhm_engine *engine, const rhm_one_hot *how, const rhm_token_rows *rows,
                                      float *out, rhm_error *error);

/* out (count, width): the tokens plus `add`, as 64-bit integers. Labels are rows of width 1. */
RHM_API rhm_status rhm_encode_integers(const rhm_engine *engine, const rhm_token_rows *rows, int64_t add, int64_t *out,
                                       rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
