/*
 * What the report of a training run says of a level, recomputed sample by sample: the validation stream is drawn again,
 * every first patch pushed through the trained levels in double precision, and compared with the exact posteriors.
 */
#include "learning.h"
#include "rhm/sampling.h"

static const uint64_t SEED = 20260119;

typedef struct study {
    const rhm_grammar *grammar;
    rhm_analysis analysis;
    rhm_model *model;
    rhm_train_report report;
} study;

static void begin(study *s, const rhm_grammar *grammar, rhm_train_options options) {
    rhm_engine *engine = engine_of(1);
    rhm_error error = {0};
    *s = (study){.grammar = grammar};
    options.draw = RHM_DRAW_SAMPLES; /* so that the recomputation can draw them too, */
    for (uint32_t l = 1; l <= rhm_grammar_shape(grammar)->levels; l++)
        options.positions[l] = 1; /* from first patches */
    assert_ok(rhm_analyse(&s->analysis, grammar, &error), &error);
    assert_ok(rhm_train(&s->model, &s->report, engine, grammar, &options, &error), &error);
    rhm_engine_destroy(engine);
}

static void end(study *s) {
    rhm_model_destroy(s->model);
    rhm_analysis_clear(&s->analysis);
}

static double distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(sum);
}

/* The validation samples of a level with their outputs. */
typedef struct outputs {
    size_t count, classes, parents;
    uint16_t *label, *parent;
    double *y;    /* (count, classes) */
    double *mean; /* (parents, classes), of the parents that occur */
    double *share;
} outputs;

static outputs validate(const study *s, uint32_t level, uint64_t seed) {
    const rhm_shape *shape = rhm_grammar_shape(s->grammar);
    const size_t leaves = rhm_grammar_tree(s->grammar)->leaves[level - 1];
    outputs o = {.count = s->report.level[level].validation_samples,
                 .classes = shape->vocab[0],
                 .parents = shape->vocab[level - 1]};
    uint16_t *leaf = calloc(o.count * leaves, sizeof *leaf);
    o.label = calloc(o.count, sizeof *o.label);
    o.parent = calloc(o.count, sizeof *o.parent);
    o.y = calloc(o.count * o.classes, sizeof *o.y);
    o.mean = calloc(o.parents * o.classes, sizeof *o.mean);
    o.share = calloc(o.parents, sizeof *o.share);
    assert_true(leaf && o.label && o.parent && o.y && o.mean && o.share);
    rhm_sampler *sampler;
    assert_int_equal(rhm_sampler_create(&sampler, s->grammar, seed, NULL), RHM_OK);
    rhm_sample_first_patches(sampler, rhm_stream(RHM_VALIDATION, level), level, 0, o.count, leaf, o.label, o.parent);
    for (size_t i = 0; i < o.count; i++) {
        oracle_patch(s->model, level, leaf + i * leaves, o.y + i * o.classes);
        o.share[o.parent[i]] += 1 / (double)o.count;
        for (size_t c = 0; c < o.classes; c++)
            o.mean[o.parent[i] * o.classes + c] += o.y[i * o.classes + c] / (double)o.count;
    }
    for (size_t p = 0; p < o.parents; p++)
        for (size_t c = 0; c < o.classes && o.share[p] > 0; c++)
            o.mean[p * o.classes + c] /= o.share[p];
    rhm_sampler_destroy(sampler);
    free(leaf);
    return o;
}

static void free_outputs(outputs *o) {
    free(o->label), free(o->parent), free(o->y), free(o->mean), free(o->share);
}

static void assert_near(uint32_t level, const char *what, double reported, double recomputed, double tolerance) {
    if (!(fabs(reported - recomputed) <= tolerance))
        fail_msg("level %u: %s is reported as %.9g, but is %.9g", level, what, reported, recomputed);
}

static void check_level(const study *s, uint32_t level, uint64_t seed) {
    const rhm_level_report *r = &s->report.level[level];
    outputs o = validate(s, level, seed);
    const size_t classes = o.classes;
    const double *posterior = s->analysis.posterior[level];
    double off_mean = 0, off_max = 0, loss = 0, correct = 0, nearest_own = 0, radius = 0, worst = 0, size = 0;
    for (size_t i = 0; i < o.count; i++) {
        const double *y = o.y + i * classes;
        const double off = distance(y, posterior + o.parent[i] * classes, classes);
        off_mean += off / (double)o.count;
        off_max = fmax(off_max, off);
        double square = 1 - 2 * y[o.label[i]];
        for (size_t c = 0; c < classes; c++)
            square += y[c] * y[c];
        worst = fmax(worst, square);
        size = fmax(size, sqrt(fabs(square)));
        loss += square / (double)o.count;
        correct += largest(y, classes) == o.label[i];
        const double own = distance(y, o.mean + o.parent[i] * classes, classes);
        radius = fmax(radius, own);
        bool nearest = true;
        for (size_t p = 0; p < o.parents; p++)
            nearest &= p == o.parent[i] || o.share[p] == 0 || distance(y, o.mean + p * classes, classes) > own;
        nearest_own += nearest;
    }
    double separation = (double)INFINITY;
    for (size_t p = 0; p < o.parents; p++)
        for (size_t q = 0; q < p; q++)
            if (o.share[p] > 0 && o.share[q] > 0)
                separation = fmin(separation, distance(o.mean + p * classes, o.mean + q * classes, classes));
    const double few = 3 / (double)o.count; /* ties that rounding decides */
    /* Small sums magnify rounding; they are rare, so means suffer less than the largest. */
    const double rounding = 1e-5 * (1 + size), most = 1e-5 * (1 + size * size * size);
    assert_near(level, "posterior_error_mean", r->posterior_error_mean, off_mean, rounding);
    assert_near(level, "posterior_error_max", r->posterior_error_max, off_max, most);
    assert_near(level, "synonym_accuracy", r->synonym_accuracy, nearest_own / (double)o.count, few);
    assert_near(level, "separation", r->separation, separation, rounding);
    assert_near(level, "radius", r->radius, radius, most);
    assert_near(level, "held_out_accuracy", r->held_out_accuracy, correct / (double)o.count, few);
    if (worst < 4) /* beyond, a single sample's loss is capped */
        assert_near(level, "held_out_loss", r->held_out_loss, loss, 1e-5);
    free_outputs(&o);
}

/* sqrt((1 - ||q||^2) / (N p)) over all patches, weighted by p; the report takes p from the validation samples. */
static double exact_floor(const study *s, uint32_t level) {
    const rhm_shape *shape = rhm_grammar_shape(s->grammar);
    const double *rule = rhm_grammar_probability(s->grammar, level), *label = rhm_grammar_label_probability(s->grammar);
    double first[64] = {0}, next[64];
    for (size_t z = 0; z < shape->vocab[0]; z++)
        first[z] = label[z];
    for (uint32_t l = 1; l < level; l++) { /* law of the first level-l token */
        memset(next, 0, sizeof next);
        for (size_t z = 0; z < shape->vocab[l - 1]; z++)
            for (size_t k = 0; k < shape->rules[l]; k++)
                next[rhm_grammar_patches(s->grammar, l)[(z * shape->rules[l] + k) * shape->branching[l]]] +=
                    first[z] * rhm_grammar_probability(s->grammar, l)[z * shape->rules[l] + k];
        memcpy(first, next, sizeof first);
    }
    double floor = 0;
    for (size_t z = 0; z < shape->vocab[level - 1]; z++) {
        double square = 0;
        for (size_t c = 0; c < shape->vocab[0]; c++)
            square += pow(s->analysis.posterior[level][z * shape->vocab[0] + c], 2);
        for (size_t k = 0; k < shape->rules[level]; k++) {
            const double p = first[z] * rule[z * shape->rules[level] + k];
            if (p > 0)
                floor += p * sqrt(fmax(0, 1 - square) / ((double)s->report.level[level].samples * p));
        }
    }
    return floor;
}

static void report_equals_recomputation(void **state) {
    (void)state;
    const rhm_train_options options[] = {
        {.seed = 11, .test_samples = 100, .max_samples = 6000, .width = 96},
        {.seed = 12,
         .test_samples = 100,
         .max_samples = 4000,
         .width = 50,
         .ridge = {0, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER, RHM_RIDGE_PAPER}},
        {.seed = 13, .test_samples = 100, .width = 33, .samples = {0, 300, 300, 300}}, /* too few: unresolved levels */
    };
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(6, 3, 2, 3), SEED);
    for (size_t i = 0; i < 3; i++) {
        study s;
        begin(&s, grammar, options[i]);
        for (uint32_t level = 1; level <= 3; level++) {
            check_level(&s, level, options[i].seed);
            const double floor = exact_floor(&s, level);
            assert_near(level, "posterior_error_floor", s.report.level[level].posterior_error_floor, floor,
                        0.05 * floor + 1e-9);
        }
        end(&s);
    }
    rhm_grammar_destroy(grammar);
}

/* A grammar with nothing uniform in it and other vocabularies at every level. */
static void report_holds_for_uneven_grammars(void **state) {
    (void)state;
    rhm_grammar *grammar = uneven_grammar();
    study s;
    begin(&s, grammar, (rhm_train_options){.seed = 3, .test_samples = 100, .max_samples = 20000, .width = 256});
    for (uint32_t level = 1; level <= 3; level++) {
        const rhm_level_report *r = &s.report.level[level];
        check_level(&s, level, 3);
        /* As many clusters as the level above has symbols: what the learner sees without the grammar is right. */
        assert_true(r->resolved);
        assert_near(level, "cluster_separation", r->cluster_separation, r->separation, 0.15 * r->separation);
        const double floor = exact_floor(&s, level);
        assert_near(level, "posterior_error_floor", s.report.level[level].posterior_error_floor, floor,
                    0.05 * floor + 1e-9);
    }
    end(&s);
    rhm_grammar_destroy(grammar);
}

/* The noise of a patch's output is sqrt((1 - ||q||^2) / (N p)): 16 times the samples, a quarter of the error. */
static void error_falls_with_samples(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 2), SEED);
    double error[3];
    for (size_t i = 0; i < 3; i++) {
        study s;
        const uint64_t samples = UINT64_C(3000) << (4 * i);
        begin(&s, grammar,
              (rhm_train_options){.seed = 5,
                                  .samples = {0, 2000, samples},
                                  .width = 1024,
                                  .bandwidth = {0, 0, 0.35},
                                  .ridge = {0, 0, 1e-4},
                                  .test_samples = 100});
        const rhm_level_report *r = &s.report.level[2];
        error[i] = r->posterior_error_mean;
        assert_true(error[i] < 1.4 * r->posterior_error_floor && error[i] > 0.7 * r->posterior_error_floor);
        end(&s);
    }
    for (size_t i = 1; i < 3; i++)
        if (!(error[i] < error[i - 1] / 2.8 && error[i] > error[i - 1] / 5.6))
            fail_msg("errors %.4g, %.4g, %.4g", error[0], error[1], error[2]);
    rhm_grammar_destroy(grammar);
}

/* A resolved level puts every patch with its synonyms, and predicts nearly as well as the exact posterior would: with
 * first tokens uniform, E ||e_label - q||^2 = 1 - mean ||q||^2. */
static void resolved_levels_are_nearly_bayes(void **state) {
    (void)state;
    rhm_grammar *grammar = learnable_grammar(rhm_shape_uniform(8, 4, 2, 3), SEED);
    study s;
    begin(&s, grammar, (rhm_train_options){.seed = 6, .test_samples = 2000});
    for (uint32_t level = 1; level <= 3; level++) {
        const rhm_level_report *r = &s.report.level[level];
        double bayes = 1;
        for (size_t i = 0; i < 64; i++)
            bayes -= pow(s.analysis.posterior[level][i], 2) / 8;
        assert_true(r->resolved);
        assert_true(r->synonym_accuracy > 0.999999);
        /* ||y - q||^2 adds to it; validation itself is uncertain by about 1 / sqrt(n) */
        const double uncertainty = 4 * 0.5 / sqrt((double)r->validation_samples);
        if (!(r->held_out_loss > bayes - uncertainty && r->held_out_loss < bayes + 0.01 + uncertainty))
            fail_msg("level %u: held-out loss %.4f, Bayes %.4f", level, r->held_out_loss, bayes);
        assert_true(r->separation > r->radius);
        /* What the learner sees without the grammar agrees with the oracle. */
        assert_near(level, "cluster_separation", r->cluster_separation, r->separation, 0.15 * r->separation);
        assert_true(r->cluster_radius <= r->radius * 1.01);
    }
    end(&s);
    rhm_grammar_destroy(grammar);
}

/* Mass of the rules that no training sample shows at its first position: the samples are drawn again and parsed, and
 * symbols are followed position by position. */
static double unseen(const study *s, uint32_t level, uint64_t seed) {
    const rhm_shape *shape = rhm_grammar_shape(s->grammar);
    const rhm_tree *tree = rhm_grammar_tree(s->grammar);
    const size_t rules = shape->rules[level], count = s->report.level[level].samples;
    const size_t leaves = tree->leaves[level - 1], positions = tree->nodes[level - 1];
    bool seen[64] = {false};
    uint16_t *leaf = calloc(count * leaves, sizeof *leaf), *label = calloc(count, sizeof *label);
    rhm_sampler *sampler;
    assert_true(leaf && label && shape->vocab[level - 1] * rules <= 64);
    assert_int_equal(rhm_sampler_create(&sampler, s->grammar, seed, NULL), RHM_OK);
    rhm_sample_first_patches(sampler, rhm_stream(RHM_TRAINING, level), level, 0, count, leaf, label, NULL);
    for (size_t i = 0; i < count; i++) {
        uint32_t symbol[64];
        for (size_t t = 0; t < leaves; t++)
            symbol[t] = leaf[i * leaves + t];
        for (uint32_t l = shape->levels; l > level; l--)
            for (size_t t = 0; t < rhm_tree_below(tree, level - 1, l - 1); t++)
                symbol[t] = rhm_grammar_parent(s->grammar, l, symbol + t * shape->branching[l]);
        for (size_t row = 0; row < shape->vocab[level - 1] * rules; row++)
            seen[row] |= !memcmp(rhm_grammar_patches(s->grammar, level) + row * shape->branching[level], symbol,
                                 sizeof *symbol * shape->branching[level]);
    }
    double mass = 0;
    for (size_t position = 0; position < positions; position++) {
        double share[16] = {0}, next[16];
        for (size_t z = 0; z < shape->vocab[0]; z++)
            share[z] = rhm_grammar_label_probability(s->grammar)[z];
        for (uint32_t l = 1; l < level; l++) {
            const size_t child = position / rhm_tree_below(tree, l, level - 1) % shape->branching[l];
            memset(next, 0, sizeof next);
            for (size_t row = 0; row < shape->vocab[l - 1] * (size_t)shape->rules[l]; row++)
                next[rhm_grammar_patches(s->grammar, l)[row * shape->branching[l] + child]] +=
                    share[row / shape->rules[l]] * rhm_grammar_probability(s->grammar, l)[row];
            memcpy(share, next, sizeof share);
        }
        for (size_t row = 0; row < shape->vocab[level - 1] * rules; row++)
            mass += seen[row]
                        ? 0
                        : share[row / rules] * rhm_grammar_probability(s->grammar, level)[row] / (double)positions;
    }
    rhm_sampler_destroy(sampler);
    free(leaf), free(label);
    return mass;
}

static void unseen_mass_equals_recomputation(void **state) {
    (void)state;
    rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3);
    shape.branching[2] = 3;
    rhm_grammar_options how = {.seed = SEED};
    for (uint32_t level = 1; level <= 3; level++)
        how.rule_law[level] = (rhm_rule_law){RHM_LAW_ZIPF, 2};
    rhm_grammar *grammar;
    rhm_error error = {0};
    assert_ok(rhm_grammar_draw_with(&grammar, &shape, &how, &error), &error);
    double largest = 0;
    for (uint64_t samples = 30; samples <= 3000; samples *= 10) {
        study s;
        begin(&s, grammar,
              (rhm_train_options){.seed = 9,
                                  .samples = {0, samples, 2 * samples, 3 * samples},
                                  .width = 64,
                                  .bandwidth = {0, 0.3, 0.3, 0.3},
                                  .ridge = {0, 1e-3, 1e-3, 1e-3},
                                  .test_samples = 10});
        for (uint32_t level = 1; level <= 3; level++) {
            const double mass = unseen(&s, level, 9);
            assert_near(level, "unseen_mass", s.report.level[level].unseen_mass, mass, 1e-12);
            largest = fmax(largest, mass);
        }
        end(&s);
    }
    assert_true(largest > 0.01);
    rhm_grammar_destroy(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unseen_mass_equals_recomputation), cmocka_unit_test(report_equals_recomputation),
        cmocka_unit_test(report_holds_for_uneven_grammars), cmocka_unit_test(error_falls_with_samples),
        cmocka_unit_test(resolved_levels_are_nearly_bayes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
