/* What several reports say, as JSON: NULL where memory is short, which json_pack passes on. */
#ifndef RHM_REPORTS_PARTS_H
#define RHM_REPORTS_PARTS_H

#include "core/fields.h"
#include "core/json.h"
#include "rhm/report.h"

json_t *rhm_report_part_instance(const rhm_report_instance *instance);
json_t *rhm_report_part_machine(const rhm_report_run *run);
json_t *rhm_report_part_command(const rhm_report_run *run);
json_t *rhm_report_part_descent(const rhm_train_report *report); /* null: there was none */
json_t *rhm_report_part_practice(const rhm_training_plan *plan);

extern const rhm_fields rhm_report_plan_levels; /* of rhm_plan_level */

/* The text of a whole report, which is taken over. */
rhm_status rhm_report_finish(char **text, json_t *report, rhm_error *error);

#endif
