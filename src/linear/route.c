/* Who represents C on which route. */
#include "linear/gram.h"
#include "linear/passes.h"

rhm_status rhm_normal_create(rhm_normal **out, const rhm_engine *engine, const rhm_linear_data *data, rhm_route route,
                             size_t cache_nbytes, rhm_error *error) {
    *out = NULL;
    return route == RHM_ROUTE_GRAM ? rhm_gram_create(out, engine, data, error)
                                   : rhm_passes_create(out, engine, data, cache_nbytes, error);
}
