/* Options that say on what several processes would train. */
#ifndef RHM_CLI_PLAN_CLUSTER_H
#define RHM_CLI_PLAN_CLUSTER_H

#include "cli/settings.h"
#include "rhm/plan.h"

extern const rhm_option_group rhm_cluster_options;

/* Whether they go together. */
rhm_status rhm_cluster_check(const rhm_settings *settings, rhm_error *error);

/* What they say, of nodes with `cores` where --node-cores does not tell. */
void rhm_cluster_settle(rhm_plan_cluster *out, const rhm_settings *settings, int cores);

/* What the plan of one process would take on all cores of a node; no cluster: where it was measured. */
double rhm_cluster_seconds_alone(const rhm_plan_cluster *cluster, const rhm_training_plan *plan);

#endif
