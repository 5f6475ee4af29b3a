/* Sorting by whole numbers on the engine's threads. */
#ifndef RHM_ENGINE_SORT_H
#define RHM_ENGINE_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"

/*
 * Sort the `count` numbers at *item by key(context, number), stably: what has the same key keeps its order. Keys are
 * below `range`. *spare (count) is scratch; the two arrays may have changed places afterwards. The result does not
 * depend on the threads. RHM_NO_MEMORY, or RHM_INTERRUPTED with the numbers in any order.
 */
typedef uint32_t rhm_sort_key(const void *context, uint32_t number);
rhm_status rhm_sort(const rhm_engine *engine, uint32_t **item, uint32_t **spare, size_t count, rhm_sort_key *key,
                    const void *context, size_t range, rhm_error *error);

#endif
