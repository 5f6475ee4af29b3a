/* What ranks have met and counted, each in samples of its own. */
#ifndef RHM_COUNTS_UNITE_H
#define RHM_COUNTS_UNITE_H

#include "core/intern.h"
#include "rhm/engine.h"

/* All ranks' tuples, on all of them, each in an order of its own. */
rhm_status rhm_tuples_unite(rhm_intern *set, const rhm_engine *engine, rhm_error *error);

/* Sums of all ranks' counts (cells), on all of them. */
rhm_status rhm_counts_add_up(uint64_t *count, size_t cells, const rhm_engine *engine, rhm_error *error);

#endif
