/* table.h5: /cells has a column a data set, /levels one a quantity, a row for each cell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep/tables.h"
#include "core/fail.h"
#include "core/h5file.h"
#include "core/json.h"
#include "core/memory.h"

enum { OBJECT_NBYTES = 96, VALUE_NBYTES = 1024 };

static rhm_status write_column(rhm_h5 *file, const char *group, const char *name, const double *values, size_t count,
                               rhm_error *error) {
    char object[OBJECT_NBYTES];
    const rhm_h5_shape shape = rhm_h5_shape1(count);
    snprintf(object, sizeof object, "/%s/%s", group, name);
    return rhm_h5_write(file, object, RHM_H5_F64, &shape, values, error);
}

static bool read_value(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return *text && !*end;
}

/* Texts as numbers of words, which the attribute "words" lists, one a line. */
static rhm_status write_words(rhm_h5 *file, const rhm_sweep_table *table, const char *axis, double *values,
                              rhm_error *error) {
    char object[OBJECT_NBYTES], text[VALUE_NBYTES], *list = NULL;
    size_t nbytes;
    json_t *words = json_object();
    FILE *stream = open_memstream(&list, &nbytes);
    bool whole = words && stream;
    for (size_t i = 0; whole && i < table->cells; i++) {
        const char *value = rhm_sweep_table_value(table->cell[i], axis, text, sizeof text);
        if (!json_object_get(words, value)) {
            fprintf(stream, "%s%s", json_object_size(words) ? "\n" : "", value);
            whole = json_object_set_new(words, value, json_integer((json_int_t)json_object_size(words))) == 0;
        }
        values[i] = (double)json_integer_value(json_object_get(words, value));
    }
    json_decref(words);
    if ((stream && fclose(stream) != 0) || !whole) {
        free(list);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the words of an axis");
    }
    rhm_status status = write_column(file, "cells", axis, values, table->cells, error);
    snprintf(object, sizeof object, "/cells/%s", axis);
    if (status == RHM_OK)
        status = rhm_h5_write_text_attribute(file, object, "words", list, error);
    free(list);
    return status;
}

static rhm_status write_axis(rhm_h5 *file, const rhm_sweep_table *table, const char *axis, double *values,
                             rhm_error *error) {
    char text[VALUE_NBYTES];
    bool numbers = true;
    for (size_t i = 0; i < table->cells && numbers; i++)
        numbers = read_value(rhm_sweep_table_value(table->cell[i], axis, text, sizeof text), &values[i]);
    return numbers ? write_column(file, "cells", axis, values, table->cells, error)
                   : write_words(file, table, axis, values, error);
}

static rhm_status write_cells(rhm_h5 *file, const rhm_sweep_table *table, double *values, rhm_error *error) {
    RHM_TRY(rhm_h5_write_group(file, "/cells", error));
    for (size_t a = 0; a < table->axis_count; a++)
        RHM_TRY(write_axis(file, table, table->axes[a], values, error));
    for (size_t c = 0; c < RHM_SWEEP_COLUMNS; c++) {
        for (size_t i = 0; i < table->cells; i++) {
            const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
            values[i] = row ? row->value[c] : (double)NAN;
        }
        RHM_TRY(write_column(file, "cells", rhm_sweep_columns[c].name, values, table->cells, error));
    }
    return RHM_OK;
}

/* (cells, most levels), level L first; NAN where a cell has fewer, or no row. */
static rhm_status write_levels(rhm_h5 *file, const rhm_sweep_table *table, uint32_t most, rhm_error *error) {
    char object[OBJECT_NBYTES];
    const rhm_h5_shape shape = rhm_h5_shape2(table->cells, most);
    double *values = RHM_NEW(double, table->cells, most, 1, "a column of levels", error);
    rhm_status status = values ? rhm_h5_write_group(file, "/levels", error) : RHM_NO_MEMORY;
    for (size_t c = 0; status == RHM_OK && c < RHM_SWEEP_LEVEL_COLUMNS; c++) {
        for (size_t i = 0; i < table->cells; i++) {
            const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
            for (uint32_t l = 0; l < most; l++)
                values[i * most + l] =
                    row && l < row->levels ? row->level[l * RHM_SWEEP_LEVEL_COLUMNS + c] : (double)NAN;
        }
        snprintf(object, sizeof object, "/levels/%s", rhm_sweep_level_columns[c].name);
        status = rhm_h5_write(file, object, RHM_H5_F64, &shape, values, error);
    }
    rhm_free(values);
    return status;
}

rhm_status rhm_sweep_table_write_h5(const rhm_sweep_table *table, rhm_error *error) {
    rhm_h5 *file = NULL;
    char *path;
    uint32_t most = 0;
    for (size_t i = 0; i < table->cells; i++) {
        const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
        most = row && row->levels > most ? row->levels : most;
    }
    RHM_TRY(rhm_sweep_store_path(&path, table->store, "table.h5", error));
    double *values = RHM_NEW(double, table->cells, 1, 1, "a column of a table", error);
    rhm_status status = values ? rhm_h5_create(&file, path, "sweep", error) : RHM_NO_MEMORY;
    if (status == RHM_OK)
        status = write_cells(file, table, values, error);
    if (status == RHM_OK && most > 0)
        status = write_levels(file, table, most, error);
    if (status == RHM_OK)
        status = rhm_h5_commit(&file, error);
    rhm_h5_close(&file);
    rhm_free(values);
    rhm_free(path);
    return status;
}
