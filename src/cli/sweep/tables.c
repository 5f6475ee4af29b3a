#include "cli/sweep/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/memory.h"

enum { VALUE_NBYTES = 1024, NUMBER_NBYTES = 40 };

/* ---- CSV ------------------------------------------------------------------------------------------------- */

void rhm_csv_text(FILE *stream, const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, stream);
    }
    fputc('"', stream);
}

void rhm_csv_number(FILE *stream, double value) {
    char text[NUMBER_NBYTES];
    if (isnan(value))
        return;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, stream);
}

rhm_status rhm_csv_finish(FILE *stream, char **text, const rhm_sweep_store *store, const char *name, rhm_error *error) {
    char *path;
    if (!stream || fclose(stream) != 0) {
        free(stream ? *text : NULL);
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for %s", name);
    }
    rhm_status status = rhm_sweep_store_path(&path, store, name, error);
    if (status == RHM_OK) {
        status = rhm_atomic_write_text(path, *text, strlen(*text), error);
        rhm_free(path);
    }
    free(*text);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

const char *rhm_sweep_table_value(const rhm_sweep_cell *cell, const char *axis, char *text, size_t text_nbytes) {
    const char *given = json_string_value(json_object_get(cell->options, axis));
    if (given)
        return given;
    rhm_sweep_default_text(axis, text, text_nbytes);
    return text;
}

static void write_axis_names(FILE *csv, const rhm_sweep_table *table) {
    for (size_t a = 0; a < table->axis_count; a++) {
        rhm_csv_text(csv, table->axes[a]);
        fputc(',', csv);
    }
}

static void write_axes(FILE *csv, const rhm_sweep_table *table, const rhm_sweep_cell *cell) {
    char text[VALUE_NBYTES];
    for (size_t a = 0; a < table->axis_count; a++) {
        rhm_csv_text(csv, rhm_sweep_table_value(cell, table->axes[a], text, sizeof text));
        fputc(',', csv);
    }
}

static rhm_status write_cells(const rhm_sweep_table *table, rhm_error *error) {
    char *text = NULL;
    size_t nbytes;
    FILE *csv = open_memstream(&text, &nbytes);
    if (!csv)
        return rhm_csv_finish(csv, &text, table->store, "table.csv", error);
    write_axis_names(csv, table);
    fputs("status", csv);
    for (size_t c = 0; c < RHM_SWEEP_COLUMNS; c++)
        fprintf(csv, ",%s", rhm_sweep_columns[c].name);
    fputs(",model_hash,reason\n", csv);
    for (size_t i = 0; i < table->cells; i++) {
        const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
        const char *reason = row ? NULL : rhm_sweep_store_failure(table->store, table->cell[i]->key);
        write_axes(csv, table, table->cell[i]);
        fputs(row ? "done" : reason ? "failed" : "open", csv);
        for (size_t c = 0; c < RHM_SWEEP_COLUMNS; c++) {
            fputc(',', csv);
            rhm_csv_number(csv, row ? row->value[c] : (double)NAN);
        }
        fprintf(csv, ",%s,", row ? row->hash : "");
        rhm_csv_text(csv, reason ? reason : "");
        fputc('\n', csv);
    }
    return rhm_csv_finish(csv, &text, table->store, "table.csv", error);
}

static rhm_status write_levels(const rhm_sweep_table *table, rhm_error *error) {
    char *text = NULL;
    size_t nbytes;
    FILE *csv = open_memstream(&text, &nbytes);
    if (!csv)
        return rhm_csv_finish(csv, &text, table->store, "levels.csv", error);
    write_axis_names(csv, table);
    for (size_t c = 0; c < RHM_SWEEP_LEVEL_COLUMNS; c++)
        fprintf(csv, "%s%s", c ? "," : "", rhm_sweep_level_columns[c].name);
    fputc('\n', csv);
    for (size_t i = 0; i < table->cells; i++) {
        const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
        for (uint32_t l = 0; row && l < row->levels; l++) {
            write_axes(csv, table, table->cell[i]);
            for (size_t c = 0; c < RHM_SWEEP_LEVEL_COLUMNS; c++) {
                if (c)
                    fputc(',', csv);
                rhm_csv_number(csv, row->level[l * RHM_SWEEP_LEVEL_COLUMNS + c]);
            }
            fputc('\n', csv);
        }
    }
    return rhm_csv_finish(csv, &text, table->store, "levels.csv", error);
}

static rhm_status write_times(const rhm_sweep_table *table, rhm_error *error) {
    char *text = NULL;
    size_t nbytes;
    FILE *csv = open_memstream(&text, &nbytes);
    if (!csv)
        return rhm_csv_finish(csv, &text, table->store, "times.csv", error);
    write_axis_names(csv, table);
    for (size_t c = 0; c < RHM_SWEEP_COSTS; c++)
        fprintf(csv, "%s%s", c ? "," : "", rhm_sweep_costs[c].name);
    fputc('\n', csv);
    for (size_t i = 0; i < table->cells; i++) {
        const rhm_sweep_row *row = rhm_sweep_store_row(table->store, table->cell[i]->key);
        if (!row)
            continue;
        write_axes(csv, table, table->cell[i]);
        for (size_t c = 0; c < RHM_SWEEP_COSTS; c++) {
            if (c)
                fputc(',', csv);
            rhm_csv_number(csv, row->cost[c]);
        }
        fputc('\n', csv);
    }
    return rhm_csv_finish(csv, &text, table->store, "times.csv", error);
}

rhm_status rhm_sweep_tables_write(const rhm_sweep_table *table, rhm_error *error) {
    RHM_TRY(write_cells(table, error));
    RHM_TRY(write_levels(table, error));
    RHM_TRY(write_times(table, error));
    return rhm_sweep_table_write_h5(table, error);
}
