/*
 * Cells of a sweep: what `rhm train` is to be called with. A cell is a JSON object of options by name, each as text in
 * one canonical form, defaults left out; its text with sorted names is the cell's key.
 */
#ifndef RHM_CLI_SWEEP_CELLS_H
#define RHM_CLI_SWEEP_CELLS_H

#include <jansson.h>

#include "cli/settings.h"
#include "rhm/sweep.h"

typedef struct rhm_sweep_cell {
    json_t *options;  /* owned */
    char *key;        /* owned */
    char *class_key;  /* owned: the key without seeds. Cells of a class take about as long and as much memory */
    bool checkpoints; /* its learner can be interrupted */
} rhm_sweep_cell;

/* Release what a cell owns; accepts a zeroed one. */
void rhm_sweep_cell_clear(rhm_sweep_cell *cell);

/*
 * A cell from options as they were typed. Whatever `rhm train` refuses is refused, with its sentence; and options that
 * a sweep decides by itself. `checked` remembers classes that have been looked at as a whole.
 */
rhm_status rhm_sweep_cell_read(rhm_sweep_cell *out, const rhm_grid_setting *settings, size_t count, json_t *checked,
                               rhm_error *error);

/* The same cell with other values of some options, which are not checked. */
rhm_status rhm_sweep_cell_with(rhm_sweep_cell *out, const rhm_sweep_cell *cell, const rhm_grid_setting *settings,
                               size_t count, rhm_error *error);

/* The settings of `rhm train` for a cell; they point into `storage`, to be released with rhm_free afterwards. */
rhm_status rhm_sweep_cell_settings(rhm_settings *settings, char ***storage, const rhm_sweep_cell *cell,
                                   rhm_error *error);

/* Arguments "--vocab=8", ..., from rhm_alloc in one piece; `spare` more pointers are NULL. */
rhm_status rhm_sweep_cell_arguments(char ***out, size_t *count, const json_t *options, size_t spare, rhm_error *error);

/* What a cell that does not name an option has: its default in canonical form, or "". */
void rhm_sweep_default_text(const char *name, char *text, size_t text_nbytes);

/* "vocab=8 seed=3", cut to the buffer: for sentences. */
void rhm_sweep_cell_text(const json_t *options, char *text, size_t text_nbytes);

#endif
