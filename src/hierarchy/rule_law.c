#include "hierarchy/rule_law.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/elementary.h"
#include "core/fail.h"
#include "core/memory.h"
#include "core/philox.h"

/* Streams below hold the rules themselves (core/philox.h). */
enum { FIRST_STREAM = 64 };

/* Where logarithms of weights are cut, relative to the largest: no rule is lost to underflow. */
static const double least_log = -690;

/* Weights are turned into probabilities; the smallest are added first. */
static void normalise(double *weight, size_t count) {
    double sum = 0;
    for (size_t i = count; i-- > 0;)
        sum += weight[i];
    for (size_t i = 0; i < count; i++)
        weight[i] /= sum;
}

/* ---- Zipf ----------------------------------------------------------------------------------------------------------
 */

static void draw_zipf(double *probability, size_t rows, size_t count, double a, rhm_random *random) {
    double *ranked = probability; /* the first row serves as the table, and is dealt last */
    for (size_t r = 0; r < count; r++)
        ranked[r] = rhm_exp(fmax(-a * rhm_log((double)(r + 1)), least_log));
    normalise(ranked, count);
    for (size_t row = rows; row-- > 0;) {
        double *p = probability + row * count;
        if (row > 0)
            memcpy(p, ranked, sizeof *p * count);
        for (size_t i = count; i-- > 1;) {
            const size_t j = rhm_random_below(random, (uint32_t)i + 1);
            const double kept = p[i];
            p[i] = p[j];
            p[j] = kept;
        }
    }
}

/* ---- Dirichlet -----------------------------------------------------------------------------------------------------
 */

/* Uniform on (0, 1), 53 bits. */
static double uniform(rhm_random *random) {
    const uint64_t high = rhm_random_word(random), low = rhm_random_word(random);
    return ((double)((high << 32 | low) >> 11) + 0.5) * 0x1p-53;
}

/* Standard normal: Marsaglia's polar method, one of its two numbers. */
static double normal(rhm_random *random) {
    for (;;) {
        const double u = 2 * uniform(random) - 1, v = 2 * uniform(random) - 1, s = u * u + v * v;
        if (s < 1 && s > 0)
            return u * sqrt(-2 * rhm_log(s) / s);
    }
}

/* The logarithm of a gamma number of shape a (Marsaglia and Tsang, ACM TOMS 26 (2000) 363; below shape 1, one of shape
 * a + 1 times U^(1/a)). */
static double log_gamma_number(double a, rhm_random *random) {
    const double shift = a < 1 ? rhm_log(uniform(random)) / a : 0;
    const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = normal(random), t = 1 + c * x;
        if (t <= 0)
            continue;
        const double log_v = 3 * rhm_log(t), v = t * t * t;
        if (rhm_log(uniform(random)) < 0.5 * x * x + d - d * v + d * log_v)
            return rhm_log(d) + log_v + shift;
    }
}

static void draw_dirichlet(double *probability, size_t rows, size_t count, double a, rhm_random *random) {
    for (double *p = probability; p < probability + rows * count; p += count) {
        double largest = -(double)INFINITY;
        for (size_t i = 0; i < count; i++) {
            p[i] = log_gamma_number(a, random);
            largest = fmax(largest, p[i]);
        }
        for (size_t i = 0; i < count; i++)
            p[i] = rhm_exp(fmax(p[i] - largest, least_log));
        normalise(p, count);
    }
}

/* ---- all of them ---------------------------------------------------------------------------------------------------
 */

static void draw_uniform(double *probability, size_t rows, size_t count, double a, rhm_random *random) {
    (void)a, (void)random;
    for (size_t i = 0; i < rows * count; i++)
        probability[i] = 1 / (double)count;
}

/* A law with a parameter is written "name:A". */
typedef struct kind {
    const char *name, *parameter; /* what A is; NULL: there is none */
    double least, most;           /* of A */
    void (*draw)(double *probability, size_t rows, size_t count, double a, rhm_random *random); /* NULL: never drawn */
} kind;

static const kind kinds[] = {
    [RHM_LAW_UNIFORM] = {.name = "uniform", .draw = draw_uniform},
    [RHM_LAW_ZIPF] = {"zipf", "exponent", 0, RHM_MOST_ZIPF, draw_zipf},
    [RHM_LAW_DIRICHLET] = {"dirichlet", "parameter", RHM_LEAST_DIRICHLET, RHM_MOST_DIRICHLET, draw_dirichlet},
    [RHM_LAW_GIVEN] = {.name = "given"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

bool rhm_rule_law_is_particular(const rhm_rule_law *law) {
    return kinds[law->kind].parameter != NULL;
}

typedef struct sentence {
    char text[128];
} sentence;

/* "uniform, zipf:A, dirichlet:A". */
static sentence drawable(void) {
    sentence all = {""};
    for (size_t k = 0; k < KINDS; k++)
        if (kinds[k].draw)
            snprintf(all.text + strlen(all.text), sizeof all.text - strlen(all.text), "%s%s%s", k ? ", " : "",
                     kinds[k].name, kinds[k].parameter ? ":A" : "");
    return all;
}

static size_t put_law(char *text, size_t text_nbytes, const rhm_rule_law *law) {
    const char *name = kinds[law->kind].name;
    if (!kinds[law->kind].parameter)
        return (size_t)snprintf(text, text_nbytes, "%s", name);
    const int length = snprintf(text, text_nbytes, "%s:%g", name, law->a);
    if (strtod(strchr(text, ':') + 1, NULL) == law->a)
        return (size_t)length;
    return (size_t)snprintf(text, text_nbytes, "%s:%.17g", name, law->a);
}

const char *rhm_rule_laws_text(char text[RHM_RULE_LAWS_TEXT_NBYTES], const rhm_rule_law *laws, uint32_t count) {
    bool same = true;
    for (uint32_t i = 1; i < count; i++)
        same = same && laws[i].kind == laws[0].kind && laws[i].a == laws[0].a;
    size_t used = 0;
    for (uint32_t i = 0; i < (same ? 1 : count); i++) {
        if (i > 0)
            text[used++] = ',';
        used += put_law(text + used, RHM_RULE_LAWS_TEXT_NBYTES - used, &laws[i]);
    }
    return text;
}

rhm_status rhm_rule_law_check(const rhm_rule_law *law, rhm_error *error) {
    if ((size_t)law->kind >= KINDS || !kinds[law->kind].draw)
        return rhm_fail(error, RHM_INVALID, "a law that is given cannot be drawn: allowed are %s", drawable().text);
    const kind *k = &kinds[law->kind];
    if (k->parameter && !(law->a >= k->least && law->a <= k->most))
        return rhm_fail(error, RHM_INVALID, "the %s of %s:%g must be %g to %g", k->parameter, k->name, law->a, k->least,
                        k->most);
    return RHM_OK;
}

/* One law, of `length` characters. */
static rhm_status parse_law(rhm_rule_law *out, const char *text, size_t length, rhm_error *error) {
    const char *colon = memchr(text, ':', length);
    memset(out, 0, sizeof *out); /* padding too: origins are compared byte by byte */
    const size_t name_length = colon ? (size_t)(colon - text) : length;
    for (size_t k = 0; k < KINDS; k++) {
        char *end = NULL;
        if (!kinds[k].draw || !kinds[k].parameter != !colon || name_length != strlen(kinds[k].name) ||
            strncmp(text, kinds[k].name, name_length) != 0)
            continue;
        out->kind = (rhm_law_kind)k;
        out->a = colon ? strtod(colon + 1, &end) : 0;
        if (colon && (end == colon + 1 || end != text + length))
            break;
        return rhm_rule_law_check(out, error);
    }
    return rhm_fail(error, RHM_INVALID, "'%.*s' is no law: allowed are %s, with a number A", (int)length, text,
                    drawable().text);
}

rhm_status rhm_rule_laws_parse(rhm_rule_law *laws, uint32_t count, const char *text, rhm_error *error) {
    uint32_t found = 0;
    for (const char *word = text, *comma; word; word = comma ? comma + 1 : NULL, found++) {
        comma = strchr(word, ',');
        rhm_rule_law law;
        RHM_TRY(parse_law(&law, word, comma ? (size_t)(comma - word) : strlen(word), error));
        if (found < count)
            laws[found] = law;
    }
    if (found != 1 && found != count)
        return rhm_fail(error, RHM_INVALID, "'%s' has %u laws: allowed are one, or %u", text, found, count);
    for (uint32_t i = 1; found == 1 && i < count; i++)
        laws[i] = laws[0];
    return RHM_OK;
}

void rhm_rule_law_draw(double *probability, size_t rows, size_t count, const rhm_rule_law *law, uint64_t seed,
                       uint32_t level) {
    rhm_random random = {.seed = seed, .stream = FIRST_STREAM + level};
    kinds[law->kind].draw(probability, rows, count, law->a, &random);
}
