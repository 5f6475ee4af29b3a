#include "cli/plan_cluster.h"

#include <float.h>
#include <stddef.h>

#include "core/fail.h"

#define AT(member) offsetof(rhm_settings, cluster.member)
static const rhm_option own[] = {
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
    {.name = "measured",
     .kind = RHM_OPTION_TEXT,
     .argument = "FILE",
     .file = RHM_FILE_READ,
     .place = AT(measured),
     .help = "A plan of one process that `rhm plan --json` wrote on a node, with all its cores: its training and its "
             "times are taken, and nothing is measured here. Only the options of this group, --threads and --json go "
             "with it."},
    {0}};
#undef AT
const rhm_option_group rhm_cluster_options = {"Several processes", own};

rhm_status rhm_cluster_check(const rhm_settings *settings, rhm_error *error) {
    static const char *const names[] = {"nodes", "node-cores", "network-latency", "network-bandwidth"};
    const uint64_t ranks = settings->cluster.ranks, nodes = settings->cluster.nodes;
    for (size_t i = 0; ranks == 0 && i < sizeof names / sizeof *names; i++)
        RHM_TRY(rhm_option_refuse(settings, names[i], "has no effect without --ranks", error));
    if (ranks > 0 && nodes > ranks)
        return rhm_fail(error, RHM_INVALID, "--nodes %d: allowed are 1 to %d, as many as --ranks", (int)nodes,
                        (int)ranks);
    return RHM_OK;
}

void rhm_cluster_settle(rhm_plan_cluster *out, const rhm_settings *settings, int cores) {
    const uint64_t asked = settings->cluster.node_cores;
    *out = rhm_plan_cluster_default((int)settings->cluster.ranks, (int)settings->cluster.nodes,
                                    asked ? (int)asked : cores);
    out->threads = (int)settings->running.threads;
    rhm_plan_link *network = out->nodes > 1 ? &out->between : &out->within;
    if (settings->cluster.latency > 0)
        network->latency = 1e-6 * settings->cluster.latency;
    if (settings->cluster.bandwidth > 0)
        network->rate = 1e9 * settings->cluster.bandwidth;
}

double rhm_cluster_seconds_alone(const rhm_plan_cluster *cluster, const rhm_training_plan *plan) {
    return rhm_plan_seconds(plan) * plan->threads / (cluster->cores > 0 ? cluster->cores : plan->threads);
}
