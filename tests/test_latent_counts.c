/* What latent clustering counts: sequences that are kept or drawn again, pairs against a plain count, dependence,
 * leading directions. */
#include "core/memory.h"
#include "counts/eigen.h"
#include "counts/parser.h"
#include "learners/latent/labels.h"
#include "learners/latent/pairs.h"
#include "learning.h"

/* ---- directions ------------------------------------------------------------------------------------------ */

/* The subspace of a matrix that is not taken apart whole has what the whole has. */
static void leading_directions_are_those_of_the_whole(void **state) {
    (void)state;
    enum { ROWS = 120, WIDTH = 60, RANK = 5 };
    static double x[ROWS * WIDTH], gram[ROWS * ROWS], kept[ROWS * ROWS], vector[ROWS * ROWS], value[ROWS],
        out[2][ROWS * RANK];
    rhm_random random = {.seed = 5, .stream = 1u << 20};
    for (size_t i = 0; i < ROWS * WIDTH; i++) { /* five strong directions, and noise */
        const size_t row = i / WIDTH, column = i % WIDTH;
        x[i] = (double)rhm_random_word(&random) * 0x1p-31 - 1 +
               (double)(5 + column % RANK) * (column < 10 && row % RANK == column % RANK);
    }
    rhm_error error;
    for (int threads = 1; threads <= 2; threads++) {
        rhm_engine *engine = engine_of(threads);
        assert_ok(rhm_gram(gram, engine, x, ROWS, WIDTH, &error), &error);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < ROWS; j++) {
                double sum = 0;
                for (size_t k = 0; k < WIDTH; k++)
                    sum += x[i * WIDTH + k] * x[j * WIDTH + k];
                assert_true(fabs(sum - gram[i * ROWS + j]) < 1e-11 * ROWS);
            }
        memcpy(kept, gram, sizeof kept);
        assert_ok(rhm_leading(out[threads - 1], engine, gram, ROWS, RANK, &error), &error);
        rhm_engine_destroy(engine);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    rhm_eigen(kept, vector, value, ROWS);
    for (size_t r = 0; r < RANK; r++) {
        double same = 0;
        for (size_t i = 0; i < ROWS; i++)
            same += out[0][i * RANK + r] * vector[i * ROWS + r] * sqrt(value[r]);
        assert_true(fabs(fabs(same) - value[r]) < 1e-9 * value[0]);
    }
}

/* ---- counts ---------------------------------------------------------------------------------------------- */

/* A grammar with its true table, and sequences of it. */
typedef struct fixture {
    rhm_grammar *grammar;
    struct rhm_table *table;
    rhm_sampler *sampler;
    rhm_grammar_source source;
} fixture;

static fixture make_fixture(const rhm_shape *shape) {
    fixture f;
    rhm_error error;
    assert_ok(rhm_grammar_draw(&f.grammar, shape, RHM_UNIFORM, 11, &error), &error);
    assert_ok(rhm_table_parser(&f.table, f.grammar, &error), &error);
    assert_ok(rhm_sampler_create(&f.sampler, f.grammar, 3, &error), &error);
    return f;
}

static void open_sequences(rhm_sequences *s, fixture *f, const rhm_engine *engine, size_t kept_nbytes) {
    rhm_error error;
    f->source = (rhm_grammar_source){f->grammar, 3, f->sampler, rhm_stream(RHM_TRAINING, 0)};
    assert_ok(rhm_sequences_open(s, engine, f->table, rhm_draw_from_grammar, &f->source, 1000, &error), &error);
    s->most_kept_nbytes = kept_nbytes;
}

static void clear_fixture(fixture *f) {
    rhm_sampler_destroy(f->sampler);
    rhm_model_destroy(&f->table->model);
    rhm_grammar_destroy(f->grammar);
}

/* Families of the first `count` sequences with one patch at one place and another at the other, as latents say. */
static uint64_t plain_count(const fixture *f, uint32_t level, size_t count, const uint16_t *latents, size_t one,
                            size_t other, const uint32_t *first, const uint32_t *second) {
    const rhm_tree *tree = rhm_grammar_tree(f->grammar);
    const size_t words = tree->branching[level], siblings = tree->branching[level - 1];
    uint64_t found = 0;
    for (size_t family = 0; family < count * tree->nodes[level - 2]; family++) {
        const uint16_t *x = latents + family * siblings * words;
        bool same = true;
        for (size_t w = 0; w < words; w++)
            same = same && x[one * words + w] == first[w] && x[other * words + w] == second[w];
        found += same;
    }
    return found;
}

static void check_pairs(const fixture *f, const rhm_pairs *pairs, uint32_t level, size_t count, uint16_t *latents) {
    const size_t p = pairs->patch.count, siblings = rhm_grammar_tree(f->grammar)->branching[level - 1];
    uint64_t all = 0;
    for (size_t place = 0; place < rhm_pairs_places(siblings); place++) {
        size_t one, other;
        rhm_pairs_place(siblings, place, &one, &other);
        assert_true(one < siblings && other < siblings && one != other);
        for (size_t i = 0; i < p; i++)
            for (size_t j = 0; j < p; j++) {
                const uint64_t n = pairs->count[(place * p + i) * p + j];
                assert_int_equal(n,
                                 plain_count(f, level, count, latents, one, other, rhm_intern_tuple(&pairs->patch, i),
                                             rhm_intern_tuple(&pairs->patch, j)));
                all += n;
            }
    }
    assert_int_equal(all, pairs->families * rhm_pairs_places(siblings));
}

/* At every level, at once or little by little, with or without room for what is kept, one thread or three. */
static void pairs_are_those_of_the_sequences(void **state) {
    (void)state;
    enum { COUNT = 150 };
    const rhm_shape shapes[] = {
        {.levels = 3, .branching = {0, 2, 3, 2}, .vocab = {3, 4, 5, 6}, .rules = {0, 2, 3, 2}},
        {.levels = 2, .branching = {0, 2, 5}, .vocab = {3, 4, 40}, .rules = {0, 3, 2}}, /* no table of numbers */
        {.levels = 2, .branching = {0, 9, 2}, .vocab = {2, 3, 4}, .rules = {0, 2, 2}},  /* neighbours alone */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fixture f = make_fixture(&shapes[i]);
        const rhm_tree *tree = rhm_grammar_tree(f.grammar);
        uint16_t *tokens = RHM_NEW(uint16_t, COUNT, tree->leaves[0], 1, "tokens", NULL), labels[COUNT],
                 *latents[RHM_MAX_LEVELS + 1] = {0};
        for (uint32_t l = 1; l < tree->levels; l++)
            latents[l] = RHM_NEW(uint16_t, COUNT, tree->nodes[l], 1, "latents", NULL);
        rhm_sample_sequences(f.sampler, rhm_stream(RHM_TRAINING, 0), 0, COUNT, tokens, labels, latents);
        latents[tree->levels] = tokens;
        for (int variant = 0; variant < 4; variant++) {
            rhm_engine *engine = engine_of(variant % 2 ? 3 : 1);
            rhm_sequences s;
            rhm_error error;
            open_sequences(&s, &f, engine, variant < 2 ? 1 << 20 : 1500);
            for (uint32_t level = tree->levels; level > 1; level--) {
                rhm_pairs pairs = {0};
                if (variant == 1)
                    assert_ok(rhm_pairs_add(&pairs, &s, 0, 7, "", &error), &error);
                assert_ok(rhm_pairs_add(&pairs, &s, variant == 1 ? 7 : 0, COUNT, "", &error), &error);
                check_pairs(&f, &pairs, level, COUNT, latents[level]);
                assert_true(variant < 2 ? s.kept == COUNT : s.kept < COUNT);
                rhm_pairs_clear(&pairs);
                assert_ok(rhm_sequences_rise(&s, &error), &error);
            }
            rhm_table_counts counts;
            assert_ok(rhm_labels_count(&counts, &s, COUNT, &error), &error);
            for (size_t z = 0; z < counts.classes; z++) {
                uint64_t n = 0, wanted = 0;
                for (size_t row = 0; row < counts.patch.count; row++)
                    n += counts.count[row * counts.classes + z];
                for (size_t k = 0; k < COUNT; k++)
                    wanted += labels[k] == z;
                assert_int_equal(n, wanted);
            }
            assert_true(rhm_labels_doubt(&counts, 1) == 0 && rhm_labels_doubt(&counts, COUNT + 1) == 1);
            rhm_table_counts_clear(&counts);
            rhm_sequences_close(&s);
            rhm_engine_destroy(engine);
        }
        for (uint32_t l = 1; l <= tree->levels; l++)
            rhm_free(latents[l]);
        clear_fixture(&f);
    }
}

/* Pairs of one place of two, counts given. */
static rhm_pairs given_pairs(size_t patches, const uint64_t *count) {
    rhm_pairs pairs = {.siblings = 2};
    rhm_error error;
    uint32_t id;
    assert_ok(rhm_intern_init(&pairs.patch, 1, patches, &error), &error);
    for (uint32_t i = 0; i < patches; i++)
        assert_ok(rhm_intern_add(&pairs.patch, &i, &id, NULL, &error), &error);
    pairs.count = RHM_NEW(uint64_t, patches, patches, 1, "pairs", &error);
    memcpy(pairs.count, count, sizeof *count * patches * patches);
    for (size_t i = 0; i < patches * patches; i++)
        pairs.families += count[i];
    return pairs;
}

/* Chi-square by hand; and about normal where siblings are independent. */
static void dependence_is_in_standard_errors(void **state) {
    (void)state;
    double z;
    rhm_error error;
    rhm_pairs pairs = given_pairs(2, (const uint64_t[]){30, 10, 20, 40});
    assert_ok(rhm_pairs_dependence(&z, &pairs, &error), &error);
    /* e = 20, 20, 30, 30; chi-square 16.667 for one degree; variance 2 + 100 (1/40 + 1/60) (1/50 + 1/50) */
    assert_true(fabs(z - (50 / 3.0 - 1) / sqrt(2 + 100 * (1 / 40.0 + 1 / 60.0) / 25)) < 1e-12);
    rhm_pairs_clear(&pairs);
    enum { PATCHES = 20, FAMILIES = 3000, TRIALS = 50 };
    rhm_random random = {.seed = 8, .stream = 1u << 20};
    double sum = 0, square = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        uint64_t count[PATCHES * PATCHES] = {0};
        for (int f = 0; f < FAMILIES; f++) {
            const uint32_t a = rhm_random_below(&random, PATCHES), b = rhm_random_below(&random, PATCHES);
            count[a * PATCHES + b]++;
        }
        pairs = given_pairs(PATCHES, count);
        assert_ok(rhm_pairs_dependence(&z, &pairs, &error), &error);
        rhm_pairs_clear(&pairs);
        sum += z;
        square += z * z;
    }
    assert_true(fabs(sum / TRIALS) < 0.6);
    assert_true(square / TRIALS > 0.5 && square / TRIALS < 1.7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leading_directions_are_those_of_the_whole),
        cmocka_unit_test(pairs_are_those_of_the_sequences),
        cmocka_unit_test(dependence_is_in_standard_errors),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
