/* Eigenvectors of symmetric matrices against what defines them. */
#include "counts/eigen.h"
#include "learning.h"

static void eigenvectors_take_a_matrix_apart(void **state) {
    (void)state;
    enum { MOST = 40 };
    for (size_t n = 1; n <= MOST; n += 13) {
        double matrix[MOST * MOST], kept[MOST * MOST], vector[MOST * MOST], value[MOST];
        rhm_random random = {.seed = n, .stream = 1u << 20};
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                matrix[i * n + j] = matrix[j * n + i] = (double)rhm_random_word(&random) * 0x1p-31 - 1;
        memcpy(kept, matrix, sizeof kept);
        rhm_eigen(matrix, vector, value, n);
        for (size_t a = 0; a < n; a++) {
            assert_true(a == 0 || value[a - 1] >= value[a]);
            for (size_t b = 0; b < n; b++) {
                double product = 0, image = 0;
                for (size_t i = 0; i < n; i++) {
                    product += vector[i * n + a] * vector[i * n + b];
                    image += kept[b * n + i] * vector[i * n + a];
                }
                assert_true(fabs(product - (a == b)) < 1e-12);
                assert_true(fabs(image - value[a] * vector[b * n + a]) < 1e-11);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_take_a_matrix_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
