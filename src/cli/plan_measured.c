#include "cli/plan_measured.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan_cluster.h"
#include "cli/plan_text.h"
#include "core/fail.h"
#include "rhm/report.h"

/* What is trained, and how, the plan says that is there already. */
static rhm_status refuse_others(const rhm_settings *settings, rhm_error *error) {
    for (size_t i = 0; i < settings->given_count; i++) {
        const char *name = settings->given[i].option->name;
        bool allowed = !strcmp(name, "threads") || !strcmp(name, "json");
        for (const rhm_option *o = rhm_cluster_options.options; o->name; o++)
            allowed |= !strcmp(name, o->name);
        if (!allowed)
            return rhm_option_refuse(
                settings, name, "has no effect with --measured FILE, which says what is trained: leave one out", error);
    }
    if (settings->cluster.ranks > 0)
        return RHM_OK;
    return rhm_option_refuse(settings, "threads", "has no effect with --measured FILE but without --ranks", error);
}

static rhm_status print(const rhm_training_plan *plan, double seconds_alone, const rhm_settings *settings,
                        rhm_error *error) {
    if (settings->json) {
        char *text;
        RHM_TRY(rhm_report_plan_again(&text, settings->cluster.measured, plan, error));
        fputs(text, stdout);
        free(text);
        return RHM_OK;
    }
    printf("%s: %s, as measured with %d thread%s of %s (%s)\n", rhm_path_shown(settings->cluster.measured),
           plan->learner, plan->threads, plan->threads == 1 ? "" : "s", plan->cpu, plan->isa);
    rhm_plan_print(stdout, plan);
    rhm_plan_print_ranks(stdout, plan, seconds_alone);
    return RHM_OK;
}

rhm_status rhm_plan_measured(const rhm_settings *settings, rhm_error *error) {
    rhm_plan_cluster cluster = {0};
    rhm_training_plan plan;
    RHM_TRY(refuse_others(settings, error));
    RHM_TRY(rhm_report_plan_load(&plan, settings->cluster.measured, error));
    if (settings->cluster.ranks > 0)
        rhm_cluster_settle(&cluster, settings, plan.threads);
    const double alone = rhm_cluster_seconds_alone(&cluster, &plan);
    if (cluster.ranks > 0)
        RHM_TRY(rhm_plan_spread(&plan, &cluster, error));
    return print(&plan, alone, settings, error);
}
