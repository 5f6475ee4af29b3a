/* The exact law of ids, right and wrong ones, against all derivations of small grammars; counts drawn and counted. */
#include "core/memory.h"
#include "counts/law.h"
#include "learning.h"

enum { MOST_LEAVES = 16 };

/* A level's table with ids that mean nothing: patch i of the grammar's rules has the id i mod `outputs`, and every
 * `skip`-th patch is not listed. */
static void wrong_level(struct rhm_table *table, const rhm_grammar *grammar, const rhm_patch_law *law, uint32_t l,
                        uint32_t outputs, size_t skip) {
    rhm_error error;
    uint32_t row;
    struct rhm_table_level *level = &table->level[l];
    level->inputs = l == table->model.tree.levels ? table->model.token_vocab : table->level[l + 1].outputs;
    level->outputs = outputs;
    level->other = outputs - 1;
    assert_ok(rhm_intern_init(&level->patch, law->patch.words, law->patch.count, &error), &error);
    level->id = RHM_NEW(uint32_t, law->patch.count, 1, 1, "ids", &error);
    for (size_t i = 0; i < law->patch.count; i++)
        if (i % skip != skip - 1) {
            assert_ok(rhm_intern_add(&level->patch, rhm_intern_tuple(&law->patch, i), &row, NULL, &error), &error);
            level->id[row] = (uint32_t)i % outputs;
        }
    assert_ok(rhm_table_ready_level(table, l, &error), &error);
    (void)grammar;
}

/* All derivations below one symbol, one after the other: of each the leaves and the probability. */
typedef struct derivations {
    const rhm_grammar *grammar;
    uint32_t from;
    uint16_t symbols[RHM_MAX_LEVELS + 1][MOST_LEAVES];
    void (*each)(void *context, const uint16_t *leaves, double probability);
    void *context;
} derivations;

static void derive(derivations *d, uint32_t level, size_t at, double probability) {
    const rhm_shape *shape = rhm_grammar_shape(d->grammar);
    const rhm_tree *tree = rhm_grammar_tree(d->grammar);
    if (level > shape->levels) {
        d->each(d->context, d->symbols[shape->levels], probability);
        return;
    }
    if (at == rhm_tree_below(tree, d->from, level - 1)) {
        derive(d, level + 1, 0, probability);
        return;
    }
    const size_t s = shape->branching[level], m = shape->rules[level], parent = d->symbols[level - 1][at];
    for (size_t r = parent * m; r < (parent + 1) * m; r++) {
        if (!(rhm_grammar_probability(d->grammar, level)[r] > 0))
            continue;
        for (size_t t = 0; t < s; t++)
            d->symbols[level][at * s + t] = (uint16_t)rhm_grammar_patches(d->grammar, level)[r * s + t];
        derive(d, level, at + 1, probability * rhm_grammar_probability(d->grammar, level)[r]);
    }
}

typedef struct expected {
    const struct rhm_table *table;
    const rhm_patch_law *law;
    uint32_t level;
    size_t parent;
    double *given, missed; /* what no patch of the law is */
} expected;

/* Leaves to the patch of ids by lookups in lists, one patch at a time. */
static void add_derivation(void *context, const uint16_t *leaves, double probability) {
    expected *e = context;
    const rhm_tree *tree = &e->table->model.tree;
    size_t count = tree->leaves[e->level - 1];
    uint32_t ids[MOST_LEAVES];
    for (size_t i = 0; i < count; i++)
        ids[i] = leaves[i];
    for (uint32_t l = tree->levels; l > e->level; l--) {
        const struct rhm_table_level *level = &e->table->level[l];
        count /= tree->branching[l];
        for (size_t i = 0; i < count; i++) {
            const uint32_t row = rhm_intern_find(&level->patch, ids + i * tree->branching[l]);
            ids[i] = row == UINT32_MAX ? level->other : level->id[row];
        }
    }
    const uint32_t row = rhm_intern_find(&e->law->patch, ids);
    if (row == UINT32_MAX)
        e->missed += probability;
    else
        e->given[row * e->law->parents + e->parent] += probability;
}

static void check_law(const rhm_grammar *grammar, uint32_t outputs, size_t skip) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    struct rhm_table *table;
    rhm_error error;
    rhm_id_law ids, raised;
    assert_ok(rhm_table_new(&table, rhm_grammar_tree(grammar), shape->vocab[0], shape->vocab[shape->levels], &error),
              &error);
    assert_ok(rhm_id_law_tokens(&ids, shape->vocab[shape->levels], rhm_grammar_origin(grammar)->token_noise, &error),
              &error);
    for (uint32_t l = shape->levels; l >= 1; l--) {
        rhm_patch_law law;
        assert_ok(rhm_patch_law_make(&law, grammar, l, &ids, &error), &error);
        assert_true(law.patch.count > 0);
        expected e = {.table = table, .law = &law, .level = l};
        e.given = RHM_NEW(double, law.patch.count, law.parents, 1, "expected", &error);
        for (e.parent = 0; e.parent < law.parents; e.parent++) {
            derivations d = {.grammar = grammar, .from = l - 1, .each = add_derivation, .context = &e};
            d.symbols[l - 1][0] = (uint16_t)e.parent;
            derive(&d, l, 0, 1);
        }
        assert_true(e.missed == 0);
        for (size_t i = 0; i < law.patch.count * law.parents; i++)
            assert_true(fabs(e.given[i] - law.given[i]) < 1e-12);
        if (l > 1) {
            wrong_level(table, grammar, &law, l, outputs, skip);
            assert_ok(rhm_id_law_raise(&raised, &law, &table->level[l], &error), &error);
            rhm_id_law_clear(&ids);
            ids = raised;
        }
        rhm_free(e.given);
        rhm_patch_law_clear(&law);
    }
    rhm_id_law_clear(&ids);
    rhm_model_destroy(&table->model);
}

static void the_law_of_ids_is_that_of_all_derivations(void **state) {
    (void)state;
    rhm_grammar *grammars[2] = {small_grammar(), NULL};
    const rhm_shape shape = {.levels = 2, .branching = {0, 2, 3}, .vocab = {2, 3, 3}, .rules = {0, 2, 3}};
    rhm_error error;
    assert_ok(rhm_grammar_draw(&grammars[1], &shape, RHM_UNIFORM, 5, &error), &error);
    for (size_t i = 0; i < 2; i++) {
        check_law(grammars[i], 1, 100); /* everything is one id */
        check_law(grammars[i], 2, 100);
        check_law(grammars[i], 3, 4); /* some patches are not listed */
        check_law(grammars[i], 5, 3);
        rhm_grammar_destroy(grammars[i]);
    }
}

typedef struct positions {
    double *joint; /* (positions, symbols, labels) */
    const rhm_grammar *grammar;
    size_t label, symbols, labels;
} positions;

static void add_positions(void *context, const uint16_t *leaves, double probability) {
    positions *p = context;
    for (size_t i = 0; i < rhm_grammar_tree(p->grammar)->leaves[0]; i++)
        p->joint[(i * p->symbols + leaves[i]) * p->labels + p->label] +=
            probability * rhm_grammar_label_probability(p->grammar)[p->label];
}

static void the_law_of_positions_is_that_of_all_derivations(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t leaves = rhm_grammar_tree(grammar)->leaves[0];
    rhm_error error;
    double *law;
    positions p = {.grammar = grammar, .symbols = shape->vocab[shape->levels], .labels = shape->vocab[0]};
    p.joint = RHM_NEW(double, leaves, p.symbols, p.labels, "expected", &error);
    for (p.label = 0; p.label < p.labels; p.label++) {
        derivations d = {.grammar = grammar, .from = 0, .each = add_positions, .context = &p};
        d.symbols[0][0] = (uint16_t)p.label;
        derive(&d, 1, 0, 1);
    }
    for (size_t count = 1; count <= leaves; count += 3) {
        assert_ok(rhm_position_law(&law, grammar, shape->levels, count, &error), &error);
        for (size_t i = 0; i < count * p.symbols * p.labels; i++)
            assert_true(fabs(law[i] - p.joint[i]) < 1e-12);
        rhm_free(law);
    }
    rhm_free(p.joint);
    rhm_grammar_destroy(grammar);
}

/* Counts of level 2 of the small grammar under wrong ids at two positions, drawn from the law or counted. */
typedef struct subject {
    rhm_grammar *grammar;
    struct rhm_table *table;
    rhm_patch_law law;
    double *position;
} subject;

enum { POSITIONS = 2 };

static subject make_subject(void) {
    subject s = {.grammar = small_grammar()};
    const rhm_shape *shape = rhm_grammar_shape(s.grammar);
    rhm_error error;
    rhm_id_law ids, raised;
    rhm_patch_law below;
    assert_ok(rhm_table_new(&s.table, rhm_grammar_tree(s.grammar), shape->vocab[0], shape->vocab[3], &error), &error);
    assert_ok(rhm_id_law_tokens(&ids, shape->vocab[3], 0, &error), &error);
    assert_ok(rhm_patch_law_make(&below, s.grammar, 3, &ids, &error), &error);
    wrong_level(s.table, s.grammar, &below, 3, 3, 4);
    assert_ok(rhm_id_law_raise(&raised, &below, &s.table->level[3], &error), &error);
    assert_ok(rhm_patch_law_make(&s.law, s.grammar, 2, &raised, &error), &error);
    assert_ok(rhm_position_law(&s.position, s.grammar, 1, POSITIONS, &error), &error);
    rhm_id_law_clear(&ids);
    rhm_id_law_clear(&raised);
    rhm_patch_law_clear(&below);
    return s;
}

static void clear_subject(subject *s) {
    rhm_free(s->position);
    rhm_patch_law_clear(&s->law);
    rhm_model_destroy(&s->table->model);
    rhm_grammar_destroy(s->grammar);
}

static double probability_of(const subject *s, size_t patch, size_t p, size_t z) {
    const size_t labels = rhm_grammar_shape(s->grammar)->vocab[0];
    double sum = 0;
    for (size_t nu = 0; nu < s->law.parents; nu++)
        sum += s->law.given[patch * s->law.parents + nu] * s->position[(p * s->law.parents + nu) * labels + z];
    return sum;
}

static rhm_table_counts take(const subject *s, const rhm_engine *engine, bool drawn, uint64_t samples, uint64_t seed) {
    rhm_table_counts counts;
    rhm_error error;
    rhm_sampler *sampler;
    assert_ok(rhm_sampler_create(&sampler, s->grammar, seed, &error), &error);
    const rhm_grammar_source source = {s->grammar, seed, sampler, rhm_stream(RHM_TRAINING, 2)};
    const rhm_batch batch = {rhm_draw_from_grammar, &source, 0, samples, "counting"};
    assert_ok(drawn ? rhm_table_draw_counts(&counts, engine, &s->law, s->position, POSITIONS, s->table->model.classes,
                                            samples, seed, rhm_stream(RHM_TRAINING, 2), &error)
                    : rhm_table_count_samples(&counts, engine, s->table, 2, POSITIONS, &batch, &error),
              &error);
    rhm_sampler_destroy(sampler);
    return counts;
}

static uint64_t count_of(const rhm_table_counts *counts, const uint32_t *patch, size_t p, size_t z) {
    const uint32_t row = rhm_intern_find(&counts->patch, patch);
    return row == UINT32_MAX ? 0 : counts->count[(row * counts->positions + p) * counts->classes + z];
}

/* Means and covariances over many draws of N: those of the multinomial law, for both. */
static void counts_have_their_law_drawn_or_counted(void **state) {
    (void)state;
    enum { DRAWS = 400, SAMPLES = 300, LEAST = 8 };
    subject s = make_subject();
    rhm_engine *engine = engine_of(1);
    const size_t labels = s.table->model.classes, cells = s.law.patch.count * labels;
    for (int drawn = 0; drawn < 2; drawn++) {
        double *mean = calloc(POSITIONS * cells, sizeof *mean), *product = calloc(POSITIONS * cells, sizeof *product);
        for (uint64_t seed = 0; seed < DRAWS; seed++) {
            rhm_table_counts counts = take(&s, engine, drawn, SAMPLES, seed);
            for (size_t i = 0; i < POSITIONS * cells; i++) {
                const size_t p = i / cells, cell = i % cells, next = (cell + 1) % cells;
                const double here =
                    (double)count_of(&counts, rhm_intern_tuple(&s.law.patch, cell / labels), p, cell % labels);
                const double there =
                    (double)count_of(&counts, rhm_intern_tuple(&s.law.patch, next / labels), p, next % labels);
                mean[i] += here / DRAWS;
                product[i] += here * there / DRAWS;
            }
            rhm_table_counts_clear(&counts);
        }
        for (size_t i = 0; i < POSITIONS * cells; i++) {
            const size_t p = i / cells, cell = i % cells, next = (cell + 1) % cells;
            const double q = probability_of(&s, cell / labels, p, cell % labels);
            const double r = probability_of(&s, next / labels, p, next % labels);
            const double sigma = sqrt(SAMPLES * q * (1 - q) / DRAWS);
            if (fabs(mean[i] - SAMPLES * q) > 5 * sigma + 1e-9)
                fail_msg("cell %zu: mean %g, expected %g +- %g (drawn: %d)", i, mean[i], SAMPLES * q, sigma, drawn);
            if (SAMPLES * q < LEAST || SAMPLES * r < LEAST)
                continue;
            /* The product of two counts of a multinomial law; its spread is that of the two, about. */
            const double wanted = SAMPLES * (SAMPLES - 1) * q * r;
            const double spread = SAMPLES * SAMPLES * q * r * sqrt((1 / (SAMPLES * q) + 1 / (SAMPLES * r)) / DRAWS);
            if (fabs(product[i] - wanted) > 6 * spread)
                fail_msg("cell %zu: product %g, expected %g +- %g (drawn: %d)", i, product[i], wanted, spread, drawn);
        }
        free(mean);
        free(product);
    }
    rhm_engine_destroy(engine);
    clear_subject(&s);
}

static void counts_do_not_depend_on_threads(void **state) {
    (void)state;
    subject s = make_subject();
    for (int drawn = 0; drawn < 2; drawn++) {
        rhm_table_counts counts[2];
        rhm_engine *engine[2];
        for (int i = 0; i < 2; i++) {
            engine[i] = engine_of(i ? 3 : 1);
            counts[i] = take(&s, engine[i], drawn, drawn ? UINT64_C(1) << 50 : 20000, 7);
        }
        assert_int_equal(counts[0].patch.count, counts[1].patch.count);
        assert_memory_equal(counts[0].patch.tuples, counts[1].patch.tuples,
                            sizeof(uint32_t) * counts[0].patch.count * counts[0].patch.words);
        assert_memory_equal(counts[0].count, counts[1].count,
                            sizeof(uint64_t) * counts[0].patch.count * POSITIONS * counts[0].classes);
        for (int i = 0; i < 2; i++) {
            rhm_table_counts_clear(&counts[i]);
            rhm_engine_destroy(engine[i]);
        }
    }
    clear_subject(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_law_of_ids_is_that_of_all_derivations),
        cmocka_unit_test(the_law_of_positions_is_that_of_all_derivations),
        cmocka_unit_test(counts_have_their_law_drawn_or_counted),
        cmocka_unit_test(counts_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
