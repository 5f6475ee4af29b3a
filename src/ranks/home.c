/* Who is beside whom. Host names do not tell: containers of different machines may share one, and those of a machine
 * have one each. */
#include "ranks/home.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_NBYTES = 48 };

/* A random number that each kernel draws when it starts. */
static void read_kernel(rhm_rank_home *home) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file && fgets(home->kernel, sizeof home->kernel, file))
        home->kernel[strcspn(home->kernel, "\n")] = '\0';
    else if (home->node >= 0)
        snprintf(home->kernel, sizeof home->kernel, "that of rank %d", home->node);
    else
        snprintf(home->kernel, sizeof home->kernel, "that of %.50s", home->host);
    if (file)
        fclose(file);
}

rhm_rank_home rhm_rank_home_here(int node) {
    struct stat names;
    rhm_rank_home home = {.node = node, .pid = getpid()};
    gethostname(home.host, sizeof home.host - 1);
    home.of_namespace = stat("/proc/self/ns/pid", &names) == 0 ? names.st_ino : 0;
    read_kernel(&home);
    return home;
}

void rhm_rank_homes_join(rhm_ranks *ranks) {
    rhm_rank_home *home = ranks->home;
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++) {
        int lowest = 0;
        while (strcmp(home[lowest].kernel, home[rank].kernel) != 0)
            lowest++;
        home[rank].machine = lowest;
        if (home[rank].node < 0)
            home[rank].node = lowest;
    }
}

int rhm_ranks_node(const rhm_ranks *ranks, int rank) {
    return ranks->home[rank].node;
}

int rhm_ranks_machine(const rhm_ranks *ranks, int rank) {
    return ranks->home[rank].machine;
}

static bool same_machine(const rhm_ranks *ranks, int a, int b) {
    return rhm_ranks_machine(ranks, a) == rhm_ranks_machine(ranks, b);
}

static bool same_node(const rhm_ranks *ranks, int a, int b) {
    return rhm_ranks_node(ranks, a) == rhm_ranks_node(ranks, b);
}

static bool same_name(const rhm_ranks *ranks, int a, int b) {
    return !strcmp(ranks->home[a].host, ranks->home[b].host);
}

static bool disagree(const rhm_ranks *ranks, int a, int b) {
    const bool machine = same_machine(ranks, a, b);
    return machine != same_node(ranks, a, b) || machine != same_name(ranks, a, b);
}

static void explain(const rhm_ranks *ranks, int a, int b, char *sentence, size_t nbytes) {
    const bool machine = same_machine(ranks, a, b);
    const bool name = same_name(ranks, a, b) != machine, node = same_node(ranks, a, b) != machine;
    const char *names = !name ? "" : machine ? "their host names differ" : "they have one host name";
    const char *nodes = !node ? "" : machine ? "MPI takes them for two nodes" : "MPI takes them for one node";
    snprintf(sentence, nbytes, "ranks %d (%.*s) and %d (%.*s) run under %s, though %s%s%s: %s", a, SHOWN_NBYTES,
             ranks->home[a].host, b, SHOWN_NBYTES, ranks->home[b].host, machine ? "one kernel" : "two kernels", names,
             name && node ? " and " : "", nodes,
             machine ? "they divide one machine's cores and memory" : "each has a machine to itself");
}

bool rhm_ranks_odd_nodes(const rhm_ranks *ranks, char *sentence, size_t nbytes) {
    for (int rank = 1; rank < rhm_ranks_size(ranks); rank++)
        for (int other = 0; other<rank; other += rank> 1 ? rank - 1 : 1)
            if (disagree(ranks, other, rank)) {
                explain(ranks, other, rank, sentence, nbytes);
                return true;
            }
    return false;
}
