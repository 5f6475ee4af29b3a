/* Sums in a fixed tree: against the tree's definition, in blocks, and on any number of threads. */

#include "core/philox.h"
#include "engine/reduce.h"
#include "engines.h"

enum { MOST_ROWS = 130, MOST_SIZE = 1300, MARGIN = 3 };

static double rows[MOST_ROWS * (MOST_SIZE + MARGIN)], kept[MOST_ROWS * (MOST_SIZE + MARGIN)];

/* Numbers of very different sizes: every order of adding them has its own bits. */
static void fill(uint64_t seed, size_t count) {
    rhm_random random = {.seed = seed, .stream = 1};
    for (size_t i = 0; i < count; i++) {
        const double digits = (double)rhm_random_word(&random) - 0x1p31;
        kept[i] = digits * (double)(UINT64_C(1) << rhm_random_below(&random, 60));
    }
    memcpy(rows, kept, sizeof *rows * count);
}

/* Rows first..end-1 of one column: the largest power of two below their number is the left part. */
static double sum_of(size_t first, size_t end, size_t stride, size_t column) {
    if (end - first == 1)
        return kept[first * stride + column];
    size_t left = 1;
    while (2 * left < end - first)
        left *= 2;
    return sum_of(first, first + left, stride, column) + sum_of(first + left, end, stride, column);
}

static const struct {
    size_t count, size;
} shapes[] = {{1, 5}, {2, 1}, {3, 700}, {7, 511}, {16, 512}, {33, 513}, {128, 1300}, {130, 1024}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void the_tree_is_the_one_that_is_promised(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = threads});
        for (size_t s = 0; s < SHAPES; s++) {
            const size_t count = shapes[s].count, size = shapes[s].size, stride = size + s % (MARGIN + 1);
            fill(s, count * stride);
            assert_int_equal(rhm_reduce(engine, rows, count, size, stride, NULL), RHM_OK);
            for (size_t column = 0; column < size; column++)
                assert_true(rows[column] == sum_of(0, count, stride, column));
            for (size_t column = size; column < stride; column++) /* between the rows */
                assert_true(rows[column] == kept[column]);
        }
        rhm_engine_destroy(engine);
    }
}

/* As processes would that hold a block of rows each. */
static void blocks_are_subtrees(void **state) {
    (void)state;
    rhm_engine *engine = engine_with(&(rhm_engine_options){.threads = 2});
    for (size_t s = 0; s < SHAPES; s++)
        for (size_t block = 1; block <= 64; block *= 4) {
            const size_t count = shapes[s].count, size = shapes[s].size;
            fill(s, count * size);
            for (size_t first = 0; first < count; first += block) {
                const size_t here = count - first < block ? count - first : block;
                assert_int_equal(rhm_reduce(engine, rows + first * size, here, size, size, NULL), RHM_OK);
            }
            assert_int_equal(rhm_reduce(engine, rows, (count + block - 1) / block, size, block * size, NULL), RHM_OK);
            for (size_t column = 0; column < size; column++)
                assert_true(rows[column] == sum_of(0, count, size, column));
        }
    rhm_engine_destroy(engine);
}

/* As one thread that makes row after row, in memory for a few of them. */
static void rows_may_come_one_after_another(void **state) {
    (void)state;
    enum { LEVELS = 8, SIZE = 3 };
    double sum[SIZE], spare[LEVELS * SIZE];
    for (size_t count = 1; count <= MOST_ROWS; count++) {
        size_t levels = 0;
        while ((size_t)1 << levels < count)
            levels++;
        fill(count, count * SIZE);
        for (size_t i = 0; i < LEVELS * SIZE; i++)
            spare[i] = 99;
        rhm_running_sum running = {.sum = sum, .spare = spare, .size = SIZE};
        for (size_t row = 0; row < count; row++) {
            memcpy(rhm_running_next(&running), kept + row * SIZE, sizeof sum);
            rhm_running_add(&running);
        }
        rhm_running_end(&running);
        for (size_t column = 0; column < SIZE; column++)
            assert_true(sum[column] == sum_of(0, count, SIZE, column));
        for (size_t i = levels * SIZE; i < LEVELS * SIZE; i++)
            assert_true(spare[i] == 99);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_is_the_one_that_is_promised),
        cmocka_unit_test(blocks_are_subtrees),
        cmocka_unit_test(rows_may_come_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
