#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

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

#define AT(member) offsetof(rhm_settings, cluster.member)
static const rhm_option cluster[] = {
    {.name = "ranks",
     .kind = RHM_OPTION_COUNT,
     .argument = "R",
     .otherwise = "one process",
     .least = 1,
     .greatest = 65536,
     .place = AT(ranks),
     .help = "Plan for so many processes under mpirun. Rates are measured here, on all cores; --threads are those of a "
             "rank."},
    {.name = "nodes",
     .kind = RHM_OPTION_COUNT,
     .argument = "N",
     .fallback = "1",
     .least = 1,
     .greatest = 65536,
     .place = AT(nodes),
     .help = "Machines that share the ranks evenly, in order."},
    {.name = "node-cores",
     .kind = RHM_OPTION_COUNT,
     .argument = "C",
     .otherwise = "as many as here",
     .least = 1,
     .greatest = 65536,
     .place = AT(node_cores),
     .help = "Cores of a node, each as fast as one of this machine when all are at work."},
    {.name = "network-latency",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "microseconds",
     .otherwise = "30 between nodes, 1.5 on one",
     .least = DBL_MIN,
     .greatest = 1e9,
     .place = AT(latency),
     .help = "Of a message, one way; between nodes, or between ranks where there is one node. Measured by `mpirun rhm "
             "machine`."},
    {.name = "network-bandwidth",
     .kind = RHM_OPTION_REAL,
     .argument = "x",
     .unit = "GB/s",
     .otherwise = "1.1 between nodes, 3 on one",
     .least = DBL_MIN,
     .greatest = 1e9,
     .place = AT(bandwidth),
     .help = "Likewise, of one message at a time."},
    {0}};
#undef AT
static const rhm_option_group cluster_options = {"Several processes", cluster};

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

/* Where more ranks no longer help. */
static void print_idle(const rhm_training_plan *plan) {
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const double most = rhm_plan_useful_cores(plan, level);
        const double cores = plan->cluster.ranks * fmax(1, rhm_plan_rank_cores(&plan->cluster));
        if (most < cores)
            printf("  level %u: %.0f of %.0f cores are idle in passes, which fall into %.0f partial sums\n", level,
                   cores - most, cores, plan->level[level].shared_parts);
    }
}

/* Nothing for one process. */
static void print_ranks(const planning *p) {
    const rhm_training_plan *plan = &p->practice;
    const rhm_plan_cluster *c = &plan->cluster;
    double sum = 0;
    if (c->ranks == 0)
        return;
    const double cores = rhm_plan_rank_cores(c);
    printf("\n%d rank%s on %d node%s of %d core%s; a rank has ", c->ranks, c->ranks == 1 ? "" : "s", c->nodes,
           c->nodes == 1 ? "" : "s", c->cores, c->cores == 1 ? "" : "s");
    if (cores < 1)
        printf("a core together with %.0f others", 1 / cores - 1);
    else
        printf("%.0f core%s", cores, cores == 1 ? "" : "s");
    printf("\na message takes %.3g us and a second for %.3g GB on a node, %.3g us and a second for %.3g GB between "
           "nodes\n\n",
           1e6 * c->within.latency, 1e-9 * c->within.rate, 1e6 * c->between.latency, 1e-9 * c->between.rate);
    printf("%5s %9s %9s %9s %10s %9s %12s %9s\n", "level", "s draw", "s embed", "s fit", "s messages", "s", "messages",
           "GB");
    for (uint32_t level = plan->levels; level >= 1; level--) {
        const rhm_plan_level *s = &plan->level[level];
        if (s->level == 0)
            continue;
        printf("%5u %9.3g %9.3g %9.3g %10.3g %9.3g %12.4g %9.3g\n", level, s->draw_seconds, s->embed_seconds,
               s->fit_seconds, s->messages.seconds, rhm_plan_level_seconds(plan, level), s->messages.count,
               1e-9 * s->messages.nbytes);
        sum += s->messages.seconds;
    }
    const double seconds = rhm_plan_seconds(plan);
    printf(
        "  memory at most %.0f MiB a rank; about %.3g s, test included (%.3g s), messages %.1f %%; one process on one "
        "such node: %.3g s\n"
        "  every rank does for itself:%s%s%s%s merging patches, the features of Gram matrices\n",
        rhm_plan_nbytes(plan) / 0x1p20, seconds, plan->test_seconds, 100 * sum / seconds, p->seconds_alone,
        plan->spread & RHM_SPREAD_DRAW ? "" : " drawing,", plan->spread & RHM_SPREAD_EMBED ? "" : " embedding,",
        plan->spread & RHM_SPREAD_FIT ? "" : " fits,", plan->spread & RHM_SPREAD_TEST ? "" : " the test,");
    print_idle(plan);
}

static void print_total(const planning *p) {
    const int threads = rhm_engine_describe(p->engine).threads;
    if (p->practice.cluster.ranks > 0)
        return;
    printf("  sum %43.4g samples; memory at most %.0f MiB; about %.3g s on %d thread%s, test included\n",
           rhm_plan_samples(&p->practice), rhm_plan_nbytes(&p->practice) / 0x1p20, rhm_plan_seconds(&p->practice),
           threads, threads == 1 ? "" : "s");
}

/* Of a learner that fits no regressions. */
static void print_counting(const planning *p) {
    printf("%5s %7s %11s %11s %9s %6s %9s %9s %8s\n", "level", "draw", "N", "patches", "positions", "tries", "gap",
           "MiB", "seconds");
    for (uint32_t level = p->levels; level >= 1; level--) {
        const rhm_plan_level s = p->practice.level[level];
        if (s.level == 0)
            continue;
        char gap[16] = "-";
        if (!isnan(s.gap))
            snprintf(gap, sizeof gap, "%.3g", s.gap);
        printf("%5u %7s %11.4g %11.4g %9u %6.0f %9s %9.1f %8.2g\n", level,
               s.draw == RHM_DRAW_COUNTS ? "counts" : "samples", s.samples, s.distinct, s.positions, s.fits, gap,
               s.nbytes / 0x1p20, rhm_plan_level_seconds(&p->practice, level));
    }
    print_total(p);
    printf("  positions: patches of a sequence that the search will need; gap: separation over radius of groups that "
           "exact\n"
           "  posteriors let one expect there\n");
}

/* Of a learner that descends gradients. */
static void print_epochs(const planning *p) {
    double epoch = 0;
    printf("%5s %11s %9s %8s %8s %9s %9s %9s\n", "level", "sequences", "positions", "width", "epochs", "MiB", "s/epoch",
           "seconds");
    for (uint32_t level = p->levels; level >= 1; level--) {
        const rhm_plan_level s = p->practice.level[level];
        epoch += s.epoch_seconds;
        printf("%5u %11.4g %9u %8u %8.0f %9.1f %9.3g %9.3g\n", level, s.samples, s.positions, s.width, s.epochs,
               s.nbytes / 0x1p20, s.epoch_seconds, rhm_plan_level_seconds(&p->practice, level));
    }
    const int threads = rhm_engine_describe(p->engine).threads;
    printf("  sum %58.3g %9.3g; memory at most %.0f MiB, on %d thread%s, test included\n"
           "  s/epoch: end to end, a level's share of an epoch; seconds: if all epochs are needed, which a loss below "
           "the threshold ends\n",
           epoch, rhm_plan_seconds(&p->practice), rhm_plan_nbytes(&p->practice) / 0x1p20, threads,
           threads == 1 ? "" : "s");
}

static void print_practice(const planning *p) {
    printf("\nWhat `rhm train` would do: automatic sizes depend on the data, so these are estimates\n");
    if (p->practice.sequences > 0)
        printf("of the %" PRIu64 " sequences %" PRIu64 " are for the test%s\n", p->practice.sequences,
               p->practice.test_samples,
               p->practice.stand_in ? "; how far symbols are apart is told from a random grammar like the data" : "");
    printf("\n");
    if (p->practice.level[1].epochs > 0) {
        print_epochs(p);
        return;
    }
    if (p->practice.level[1].width == 0) {
        print_counting(p);
        return;
    }
    printf("%5s %10s %11s %11s %11s %11s %11s %6s %5s %6s %6s %9s %8s %8s %8s\n", "level", "draw", "first N",
           "wanted N", "N", "possible", "distinct", "width", "fits", "fit", "ridges", "MiB", "seconds", "budget",
           "at most");
    for (uint32_t level = p->levels; level >= 1; level--) {
        const rhm_plan_level s = p->practice.level[level];
        if (s.level == 0)
            continue;
        char ends[2][16] = {"-", "-"};
        if (s.allowed_searches > 0) {
            snprintf(ends[0], sizeof *ends, "%.3g", s.budget_seconds);
            snprintf(ends[1], sizeof *ends, "%.3g", s.allowed_seconds);
        }
        printf("%5u %10s %11.4g %11.4g %11.4g %11.4g %11.4g %6u %5.0f %6s %6s %9.1f %8.2f %8s %8s%s\n", level,
               s.draw != RHM_DRAW_COUNTS ? "samples"
               : s.kept_share < 1        ? "restricted"
                                         : "counts",
               s.first_samples, s.wanted_samples, s.samples, s.possible, s.distinct, s.width, s.fits,
               rhm_route_name(s.route), rhm_route_name(s.ridge_route), s.nbytes / 0x1p20,
               rhm_plan_level_seconds(&p->practice, level), ends[0], ends[1], s.capped ? "  fewer than wanted" : "");
    }
    print_total(p);
    printf("  positions (patches of a sequence that are looked at), level L first:");
    for (uint32_t level = p->levels; level >= 1; level--)
        printf(" %u", p->practice.level[level].positions);
    printf(
        "\n  restricted: N counts the samples that are kept, those with one of the distinct first patches (see rhm "
        "train "
        "--help)\n"
        "  fit, ridges: how one fit at a bandwidth, and fits at successive ridges, multiply with the normal matrix:\n"
        "  by passes over the patches, or by forming it once (gram)\n"
        "  budget: about how long the searches of a level take at most, with all numbers of positions that they may "
        "try,\n"
        "  if the levels below come out as foreseen; at most: the same in the worst case, whatever comes out of any "
        "level\n"
        "  (JSON has the multiply-adds, which no search exceeds); searches of a level, at most, level L first:");
    for (uint32_t level = p->levels; level >= 1; level--)
        printf(" %u", p->practice.level[level].allowed_searches);
    printf("\n");
}

static void settle_cluster(rhm_plan_cluster *out, const rhm_settings *settings, int cores_here) {
    const uint64_t asked = settings->cluster.node_cores;
    *out = rhm_plan_cluster_default((int)settings->cluster.ranks, (int)settings->cluster.nodes,
                                    asked ? (int)asked : cores_here);
    out->threads = (int)settings->running.threads;
    rhm_plan_link *network = out->nodes > 1 ? &out->between : &out->within;
    if (settings->cluster.latency > 0)
        network->latency = 1e-6 * settings->cluster.latency;
    if (settings->cluster.bandwidth > 0)
        network->rate = 1e9 * settings->cluster.bandwidth;
}

/* Rates of a node whose ranks are all at work, as far as this machine has the cores. */
static rhm_status open_engine(planning *p, rhm_plan_cluster *c, const rhm_settings *settings, rhm_error *error) {
    rhm_settings here = *settings;
    if (settings->cluster.ranks == 0)
        return rhm_running_engine(&p->engine, &p->bar, settings, error);
    here.running.threads = 0;
    RHM_TRY(rhm_running_engine(&p->engine, &p->bar, &here, error));
    const int cores = rhm_engine_describe(p->engine).threads;
    settle_cluster(c, settings, cores);
    const double busy = c->threads * (double)rhm_plan_node_ranks(c);
    if (c->threads == 0 || busy >= cores)
        return RHM_OK;
    rhm_progress_clear(&p->bar);
    rhm_engine_destroy(p->engine);
    p->engine = NULL;
    here.running.threads = (uint64_t)busy;
    return rhm_running_engine(&p->engine, &p->bar, &here, error);
}

static rhm_status refuse_cluster(const rhm_settings *settings, rhm_error *error) {
    static const char *const names[] = {"nodes", "node-cores", "network-latency", "network-bandwidth"};
    const uint64_t ranks = settings->cluster.ranks, nodes = settings->cluster.nodes;
    for (size_t i = 0; ranks == 0 && i < sizeof names / sizeof *names; i++)
        RHM_TRY(rhm_option_refuse(settings, names[i], "has no effect without --ranks", error));
    if (ranks > 0 && nodes > ranks)
        return rhm_fail(error, RHM_INVALID, "--nodes %d: allowed are 1 to %d, as many as --ranks", (int)nodes,
                        (int)ranks);
    return RHM_OK;
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
    if (p->grammar)
        print_theory(p);
    print_practice(p);
    print_ranks(p);
}

static rhm_status measure(planning *p, const rhm_settings *settings, rhm_error *error) {
    rhm_plan_cluster c = {0};
    RHM_TRY(open_engine(p, &c, settings, error));
    const double base = (double)rhm_machine_peak_rss_nbytes();
    RHM_TRY(settings->data ? rhm_plan_training_data(&p->practice, p->engine, &p->training.data, p->training.parents,
                                                    &p->options, base, error)
                           : rhm_plan_training(&p->practice, p->engine, p->grammar, &p->options, base, error));
    rhm_progress_clear(&p->bar);
    p->seconds_alone =
        rhm_plan_seconds(&p->practice) * p->practice.threads / (c.cores > 0 ? c.cores : p->practice.threads);
    return c.ranks > 0 ? rhm_plan_spread(&p->practice, &c, error) : RHM_OK;
}

static rhm_status work(planning *p, const rhm_settings *settings, rhm_error *error) {
    p->training.settings = settings;
    RHM_TRY(refuse_method(settings, error));
    RHM_TRY(refuse_cluster(settings, error));
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
    .description = "Say beforehand what an instance asks for: its exact kappa and rho, the constants of the theorem of "
                   "arXiv 2601.19756 as printed and as its proofs need them, and the samples, distinct patches, memory "
                   "and time of "
                   "a practical run on this machine, from rates measured now; of a training on a file too (--data).",
    .examples = "rhm plan\n"
                "rhm plan --vocab 8 --levels 8\n"
                "rhm plan --data data.h5\n"
                "rhm plan --ranks 64 --nodes 64 --network-latency 2 --network-bandwidth 12",
    .groups = {&rhm_instance_options, &rhm_training_data_options, &rhm_learner_options, &rhm_network_options,
               &rhm_budget_options, &rhm_draw_options, &rhm_method_options, &cluster_options, &rhm_thread_options,
               &rhm_kernel_options, &own_options},
    .run = run,
};
