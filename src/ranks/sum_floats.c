/* Sums of long rows of floats, up the fixed tree. */
#include <string.h>

#include "core/fail.h"
#include "ranks/columns.h"

enum { TOGETHER = 16 }; /* columns: a cache line */

static void add(void *into, const void *from, size_t count) {
    float *to = into;
    const float *more = from;
    for (size_t i = 0; i < count; i++)
        to[i] += more[i];
}

static rhm_columns columns_of(rhm_ranks *ranks, size_t count, const size_t *first, size_t size) {
    return (rhm_columns){.ranks = ranks,
                         .first = first,
                         .count = count,
                         .size = size,
                         .nbytes = sizeof(float),
                         .together = TOGETHER,
                         .packed = true,
                         .add = add};
}

size_t rhm_ranks_floats_spare(rhm_ranks *ranks, size_t count, const size_t *first, size_t size) {
    const rhm_columns c = columns_of(ranks, count, first, size);
    return rhm_columns_spare(&c);
}

rhm_status rhm_ranks_sum_floats(rhm_ranks *ranks, float *rows, size_t count, const size_t *first, size_t size,
                                size_t stride, float *spare, rhm_error *error) {
    rhm_columns c = columns_of(ranks, count, first, size);
    const size_t begin = rhm_columns_begin(&c, rhm_ranks_rank(ranks));
    const size_t end = rhm_columns_begin(&c, rhm_ranks_rank(ranks) + 1);
    const char *sum = NULL;
    c.rows = (char *)rows;
    c.stride = stride;
    c.spare = (char *)spare;
    RHM_TRY(rhm_columns_sum(&c, &sum, error));
    if (sum && end > begin)
        memmove(rows + begin, sum, (end - begin) * sizeof *rows);
    return rhm_columns_gather(&c, rows, RHM_ACCOUNT_GATHER, error);
}
