/* Clusters against the groups that were planted. */
#include "files.h"

#include <math.h>

#include "core/gaussian.h"
#include "core/philox.h"
#include "learners/layerwise/cluster.h"

static const uint64_t SEED = 20260119;

enum { MOST_POINTS = 12000, MOST_WIDTH = 40, MOST_GROUPS = 64 };

/* Points around k centres: group g has size[g] of them, each moved by at most `spread` per coordinate. */
typedef struct plant {
    size_t k, width, count;
    size_t group[MOST_POINTS];
    float point[MOST_POINTS * MOST_WIDTH];
} plant;

static plant planted; /* large */

static void grow(size_t k, size_t width, const size_t *size, double spread, uint64_t seed) {
    plant *p = &planted;
    *p = (plant){.k = k, .width = width};
    double centre[MOST_GROUPS * MOST_WIDTH];
    for (size_t i = 0; i < k * width; i++)
        centre[i] = rhm_gaussian(seed, 1u << 20, i);
    for (size_t g = 0; g < k; g++)
        for (size_t n = 0; n < size[g]; n++, p->count++) {
            assert_true(p->count < MOST_POINTS);
            p->group[p->count] = g;
        }
    rhm_random random = {.seed = seed, .stream = 1u << 21};
    for (size_t i = p->count; i-- > 1;) { /* in no order */
        const size_t j = rhm_random_below(&random, (uint32_t)i + 1), swap = p->group[i];
        p->group[i] = p->group[j];
        p->group[j] = swap;
    }
    for (size_t i = 0; i < p->count; i++)
        for (size_t j = 0; j < width; j++)
            p->point[i * width + j] = (float)(centre[p->group[i] * width + j] +
                                              spread * (2 * (double)rhm_random_word(&random) * 0x1p-32 - 1));
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double distance(const double *a, const double *b, size_t width) {
    double sum = 0;
    for (size_t j = 0; j < width; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sqrt(sum);
}

/* Separation and radius of the planted groups; the largest of the nearest 99 % of distances to the own mean. */
static rhm_clusters truth(void) {
    const plant *p = &planted;
    static double mean[MOST_GROUPS * MOST_WIDTH], off[MOST_POINTS];
    double size[MOST_GROUPS] = {0};
    memset(mean, 0, sizeof mean);
    for (size_t i = 0; i < p->count; i++) {
        size[p->group[i]]++;
        for (size_t j = 0; j < p->width; j++)
            mean[p->group[i] * p->width + j] += (double)p->point[i * p->width + j];
    }
    for (size_t g = 0; g < p->k; g++)
        for (size_t j = 0; j < p->width; j++)
            mean[g * p->width + j] /= size[g];
    rhm_clusters t = {.separation = p->k > 1 ? (double)INFINITY : 0};
    for (size_t a = 0; a < p->k; a++)
        for (size_t b = 0; b < a; b++)
            t.separation = fmin(t.separation, distance(mean + a * p->width, mean + b * p->width, p->width));
    for (size_t i = 0; i < p->count; i++) {
        double point[MOST_WIDTH];
        for (size_t j = 0; j < p->width; j++)
            point[j] = (double)p->point[i * p->width + j];
        off[i] = distance(point, mean + p->group[i] * p->width, p->width);
    }
    qsort(off, p->count, sizeof *off, ascending);
    t.radius = off[(size_t)ceil(0.99 * (double)p->count) - 1];
    return t;
}

static rhm_engine *one_thread, *three_threads;

static rhm_clusters cluster(size_t k, uint64_t seed) {
    rhm_clusters found, again;
    rhm_error error = {0};
    const plant *p = &planted;
    assert_ok(rhm_cluster(&found, three_threads, p->point, p->count, p->width, k, seed, &error), &error);
    assert_ok(rhm_cluster(&again, one_thread, p->point, p->count, p->width, k, seed, &error), &error);
    assert_memory_equal(&found, &again, sizeof found);
    return found;
}

static void assert_close(const char *what, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance * fabs(expected)))
        fail_msg("%s is %.9g, not %.9g", what, found, expected);
}

static void planted_groups_are_found(void **state) {
    (void)state;
    static const size_t even[8] = {100, 100, 100, 100, 100, 100, 100, 100};
    static const size_t uneven[12] = {1, 2, 500, 3, 700, 10, 1, 60, 300, 20, 2, 1};
    static size_t many[64];
    for (size_t g = 0; g < 64; g++)
        many[g] = 15 + g % 2 * 20;
    const struct {
        size_t k, width;
        const size_t *size;
        double spread;
    } cases[] = {{8, 8, even, 0.1}, {12, 6, uneven, 0.05}, {64, 24, many, 0.2}, {2, 1, even, 0.05}, {8, 16, even, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            grow(cases[c].k, cases[c].width, cases[c].size, cases[c].spread, SEED + seed);
            const rhm_clusters expected = truth(), found = cluster(cases[c].k, seed);
            if (cases[c].spread > 0 && expected.separation < 6 * expected.radius)
                continue; /* this draw has groups that touch: k-means need not find them */
            if (!(fabs(found.separation - expected.separation) <= 1e-12 * expected.separation) ||
                !(fabs(found.radius - expected.radius) <= 0.02 * expected.radius))
                fail_msg("case %zu, seed %llu: separation %.9g, radius %.9g; planted %.9g, %.9g", c,
                         (unsigned long long)(SEED + seed), found.separation, found.radius, expected.separation,
                         expected.radius);
        }
}

/* Overlapping groups: nothing exact, but the answer must be near what the planted groups give. */
static void touching_groups_are_not_told_apart_by_much(void **state) {
    (void)state;
    static const size_t even[4] = {500, 500, 500, 500};
    grow(4, 2, even, 3, SEED);
    const rhm_clusters found = cluster(4, 1);
    assert_true(found.separation > 0 && found.separation < 2.5 * found.radius);
}

/* One point far out tempts a search that starts from the farthest points to give it a cluster and to merge two others.
 */
static void an_outlier_does_not_cost_a_cluster(void **state) {
    (void)state;
    static const size_t size[3] = {400, 400, 400};
    for (uint64_t seed = 0; seed < 5; seed++) {
        grow(3, 4, size, 0.02, SEED + seed);
        const rhm_clusters expected = truth();
        for (size_t j = 0; j < 4; j++)
            planted.point[j] += (float)(4 * expected.separation); /* and its centre by 2 % of that */
        const rhm_clusters found = cluster(3, seed);
        assert_close("separation", found.separation, expected.separation, 0.05);
        assert_true(found.radius < 0.1 * found.separation);
    }
}

/* 10000 points: only some are looked at, evenly, so that every group is still there. */
static void many_points_are_thinned_evenly(void **state) {
    (void)state;
    static const size_t size[5] = {2000, 4000, 1000, 2500, 500};
    grow(5, 7, size, 0.1, SEED);
    const rhm_clusters expected = truth(), found = cluster(5, 0);
    assert_true(expected.separation > 6 * expected.radius);
    assert_close("separation", found.separation, expected.separation, 0.01);
    assert_close("radius", found.radius, expected.radius, 0.03);
    for (size_t i = 0; i < planted.count; i++) /* in the order of the groups, the last group last */
        for (size_t j = 0; j < 7; j++)
            planted.point[i * 7 + j] = (float)(i < 9500 ? 0 : j == 3 ? 2 : 0);
    const rhm_clusters two = cluster(2, 0);
    assert_true(two.separation == 2 && two.radius == 0);
}

static void one_cluster_has_only_a_radius(void **state) {
    (void)state;
    static const size_t size[1] = {1000};
    grow(1, 5, size, 0.3, SEED);
    const rhm_clusters expected = truth(), found = cluster(1, 0);
    assert_true(found.separation == 0);
    assert_close("radius", found.radius, expected.radius, 1e-9);
}

/* Fewer different points than clusters: two centres coincide, whatever the repetitions. */
static void too_few_points_have_no_separation(void **state) {
    (void)state;
    static const size_t once[3] = {1, 1, 1}, often[3] = {700, 1, 99}, alone[1] = {800};
    grow(3, 4, once, 0.2, SEED);
    assert_true(cluster(3, 0).separation > 0);
    for (uint64_t seed = 0; seed < 20; seed++) {
        grow(3, 4, once, 0.2, SEED + seed);
        const rhm_clusters few = cluster(4, seed);
        assert_true(few.separation == 0 && few.radius == 0);
        grow(3, 4, often, 0, SEED + seed);
        const rhm_clusters repeated = cluster(5, seed);
        assert_true(repeated.separation == 0 && repeated.radius == 0);
        grow(1, 3, alone, 0, SEED + seed);
        const rhm_clusters identical = cluster(8, seed);
        assert_true(identical.separation == 0 && identical.radius == 0);
    }
    planted.count = 0;
    const rhm_clusters nothing = cluster(3, 0);
    assert_true(nothing.separation == 0 && nothing.radius == 0);
}

/* Asked for more clusters than there are groups, the number of groups is found, and their measures. */
static void the_number_of_groups_is_found(void **state) {
    (void)state;
    static const size_t size[7] = {150, 100, 200, 125, 75, 175, 50}, few[6] = {2, 2, 2, 2, 2, 2};
    for (uint64_t seed = 0; seed < 6; seed++)
        for (size_t extra = 1; extra <= 5; extra += 2) {
            const bool small = seed % 2;
            const size_t groups = small ? 6 : 7;
            grow(groups, 8, small ? few : size, 0.01, SEED + seed);
            const rhm_clusters expected = truth(), asked = cluster(groups + extra, seed);
            if (expected.separation < 16 * expected.radius)
                continue;
            assert_int_equal(asked.count, groups + extra);
            const rhm_clusters formed = rhm_clusters_formed(&asked);
            if (formed.count != groups)
                fail_msg("seed %llu: %u clusters of %zu groups, %zu asked for", (unsigned long long)(SEED + seed),
                         formed.count, groups, groups + extra);
            assert_close("separation", formed.separation, expected.separation, 1e-9);
            assert_close("radius", formed.radius, expected.radius, 0.1);
            assert_true(rhm_clusters_gap(&formed) > RHM_CLEAR_GAP);
        }
    grow(3, 4, size, 0, SEED); /* fewer different points than clusters */
    const rhm_clusters points = cluster(5, 1), three = rhm_clusters_formed(&points);
    assert_int_equal(three.count, 3);
    assert_true(three.radius == 0 && three.separation > 0 && rhm_clusters_gap(&three) == HUGE_VAL);
}

/* One cloud, or as many groups as are asked for: no other number imposes itself. */
static void no_other_number_is_made_up(void **state) {
    (void)state;
    static const size_t cloud[1] = {1000}, even[8] = {100, 100, 100, 100, 100, 100, 100, 100};
    for (uint64_t seed = 0; seed < 6; seed++) {
        grow(1, 7, cloud, 1, SEED + seed);
        const rhm_clusters split = cluster(8, seed), same = rhm_clusters_formed(&split);
        assert_int_equal(same.count, 8);
        assert_true(rhm_clusters_gap(&same) < 2);
        grow(8, 8, even, seed % 2 ? 0.05 : 1, SEED + seed); /* apart, or touching */
        const rhm_clusters all = cluster(8, seed);
        assert_int_equal(rhm_clusters_formed(&all).count, 8);
    }
    const rhm_clusters single = cluster(1, 0);
    assert_true(rhm_clusters_gap(&single) == HUGE_VAL && !rhm_clusters_are_fewer(&single));
}

static void answers_are_reproducible(void **state) {
    (void)state;
    static const size_t size[6] = {50, 300, 20, 80, 5, 400};
    grow(6, 5, size, 1.5, SEED); /* touching groups: the answer depends on the path taken */
    const rhm_clusters first = cluster(6, 42);
    const size_t count = planted.count * planted.width;
    float *moved = malloc(sizeof *moved * (count + 3));
    assert_non_null(moved);
    memcpy(moved + 3, planted.point, sizeof *moved * count);
    for (int i = 0; i < 3; i++) {
        rhm_clusters again;
        assert_int_equal(rhm_cluster(&again, three_threads, moved + 3, planted.count, planted.width, 6, 42, NULL),
                         RHM_OK);
        assert_memory_equal(&again, &first, sizeof first);
        cluster(3, (uint64_t)i);
    }
    free(moved);
}

static int create_engines(void **state) {
    (void)state;
    return rhm_engine_create(&one_thread, &(rhm_engine_options){.threads = 1}, NULL) != RHM_OK ||
           rhm_engine_create(&three_threads, &(rhm_engine_options){.threads = 3}, NULL) != RHM_OK;
}

static int destroy_engines(void **state) {
    (void)state;
    rhm_engine_destroy(one_thread);
    rhm_engine_destroy(three_threads);
    return 0;
}

static void outputs_thrown_away_are_brought_back(void **state) {
    (void)state;
    /* Two blocks of three: a posterior, one that overshoots, one far away, one that is not. */
    float y[4][3] = {{0.5f, -0.25f, -0.25f}, {0.9f, -0.5f, -0.4f}, {300, -400, 0}, {-0.3f, 0.1f, 0.2f}};
    float before[4][3];
    memcpy(before, y, sizeof y);
    rhm_cluster_bound(&y[0][0], 2, 2, 3);
    for (size_t block = 0; block < 4; block++)
        for (size_t c = 0; c < 3 && block != 2; c++)
            assert_true(y[block][c] == before[block][c]);
    assert_close("first", (double)y[2][0], 0.9, 1e-6);
    assert_close("second", (double)y[2][1], -1.2, 1e-6);
    assert_true(y[2][2] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_groups_are_found),
        cmocka_unit_test(touching_groups_are_not_told_apart_by_much),
        cmocka_unit_test(an_outlier_does_not_cost_a_cluster),
        cmocka_unit_test(many_points_are_thinned_evenly),
        cmocka_unit_test(one_cluster_has_only_a_radius),
        cmocka_unit_test(too_few_points_have_no_separation),
        cmocka_unit_test(the_number_of_groups_is_found),
        cmocka_unit_test(no_other_number_is_made_up),
        cmocka_unit_test(outputs_thrown_away_are_brought_back),
        cmocka_unit_test(answers_are_reproducible),
    };
    return cmocka_run_group_tests(tests, create_engines, destroy_engines);
}
