/* Grids as JSON in files. */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "sweep/grid.h"

enum { NUMBER_NBYTES = 40, LIST_NBYTES = 1024 };

static rhm_status refuse(const char *name, rhm_error *error) {
    return rhm_fail(error, RHM_INVALID,
                    "member \"%.60s\" of a grid is refused: allowed are numbers, true, false, texts, and lists of "
                    "these, in which a list is one value",
                    name);
}

/* A number or a truth value as one would type it; false for other kinds. */
static bool scalar_text(char text[NUMBER_NBYTES], const json_t *value) {
    if (json_is_integer(value))
        snprintf(text, NUMBER_NBYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, NUMBER_NBYTES, "%.15g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, NUMBER_NBYTES, "%s", json_is_true(value) ? "on" : "off");
    else
        return false;
    return true;
}

/* [8, 16, 16] as "8,16,16": one value. */
static rhm_status add_list(json_t *values, const char *name, const json_t *list, rhm_error *error) {
    char text[LIST_NBYTES] = "";
    size_t index;
    json_t *member;
    json_array_foreach(list, index, member) {
        char number[NUMBER_NBYTES];
        const char *one = json_is_string(member) ? json_string_value(member) : number;
        if (!json_is_string(member) && !scalar_text(number, member))
            return refuse(name, error);
        const size_t used = strlen(text);
        if (used + strlen(one) + 2 > sizeof text)
            return rhm_fail(error, RHM_INVALID, "member \"%.60s\" of a grid has a value that is too long", name);
        snprintf(text + used, sizeof text - used, "%s%s", index ? "," : "", one);
    }
    if (!*text)
        return refuse(name, error);
    return json_array_append_new(values, json_string(text)) == 0 ? RHM_OK : refuse(name, error);
}

static rhm_status add_value(json_t *values, const char *name, const json_t *value, rhm_error *error) {
    char number[NUMBER_NBYTES];
    if (json_is_string(value))
        return rhm_grid_add_values(values, name, json_string_value(value), error);
    if (json_is_array(value))
        return add_list(values, name, value, error);
    if (!scalar_text(number, value))
        return refuse(name, error);
    return json_array_append_new(values, json_string(number)) == 0
               ? RHM_OK
               : rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a grid");
}

static rhm_status add_axis(json_t *product, const char *name, const json_t *value, rhm_error *error) {
    json_t *values = json_array(), *member;
    if (!values || json_object_set_new(product, name, values) != 0)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a grid");
    if (!json_is_array(value))
        return add_value(values, name, value, error);
    size_t index;
    json_array_foreach(value, index, member) RHM_TRY(add_value(values, name, member, error));
    return RHM_OK;
}

static rhm_status add_product(json_t *products, json_t *object, rhm_error *error) {
    if (!json_is_object(object))
        return rhm_fail(error, RHM_INVALID, "a grid is an object or a list of objects, but one of the list is not");
    json_t *product = json_object(), *value;
    const char *name;
    if (!product || json_array_append_new(products, product) != 0)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a grid");
    json_object_foreach(object, name, value) RHM_TRY(add_axis(product, name, value, error));
    return RHM_OK;
}

static rhm_status add_products(json_t *products, json_t *file, rhm_error *error) {
    if (json_is_object(file))
        return add_product(products, file, error);
    size_t index;
    json_t *member;
    json_array_foreach(file, index, member) RHM_TRY(add_product(products, member, error));
    return RHM_OK;
}

rhm_status rhm_grid_load(rhm_grid **out, const char *path, rhm_error *error) {
    json_error_t why;
    rhm_error inner = {0};
    *out = NULL;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!file)
        return rhm_fail(error, RHM_INVALID,
                        "%s: cannot be read as JSON (line %d: %.200s): allowed is a grid such as "
                        "{\"vocab\": [8, 16], \"seed\": \"1..10\"}",
                        rhm_path_shown(path), why.line, why.text);
    json_t *products = json_array();
    rhm_status status = products ? add_products(products, file, &inner)
                                 : rhm_fail(&inner, RHM_NO_MEMORY, "the system refused memory for a grid");
    json_decref(file);
    if (status == RHM_OK)
        status = rhm_grid_make(out, products, &inner);
    else
        json_decref(products);
    return status == RHM_OK ? RHM_OK : rhm_fail(error, status, "%.120s: %.380s", rhm_path_shown(path), inner.text);
}
