/*
 * The tables of a sweep: table.csv and table.h5 with a row a cell, levels.csv with a row a level. They depend on the
 * cells and their results alone, not on when and where these were computed: the same bytes after any interruption.
 * What differs from run to run is in times.csv.
 */
#ifndef RHM_CLI_SWEEP_TABLES_H
#define RHM_CLI_SWEEP_TABLES_H

#include "cli/sweep/cells.h"
#include "cli/sweep/store.h"

typedef struct rhm_sweep_table {
    const rhm_sweep_store *store;
    const char *axes[RHM_GRID_MAX_AXES + 2]; /* names of options, a column each */
    size_t axis_count;
    const rhm_sweep_cell *const *cell; /* (cells), in the order of the rows */
    size_t cells;
} rhm_sweep_table;

rhm_status rhm_sweep_tables_write(const rhm_sweep_table *table, rhm_error *error);

/* The value of an option in a cell: as given, else the default, else "". */
const char *rhm_sweep_table_value(const rhm_sweep_cell *cell, const char *axis, char *text, size_t text_nbytes);

/* For writers of CSV: a field with quotes where it needs them; a number as short as it is exact, nothing for NAN. */
void rhm_csv_text(FILE *stream, const char *text);
void rhm_csv_number(FILE *stream, double value);

/* Put what was written to a stream of open_memstream in place as DIR/NAME and close it; NULL is RHM_NO_MEMORY. */
rhm_status rhm_csv_finish(FILE *stream, char **text, const rhm_sweep_store *store, const char *name, rhm_error *error);

/* table.h5. */
rhm_status rhm_sweep_table_write_h5(const rhm_sweep_table *table, rhm_error *error);

#endif
