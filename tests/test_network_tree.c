/* The order in which gradients of networks are summed: the walk through chunks against the tree of engine/reduce.h, and
 * steps on a batch against those on its chunks. */
#include "engine/reduce.h"
#include "network/tree.h"
#include "networks.h"

enum { LEAST = 32 };

/* Rows in the tree of rhm_reduce; `size` of a chunk and where chunks begin follow from its definition. */
static double tree_sum(const rhm_engine *engine, const double *row, size_t sequences, size_t positions) {
    size_t chunk = LEAST;
    while (chunk * 64 < sequences)
        chunk *= 2;
    const size_t count = (sequences + chunk - 1) / chunk;
    double *sum = calloc(count, sizeof *sum);
    for (size_t i = 0; i < sequences * positions; i++)
        sum[i / (chunk * positions)] += row[i];
    assert_int_equal(rhm_reduce(engine, sum, count, 1, 1, NULL), RHM_OK);
    const double all = sum[0];
    free(sum);
    return all;
}

/* As a gradient is summed, with numbers for floats; the sums that are left, and how many. */
static size_t walk_through(const rhm_network_tree *tree, size_t positions, const double *row, size_t rows, size_t most,
                           size_t slots, double *slot) {
    rhm_network_walk walk = rhm_network_walk_of(tree, positions, rows);
    while (walk.row < walk.rows) {
        const rhm_network_run run = rhm_network_next_run(&walk, most);
        assert_true(run.count >= 1 && run.count <= most && run.slot < slots && run.joins <= run.slot);
        assert_true(run.joins <= RHM_NETWORK_JOINS);
        double sum = run.fresh ? 0 : slot[run.slot];
        for (size_t i = run.row; i < run.row + run.count; i++)
            sum += row[i];
        slot[run.slot] = sum;
        for (size_t k = run.slot; k > run.slot - run.joins; k--)
            slot[k - 1] += slot[k];
    }
    assert_int_equal(walk.row, rows);
    assert_int_equal(walk.chunk, tree->end);
    return walk.slots;
}

static double *numbers(size_t count) {
    double *row = calloc(count, sizeof *row);
    for (size_t i = 0; i < count; i++)
        row[i] = network_uniform() + 1e6 * network_uniform();
    return row;
}

/* Chunks are worth their while, and no larger than that. */
static void chunks_have_work(void **state) {
    (void)state;
    for (double work = 1; work < 1e9; work *= 1.3) {
        const size_t least = rhm_network_least_chunk(work);
        assert_true(least >= 32 && (least & (least - 1)) == 0 && (double)least * work >= 0x1p22);
        assert_true(least == 32 || (double)least / 2 * work < 0x1p22);
        assert_int_equal(rhm_network_tree_of(least, least).count, 1);
        assert_int_equal(rhm_network_tree_of(least + 1, least).count, 2);
    }
}

static void a_walk_sums_in_the_tree(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 1);
    double *row = numbers(3 * 5000), slot[14];
    for (size_t trial = 0; trial < 400; trial++) {
        const size_t sequences = trial < 140 ? trial + 1 : 1 + network_below(5000), positions = 1 + network_below(3);
        const rhm_network_tree tree = rhm_network_tree_of(sequences, LEAST);
        assert_true(tree.first == 0 && tree.end == tree.count && tree.count <= RHM_NETWORK_CHUNKS);
        const size_t left = walk_through(&tree, positions, row, sequences * positions, 1 + network_below(200),
                                         rhm_network_tree_slots(sequences, LEAST, true), slot);
        if (left != 1 || slot[0] != tree_sum(engine, row, sequences, positions))
            fail_msg("%zu sequences of %zu rows: %zu sums are left, the first is %a, the tree's %a", sequences,
                     positions, left, slot[0], tree_sum(engine, row, sequences, positions));
    }
    free(row);
    rhm_engine_destroy(engine);
}

/* Gradients of a batch: the momenta of a first step. */
static void gradient_of(const problem *p, const rhm_engine *engine, size_t first, size_t count, float *out) {
    rhm_network *network = network_of(p, engine, count);
    const rhm_network_rule rule = {.momentum = 0.5f};
    rhm_network_result result;
    float *parameters = calloc(p->layout.parameters, sizeof *parameters);
    assert_int_equal(
        rhm_network_step(network, p->tokens + first * p->layout.tokens, p->labels + first, count, &rule, &result, NULL),
        RHM_OK);
    rhm_network_store(network, parameters, out);
    free(parameters);
    rhm_network_free(network);
}

/* Powers of two for all that gradients are multiplied by: rounding is that of sums alone. */
static rhm_network_shape shape_without_rounding(bool bias, size_t positions, size_t vocab) {
    rhm_network_shape s = network_shape(3, 2, vocab, 4, 210, bias); /* 3 x 2 x 210^2 multiply-adds: chunks of 32 */
    for (uint32_t l = 1; l <= 3; l++)
        s.weight_scale[l] = 0.25f;
    s.bias_scale = 0.5f;
    s.readout_scale = 0.0625f;
    s.input_scale = 2;
    s.input_shift = 0;
    s.positions = positions;
    return s;
}

static void gradients_are_sums_of_chunks_in_the_tree(void **state) {
    (void)state;
    rhm_engine *engine = network_engine("auto", "native", 2);
    const struct {
        size_t chunks, positions, vocab;
        bool bias;
    } cases[] = {{2, 1, 6, true}, {4, 1, 300, false}, {4, 2, 6, true}, {16, 1, 40, true}, {64, 1, 6, true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const rhm_network_shape shape = shape_without_rounding(cases[c].bias, cases[c].positions, cases[c].vocab);
        problem p = problem_of(&shape, cases[c].chunks * LEAST);
        const size_t n = p.layout.parameters;
        float *part = calloc(cases[c].chunks * n, sizeof *part), *have = calloc(n, sizeof *have);
        assert_int_equal(rhm_network_least_chunk(rhm_network_multiply_adds(&shape, &p.layout)), LEAST);
        for (size_t i = 0; i < cases[c].chunks; i++)
            gradient_of(&p, engine, i * LEAST, LEAST, part + i * n);
        for (size_t step = 1; step < cases[c].chunks; step *= 2)
            for (size_t i = 0; i < cases[c].chunks; i += 2 * step)
                for (size_t k = 0; k < n; k++)
                    part[i * n + k] += part[(i + step) * n + k];
        gradient_of(&p, engine, 0, p.count, have);
        for (size_t k = 0; k < n; k++)
            if (have[k] != part[k] / (float)cases[c].chunks) /* the mean is over more sequences */
                fail_msg("case %zu, gradient %zu of %zu: %a, sum of chunks %a (seed %llu)", c, k, n, (double)have[k],
                         (double)(part[k] / (float)cases[c].chunks), (unsigned long long)network_source.seed);
        free(part), free(have);
        problem_free(&p);
    }
    rhm_engine_destroy(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_have_work),
        cmocka_unit_test(a_walk_sums_in_the_tree),
        cmocka_unit_test(gradients_are_sums_of_chunks_in_the_tree),
    };
    return cmocka_run_group_tests_name("network tree", tests, NULL, NULL);
}
