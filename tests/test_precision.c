/*
 * Where float32 stops (docs/large-instances.md, "Precision"): the two lowest levels of a deep grammar, fitted to the
 * counts of up to 10^16 samples. Counts are made of the exact posteriors, with the noise of so many samples.
 */
#include "dense.h"
#include "linear/solve.h"

enum { V = 8, RULES = 4, LEVELS = 8, PATCHES = V * RULES, WIDTH = 512 };
static const uint64_t SEED = 20260119;

/* Distinct patches of a level, all equally probable, and what was counted of each. */
typedef struct counted {
    rhm_intern patches;
    uint32_t parent[PATCHES * RULES * RULES];
    rhm_patch_counts counts;
    uint64_t samples;
} counted;

static void add_patch(counted *c, const uint32_t *tuple, uint32_t parent) {
    uint32_t id;
    assert_int_equal(rhm_intern_add(&c->patches, tuple, &id, NULL, NULL), RHM_OK);
    c->parent[id] = parent;
}

/* The patches of the lowest level are rules; those of the level above pairs of them, named by their ids. */
static counted list_patches(const rhm_grammar *grammar, uint32_t level) {
    counted c = {0};
    const uint32_t *rule = rhm_grammar_patches(grammar, level);
    assert_int_equal(rhm_intern_init(&c.patches, 2, 0, NULL), RHM_OK);
    for (uint32_t r = 0; r < PATCHES; r++)
        for (uint32_t x = 0; x < (level == LEVELS ? 1 : RULES * RULES); x++) {
            const uint32_t pair[2] = {rule[2 * r] * RULES + x % RULES, rule[2 * r + 1] * RULES + x / RULES};
            add_patch(&c, level == LEVELS ? rule + 2 * r : pair, r / RULES);
        }
    return c;
}

static void draw_counts(counted *c, const double *posterior, double samples) {
    const size_t n = c->patches.count;
    rhm_patch_counts_clear(&c->counts);
    c->counts.offset = RHM_NEW(size_t, n + 1, 1, 1, "offsets", NULL);
    c->counts.label = RHM_NEW(uint32_t, n, V, 1, "labels", NULL);
    c->counts.count = RHM_NEW(uint64_t, n, V, 1, "counts", NULL);
    c->samples = 0;
    size_t cell = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t label = 0; label < V; label++) {
            const double mean = samples / (double)n * posterior[c->parent[i] * V + label];
            const double drawn = mean + sqrt(mean) * rhm_gaussian(SEED, 1u << 22, i * V + label);
            if (drawn < 1)
                continue;
            c->counts.label[cell] = label;
            c->counts.count[cell] = (uint64_t)drawn;
            c->samples += c->counts.count[cell++];
        }
        c->counts.offset[i + 1] = cell;
    }
}

static void clear(counted *c) {
    rhm_intern_destroy(&c->patches);
    rhm_patch_counts_clear(&c->counts);
}

/* Outputs of the fitted level, for the patches it was fitted to. */
static rhm_embeddings fit(const rhm_engine *engine, const counted *c, const rhm_embeddings *inputs, bool one_hot,
                          double bandwidth, double ridge, bool gram) {
    rhm_error error = {0};
    struct rhm_layer layer = {2, V, V, WIDTH, bandwidth, ridge, NULL, NULL, 1};
    rhm_ready_layer ready;
    rhm_normal *problem;
    assert_ok(rhm_layer_alloc(&layer, &error), &error);
    for (size_t i = 0; i < (size_t)WIDTH * 2 * V; i++)
        layer.frequencies[i] = (float)(rhm_gaussian(SEED, 1u << 21, i) / bandwidth);
    assert_ok(rhm_ready_layer_make(&ready, &layer, one_hot, &error), &error);
    const rhm_linear_data data = rhm_design_data(&ready, inputs, &c->patches, &c->counts, c->samples);
    const rhm_route route = gram ? RHM_ROUTE_GRAM : RHM_ROUTE_PASSES;
    assert_ok(rhm_normal_create(&problem, engine, &data, route, SIZE_MAX, &error), &error);
    assert_ok(rhm_normal_prepare(problem, &error), &error);
    double *target = must_alloc(2 * rhm_normal_size(problem), sizeof *target), *w = target + rhm_normal_size(problem);
    const rhm_solve_options options = {.solver = RHM_CG, .lambda = ridge, .tolerance = 1e-6};
    rhm_solve_result result;
    assert_ok(rhm_normal_right_hand_side(problem, target, &error), &error);
    assert_ok(rhm_solve(problem, &options, target, w, &result, &error), &error);
    assert_true(result.converged);
    for (size_t c0 = 0; c0 < V; c0++)
        for (size_t f = 0; f < 2 * WIDTH; f++)
            layer.weights[c0 * 2 * WIDTH + f] = (float)w[c0 * problem->stride + packed(f, WIDTH)];
    rhm_ready_layer_set_weights(&ready, layer.weights);
    rhm_embeddings out = {0};
    assert_ok(rhm_embed(&out, engine, &ready, &c->patches, inputs, NULL, &error), &error);
    free(target);
    rhm_normal_destroy(problem);
    rhm_ready_layer_clear(&ready);
    rhm_layer_clear(&layer);
    return out;
}

/* Mean distances of the outputs to the exact posteriors, to the counted frequencies, and what the noise of the samples
 * makes of the first at best. */
typedef struct distances {
    double exact, counted, floor;
} distances;

static distances measure(const counted *c, const double *posterior, const rhm_embeddings *out) {
    const size_t n = c->patches.count;
    distances d = {0};
    for (size_t i = 0; i < n; i++) {
        const double *q = posterior + c->parent[i] * V;
        double frequency[V] = {0}, total = 0, square = 0, exact = 0, found = 0;
        for (size_t cell = c->counts.offset[i]; cell < c->counts.offset[i + 1]; cell++) {
            frequency[c->counts.label[cell]] = (double)c->counts.count[cell];
            total += (double)c->counts.count[cell];
        }
        for (size_t label = 0; label < V; label++) {
            const double y = (double)out->row[i * V + label] + 1.0 / V;
            square += q[label] * q[label];
            exact += (y - q[label]) * (y - q[label]);
            found += (y - frequency[label] / total) * (y - frequency[label] / total);
        }
        d.exact += sqrt(exact) / (double)n;
        d.counted += sqrt(found) / (double)n;
        d.floor += sqrt((1 - square) * PATCHES / (double)c->samples) / (double)n;
    }
    return d;
}

static rhm_grammar *deep_grammar(rhm_analysis *analysis) {
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(V, RULES, 2, LEVELS), 1);
    assert_int_equal(rhm_analyse(analysis, grammar, NULL), RHM_OK);
    assert_true(analysis->rho[LEVELS] < 0.005);
    return grammar;
}

/* The lowest level: from 10^6 to 10^12 samples nothing but their noise is seen; what float32 adds is below 2e-7. */
static void the_lowest_level_reaches_its_floor(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_analysis analysis = {0};
    rhm_grammar *grammar = deep_grammar(&analysis);
    const double *posterior = analysis.posterior[LEVELS];
    counted c = list_patches(grammar, LEVELS);
    rhm_embeddings tokens;
    assert_int_equal(rhm_embeddings_one_hot(&tokens, V, NULL), RHM_OK);
    for (double samples = 1e6; samples < 2e16; samples *= 1e2) {
        draw_counts(&c, posterior, samples);
        for (int gram = 0; gram < 2; gram++) {
            rhm_embeddings out = fit(engine, &c, &tokens, true, 0.35, 1e-4 / PATCHES, gram);
            const distances d = measure(&c, posterior, &out);
            print_message("N = %.0e, %s: error %.2e, floor %.2e; to the counted frequencies %.1e\n", samples,
                          gram ? "gram" : "passes", d.exact, d.floor, d.counted);
            assert_true(d.exact < 1.15 * d.floor + 3e-7);
            assert_true(d.exact > 0.7 * d.floor);
            assert_true(d.counted < 1e-3 * d.floor + 3e-7);
            rhm_embeddings_clear(&out);
        }
    }
    clear(&c);
    rhm_embeddings_clear(&tokens);
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* What stops a level first is the ridge: its bias is in proportion to lambda |P|, whatever the number of samples. */
static void the_ridge_stops_before_float_does(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_analysis analysis = {0};
    rhm_grammar *grammar = deep_grammar(&analysis);
    const double *posterior = analysis.posterior[LEVELS];
    counted c = list_patches(grammar, LEVELS);
    rhm_embeddings tokens;
    assert_int_equal(rhm_embeddings_one_hot(&tokens, V, NULL), RHM_OK);
    draw_counts(&c, posterior, 1e16);
    double before = 0;
    for (double ridge = 0.1; ridge > 5e-4; ridge /= 10) {
        rhm_embeddings out = fit(engine, &c, &tokens, true, 0.35, ridge / PATCHES, false);
        const double bias = measure(&c, posterior, &out).exact;
        print_message("lambda |P| = %g: error %.2e\n", ridge, bias);
        assert_true(before == 0 || (bias > before / 14 && bias < before / 6));
        assert_true(bias > 4e-7);
        before = bias;
        rhm_embeddings_clear(&out);
    }
    clear(&c);
    rhm_embeddings_clear(&tokens);
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* One level up, whose inputs are the outputs of the lowest: neighbours 0.001 apart, at 512 patches of 32 meanings. */
static void the_level_above_follows(void **state) {
    (void)state;
    rhm_engine *engine = engine_of(1);
    rhm_analysis analysis = {0};
    rhm_grammar *grammar = deep_grammar(&analysis);
    counted c = list_patches(grammar, LEVELS), above = list_patches(grammar, LEVELS - 1);
    rhm_embeddings tokens;
    assert_int_equal(rhm_embeddings_one_hot(&tokens, V, NULL), RHM_OK);
    draw_counts(&c, analysis.posterior[LEVELS], 1e12);
    draw_counts(&above, analysis.posterior[LEVELS - 1], 1e12);
    rhm_embeddings inputs = fit(engine, &c, &tokens, true, 0.35, 1e-4 / PATCHES, false);
    double error[2];
    for (int gram = 0; gram < 2; gram++) {
        rhm_embeddings out = fit(engine, &above, &inputs, false, 0.65 * analysis.rho[LEVELS], 1e-4 / PATCHES, gram);
        const distances d = measure(&above, analysis.posterior[LEVELS - 1], &out);
        print_message("%s: error %.2e, floor %.2e, separation %.2e\n", gram ? "gram" : "passes", d.exact, d.floor,
                      analysis.rho[LEVELS - 1]);
        error[gram] = d.exact;
        assert_true(d.exact < 6 * d.floor && d.exact < 0.02 * analysis.rho[LEVELS - 1]);
        rhm_embeddings_clear(&out);
    }
    assert_true(fabs(error[1] / error[0] - 1) < 0.1);
    clear(&c);
    clear(&above);
    rhm_embeddings_clear(&tokens);
    rhm_embeddings_clear(&inputs);
    rhm_analysis_clear(&analysis);
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_level_reaches_its_floor),
        cmocka_unit_test(the_ridge_stops_before_float_does),
        cmocka_unit_test(the_level_above_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
