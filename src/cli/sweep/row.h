/* What a table keeps of a cell's report: the same whatever the machine, threads and interruptions; and what it took. */
#ifndef RHM_CLI_SWEEP_ROW_H
#define RHM_CLI_SWEEP_ROW_H

#include <jansson.h>

#include "rhm/model.h"
#include "rhm/status.h"

/* A number of a report: "test.accuracy" is member accuracy of the object test. */
typedef struct rhm_sweep_column {
    const char *name;
    const char *place;
    const char *meaning;
} rhm_sweep_column;

enum { RHM_SWEEP_COLUMNS = 16, RHM_SWEEP_LEVEL_COLUMNS = 19, RHM_SWEEP_COSTS = 5 };

extern const rhm_sweep_column rhm_sweep_columns[RHM_SWEEP_COLUMNS];
extern const rhm_sweep_column rhm_sweep_level_columns[RHM_SWEEP_LEVEL_COLUMNS];
extern const rhm_sweep_column rhm_sweep_costs[RHM_SWEEP_COSTS];

typedef struct rhm_sweep_row {
    double value[RHM_SWEEP_COLUMNS]; /* NAN: not known, or without meaning for the learner */
    double cost[RHM_SWEEP_COSTS];
    uint32_t levels;
    double *level; /* (levels, RHM_SWEEP_LEVEL_COLUMNS), level L first; owned */
    char hash[RHM_HASH_TEXT_NBYTES];
} rhm_sweep_row;

/* Of a line {"cell", "run", "report"} of DIR/cells.jsonl. RHM_CORRUPT where that is none. */
rhm_status rhm_sweep_row_read(rhm_sweep_row *out, const json_t *line, rhm_error *error);
void rhm_sweep_row_clear(rhm_sweep_row *row); /* accepts a zeroed one */

/* The test of a row: how many sequences, and the share that was read wrongly, over that of guessing. */
double rhm_sweep_row_error(const rhm_sweep_row *row);

#endif
