/* What a grid is made of: JSON, an object a product, whose members are lists of texts. */
#ifndef RHM_SWEEP_GRID_H
#define RHM_SWEEP_GRID_H

#include <jansson.h>

#include "rhm/sweep.h"

/* A grid of products {"vocab": ["8", "16"], ...}, whose reference is taken over; RHM_NO_MEMORY on NULL. */
rhm_status rhm_grid_make(rhm_grid **out, json_t *products, rhm_error *error);

/* Add the values that a text such as "8,(8,16,16),1..4" says to a list of texts; `name` is for sentences. */
rhm_status rhm_grid_add_values(json_t *values, const char *name, const char *text, rhm_error *error);

#endif
