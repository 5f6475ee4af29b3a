/* The operations of networks: every table against the reference to the last bit, in memory that ends where it may not
 * be read; the reference against the formulas in double precision. */
#include "kernel_tables.h"
#include "kernels/dense.h"
#include "kernels/exponential.h"

extern const rhm_dense_ops rhm_dense_reference, rhm_dense_emulated_4, rhm_dense_emulated_16;

static size_t dense_tables(rhm_dense_ops out[TABLES]) {
    size_t n = 0;
    out[n++] = rhm_dense_emulated_4;
    out[n++] = rhm_dense_emulated_16;
    for (int isa = 0; isa < RHM_ISA_COUNT; isa++)
        if (rhm_isa_includes(rhm_isa_here(), (rhm_isa)isa))
            out[n++] = rhm_dense_ops_at((rhm_isa)isa);
    return n;
}

static void same(const guarded *have, const guarded *want, size_t count, const char *what, const char *name) {
    for (size_t i = 0; i < count; i++) {
        const float a = floats(have)[i], b = floats(want)[i];
        if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b)))
            fail_msg("%s of %s differs at %zu of %zu: %a, reference %a (seed %llu)", what, name, i, count, (double)a,
                     (double)b, (unsigned long long)source.seed);
    }
}

static guarded copy(const guarded *from, size_t count) {
    guarded g = guarded_floats(count);
    if (count)
        memcpy(g.data, from->data, sizeof(float) * count);
    return g;
}

/* Random numbers with zeros, infinities and what is not a number among them. */
static guarded odd_floats(size_t count, bool odd) {
    guarded g = random_floats(count, 1);
    for (size_t i = 0; i < count; i++)
        if (below(4) == 0)
            floats(&g)[i] = 0;
    if (odd && count) {
        floats(&g)[below(count)] = INFINITY;
        floats(&g)[below(count)] = NAN;
        floats(&g)[below(count)] = -0.0f;
    }
    return g;
}

/* Panels of y and of a, whose rows are patches of the rows below, end with the memory. */
static void compare_products(size_t count, size_t panels, size_t taps, size_t depth, rhm_dense_finish finish,
                             bool fresh, bool odd) {
    const size_t deep = (depth + RHM_LANES - 1) / RHM_LANES, period = 1 + below(5);
    rhm_dense_product p = {.count = count, .panels = panels, .taps = taps, .depth = depth};
    p.a_row = taps * RHM_LANES, p.a_tap = RHM_LANES, p.a_panel = count * p.a_row;
    p.b_tap = deep * RHM_LANES * RHM_LANES, p.b_panel = taps * p.b_tap;
    p.y_row = RHM_LANES, p.y_panel = count * RHM_LANES;
    p.fresh = fresh, p.finish = finish, p.scale = uniform(2);
    p.first = below(7), p.period = period, p.added_panel = period * RHM_LANES;
    const size_t size = panels * p.y_panel;
    guarded a = odd_floats(deep * p.a_panel, odd), b = odd_floats(panels * p.b_panel, false);
    guarded added = random_floats(panels * p.added_panel, 1), mask = odd_floats(size, odd), y = random_floats(size, 1);
    p.a = a.data, p.b = b.data, p.mask = mask.data, p.added = below(3) ? added.data : NULL;
    guarded want = copy(&y, size);
    p.y = want.data;
    rhm_dense_reference.product(&p);
    for (size_t i = 0; i < size && !odd; i++) { /* the formula */
        const size_t panel = i / p.y_panel, row = i % p.y_panel / RHM_LANES, lane = i % RHM_LANES;
        double sum = fresh ? 0 : (double)floats(&y)[i], size_of_terms = fabs(sum);
        for (size_t k = 0; k < taps * depth; k++) {
            const size_t t = k / depth, c = k % depth;
            const double term = (double)p.a[row * p.a_row + t * p.a_tap + c / RHM_LANES * p.a_panel + c % RHM_LANES] *
                                (double)p.b[panel * p.b_panel + t * p.b_tap + c * RHM_LANES + lane];
            sum += term, size_of_terms += fabs(term);
        }
        if (finish != RHM_DENSE_KEEP)
            sum *= (double)p.scale;
        if (finish == RHM_DENSE_RELU && p.added)
            sum += (double)p.added[(p.first + row) % period * RHM_LANES + panel * p.added_panel + lane];
        if (finish == RHM_DENSE_RELU)
            sum = fmax(0, sum);
        if (finish == RHM_DENSE_MASK && p.mask[i] == 0)
            sum = 0;
        assert_true(fabs(sum - (double)floats(&want)[i]) <=
                    0x1p-23 * (2 + (double)(taps * depth)) * (1 + size_of_terms));
    }
    rhm_dense_ops list[TABLES];
    for (size_t t = 0, n = dense_tables(list); t < n; t++) {
        guarded have = copy(&y, size);
        p.y = have.data;
        list[t].product(&p);
        same(&have, &want, size, "product", list[t].name);
        release(&have);
    }
    release(&a), release(&b), release(&added), release(&mask), release(&y), release(&want);
}

static void test_products(void **state) {
    (void)state;
    for (size_t count = 0; count <= 27; count++)
        for (size_t panels = 1; panels <= 3; panels++)
            compare_products(count, panels, 1 + below(3), 1 + below(40), (rhm_dense_finish)(count % 4), count % 3,
                             false);
    for (int i = 0; i < 40; i++)
        compare_products(1 + below(30), 1 + below(4), 1 + below(4), 1 + below(50), (rhm_dense_finish)below(4), i % 2,
                         i % 3 == 0);
}

static void compare_gradients(size_t count, size_t panels, size_t depth, bool fresh, size_t ontos) {
    rhm_dense_gradient d = {.count = count, .panels = panels, .depth = depth, .ontos = ontos};
    d.a_row = RHM_LANES * (1 + below(3));
    d.b_panel = count * RHM_LANES;
    d.g_panel = RHM_LANES * (depth + below(3));
    const size_t size = (panels - 1) * d.g_panel + depth * RHM_LANES;
    guarded a = odd_floats(count ? (count - 1) * d.a_row + depth : 0, count % 5 == 1);
    guarded b = odd_floats(panels * d.b_panel, false), from = random_floats(size, 1), want = guarded_floats(size);
    guarded onto[RHM_DENSE_ONTO], plain = copy(&from, size);
    for (size_t i = 0; i < ontos; i++) {
        onto[i] = random_floats(size, 1);
        d.onto[i] = onto[i].data;
    }
    memcpy(want.data, from.data, size * sizeof(float)); /* what no sum is written to */
    d.a = a.data, d.b = b.data, d.g = want.data, d.from = fresh ? NULL : from.data;
    rhm_dense_reference.gradient(&d);
    rhm_dense_gradient alone = d;
    alone.g = plain.data, alone.ontos = 0;
    rhm_dense_reference.gradient(&alone);
    for (size_t i = 0; i < ontos; i++)
        for (size_t k = 0; k < size; k++)
            floats(&plain)[k] =
                k % d.g_panel < depth * RHM_LANES ? floats(&onto[i])[k] + floats(&plain)[k] : floats(&plain)[k];
    same(&want, &plain, size, "gradient added to others", "reference");
    rhm_dense_ops list[TABLES];
    for (size_t t = 0, n = dense_tables(list); t < n; t++) {
        guarded have = copy(&from, size);
        d.g = have.data; /* the sums to begin with, too, as far as there are any */
        d.from = fresh ? NULL : have.data;
        list[t].gradient(&d);
        same(&have, &want, size, "gradient", list[t].name);
        release(&have);
    }
    release(&a), release(&b), release(&from), release(&want), release(&plain);
    for (size_t i = 0; i < ontos; i++)
        release(&onto[i]);
}

static void test_gradients(void **state) {
    (void)state;
    for (size_t depth = 1; depth <= RHM_LANES; depth++)
        for (size_t panels = 1; panels <= 3; panels++)
            compare_gradients(below(40), panels, depth, depth % 2, below(4) * panels % (RHM_DENSE_ONTO + 1));
}

static void test_steps(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        const size_t rows = below(20), size = rows * RHM_LANES;
        guarded g = odd_floats(size, i % 4 == 0), offset = random_floats(RHM_LANES, 1), w = random_floats(size, 1);
        guarded v = random_floats(size, 1), want = copy(&w, size), momenta = copy(&v, size);
        const rhm_dense_rule rule = {.scale = uniform(1),
                                     .penalty = uniform(1),
                                     .momentum = uniform(1),
                                     .rate = uniform(1),
                                     .offset = i % 2 ? offset.data : NULL};
        rhm_dense_reference.update(&rule, rows, g.data, want.data, i % 3 ? momenta.data : NULL);
        rhm_dense_ops list[TABLES];
        for (size_t t = 0, n = dense_tables(list); t < n; t++) {
            guarded have = copy(&w, size), have_momenta = copy(&v, size);
            list[t].update(&rule, rows, g.data, have.data, i % 3 ? have_momenta.data : NULL);
            same(&have, &want, size, "update", list[t].name);
            same(&have_momenta, &momenta, size, "momenta", list[t].name);
            release(&have), release(&have_momenta);
        }
        release(&g), release(&offset), release(&w), release(&v), release(&want), release(&momenta);
    }
}

static void test_transposition(void **state) {
    (void)state;
    enum { SIZE = RHM_LANES * RHM_LANES };
    guarded from = random_floats(SIZE, 1);
    rhm_dense_ops list[TABLES];
    for (size_t t = 0, n = dense_tables(list); t < n; t++) {
        guarded to = guarded_floats(SIZE);
        list[t].transpose(from.data, to.data);
        for (size_t i = 0; i < SIZE; i++)
            assert_true(floats(&to)[i] == floats(&from)[i % RHM_LANES * RHM_LANES + i / RHM_LANES]);
        release(&to);
    }
    release(&from);
}

/* Rows that are looked up, added to and summed. */
static void compare_rows(size_t count, size_t taps, size_t period, size_t rows) {
    const size_t size = count * RHM_LANES, table_size = rows * RHM_LANES;
    guarded index = guard(sizeof(uint32_t) * count * taps), table = random_floats(table_size, 1);
    guarded added = random_floats(period * RHM_LANES, 1), y = random_floats(size, 1);
    for (size_t i = 0; i < count * taps; i++)
        ((uint32_t *)index.data)[i] = (uint32_t)below(rows);
    guarded want = guarded_floats(size), sums = guarded_floats(period * RHM_LANES), into = copy(&table, table_size);
    rhm_dense_reference.look_up(count, taps, index.data, table.data, 0.7f, added.data, period, want.data);
    rhm_dense_reference.scatter(count, taps, index.data, y.data, into.data);
    rhm_dense_reference.sums(count, period, y.data, sums.data);
    rhm_dense_ops list[TABLES];
    for (size_t t = 0, n = dense_tables(list); t < n; t++) {
        guarded have = guarded_floats(size), mine = copy(&table, table_size),
                total = guarded_floats(period * RHM_LANES);
        list[t].look_up(count, taps, index.data, table.data, 0.7f, added.data, period, have.data);
        list[t].scatter(count, taps, index.data, y.data, mine.data);
        list[t].sums(count, period, y.data, total.data);
        same(&have, &want, size, "look_up", list[t].name);
        same(&mine, &into, table_size, "scatter", list[t].name);
        same(&total, &sums, period * RHM_LANES, "sums", list[t].name);
        release(&have), release(&mine), release(&total);
    }
    release(&index), release(&table), release(&added), release(&y), release(&want), release(&sums), release(&into);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t count = 0; count <= 20; count++)
        compare_rows(count, 1 + below(4), 1 + below(6), 1 + below(9));
    for (size_t period = 1; period <= 13; period++)
        compare_rows(period * (1 + below(5)), 2, period, 5);
}

static void test_exponentials(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i <= 200000; i++) {
        const float x = RHM_EXP_LEAST * (float)i / 200000;
        worst = fmax(worst, fabs((double)rhm_exponential(x) / exp((double)x) - 1));
    }
    if (worst > 2e-7)
        fail_msg("relative error %g", worst);
    assert_true(rhm_exponential(-INFINITY) == rhm_exponential(RHM_EXP_LEAST) && isnan(rhm_exponential(NAN)));
    for (size_t classes = 1; classes <= RHM_LANES; classes++)
        for (int i = 0; i < 5; i++) {
            guarded y = random_floats(RHM_LANES, i < 3 ? 10 : 200), want = guarded_floats(RHM_LANES);
            if (i == 4)
                floats(&y)[below(classes)] = NAN;
            float most = floats(&y)[0];
            for (size_t c = 0; c < RHM_LANES; c++)
                most = fmaxf(most, floats(&y)[c]);
            const float sum = rhm_dense_reference.exponentials(classes, y.data, most, want.data);
            rhm_dense_ops list[TABLES];
            for (size_t t = 0, n = dense_tables(list); t < n; t++) {
                guarded have = guarded_floats(RHM_LANES);
                const float here = list[t].exponentials(classes, y.data, most, have.data);
                same(&have, &want, RHM_LANES, "exponentials", list[t].name);
                assert_true(here == sum || (isnan(here) && isnan(sum)));
                release(&have);
            }
            release(&y), release(&want);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products), cmocka_unit_test(test_gradients),     cmocka_unit_test(test_steps),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_transposition), cmocka_unit_test(test_exponentials),
    };
    return cmocka_run_group_tests_name("dense", tests, NULL, NULL);
}
