/* Random words, bounded choices and alias tables: published answers and exact laws. */
#include "samplers.h"

#include "sampling/alias.h"

/* ------------------------------------------------------------------------------------------------------ generator */

/* Random123 1.14, tests/kat_vectors, "philox4x32 10". */
static void philox_gives_the_published_answers(void **state) {
    (void)state;
    const struct {
        uint64_t seed, index;
        uint32_t stream, block;
        uint32_t answer[4];
    } known[] = {
        {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x85a308d3243f6a88,
         0x13198a2e,
         0x03707344,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const rhm_philox_block block = rhm_philox(known[i].seed, known[i].index, known[i].stream, known[i].block);
        assert_memory_equal(block.word, known[i].answer, sizeof known[i].answer);
    }
}

static void bounded_words_are_unbiased(void **state) {
    (void)state;
    rhm_random random = {.seed = 5, .stream = 1u << 20};
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(rhm_random_word(&random), rhm_philox(5, i / 4, 1u << 20, 0).word[i % 4]);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(rhm_random_below(&random, 1), 0);
    const uint32_t bounds[] = {2, 3, 7, 64, 1000};
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        size_t observed[1000] = {0};
        double equal[1000];
        const size_t draws = 200 * (size_t)bounds[b];
        for (uint32_t i = 0; i < bounds[b]; i++)
            equal[i] = 1.0 / bounds[b];
        for (size_t i = 0; i < draws; i++) {
            const uint32_t value = rhm_random_below(&random, bounds[b]);
            assert_true(value < bounds[b]);
            observed[value]++;
        }
        assert_true(chi_square_ratio(observed, equal, bounds[b], draws) <= 1);
    }
    /* A quarter of all words are surplus for 3 2^30; kept, they would make every third value twice as likely. */
    const uint32_t bound = 0xc0000000u;
    size_t thirds[3] = {0};
    for (size_t i = 0; i < 30000; i++)
        thirds[rhm_random_below(&random, bound) % 3]++;
    assert_true(chi_square_ratio(thirds, (const double[]){1 / 3.0, 1 / 3.0, 1 / 3.0}, 3, 30000) <= 1);
}

/* The probabilities that the columns encode, read off the columns. */
static void alias_tables_encode_their_distribution(void **state) {
    (void)state;
    enum { MOST = 200 };
    uint64_t random = 1;
    double p[MOST], scratch[MOST], mass[MOST];
    uint32_t work[MOST];
    rhm_alias columns[MOST];
    for (uint32_t round = 0; round < 2000; round++) {
        const uint32_t count = 1 + test_random(&random, MOST);
        double sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            const double u = test_random(&random, 1u << 30) + 1.0;
            p[i] = round % 3 == 0 ? u : round % 3 == 1 ? (test_random(&random, 3) ? 0 : u) : ldexp(u, -(int)(i % 60));
            sum += p[i];
        }
        if (sum == 0)
            p[0] = sum = 1;
        for (uint32_t i = 0; i < count; i++) {
            p[i] /= sum;
            mass[i] = 0;
        }
        rhm_alias_build(columns, p, count, scratch, work);
        for (uint32_t i = 0; i < count; i++) {
            const double kept = columns[i].alias == i ? 1 : ldexp(columns[i].threshold, -32);
            assert_true(columns[i].alias < count);
            assert_true(kept > 0 || p[i] < 1e-6);
            mass[i] += kept / count;
            mass[columns[i].alias] += (1 - kept) / count;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (p[i] == 0)
                assert_true(mass[i] == 0);
            if (!(fabs(mass[i] - p[i]) <= ldexp(1, -32)))
                fail_msg("round %u: entry %u of %u has mass %.17g, not %.17g", round, i, count, mass[i], p[i]);
        }
    }
    /* Equal entries, whatever their value: no aliases. */
    for (uint32_t i = 0; i < 49; i++)
        p[i] = 1.0 / 49;
    rhm_alias_build(columns, p, 49, scratch, work);
    for (uint32_t i = 0; i < 49; i++)
        assert_int_equal(columns[i].alias, i);
    assert_int_equal(rhm_alias_choice(columns, 49, UINT32_MAX), 48);
    assert_int_equal(rhm_alias_choice(columns, 49, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(bounded_words_are_unbiased),
        cmocka_unit_test(alias_tables_encode_their_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
