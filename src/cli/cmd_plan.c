#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan_cluster.h"
#include "cli/plan_measured.h"
#include "cli/plan_text.h"
#include "cli/results.h"
#include "cli/running.h"
#include "cli/shared_options.h"
#include "cli/table.h"
#include "cli/training.h"
#include "core/fail.h"
#include "rhm/machine.h"
#include "rhm/plan.h"
#include "rhm/report.h"
#include "rhm/theory.h"

static const rhm_option own[] = {RHM_OPTION_JSON, {0}};
static const rhm_option_group own_options = {"Output", own};

/* What is planned, and for what. */
typedef struct planning {
    rhm_training training;      /* of which only what it begins with is there */
    const rhm_grammar *grammar; /* NULL: data without one */
    rhm_theory_problem problem;
    rhm_train_options options;
    uint32_t levels;
    rhm_engine *engine;
    rhm_progress_bar bar;
    double seconds_alone; /* of one process with all cores */
    rhm_training_plan practice;
} planning;

/* Samples of all stages that the theorem asks for, as printed and corrected. */
static void theorem_samples(const planning *p, double *printed, double *corrected) {
    *printed = *corrected = 0;
    for (uint32_t level = 1; level <= p->levels; level++) {
        const rhm_theory_level c = rhm_theory_constants(&p->problem, level);
        *printed += c.samples_printed;
        *corrected += c.samples_corrected;
    }
}

static void print_theory(const planning *p) {
    printf("\nThe theorem, with C = %g, delta = %g, kappa = %.4g, K_rho = %.4g (not runnable; see rhm/theory.h)\n\n",
           p->problem.constant, p->problem.delta, p->problem.kappa, p->problem.k_rho);
    printf("%5s %10s %10s %10s %11s %11s %13s %15s %10s %10s %10s\n", "level", "eps*", "eps_O", "eps_S", "N printed",
           "N corrected", "sigma printed", "sigma corrected", "lambda", "GD steps", "width");
    for (uint32_t level = p->levels; level >= 1; level--) {
        const rhm_theory_level c = rhm_theory_constants(&p->problem, level);
        printf("%5u %10.3g %10.3g %10.3g %11.3g %11.3g %13.3g %15.3g %10.3g %10.4g %10.3g\n", level, c.accuracy,
               c.off_diagonal, c.synonym, c.samples_printed, c.samples_corrected, c.bandwidth_printed,
               c.bandwidth_corrected, c.ridge, c.gd_steps, c.width);
    }
    double printed, corrected;
    theorem_samples(p, &printed, &corrected);
    printf("  sum %44.3g %11.3g\n", printed, corrected);
    printf(
        "  eps*: accuracy that outputs need; eps_O: allowed overlap of features of different patches; eps_S: allowed "
        "spread\n"
        "  within a patch; N, sigma: samples and bandwidth as the paper prints them, and as its proofs need them\n");
}

/* Rates of a node whose ranks are all at work, as far as this machine has the cores. */
static rhm_status open_engine(planning *p, rhm_plan_cluster *c, const rhm_settings *settings, rhm_error *error) {
    rhm_settings here = *settings;
    if (settings->cluster.ranks == 0)
        return rhm_running_engine(&p->engine, &p->bar, settings, error);
    here.running.threads = 0;
    RHM_TRY(rhm_running_engine(&p->engine, &p->bar, &here, error));
    const int cores = rhm_engine_describe(p->engine).threads;
    rhm_cluster_settle(c, settings, cores);
    const double busy = c->threads * (double)rhm_plan_node_ranks(c);
    if (c->threads == 0 || busy >= cores)
        return RHM_OK;
    rhm_progress_clear(&p->bar);
    rhm_engine_destroy(p->engine);
    p->engine = NULL;
    here.running.threads = (uint64_t)busy;
    return rhm_running_engine(&p->engine, &p->bar, &here, error);
}

/* Of train's options those that say nothing of what a plan is made of. */
static rhm_status refuse_method(const rhm_settings *settings, rhm_error *error) {
    RHM_TRY(
        rhm_option_refuse(settings, "max-seconds", "has no effect on a plan, which counts work: leave it out", error));
    return rhm_option_refuse(settings, "tolerance",
                             "has no effect on a plan, which knows what the usual one takes: leave it out", error);
}

static rhm_status print_json(const planning *p, rhm_error *error) {
    char *text;
    uint32_t vocab[RHM_MAX_LEVELS + 1] = {0};
    for (uint32_t level = 1; level <= p->levels && !p->grammar; level++)
        vocab[level - 1] = p->training.parents[level];
    vocab[p->levels] = p->training.data.token_vocab;
    const rhm_report_instance instance = {p->grammar, &p->training.analysis, &p->training.data.tree, vocab};
    RHM_TRY(rhm_report_plan(&text, &instance, &p->practice, error));
    fputs(text, stdout);
    free(text);
    return RHM_OK;
}

static void print(const planning *p) {
    rhm_training_print_instance(stdout, &p->training);
    if (p->grammar && p->training.analysis.posterior[1])
        print_theory(p);
    rhm_plan_print(stdout, &p->practice);
    rhm_plan_print_ranks(stdout, &p->practice, p->seconds_alone);
}

/* As the training would be: a network is what descends gradients. */
static rhm_status refuse_backend(const planning *p, const rhm_plan_cluster *c, rhm_error *error) {
    const char *backend = rhm_engine_describe(p->engine).backend;
    if (c->ranks < 2 || p->practice.level[1].epochs == 0 || !strcmp(backend, "native"))
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "backend %s: several ranks train a network with native only", backend);
}

static rhm_status measure(planning *p, const rhm_settings *settings, rhm_error *error) {
    rhm_plan_cluster c = {0};
    RHM_TRY(open_engine(p, &c, settings, error));
    const double base = (double)rhm_machine_peak_rss_nbytes();
    RHM_TRY(settings->data ? rhm_plan_training_data(&p->practice, p->engine, &p->training.data, p->training.parents,
                                                    &p->options, base, error)
                           : rhm_plan_training(&p->practice, p->engine, p->grammar, &p->options, base, error));
    rhm_progress_clear(&p->bar);
    RHM_TRY(refuse_backend(p, &c, error));
    p->seconds_alone = rhm_cluster_seconds_alone(&c, &p->practice);
    return c.ranks > 0 ? rhm_plan_spread(&p->practice, &c, error) : RHM_OK;
}

static rhm_status work(planning *p, const rhm_settings *settings, rhm_error *error) {
    p->training.settings = settings;
    p->training.most_analysis = 0x1p30; /* multiply-adds: about a second */
    RHM_TRY(refuse_method(settings, error));
    RHM_TRY(rhm_cluster_check(settings, error));
    if (settings->cluster.measured)
        return rhm_plan_measured(settings, error);
    RHM_TRY(rhm_training_open(&p->training, &p->options, settings, error));
    p->grammar = p->training.known;
    p->levels = p->training.levels;
    RHM_TRY(measure(p, settings, error));
    if (p->grammar)
        p->problem = rhm_theory_of_grammar(p->grammar, &p->training.analysis);
    if (settings->json)
        return print_json(p, error);
    print(p);
    return RHM_OK;
}

static rhm_status run(const rhm_settings *settings, rhm_error *error) {
    planning p = {0};
    const rhm_status status = work(&p, settings, error);
    rhm_progress_clear(&p.bar);
    rhm_engine_destroy(p.engine);
    rhm_analysis_clear(&p.training.analysis);
    rhm_data_clear(&p.training.data);
    rhm_grammar_destroy(p.training.grammar);
    return status;
}

const rhm_command rhm_command_plan = {
    .name = "plan",
    .operands = "",
    .summary = "the theorem's constants and what training would take",
    .description =
        "Say beforehand what an instance asks for: its exact kappa and rho, the constants of the theorem of "
        "arXiv 2601.19756 as printed and as its proofs need them, and the samples, distinct patches, memory "
        "and time of "
        "a practical run on this machine, from rates measured now, or on others that have been measured; of "
        "a training on a file too (--data). Counted are drawing, embedding, fits or groupings, and the test; "
        "not: reading and writing files, the analysis of the grammar and what reports compare with it, the "
        "Bayes accuracy, checkpoints.",
    .examples = "rhm plan\n"
                "rhm plan --vocab 8 --levels 8\n"
                "rhm plan --data data.h5\n"
                "rhm plan --ranks 64 --nodes 64 --network-latency 2 --network-bandwidth 12\n"
                "rhm plan --json > node.json\n"
                "rhm plan --measured node.json --ranks 64 --nodes 64",
    .groups = {&rhm_instance_options, &rhm_training_data_options, &rhm_learner_options, &rhm_network_options,
               &rhm_budget_options, &rhm_draw_options, &rhm_method_options, &rhm_cluster_options, &rhm_thread_options,
               &rhm_kernel_options, &own_options},
    .run = run,
};
