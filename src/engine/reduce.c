#include "engine/reduce.h"

#include "engine/parallel.h"

/*
 * What one thread takes through the whole tree: at least so many columns and so many numbers, or caches would send each
 * other more than the cores compute; of 128 rows half a megabyte, which a core's own cache holds.
 */
enum { CHUNK_COLUMNS = 512, CHUNK_NUMBERS = 1 << 15 };

typedef struct tree {
    double *rows;
    size_t count, size, stride;
    size_t chunk; /* columns */
} tree;

static rhm_status reduce_chunk(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread, (void)error;
    const tree *t = context;
    const size_t first = chunk * t->chunk, left = t->size - first, columns = left < t->chunk ? left : t->chunk;
    for (size_t step = 1; step < t->count; step *= 2)
        for (size_t row = 0; row + step < t->count; row += 2 * step) {
            double *into = t->rows + row * t->stride + first;
            const double *from = into + step * t->stride;
            for (size_t i = 0; i < columns; i++)
                into[i] += from[i];
        }
    return RHM_OK;
}

rhm_status rhm_reduce(const rhm_engine *engine, double *rows, size_t count, size_t size, size_t stride,
                      rhm_error *error) {
    if (count < 2)
        return rhm_engine_check(engine, error);
    const size_t chunk = CHUNK_NUMBERS / count > CHUNK_COLUMNS ? CHUNK_NUMBERS / count : CHUNK_COLUMNS;
    tree t = {rows, count, size, stride, chunk};
    return rhm_parallel(engine, (size + chunk - 1) / chunk, reduce_chunk, &t, error);
}

static double *subtree_at(const rhm_running_sum *running, size_t place) {
    return place ? running->spare + (place - 1) * running->size : running->sum;
}

double *rhm_running_next(const rhm_running_sum *running) {
    return subtree_at(running, running->waiting);
}

/* The last subtree that waits goes to the one before it. */
static void join_last(rhm_running_sum *running) {
    const double *from = subtree_at(running, --running->waiting);
    double *into = subtree_at(running, running->waiting - 1);
    for (size_t i = 0; i < running->size; i++)
        into[i] += from[i];
}

/* As many subtrees are complete now as the number of rows has zeros at its end. */
void rhm_running_add(rhm_running_sum *running) {
    running->count++;
    running->waiting++;
    for (size_t rows = running->count; rows % 2 == 0; rows /= 2)
        join_last(running);
}

void rhm_running_end(rhm_running_sum *running) {
    while (running->waiting > 1)
        join_last(running);
}
