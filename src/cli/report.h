/*
 * Results as JSON (jansson; keys keep their order). Numbers that do not exist, such as diagnostics without a grammar or
 * an infinite kappa, are null. Builders return NULL when memory runs out, and accept NULL from each other.
 */
#ifndef RHM_CLI_REPORT_H
#define RHM_CLI_REPORT_H

#include <jansson.h>

#include "cli/settings.h"
#include "core/fields.h"
#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/learner.h"
#include "rhm/machine.h"
#include "rhm/plan.h"

json_t *rhm_json_text(const char *text); /* file names need not be UTF-8: other bytes become question marks then */
json_t *rhm_json_sizes(const uint32_t *values, uint32_t count); /* one number when all are equal, else a list */

/* The report's "instance"; analysis may be NULL, then what follows from it is null. */
json_t *rhm_report_instance(const rhm_grammar *grammar, const rhm_analysis *analysis);

/* The same where there is no grammar: only vocabularies (vocab has levels + 1 entries) and shape are known. */
json_t *rhm_report_unknown_instance(const uint32_t *vocab, const rhm_tree *tree);

/* The report's "machine" (rhm/machine.h); peaks may be NULL: null then. */
json_t *rhm_report_machine(const rhm_engine *engine, const rhm_machine_peaks *peaks);

/* The library's JSON text, which is released with free() in any case. */
rhm_status rhm_report_parse(json_t **json, char *text, rhm_error *error);

json_t *rhm_report_command(const rhm_settings *settings); /* the command line, quoted for a shell */

/* What is measured after the run, for those who read a report. */
typedef struct rhm_report_comparison {
    rhm_machine_peaks peaks;
    rhm_training_plan prediction;
    bool predicted; /* a prediction takes a grammar */
} rhm_report_comparison;

/* The whole report of `rhm train` (schema rhm-report/1); takes over `instance` and `machine`. The peak is the run's
 * own, taken before anything was compared; without `comparison` its numbers are null. */
json_t *rhm_report_training(const rhm_settings *settings, json_t *instance, json_t *machine,
                            const rhm_report_comparison *comparison, const rhm_train_report *train,
                            const rhm_model *model, double seconds, uint64_t peak_rss_nbytes);

/* Indented text of `json` with a newline at its end; the reference is taken over; *text is the caller's to free().
 * RHM_NO_MEMORY on NULL. */
rhm_status rhm_report_text(char **text, json_t *json, rhm_error *error);

/* Write such a text to the file of --report. */
rhm_status rhm_report_write(const char *path, const char *text, rhm_error *error);

/* The text of `json`, whose reference is taken over, to standard output. */
rhm_status rhm_report_print(json_t *json, rhm_error *error);

#endif
