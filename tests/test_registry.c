/* From an instruction set to what there is for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/registry.h"
#include "kernels/kernels.h"
#include "sampling/tile_ops.h"

static void sets_include_what_they_are_based_on(void **state) {
    (void)state;
    assert_true(rhm_isa_includes(RHM_ISA_AVX512, RHM_ISA_AVX512));
    assert_true(rhm_isa_includes(RHM_ISA_AVX512, RHM_ISA_AVX2));
    assert_true(rhm_isa_includes(RHM_ISA_AVX512, RHM_ISA_SCALAR));
    assert_false(rhm_isa_includes(RHM_ISA_AVX2, RHM_ISA_AVX512));
    assert_false(rhm_isa_includes(RHM_ISA_SCALAR, RHM_ISA_AVX2));
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        assert_true(rhm_isa_includes((rhm_isa)isa, RHM_ISA_SCALAR));
}

/* A kind of table whose functions return where they come from: 10 x table + slot. */
typedef struct digits {
    const char *name;
    int (*a)(void), (*b)(void), (*c)(void), (*d)(void);
} digits;

#define SLOT(number)                                                                                                   \
    static int slot_##number(void) {                                                                                   \
        return number;                                                                                                 \
    }
SLOT(11)
SLOT(12)
SLOT(13) SLOT(14) SLOT(21) SLOT(22) SLOT(23) SLOT(31) SLOT(33) SLOT(34)

    static const digits scalar = {"scalar", slot_11, slot_12, slot_13, slot_14};
static const digits some = {"some", slot_21, slot_22, slot_23, NULL}; /* b and c, which belong together */
static const digits few = {"few", slot_31, NULL, slot_33, slot_34};   /* only one of them */

static int of(const rhm_tables *tables, rhm_isa isa) {
    digits out;
    rhm_tables_resolve(&out, tables, isa);
    return out.a() % 100 * 1000000 + out.b() * 10000 + out.c() * 100 + out.d();
}

static void tables_fall_back_slot_by_slot(void **state) {
    (void)state;
    rhm_tables tables = {.nbytes = sizeof(digits),
                         .first = offsetof(digits, a),
                         .of = {[RHM_ISA_SCALAR] = &scalar, [RHM_ISA_AVX2] = &some, [RHM_ISA_AVX512] = &few}};
    assert_int_equal(of(&tables, RHM_ISA_SCALAR), 11121314);
    assert_int_equal(of(&tables, RHM_ISA_AVX2), 21222314);
    assert_int_equal(of(&tables, RHM_ISA_AVX512), 31223334);
    tables.together = offsetof(digits, b);
    tables.apart = offsetof(digits, d);
    assert_int_equal(of(&tables, RHM_ISA_AVX512), 31222334);
    digits out;
    rhm_tables_resolve(&out, &tables, RHM_ISA_AVX512);
    assert_string_equal(out.name, "few");
    tables.of[RHM_ISA_AVX512] = NULL;
    assert_ptr_equal(rhm_tables_nearest(&tables, RHM_ISA_AVX512), &some);
    assert_int_equal(of(&tables, RHM_ISA_AVX512), 21222314);
    tables.of[RHM_ISA_AVX2] = tables.of[RHM_ISA_SCALAR] = NULL;
    assert_null(rhm_tables_nearest(&tables, RHM_ISA_AVX512));
    rhm_tables_resolve(&out, &tables, RHM_ISA_AVX512);
    assert_true(out.name == NULL && out.a == NULL && out.d == NULL);
}

/* Whether no function pointer from offset `first` on is NULL. */
static void assert_full(const void *table, size_t first, size_t nbytes) {
    for (size_t at = first; at < nbytes; at += sizeof(void (*)(void))) {
        void (*function)(void);
        memcpy(&function, (const char *)table + at, sizeof function);
        if (!function)
            fail_msg("the function at byte %zu of %zu is missing", at, nbytes);
    }
}

static void every_operation_exists_at_every_set(void **state) {
    (void)state;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++) {
        const rhm_kernels kernels = rhm_kernels_at((rhm_isa)isa);
        const rhm_tile_ops ops = rhm_tile_ops_at((rhm_isa)isa);
        assert_full(&kernels, offsetof(rhm_kernels, features), sizeof kernels);
        assert_full(&ops, offsetof(rhm_tile_ops, words), sizeof ops);
        assert_true(rhm_isa_includes((rhm_isa)isa, kernels.isa) && rhm_isa_includes((rhm_isa)isa, ops.isa));
    }
}

static void backends_say_what_they_need(void **state) {
    (void)state;
    rhm_backend_kind kind;
    rhm_error error = {0};
    assert_null(rhm_backend_obstacle(RHM_BACKEND_NATIVE, RHM_ISA_SCALAR));
    assert_null(rhm_backend_obstacle(RHM_BACKEND_AUTO, RHM_ISA_SCALAR));
    assert_non_null(rhm_backend_obstacle(RHM_BACKEND_ONEDNN, RHM_ISA_SCALAR));
    assert_int_equal(rhm_backend_find(&kind, NULL, RHM_ISA_SCALAR, &error), RHM_OK);
    assert_int_equal(kind, RHM_BACKEND_NATIVE);
    assert_int_equal(rhm_backend_find(&kind, "auto", RHM_ISA_SCALAR, &error), RHM_OK);
    assert_int_equal(kind, RHM_BACKEND_AUTO);
    assert_int_equal(rhm_backend_find(&kind, "onednn", RHM_ISA_SCALAR, &error), RHM_UNSUPPORTED);
    assert_non_null(strstr(error.text, "onednn"));
    assert_int_equal(rhm_backend_find(&kind, "blas", RHM_ISA_AVX2, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, "\"blas\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_include_what_they_are_based_on),
        cmocka_unit_test(tables_fall_back_slot_by_slot),
        cmocka_unit_test(every_operation_exists_at_every_set),
        cmocka_unit_test(backends_say_what_they_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
