/*
 * The directory of a sweep: sweep.json says what it is, cells.jsonl has a line for each finished cell, failures.jsonl
 * one for each that failed. A line is appended and synced before the next one; of a line that was cut off, by a full
 * disk or by the death of the process, nothing is kept. One process at a time may use a directory.
 */
#ifndef RHM_CLI_SWEEP_STORE_H
#define RHM_CLI_SWEEP_STORE_H

#include <jansson.h>

#include "cli/sweep/row.h"
#include "rhm/status.h"

typedef struct rhm_sweep_store {
    const char *directory;
    int lock, cells, failures; /* descriptors */
    json_t *finished;          /* numbers of rows by key */
    json_t *failed;            /* reasons by key */
    rhm_sweep_row *row;        /* (rows), owned; there is memory for `room` */
    size_t rows, room;
} rhm_sweep_store;

/* Open or make it; RHM_INVALID where it holds something else or another process uses it. Close it on failure too. */
rhm_status rhm_sweep_store_open(rhm_sweep_store *out, const char *directory, rhm_error *error);
void rhm_sweep_store_close(rhm_sweep_store *store);

/* The row of a finished cell, or NULL; the reason of a failed one, or NULL. Both hold until the next change. */
const rhm_sweep_row *rhm_sweep_store_row(const rhm_sweep_store *store, const char *key);
const char *rhm_sweep_store_failure(const rhm_sweep_store *store, const char *key);

/* Add {"cell", "run", "report"}, whose reference is taken over; NULL is RHM_NO_MEMORY. */
rhm_status rhm_sweep_store_finish(rhm_sweep_store *store, const char *key, json_t *line, rhm_error *error);

/* Add {"cell", "run", "reason"}; so too. */
rhm_status rhm_sweep_store_fail(rhm_sweep_store *store, const char *key, json_t *line, rhm_error *error);

/* Forget all failures. */
rhm_status rhm_sweep_store_forgive(rhm_sweep_store *store, rhm_error *error);

/* "DIRECTORY/NAME", from rhm_alloc. */
rhm_status rhm_sweep_store_path(char **path, const rhm_sweep_store *store, const char *name, rhm_error *error);

#endif
