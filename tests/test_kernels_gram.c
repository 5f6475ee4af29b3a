/* The Gram matrix and products with it: every table against the reference, the reference against the formula. */
#include "kernel_tables.h"

static guarded random_doubles(size_t count) {
    guarded g = guarded_floats(2 * count);
    for (size_t i = 0; i < count; i++)
        doubles(&g)[i] = (double)uniform(1) + 1e-9 * (double)uniform(1);
    return g;
}

static guarded copy_of_doubles(const guarded *from, size_t count) {
    guarded g = guarded_floats(2 * count);
    if (count)
        memcpy(g.data, from->data, sizeof(double) * count);
    return g;
}

/* One group of features against `blocks` others, `gap` floats between groups, on top of what was there. */
static void compare_gram(size_t blocks, size_t count, size_t gap) {
    const size_t stride = count * RHM_LANES + gap, size = blocks * RHM_GRAM_BLOCK;
    guarded a = random_floats(count * RHM_LANES, 1), c = random_doubles(size);
    guarded b = random_floats(blocks && count ? (blocks - 1) * stride + count * RHM_LANES : 0, 1);
    guarded want = copy_of_doubles(&c, size);
    rhm_kernels_reference.gram(blocks, count, a.data, b.data, stride, doubles(&want));
    for (size_t n = 0; n < size; n++) { /* the formula, in double precision */
        const size_t block = n / RHM_GRAM_BLOCK, i = n % RHM_GRAM_BLOCK / RHM_LANES, j = n % RHM_LANES;
        double sum = doubles(&c)[n];
        for (size_t p = 0; p < count; p++)
            sum += (double)floats(&a)[p * RHM_LANES + i] * (double)floats(&b)[block * stride + p * RHM_LANES + j];
        assert_true(fabs(sum - doubles(&want)[n]) <= 0x1p-24 * (double)(count * count) + 1e-15);
    }
    rhm_kernels list[TABLES];
    const size_t tables_here = tables(list);
    for (size_t t = 0; t < tables_here; t++) {
        guarded have = copy_of_doubles(&c, size);
        list[t].gram(blocks, count, a.data, b.data, stride, doubles(&have));
        same_doubles(doubles(&have), doubles(&want), size, "gram", list[t].name);
        release(&have);
    }
    release(&a), release(&b), release(&c), release(&want);
}

static void test_gram(void **state) {
    (void)state;
    for (size_t blocks = 0; blocks <= 8; blocks++)
        for (size_t count = 0; count <= 9; count++)
            compare_gram(blocks, count, blocks % 3 * 17);
    for (int i = 0; i < 10; i++)
        compare_gram(1 + below(9), below(150), below(40));
}

static void compare_gram_product(size_t classes, size_t blocks, size_t gap, bool transposed) {
    const size_t stride = RHM_GRAM_BLOCK + gap, rows = blocks * RHM_LANES, size = RHM_LANES * classes;
    guarded c = random_doubles(blocks ? (blocks - 1) * stride + RHM_GRAM_BLOCK : 0), d = random_doubles(rows * classes);
    guarded y = random_doubles(size), want = copy_of_doubles(&y, size);
    rhm_kernels_reference.gram_product(classes, blocks, doubles(&c), stride, transposed, doubles(&d), doubles(&want));
    for (size_t n = 0; n < size; n++) {
        double sum = doubles(&y)[n];
        for (size_t k = 0; k < rows; k++) {
            const size_t i = n / classes, j = k % RHM_LANES;
            const size_t at = k / RHM_LANES * stride + (transposed ? j * RHM_LANES + i : i * RHM_LANES + j);
            sum += doubles(&c)[at] * doubles(&d)[k * classes + n % classes];
        }
        assert_true(fabs(sum - doubles(&want)[n]) <= 1e-15 * (double)(rows + 1) * (double)(rows + 1));
    }
    rhm_kernels list[TABLES];
    const size_t tables_here = tables(list);
    for (size_t t = 0; t < tables_here; t++) {
        guarded have = copy_of_doubles(&y, size);
        list[t].gram_product(classes, blocks, doubles(&c), stride, transposed, doubles(&d), doubles(&have));
        same_doubles(doubles(&have), doubles(&want), size, "gram_product", list[t].name);
        release(&have);
    }
    release(&c), release(&d), release(&y), release(&want);
}

static void test_gram_product(void **state) {
    (void)state;
    for (size_t classes = RHM_GRAM_CLASSES; classes <= 7 * RHM_GRAM_CLASSES; classes += RHM_GRAM_CLASSES)
        for (size_t blocks = 0; blocks <= 9; blocks++)
            for (int transposed = 0; transposed < 2; transposed++)
                compare_gram_product(classes, blocks, blocks % 4 * RHM_GRAM_BLOCK + blocks % 2 * 3, transposed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram),
        cmocka_unit_test(test_gram_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
