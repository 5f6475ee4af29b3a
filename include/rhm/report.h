/*
 * Reports as JSON, as the command writes them: docs/report.md lists their keys. Texts are indented, end with a newline
 * and are released with free(). What is not known is null in them: members below that are NULL, or NAN.
 */
#ifndef RHM_REPORT_H
#define RHM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "rhm/data.h"
#include "rhm/engine.h"
#include "rhm/grammar.h"
#include "rhm/inference.h"
#include "rhm/learner.h"
#include "rhm/machine.h"
#include "rhm/model.h"
#include "rhm/oracle.h"
#include "rhm/plan.h"
#include "rhm/probe.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What sequences come from: a grammar, or data of which vocabularies and shape are known. */
typedef struct rhm_report_instance {
    const rhm_grammar *grammar;   /* NULL: tree and vocab speak */
    const rhm_analysis *analysis; /* of the grammar */
    const rhm_tree *tree;
    const uint32_t *vocab; /* |V_0|..|V_L| */
} rhm_report_instance;

/* What reports of runs have in common. */
typedef struct rhm_report_run {
    const char *command; /* what was asked for, in the words of whoever asked */
    rhm_report_instance instance;
    const char *machine;      /* rhm_machine_describe, when memory was as it is to be reported */
    double seconds;           /* of the run */
    uint64_t peak_rss_nbytes; /* rhm_machine_peak_rss_nbytes */
} rhm_report_run;

typedef struct rhm_report_trained {
    const rhm_train_options *options; /* as rhm_train took them; NULL: the defaults */
    const char *data;                 /* the file that was trained on, or NULL */
    bool shuffled;                    /* rhm_data.shuffled of what was trained on */
    const rhm_train_report *train;
    const rhm_model *model;
    double bayes_accuracy;          /* rhm_bayes_bound on the test sequences */
    const rhm_machine_peaks *peaks; /* measured beside the run, or NULL */
    const rhm_training_plan *plan;  /* what had been foreseen, or NULL */
} rhm_report_trained;

/* What to train on, and what the report calls it. */
typedef struct rhm_train_job {
    const rhm_grammar *grammar; /* whose samples are drawn; NULL with data */
    const rhm_data *data;
    const uint32_t *parents;          /* with data: as rhm_train_data takes them */
    const rhm_train_options *options; /* NULL: the defaults */
    const char *command, *data_name;  /* for the report; data_name may be NULL */
    const rhm_analysis *analysis;     /* of the grammar that is known, or NULL: it is made */
    double earlier_seconds;           /* of the run before this call, which count as its own */
    bool ceilings;                    /* measure peaks and make a plan for the report, which takes a second or more */
    rhm_train_report *outcome; /* what a training that fails knew, too: to be cleared in any case; NULL: not wanted */
    double *bayes_accuracy;    /* as the report has it; NULL: not wanted */
} rhm_train_job;

typedef struct rhm_report_evaluated {
    const rhm_model *model;
    rhm_accuracy accuracy;
    double seconds;        /* of the evaluation alone */
    double bayes_accuracy; /* rhm_bayes_bound on the same sequences */
} rhm_report_evaluated;

/* "rhm-report/1", "rhm-eval/1" and "rhm-oracle/1". `bayes` without samples: sequences had no labels. */
RHM_API rhm_status rhm_report_training(char **json, const rhm_report_run *run, const rhm_report_trained *trained,
                                       rhm_error *error);
RHM_API rhm_status rhm_report_evaluation(char **json, const rhm_report_run *run, const rhm_report_evaluated *evaluated,
                                         rhm_error *error);
RHM_API rhm_status rhm_report_inference(char **json, const rhm_report_run *run, uint64_t samples,
                                        const rhm_bayes *bayes, rhm_error *error);

/*
 * Train, and report it as rhm_report_training does, Bayes accuracy included. The model keeps the report, too. *json is
 * released with free(). Of several ranks the first reports; on the others *json is NULL.
 */
RHM_API rhm_status rhm_train_reported(rhm_model **out, char **json, const rhm_engine *engine, const rhm_train_job *job,
                                      rhm_error *error);

/* "rhm-plan/1": the instance, the constants of the theorem where its grammar is known, and what training would take. */
RHM_API rhm_status rhm_report_plan(char **json, const rhm_report_instance *instance, const rhm_training_plan *plan,
                                   rhm_error *error);

/*
 * The plan of one process that such a text in a file has, with the times of the machine where it was made, for
 * rhm_plan_spread; and that text with another plan in place of its own. RHM_IO, or RHM_CORRUPT for what is not the text
 * of a plan of one process that was measured.
 */
RHM_API rhm_status rhm_report_plan_load(rhm_training_plan *out, const char *path, rhm_error *error);
RHM_API rhm_status rhm_report_plan_again(char **json, const char *path, const rhm_training_plan *plan,
                                         rhm_error *error);

/* "rhm-probe/1": what rhm_probe found with these options. */
RHM_API rhm_status rhm_report_probe(char **json, const rhm_report_run *run, const rhm_model *model,
                                    const rhm_probe_options *options, const rhm_probe_report *probed, rhm_error *error);

/* The "instance" of a report by itself. */
RHM_API rhm_status rhm_report_of_instance(char **json, const rhm_report_instance *instance, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
