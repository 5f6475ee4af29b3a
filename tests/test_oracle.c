/* Belief propagation against the sum over all derivations of small grammars: any rules, laws, noise and masks. */
#include "samplers.h"

#include "hierarchy/bp.h"
#include "rhm/oracle.h"

enum { GRAMMARS = 60, SEQUENCES = 24, MOST_DERIVATIONS = 3000 };

typedef struct observation {
    const tables *t;
    double token_noise, label_noise;
    const uint16_t *tokens; /* (d) */
    const uint8_t *masked;
    double total, label[8], marginal[4][MAX_TOKENS][8]; /* [level][node][symbol]: not normalised */
} observation;

static void weigh(void *context, const derivation *d) {
    observation *o = context;
    const rhm_shape *shape = &o->t->shape;
    const double miss = o->token_noise / shape->vocab[shape->levels];
    double p = d->probability;
    for (size_t i = 0; i < nodes_of(shape, shape->levels); i++)
        if (!o->masked[i])
            p *= miss + (d->symbols[shape->levels][i] == o->tokens[i] ? 1 - o->token_noise : 0);
    o->total += p;
    o->label[d->symbols[0][0]] += p;
    for (uint32_t level = 0; level <= shape->levels; level++)
        for (size_t node = 0; node < nodes_of(shape, level); node++)
            o->marginal[level][node][d->symbols[level][node]] += p;
}

static rhm_grammar *noisy(const tables *t, double token_noise, double label_noise) {
    const uint32_t *patches[RHM_MAX_LEVELS];
    const double *probability[RHM_MAX_LEVELS];
    const rhm_grammar_options options = {
        .sampling = RHM_GIVEN, .ambiguity = 1, .token_noise = token_noise, .label_noise = label_noise};
    rhm_grammar *grammar;
    rhm_error error = {0};
    for (uint32_t l = 0; l < t->shape.levels; l++) {
        patches[l] = t->patch[l];
        probability[l] = t->probability[l];
    }
    if (rhm_grammar_create_with(&grammar, &t->shape, patches, probability, t->label_probability, &options, &error) !=
        RHM_OK)
        fail_msg("%s", error.text);
    return grammar;
}

typedef struct answers {
    double posterior[SEQUENCES][8], log_likelihood[SEQUENCES];
    double marginal[4][SEQUENCES * MAX_TOKENS * 8];
} answers;

static void compare(const tables *t, const rhm_grammar *grammar, const answers *a, const uint16_t *tokens,
                    const uint8_t *masked, double tolerance, uint64_t seed) {
    static observation o;
    const rhm_shape *shape = &t->shape;
    const rhm_grammar_options *how = rhm_grammar_origin(grammar);
    const size_t d = nodes_of(shape, shape->levels), classes = shape->vocab[0];
    for (size_t i = 0; i < SEQUENCES; i++) {
        memset(&o, 0, sizeof o);
        o = (observation){.t = t,
                          .token_noise = how->token_noise,
                          .label_noise = how->label_noise,
                          .tokens = tokens + i * d,
                          .masked = masked + i * d};
        visit_derivations(t, weigh, &o);
        const double *posterior = &a->posterior[0][0] + i * classes;
        if (o.total == 0) {
            assert_true(isnan(posterior[0]) && a->log_likelihood[i] == -(double)INFINITY);
            continue;
        }
        if (!(fabs(a->log_likelihood[i] - log(o.total)) <= tolerance * 10))
            fail_msg("seed %llu: log likelihood %.15g, not %.15g", (unsigned long long)seed, a->log_likelihood[i],
                     log(o.total));
        for (size_t z = 0; z < classes; z++) {
            const double exact = (1 - how->label_noise) * o.label[z] / o.total + how->label_noise / (double)classes;
            if (!(fabs(posterior[z] - exact) <= tolerance))
                fail_msg("seed %llu sequence %zu: label %zu has %.15g, not %.15g", (unsigned long long)seed, i, z,
                         posterior[z], exact);
        }
        for (uint32_t level = 0; level <= shape->levels; level++)
            for (size_t node = 0; node < nodes_of(shape, level); node++)
                for (size_t v = 0; v < shape->vocab[level]; v++) {
                    const double exact = o.marginal[level][node][v] / o.total;
                    const double found =
                        a->marginal[level][(i * nodes_of(shape, level) + node) * shape->vocab[level] + v];
                    if (!(fabs(found - exact) <= tolerance))
                        fail_msg("seed %llu: level %u node %zu symbol %zu has %.15g, not %.15g",
                                 (unsigned long long)seed, level, node, v, found, exact);
                }
    }
}

/* Sequences of the grammar, with and without much noise, and random ones; some with hidden tokens. */
static void observe(const rhm_grammar *grammar, uint16_t *tokens, uint8_t *masked, uint64_t seed) {
    const rhm_shape *shape = rhm_grammar_shape(grammar);
    const size_t d = nodes_of(shape, shape->levels);
    uint16_t labels[SEQUENCES];
    uint64_t random = seed;
    rhm_sampler *sampler = must_sample(grammar, seed);
    rhm_sample_sequences(sampler, 300, 0, SEQUENCES, tokens, labels, NULL);
    rhm_sampler_destroy(sampler);
    for (size_t i = 0; i < SEQUENCES; i++)
        for (size_t j = 0; j < d; j++) {
            if (i % 3 == 2)
                tokens[i * d + j] = (uint16_t)test_random(&random, shape->vocab[shape->levels]);
            masked[i * d + j] = i % 2 && test_random(&random, 3) == 0;
            if (masked[i * d + j])
                tokens[i * d + j] = UINT16_MAX; /* means nothing */
        }
}

static rhm_engine *must_engine(int threads) {
    rhm_engine *engine;
    assert_int_equal(rhm_engine_create(&engine, &(rhm_engine_options){.threads = threads}, NULL), RHM_OK);
    return engine;
}

static void inference_equals_enumeration(void **state) {
    (void)state;
    static tables t;
    static answers a;
    static uint16_t tokens[SEQUENCES * MAX_TOKENS];
    static uint8_t masked[SEQUENCES * MAX_TOKENS];
    const double noises[] = {0, 0.1, 0.6, 1, 1e-9};
    rhm_engine *engine = must_engine(2);
    for (uint64_t seed = 1; seed <= GRAMMARS; seed++) {
        random_tables(&t, seed, MOST_DERIVATIONS);
        if (seed % 2)
            share_patches(&t, seed);
        rhm_grammar *grammar = noisy(&t, noises[seed % 5], noises[seed / 5 % 4]);
        observe(grammar, tokens, masked, seed);
        for (rhm_precision precision = RHM_PRECISION_SINGLE; precision <= RHM_PRECISION_DOUBLE; precision++) {
            rhm_oracle *oracle;
            rhm_error error = {0};
            double *marginals[4] = {a.marginal[0], a.marginal[1], a.marginal[2], a.marginal[3]};
            const rhm_beliefs out = {&a.posterior[0][0], a.log_likelihood, marginals};
            assert_int_equal(rhm_oracle_create(&oracle, engine, grammar, precision, &error), RHM_OK);
            if (rhm_oracle_infer(oracle, tokens, masked, SEQUENCES, &out, &error) != RHM_OK)
                fail_msg("%s", error.text);
            compare(&t, grammar, &a, tokens, masked, precision == RHM_PRECISION_DOUBLE ? 1e-12 : 1e-5, seed);
            rhm_oracle_destroy(oracle);
        }
        rhm_grammar_destroy(grammar);
    }
    rhm_engine_destroy(engine);
}

/* All results, by the functions of one instruction set. Labels alone, without messages that are kept, are the same. */
static void run_group(const rhm_bp *bp, const rhm_bp_ops *ops, bool precise, const uint16_t *tokens,
                      const uint8_t *masked, answers *a) {
    for (int whole = 0; whole < 2; whole++) {
        double *marginals[4] = {a->marginal[0], a->marginal[1], a->marginal[2], a->marginal[3]};
        double *posterior = &a->posterior[0][0] + (whole ? 0 : RHM_BP_LANES / 2 * bp->classes);
        const rhm_bp_group group = {RHM_BP_LANES / 2,        tokens, masked, posterior, a->log_likelihood,
                                    whole ? marginals : NULL};
        void *workspace = aligned_alloc(64, (rhm_bp_workspace_nbytes(bp, 8, true, true) + 63) / 64 * 64);
        (void)(precise ? ops->group_double : ops->group_float)(bp, &group, workspace);
        free(workspace);
    }
    if (!masked) /* the lowest level from tokens rather than from messages: the same sums */
        assert_memory_equal(&a->posterior[0][0], &a->posterior[0][0] + RHM_BP_LANES / 2 * bp->classes,
                            sizeof(double) * RHM_BP_LANES / 2 * bp->classes);
}

static void bits_do_not_depend_on_the_width(void **state) {
    (void)state;
    static tables t;
    static answers a, b;
    static uint16_t tokens[SEQUENCES * MAX_TOKENS];
    static uint8_t masked[SEQUENCES * MAX_TOKENS];
    for (uint64_t seed = 1; seed <= GRAMMARS; seed++) {
        random_tables(&t, seed, 1e9);
        rhm_grammar *grammar = noisy(&t, 0.2, 0.1);
        rhm_bp bp;
        assert_int_equal(rhm_bp_make(&bp, grammar, NULL), RHM_OK);
        observe(grammar, tokens, masked, seed);
        for (size_t i = 0; seed % 2 && i < SEQUENCES * nodes_of(&t.shape, t.shape.levels); i++)
            tokens[i] = tokens[i] == UINT16_MAX ? 0 : tokens[i];
        for (int precise = 0; precise < 2; precise++)
            for (rhm_isa isa = RHM_ISA_SCALAR; isa < RHM_ISA_COUNT; isa++) {
                if (!rhm_isa_includes(rhm_isa_here(), isa))
                    continue;
                const rhm_bp_ops ops = rhm_bp_ops_at(isa);
                answers *here = isa == RHM_ISA_SCALAR ? &a : &b;
                memset(here, 0, sizeof *here);
                run_group(&bp, &ops, precise, tokens, seed % 2 ? NULL : masked, here);
                if (isa != RHM_ISA_SCALAR)
                    assert_memory_equal(&a, &b, sizeof a);
            }
        rhm_bp_clear(&bp);
        rhm_grammar_destroy(grammar);
    }
}

/* Sixty-four children each of which prefers another symbol: products beyond the reach of single precision. */
static void small_numbers_are_done_again(void **state) {
    (void)state;
    enum { S = 64 };
    static tables t;
    memset(&t, 0, sizeof t);
    t.shape = (rhm_shape){.levels = 1, .branching = {0, S}, .vocab = {2, 2}, .rules = {0, 1}};
    t.label_probability[0] = t.label_probability[1] = 0.5;
    t.probability[0][0] = t.probability[0][1] = 1;
    for (uint32_t i = 0; i < S; i++) {
        t.patch[0][i] = 0;
        t.patch[0][S + i] = 1;
    }
    rhm_engine *engine = must_engine(1);
    rhm_grammar *grammar = noisy(&t, 1e-4, 0);
    uint16_t tokens[S];
    for (size_t i = 0; i < S; i++)
        tokens[i] = i < S / 2 + 1;
    for (rhm_precision precision = RHM_PRECISION_AUTO; precision <= RHM_PRECISION_DOUBLE; precision++) {
        rhm_oracle *oracle;
        double posterior[2];
        assert_int_equal(rhm_oracle_create(&oracle, engine, grammar, precision, NULL), RHM_OK);
        assert_int_equal(rhm_oracle_infer(oracle, tokens, NULL, 1, &(rhm_beliefs){.posteriors = posterior}, NULL),
                         RHM_OK);
        const double odds = pow(5e-5 / (1 - 5e-5), 2); /* two tokens more of the one than of the other */
        assert_true(fabs(posterior[0] / (odds / (1 + odds)) - 1) < 1e-9);
        rhm_oracle_destroy(oracle);
    }
    rhm_grammar_destroy(grammar);
    rhm_engine_destroy(engine);
}

/* ---- Bayes accuracy ------------------------------------------------------------------------------------------------
 */

typedef struct joint {
    const tables *t;
    double token_noise;
    double p[4096][5]; /* [sequence that is seen][true label] */
} joint;

static void spread(void *context, const derivation *d) {
    joint *j = context;
    const rhm_shape *shape = &j->t->shape;
    const size_t tokens = nodes_of(shape, shape->levels), vocab = shape->vocab[shape->levels];
    for (size_t seen = 0; seen < power(vocab, tokens); seen++) {
        double p = d->probability;
        for (size_t i = tokens, rest = seen; i-- > 0; rest /= vocab)
            p *= j->token_noise / (double)vocab +
                 (d->symbols[shape->levels][i] == rest % vocab ? 1 - j->token_noise : 0);
        j->p[seen][d->symbols[0][0]] += p;
    }
}

static void bayes_equals_enumeration(void **state) {
    (void)state;
    static tables t;
    static joint j;
    rhm_engine *engine = must_engine(2);
    size_t checked = 0;
    for (uint64_t seed = 1; seed <= 200 && checked < 12; seed++) {
        enum { SAMPLES = 40000 };
        random_tables(&t, seed, 300);
        const size_t classes = t.shape.vocab[0];
        const double sequences = pow(t.shape.vocab[t.shape.levels], (double)nodes_of(&t.shape, t.shape.levels));
        if (sequences > 4096 || classes < 2)
            continue;
        if (++checked % 3)
            share_patches(&t, seed);
        const double label_noise = checked % 2 ? 0 : 0.2;
        memset(&j, 0, sizeof j);
        j.t = &t;
        j.token_noise = 0.15;
        visit_derivations(&t, spread, &j);
        double accuracy = 0, entropy = 0;
        for (size_t seen = 0; seen < (size_t)sequences; seen++) {
            double recorded[5], sum = 0, most = 0;
            for (size_t z = 0; z < classes; z++)
                sum += j.p[seen][z];
            for (size_t z = 0; z < classes; z++) {
                recorded[z] = (1 - label_noise) * j.p[seen][z] + label_noise * sum / (double)classes;
                most = fmax(most, recorded[z]);
                entropy -= recorded[z] > 0 ? recorded[z] * log(recorded[z] / sum) : 0;
            }
            accuracy += most;
        }
        rhm_grammar *grammar = noisy(&t, j.token_noise, label_noise);
        rhm_bayes b = {0};
        rhm_error error = {0};
        if (rhm_bayes_of_grammar(&b, engine, grammar, seed, 300, 0, SAMPLES, &error) != RHM_OK)
            fail_msg("%s", error.text);
        assert_int_equal(b.samples, SAMPLES);
        assert_int_equal(b.impossible, 0);
        const double deviation = sqrt(accuracy * (1 - accuracy) / SAMPLES);
        if (!(fabs(b.accuracy - accuracy) <= 5 * deviation + 1e-9) ||
            !(fabs(b.expected_accuracy - accuracy) <= 5 * b.expected_accuracy_error + 1e-6) ||
            !(fabs(b.cross_entropy - entropy) <= 5 * b.cross_entropy_error + 1e-6))
            fail_msg("seed %llu: accuracy %.5f (expected %.5f), cross-entropy %.5f; exactly %.5f and %.5f",
                     (unsigned long long)seed, b.accuracy, b.expected_accuracy, b.cross_entropy, accuracy, entropy);
        assert_true(b.accuracy_low <= b.accuracy && b.accuracy <= b.accuracy_high);
        assert_true(b.accuracy_high - b.accuracy_low < 2.1 * 1.96 * deviation + 1e-3);
        rhm_grammar_destroy(grammar);
    }
    assert_int_equal(checked, 12);
    rhm_engine_destroy(engine);
}

/* Wilson, JASA 22 (1927) 209: 7 of 10 are .397 to .892. */
static void intervals_are_wilsons(void **state) {
    (void)state;
    rhm_bayes b = {0};
    for (size_t i = 0; i < 10; i++)
        rhm_bayes_add(&b, (const double[]){0.75, 0.25}, &(const uint16_t){i >= 7}, 1, 2);
    assert_true(fabs(b.accuracy - 0.7) < 1e-12 && fabs(b.accuracy_low - 0.3968) < 1e-4);
    assert_true(fabs(b.accuracy_high - 0.8922) < 1e-4 && fabs(b.expected_accuracy - 0.75) < 1e-12);
    assert_true(fabs(b.cross_entropy + (7 * log(0.75) + 3 * log(0.25)) / 10) < 1e-12);
    rhm_bayes_add(&b, (const double[]){(double)NAN, (double)NAN}, &(const uint16_t){0}, 1, 2);
    assert_true(b.impossible == 1 && b.samples == 11 && b.correct == 7 && isinf(b.cross_entropy) &&
                isinf(b.cross_entropy_error));
    for (uint16_t label = 0; label < 2; label++) {
        rhm_bayes same = {0};
        for (size_t n = 1; n <= 100; n++) {
            rhm_bayes_add(&same, (const double[]){0.75, 0.25}, &label, 1, 2);
            assert_true(same.accuracy == 1 - label && 0 <= same.accuracy_low && same.accuracy_high <= 1);
            assert_true(same.accuracy_low <= same.accuracy && same.accuracy <= same.accuracy_high);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_equals_enumeration), cmocka_unit_test(bits_do_not_depend_on_the_width),
        cmocka_unit_test(small_numbers_are_done_again), cmocka_unit_test(bayes_equals_enumeration),
        cmocka_unit_test(intervals_are_wilsons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
