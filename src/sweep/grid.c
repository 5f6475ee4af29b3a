#include "sweep/grid.h"

#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

typedef struct axis {
    const char *name;
    const json_t *values;
} axis;

typedef struct product {
    axis axis[RHM_GRID_MAX_AXES];
    size_t axes;
    uint64_t cells;
} product;

struct rhm_grid {
    json_t *json; /* owned: all texts are its */
    product *product;
    size_t products;
    uint64_t cells;
};

static rhm_status fill_product(product *out, json_t *object, rhm_error *error) {
    const char *name;
    json_t *values;
    *out = (product){.cells = 1};
    if (json_object_size(object) == 0)
        return rhm_fail(error, RHM_INVALID,
                        "a product of the grid has no axes: leave it out, or name one, such as "
                        "seed=1..10");
    if (json_object_size(object) > RHM_GRID_MAX_AXES)
        return rhm_fail(error, RHM_INVALID, "a product of the grid has %zu axes: at most %d are allowed",
                        json_object_size(object), RHM_GRID_MAX_AXES);
    json_object_foreach(object, name, values) {
        if (json_array_size(values) == 0)
            return rhm_fail(error, RHM_INVALID, "axis %.60s of the grid has no values", name);
        out->axis[out->axes++] = (axis){name, values};
        out->cells *= json_array_size(values);
        if (out->cells > RHM_GRID_MAX_CELLS)
            break;
    }
    return RHM_OK;
}

static rhm_status fill(rhm_grid *grid, rhm_error *error) {
    grid->products = json_array_size(grid->json);
    if (grid->products == 0)
        return rhm_fail(error, RHM_INVALID,
                        "the grid has no products: allowed is one such as \"vocab=8,16; "
                        "seed=1..10\"");
    grid->product = RHM_NEW(product, grid->products, 1, 1, "products of a grid", error);
    if (!grid->product)
        return RHM_NO_MEMORY;
    for (size_t i = 0; i < grid->products; i++) {
        RHM_TRY(fill_product(&grid->product[i], json_array_get(grid->json, i), error));
        grid->cells += grid->product[i].cells;
        if (grid->cells > RHM_GRID_MAX_CELLS)
            return rhm_fail(error, RHM_INVALID, "the grid has more than %d cells: split it", RHM_GRID_MAX_CELLS);
    }
    const char *names[RHM_GRID_MAX_AXES];
    return rhm_grid_axes(grid, names) <= RHM_GRID_MAX_AXES
               ? RHM_OK
               : rhm_fail(error, RHM_INVALID, "the products of the grid have more than %d axes together",
                          RHM_GRID_MAX_AXES);
}

rhm_status rhm_grid_make(rhm_grid **out, json_t *products, rhm_error *error) {
    *out = NULL;
    rhm_grid *grid = products ? RHM_NEW(rhm_grid, 1, 1, 1, "a grid", error) : NULL;
    if (!grid) {
        json_decref(products);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a grid");
    }
    grid->json = products;
    const rhm_status status = fill(grid, error);
    if (status == RHM_OK)
        *out = grid;
    else
        rhm_grid_destroy(grid);
    return status;
}

void rhm_grid_destroy(rhm_grid *grid) {
    if (!grid)
        return;
    json_decref(grid->json);
    rhm_free(grid->product);
    rhm_free(grid);
}

uint64_t rhm_grid_count(const rhm_grid *grid) {
    return grid->cells;
}

size_t rhm_grid_axes(const rhm_grid *grid, const char *names[RHM_GRID_MAX_AXES]) {
    size_t count = 0;
    for (size_t p = 0; p < grid->products; p++)
        for (size_t a = 0; a < grid->product[p].axes; a++) {
            const char *name = grid->product[p].axis[a].name;
            size_t i = 0;
            while (i < count && strcmp(names[i], name) != 0)
                i++;
            if (i < count)
                continue;
            if (count == RHM_GRID_MAX_AXES)
                return count + 1;
            names[count++] = name;
        }
    return count;
}

size_t rhm_grid_cell(const rhm_grid *grid, uint64_t index, rhm_grid_setting settings[RHM_GRID_MAX_AXES]) {
    const product *p = grid->product;
    for (; index >= p->cells; p++)
        index -= p->cells;
    for (size_t a = p->axes; a-- > 0;) {
        const size_t values = json_array_size(p->axis[a].values);
        settings[a] =
            (rhm_grid_setting){p->axis[a].name, json_string_value(json_array_get(p->axis[a].values, index % values))};
        index /= values;
    }
    return p->axes;
}
