/* Grids as text: products, axes, values and ranges. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "sweep/grid.h"

enum { NUMBER_NBYTES = 40, SHOWN = 60 };

static rhm_status no_memory(rhm_error *error) {
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a grid");
}

/* ---- values ---------------------------------------------------------------------------------------------- */

/* A range FIRST..LAST, with +STEP or *FACTOR. */
typedef struct range {
    double first, last, by;
    bool times;
} range;

static bool read_number(const char *text, size_t length, double *value) {
    char copy[NUMBER_NBYTES];
    if (length == 0 || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strspn(copy, "0123456789.eE-") != length)
        return false;
    char *end;
    *value = strtod(copy, &end);
    return !*end && isfinite(*value);
}

/* Whether a text is meant as a range: a number, two dots and the beginning of another number. */
static const char *range_dots(const char *text) {
    const char *dots = strstr(text, "..");
    double first;
    const bool meant = dots && read_number(text, (size_t)(dots - text), &first) &&
                       (isdigit((unsigned char)dots[2]) || dots[2] == '-' || dots[2] == '\0');
    return meant ? dots : NULL;
}

static bool read_range(range *out, const char *text, const char *dots) {
    const char *last = dots + 2, *by = last + strcspn(last, "+*");
    *out = (range){.by = 1, .times = *by == '*'};
    return read_number(text, (size_t)(dots - text), &out->first) &&
           read_number(last, (size_t)(by - last), &out->last) &&
           (!*by || read_number(by + 1, strlen(by + 1), &out->by));
}

/* Steps are counted with a tolerance: 0..1+0.1 ends with 1. */
static double steps_of(const range *r) {
    static const double tolerance = 1e-9;
    if (r->times)
        return r->first > 0 && r->by > 1 && r->last >= r->first
                   ? floor(log(r->last / r->first) / log(r->by) * (1 + tolerance) + tolerance)
                   : -1;
    return r->by > 0 && r->last >= r->first ? floor((r->last - r->first) / r->by + tolerance) : -1;
}

static rhm_status append_text(json_t *values, const char *text, size_t length, rhm_error *error) {
    return json_array_append_new(values, json_stringn(text, length)) == 0
               ? RHM_OK
               : rhm_fail(error, RHM_INVALID, "a value of a grid is no UTF-8 text");
}

static rhm_status add_range(json_t *values, const char *name, const char *text, const char *dots, rhm_error *error) {
    range r;
    const double steps = read_range(&r, text, dots) ? steps_of(&r) : -1;
    if (!(steps >= 0))
        return rhm_fail(error, RHM_INVALID,
                        "%.*s: the range '%.*s' is refused: allowed are FIRST..LAST, FIRST..LAST+STEP and "
                        "FIRST..LAST*FACTOR with LAST not below FIRST, STEP above 0 and FACTOR above 1",
                        SHOWN, name, SHOWN, text);
    if (steps >= RHM_GRID_MAX_CELLS)
        return rhm_fail(error, RHM_INVALID, "%.*s: the range '%.*s' has more than %d values", SHOWN, name, SHOWN, text,
                        RHM_GRID_MAX_CELLS);
    for (size_t i = 0; i <= (size_t)steps; i++) {
        const double x = r.times ? r.first * pow(r.by, (double)i) : r.first + r.by * (double)i;
        char number[NUMBER_NBYTES];
        const double whole = round(x);
        if (fabs(whole) < 0x1p53 && fabs(x - whole) <= 1e-9 * fabs(x))
            snprintf(number, sizeof number, "%.0f", whole);
        else
            snprintf(number, sizeof number, "%.12g", x);
        RHM_TRY(append_text(values, number, strlen(number), error));
    }
    return RHM_OK;
}

static rhm_status add_value(json_t *values, const char *name, const char *text, rhm_error *error) {
    const char *dots = range_dots(text);
    if (dots)
        return add_range(values, name, text, dots, error);
    size_t length = strlen(text);
    if (*text == '(' && text[length - 1] == ')') {
        text++;
        length -= 2;
    }
    if (length == 0 || memchr(text, '(', length) || memchr(text, ')', length))
        return rhm_fail(error, RHM_INVALID,
                        "%.*s has a value that is empty or has a parenthesis too many: a list that is one value is "
                        "written (8,16,16)",
                        SHOWN, name);
    return append_text(values, text, length, error);
}

/* A copy of the part of `text` without blanks around it; NULL without memory. */
static char *trimmed(const char *text, size_t length) {
    while (length && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    char *copy = RHM_NEW(char, length + 1, 1, 1, "a part of a grid", NULL);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

/* Length of the part of `text` before a separator outside of parentheses. */
static size_t part(const char *text, char separator) {
    int depth = 0;
    const char *at = text;
    for (; *at && (*at != separator || depth > 0); at++)
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
    return (size_t)(at - text);
}

rhm_status rhm_grid_add_values(json_t *values, const char *name, const char *text, rhm_error *error) {
    rhm_status status = RHM_OK;
    for (const char *at = text; status == RHM_OK;) {
        const size_t length = part(at, ',');
        char *value = trimmed(at, length);
        status = value ? add_value(values, name, value, error) : no_memory(error);
        rhm_free(value);
        at += length;
        if (!*at++)
            break;
    }
    return status;
}

/* ---- axes and products ----------------------------------------------------------------------------------- */

static rhm_status add_axis(json_t *product, const char *text, size_t length, rhm_error *error) {
    const char *equals = memchr(text, '=', length);
    if (!equals)
        return rhm_fail(error, RHM_INVALID,
                        "'%.*s' is no axis of a grid: allowed is NAME=VALUES, axes separated by ';' and products by "
                        "'|', such as \"vocab=8,16; seed=1..10\"",
                        length < SHOWN ? (int)length : SHOWN, text);
    char *name = trimmed(text, (size_t)(equals - text));
    char *values = trimmed(equals + 1, length - (size_t)(equals + 1 - text));
    json_t *list = json_array();
    rhm_status status = name && values && list ? RHM_OK : no_memory(error);
    if (status == RHM_OK && !*name)
        status = rhm_fail(error, RHM_INVALID, "an axis of the grid has no name before '='");
    if (status == RHM_OK && json_object_get(product, name))
        status = rhm_fail(error, RHM_INVALID, "%.*s is twice in a product of the grid: give its values in one list",
                          SHOWN, name);
    if (status == RHM_OK)
        status = rhm_grid_add_values(list, name, values, error);
    if (status == RHM_OK && json_object_set(product, name, list) != 0)
        status = rhm_fail(error, RHM_INVALID, "the name of an axis is no UTF-8 text");
    json_decref(list);
    rhm_free(name);
    rhm_free(values);
    return status;
}

static bool blank(const char *text, size_t length) {
    return strspn(text, " \t\r\n") >= length;
}

static rhm_status add_product(json_t *products, const char *text, size_t length, rhm_error *error) {
    json_t *product = json_object();
    if (!product || json_array_append_new(products, product) != 0)
        return no_memory(error);
    for (const char *at = text, *end = text + length; at < end;) {
        size_t axis = part(at, ';');
        if (axis > (size_t)(end - at))
            axis = (size_t)(end - at);
        if (!blank(at, axis))
            RHM_TRY(add_axis(product, at, axis, error));
        at += axis + 1;
    }
    return RHM_OK;
}

rhm_status rhm_grid_parse(rhm_grid **out, const char *text, rhm_error *error) {
    *out = NULL;
    json_t *products = json_array();
    rhm_status status = products ? RHM_OK : no_memory(error);
    for (const char *at = text; status == RHM_OK;) {
        const size_t length = part(at, '|');
        status = add_product(products, at, length, error);
        at += length;
        if (!*at++)
            break;
    }
    if (status == RHM_OK)
        return rhm_grid_make(out, products, error);
    json_decref(products);
    return status;
}
