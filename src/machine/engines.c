/* Engines on some of the processors. */
#include <stdio.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "machine/explore.h"

enum { PLACE_NBYTES = 16 };

rhm_status rhm_explore_on(rhm_engine **out, const rhm_engine *parent, const rhm_place *place, int count,
                          rhm_error *error) {
    char *list = RHM_NEW(char, (size_t)count, PLACE_NBYTES, 1, "a list of processors", error);
    if (!list)
        return RHM_NO_MEMORY;
    for (int i = 0, used = 0; i < count; i++)
        used += sprintf(list + used, "%s%d", i ? "," : "", place[i].pu);
    const rhm_engine_options options = {.placement = list, .interrupt = parent->interrupt};
    const rhm_status status = rhm_engine_create(out, &options, error);
    rhm_free(list);
    return status;
}

rhm_status rhm_explore_cores(rhm_plan *plan, const rhm_engine *engine, rhm_error *error) {
    return rhm_plan_make(plan, &engine->topology, "compact", 0, engine->topology.cores, error);
}
