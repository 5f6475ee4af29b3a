/* What `rhm machine` shows and reports keep: where the engine runs, what was planned, and what became of it. */
#ifndef RHM_ENGINE_RECORD_H
#define RHM_ENGINE_RECORD_H

#include <jansson.h>

#include "rhm/engine.h"

/*
 * The record as it is now: thread bindings are read anew, throttling and memory are as of this call. *out is a new
 * reference. Keys: cpu, isa, topology, allowed, quota, throttling, threads, placement, team, memory, system,
 * environment, notes. What cannot be had is {"unavailable": reason}; notes are sentences a user should see.
 */
rhm_status rhm_engine_record(const rhm_engine *engine, json_t **out, rhm_error *error);

/* The same for people to read. *out is released with rhm_free. */
rhm_status rhm_engine_record_text(const json_t *record, char **out, rhm_error *error);

/* Parts of the record that do not concern one engine only; NULL when memory is short. */
json_t *rhm_record_topology(const rhm_engine *engine);
json_t *rhm_record_system(const rhm_engine *engine);
json_t *rhm_record_environment(void);

/* {"unavailable": reason}. */
json_t *rhm_record_unavailable(const char *reason);

#endif
