/* What takes longer to measure than ceilings: by thread counts, by cores, by pairs of nodes. */
#ifndef RHM_MACHINE_EXPLORE_H
#define RHM_MACHINE_EXPLORE_H

#include <jansson.h>

#include "engine/placement.h"
#include "rhm/machine.h"

/* What rhm_machine_measure and rhm_machine_measure_seconds do; a new reference. */
rhm_status rhm_machine_explore(json_t **out, const rhm_engine *engine, unsigned what, rhm_error *error);
double rhm_machine_explore_seconds(const rhm_engine *engine, unsigned what);

/* An engine on `count` processors, which heeds the interrupt of `parent`; and one processor of every core,
 * neighbouring cores first. */
rhm_status rhm_explore_on(rhm_engine **out, const rhm_engine *parent, const rhm_place *place, int count,
                          rhm_error *error);
rhm_status rhm_explore_cores(rhm_plan *plan, const rhm_engine *engine, rhm_error *error);

/* What rhm_machine_measure_messages does; a new reference. */
rhm_status rhm_machine_survey_messages(json_t **out, const rhm_engine *engine, rhm_error *error);

rhm_status rhm_explore_nodes(json_t **out, const rhm_engine *parent, rhm_error *error);

#endif
