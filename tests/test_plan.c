/* The rule that chooses between passes and the Gram matrix, and what a stage makes of it. */
#include "dense.h"
#include "linear/solve.h"
#include "linear/solvers.h"

static const uint64_t SEED = 20260119;

static rhm_route_sizes sizes(double patches, double width, double classes, double products) {
    return (rhm_route_sizes){patches, width, classes, 2 * classes, products, 1};
}

static bool takes_gram(double patches, double width, double classes, double products) {
    const rhm_route_sizes s = sizes(patches, width, classes, products);
    return rhm_route_choose(&s) == RHM_ROUTE_GRAM;
}

/* Multiply-adds of the paper's formulas, counted term by term. */
static void costs_are_multiply_adds(void **state) {
    (void)state;
    const rhm_route_sizes s = {.patches = 1000, .width = 64, .classes = 5, .inputs = 12, .products = 7};
    double passes = 0, gram = 0;
    for (int product = 0; product < 7; product++)
        passes += 1000.0 * 64 * (12 + 14) + 2 * 1000.0 * 128 * 5;
    gram += 1000.0 * 64 * (12 + 14) + 1000.0 * 128 * 128 / 2 + 7 * 3 * 128.0 * 128 * 8; /* 5 classes take 8 columns */
    assert_true(rhm_route_cost(RHM_ROUTE_PASSES, &s) == passes);
    /* Two blocks of five classes: a matrix each. */
    const rhm_route_sizes two = {.patches = 1000, .width = 64, .classes = 10, .inputs = 12, .products = 7, .blocks = 2};
    assert_true(rhm_route_cost(RHM_ROUTE_GRAM, &two) == gram + 1000.0 * 128 * 128 / 2 + 7 * 3 * 128.0 * 128 * 8);
    assert_true(rhm_route_cost(RHM_ROUTE_GRAM, &s) == gram);
}

static void the_rule_is_as_documented(void **state) {
    (void)state;
    const double cg = rhm_solver_products(RHM_CG, 1);
    /* README.md of the learner: what the rule does for the sizes of issue-sized instances. */
    assert_false(takes_gram(64, 1024, 16, 4 * cg)); /* fewer patches than features */
    assert_false(takes_gram(1024, 1024, 16, 4 * cg));
    assert_false(takes_gram(30856, 1024, 16, cg));    /* the default instance's level 2: one fit */
    assert_true(takes_gram(30856, 1024, 16, 4 * cg)); /* and fits at successive ridges */
    assert_true(takes_gram(262144, 1024, 32, cg));
    assert_false(takes_gram(262144, 4096, 32, cg));
    assert_true(takes_gram(262144, 4096, 32, 4 * cg));
    assert_false(takes_gram(262144, 2048, 8, 4 * cg));
    assert_false(takes_gram(1e9, 8192, 512, 1e6)); /* wider than a Gram matrix may be */
    assert_false(takes_gram(1e6, 512, 64, rhm_solver_products(RHM_CHOLESKY, 100)));
    assert_true(rhm_solver_products(RHM_GD_PAPER, 1) > rhm_solver_products(RHM_GD, 1));
}

/* More products or patches never make the Gram matrix less worth its price; more width at a given rest does. */
static void the_rule_is_monotone(void **state) {
    (void)state;
    for (double width = 16; width <= 4096; width *= 2)
        for (double classes = 2; classes <= 512; classes *= 2)
            for (double patches = 10; patches < 1e8; patches *= 3) {
                bool before = false;
                for (double products = 0; products <= 256; products = 2 * products + 1) {
                    const bool now = takes_gram(patches, width, classes, products);
                    assert_false(before && !now);
                    if (now)
                        assert_true(takes_gram(3 * patches, width, classes, products));
                    before = now;
                }
            }
}

/* What a fit of `patches` is made of when one or four solutions are expected. */
static rhm_linear_plan chosen(double patches, double width, double classes, double solves) {
    const rhm_route_sizes s = sizes(patches, width, classes, NAN);
    return rhm_linear_plan_choose(&s, RHM_CG, solves);
}

/* Very many patches: a sample preconditions where C would cost more, and has a matrix of its own where that pays. */
static void very_many_patches_take_a_sample(void **state) {
    (void)state;
    rhm_linear_plan plan = chosen(1e5, 1024, 16, 1);
    assert_true(plan.route == RHM_ROUTE_PASSES && plan.sample == 0);
    plan = chosen(1e6, 1024, 16, 1);
    assert_true(plan.route == RHM_ROUTE_PASSES && plan.sample == 65536 && plan.sample_route == RHM_ROUTE_GRAM);
    plan = chosen(1e6, 4096, 8, 1);
    assert_true(plan.route == RHM_ROUTE_PASSES && plan.sample == 16384 && plan.sample_route == RHM_ROUTE_PASSES);
    plan = chosen(1e6, 1024, 16, 4);
    assert_true(plan.route == RHM_ROUTE_GRAM && plan.sample == 0);
    plan = chosen(1e300, 1024, 16, 1); /* as a plan may ask */
    assert_true(plan.sample == 65536);
    const rhm_route_sizes s = sizes(1e6, 1024, 16, NAN);
    plan = rhm_linear_plan_choose(&s, RHM_CHOLESKY, 4);
    assert_true(plan.route == RHM_ROUTE_PASSES && plan.sample == 0);
}

/* How passes come to features, by sizes alone; caching alone by memory too. */
static void passes_take_the_cheapest_way(void **state) {
    (void)state;
    rhm_pass_sizes few = {.patches = 5000, .rows = 5000, .tokens = 2, .embedding = 8, .width = 64, .classes = 8};
    few.runs = 1;
    assert_int_equal(rhm_passes_plan(&few, true).representation, RHM_RECOMPUTED); /* no memory, no phasors */
    few.cache_nbytes = SIZE_MAX;
    rhm_linear_record record = rhm_passes_plan(&few, true);
    assert_int_equal(record.representation, RHM_CACHED);
    assert_int_equal(record.cache_nbytes, 5000 * sizeof(float) * rhm_feature_stride(64));
    assert_false(record.phasors);
    rhm_pass_sizes runs = few;
    runs.rows = 64; /* of which many patches are made */
    runs.runs = 50;
    record = rhm_passes_plan(&runs, true);
    assert_true(record.representation == RHM_FACTORED && record.phasors && record.runs == 50 && !record.cache_nbytes);
    assert_int_equal(rhm_passes_plan(&runs, false).representation, RHM_CACHED); /* a backend without phasors */
    runs.runs = 5000;
    record = rhm_passes_plan(&runs, true);
    assert_true(record.representation == RHM_CACHED && record.phasors && record.runs == 0);
    runs.patches = runs.runs = 1 << 20; /* features that no cache holds */
    assert_int_equal(rhm_passes_plan(&runs, true).representation, RHM_RECOMPUTED);
    few.patches = few.rows = SIZE_MAX / 8; /* whose size overflows */
    assert_int_equal(rhm_passes_plan(&few, true).representation, RHM_RECOMPUTED);
}

/* A design with what it borrows. */
typedef struct designing {
    dense_problem dense;
    rhm_design_key key;
    rhm_design design;
} designing;

static void make(designing *d, const rhm_engine *engine) {
    rhm_error error = {0};
    const bool one_hot = d->dense.shape.embedding != d->dense.shape.classes;
    assert_ok(rhm_design_make(&d->design, engine, &d->key, &d->dense.layer, one_hot, &d->dense.inputs,
                              &d->dense.patches, &d->dense.counts, NULL, NULL, &error),
              &error);
}

static double *solve(rhm_design *design, double lambda) {
    const size_t size = rhm_normal_size(design->normal);
    double *w = must_alloc(size, sizeof *w);
    rhm_solve_result result;
    const rhm_solve_options options = {.solver = RHM_CG, .lambda = lambda, .tolerance = 1e-5};
    assert_int_equal(rhm_solve(design->normal, &options, design->target, w, &result, NULL), RHM_OK);
    assert_true(result.converged);
    return w;
}

/* A second ridge finds everything in place, and solves to the bits that it would have found alone. */
static void a_design_serves_every_ridge(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(2);
    for (int route = 0; route < 2; route++) {
        designing d[2] = {0};
        double *w[2];
        for (int alone = 0; alone < 2; alone++) {
            d[alone].dense = make_problem((problem_shape){500, 4000, 2, 5, 5, 40, 0.3}, SEED);
            d[alone].key = (rhm_design_key){4000, SEED, 2, 40, 0.3, {(rhm_route)route, 0, RHM_ROUTE_PASSES}};
            make(&d[alone], engine);
            if (!alone) {
                free(solve(&d[alone].design, 1e-2));
                const double flops = d[alone].design.normal->flops, *target = d[alone].design.target;
                make(&d[alone], engine);
                assert_true(d[alone].design.normal->flops == flops && d[alone].design.target == target);
            }
            assert_int_equal(d[alone].design.normal->record.representation == RHM_FORMED, route == RHM_ROUTE_GRAM);
            w[alone] = solve(&d[alone].design, 1e-3);
        }
        assert_memory_equal(w[0], w[1], sizeof **w * rhm_normal_size(d[0].design.normal));
        for (int alone = 0; alone < 2; alone++) {
            free(w[alone]);
            rhm_design_clear(&d[alone].design);
            clear_problem(&d[alone].dense);
        }
    }
    rhm_engine_destroy(engine);
}

/* Every part of the key matters. */
static void a_design_is_made_anew_when_it_must(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    designing d = {.dense = make_problem((problem_shape){100, 400, 2, 5, 5, 40, 0.3}, SEED)};
    const rhm_design_key keys[] = {{400, 1, 2, 40, 0.3, {RHM_ROUTE_PASSES, 0, RHM_ROUTE_PASSES}},
                                   {800, 1, 2, 40, 0.3, {RHM_ROUTE_PASSES, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 2, 40, 0.3, {RHM_ROUTE_PASSES, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 40, 0.3, {RHM_ROUTE_PASSES, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 40, 0.4, {RHM_ROUTE_PASSES, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 40, 0.4, {RHM_ROUTE_GRAM, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 24, 0.4, {RHM_ROUTE_GRAM, 0, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 24, 0.4, {RHM_ROUTE_PASSES, 60, RHM_ROUTE_PASSES}},
                                   {800, 2, 3, 24, 0.4, {RHM_ROUTE_PASSES, 60, RHM_ROUTE_GRAM}}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        d.key = keys[i];
        d.dense.layer.width = keys[i].width;
        d.dense.layer.bandwidth = keys[i].bandwidth;
        make(&d, engine);
        d.design.normal->flops = -1;
        make(&d, engine);
        assert_true(d.design.normal->flops == -1);
        if (i + 1 < sizeof keys / sizeof *keys) {
            d.key = keys[i + 1];
            d.dense.layer.width = keys[i + 1].width;
            make(&d, engine);
            assert_true(d.design.normal->flops > 0);
            assert_int_equal(d.design.layer.width, keys[i + 1].width);
        }
    }
    rhm_design_clear(&d.design);
    clear_problem(&d.dense);
    rhm_engine_destroy(engine);
}

/* A whole job whose upper levels take the Gram matrix: the same model on every engine. */
static void models_do_not_depend_on_the_engine(void **state) {
    (void)state;
    const struct {
        int threads;
        const char *isa;
    } ways[] = {{1, NULL}, {2, NULL}, {5, "avx2"}, {2, "scalar"}, {2, "avx512"}};
    const rhm_shape shape = {.levels = 3, .branching = {0, 2, 2, 2}, .vocab = {6, 6, 6, 6}, .rules = {0, 3, 3, 3}};
    rhm_grammar *grammar = learnable_grammar(shape, 1);
    const rhm_train_options options = {.samples = {0, 2000, 4000, 3000}, .width = 48, .test_samples = 200};
    char first[RHM_HASH_TEXT_NBYTES] = "";
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        rhm_engine *engine = engine_at(ways[i].threads, ways[i].isa);
        if (!engine)
            continue;
        rhm_model *model;
        rhm_train_report report;
        rhm_error error = {0};
        char hash[RHM_HASH_TEXT_NBYTES];
        assert_ok(rhm_train(&model, &report, engine, grammar, &options, &error), &error);
        assert_int_equal(report.level[3].route, RHM_ROUTE_PASSES);
        assert_int_equal(report.level[1].route, RHM_ROUTE_GRAM);
        rhm_model_hash(model, hash);
        if (!*first)
            memcpy(first, hash, sizeof first);
        assert_string_equal(hash, first);
        rhm_model_destroy(model);
        rhm_engine_destroy(engine);
    }
    rhm_grammar_destroy(grammar);
}

static void partial_sums_grow_with_the_problem(void **state) {
    (void)state;
    static const struct {
        size_t chunks, size, leaves;
    } cases[] = {
        {0, 1000, 0},
        {1, 1000, 1},
        {127, 1000, 127},
        {128, 1000, 128},
        {5000, 1000, 128},
        {8255, 1000, 128},
        {8256, 1000, 129},
        {20000, 1000, 312},
        {65536, 1000, 1024},
        {524288, 1000, 1024},
        {65536, 1 << 16, 512},
        {5000, 1 << 20, 32},
        {5000, 1 << 24, 16},
        {7, 1 << 24, 7},
        {5000, SIZE_MAX, 16},
        {524288, 1 << 16, 512},
        {524289, 1 << 16, 8192},
        {1000000, SIZE_MAX, 15625},
        {10000000, 1000, 65536},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rhm_pass_leaves(cases[i].chunks, cases[i].size), cases[i].leaves);
}

/* Rows are as many as memory allows, and as ranks have memory: with the leaves of one process there is nothing to do.
 */
static void processes_keep_no_more_rows_than_fit(void **state) {
    (void)state;
    static const struct {
        size_t leaves, size, ranks, rows, together;
    } cases[] = {
        {0, 1000, 1, 0, 1},
        {1024, 1000, 1, 1024, 1},
        {512, 1 << 16, 1, 512, 1},
        {8192, 1 << 16, 1, 512, 16},
        {8193, 1 << 16, 1, 257, 32},
        {8192, 1 << 16, 3, 1024, 8},
        {65536, 1 << 16, 64, 32768, 2},
        {65536, 1 << 16, 128, 65536, 1},
        {65536, SIZE_MAX, 2, 32, 2048},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t together;
        assert_int_equal(rhm_pass_rows(cases[i].leaves, cases[i].size, cases[i].ranks, &together), cases[i].rows);
        assert_int_equal(together, cases[i].together);
    }
    for (size_t chunks = 1; chunks <= 1 << 19; chunks = chunks * 5 / 4 + 1)
        for (size_t size = 16; size < (size_t)1 << 40; size *= 4) {
            size_t together;
            rhm_pass_rows(rhm_pass_leaves(chunks, size), size, 1, &together);
            assert_int_equal(together, 1);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_multiply_adds),
        cmocka_unit_test(the_rule_is_as_documented),
        cmocka_unit_test(the_rule_is_monotone),
        cmocka_unit_test(very_many_patches_take_a_sample),
        cmocka_unit_test(passes_take_the_cheapest_way),
        cmocka_unit_test(a_design_serves_every_ridge),
        cmocka_unit_test(a_design_is_made_anew_when_it_must),
        cmocka_unit_test(models_do_not_depend_on_the_engine),
        cmocka_unit_test(partial_sums_grow_with_the_problem),
        cmocka_unit_test(processes_keep_no_more_rows_than_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
