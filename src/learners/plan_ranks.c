/* What becomes of a plan where several ranks train: times of shared and of unshared work, and of messages. */
#include <math.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/rank_share.h"
#include "engine/spread.h"
#include "linear/plan.h"
#include "ranks/group.h"
#include "rhm/plan.h"

/* Messages on shared memory, and over a network of 10 Gbit/s Ethernet: measured ones are better (rhm machine). */
static const rhm_plan_link within = {1.5e-6, 3e9}, between = {30e-6, 1.1e9};
static const double ADD_RATE = 4e9; /* bytes a second of a row that is added to another */

rhm_plan_cluster rhm_plan_cluster_default(int ranks, int nodes, int cores) {
    return (rhm_plan_cluster){.ranks = ranks, .nodes = nodes, .cores = cores, .within = within, .between = between};
}

rhm_plan_cluster rhm_plan_cluster_here(const rhm_engine *engine) {
    const rhm_ranks *ranks = rhm_engine_ranks(engine);
    const int size = rhm_ranks_size(ranks), threads = rhm_engine_describe(engine).threads;
    int nodes = 0, here = 0, nodes_here = 0, masks = 0;
    for (int rank = 0; ranks && rank < size; rank++) {
        bool new_node = true, new_mask = true;
        for (int other = 0; other < rank; other++) {
            const bool same = rhm_ranks_machine(ranks, rank) == rhm_ranks_machine(ranks, other);
            new_node = new_node && rhm_ranks_node(ranks, rank) != rhm_ranks_node(ranks, other);
            new_mask = new_mask && !(same && !strcmp(rhm_engine_rank_place(engine, rank)->cpus,
                                                     rhm_engine_rank_place(engine, other)->cpus));
        }
        const bool beside = rhm_ranks_machine(ranks, rank) == 0;
        nodes += new_node;
        here += beside;
        nodes_here += beside && new_node;
        masks += beside && new_mask;
    }
    /* Of a node; a machine may be several. Ranks that share cores have one each. */
    const int parts = nodes_here > 0 ? nodes_here : 1;
    const int cores = ((masks < here ? masks : here * threads) + parts - 1) / parts;
    return rhm_plan_cluster_default(size, ranks ? nodes : 1, ranks ? cores : threads);
}

int rhm_plan_node_ranks(const rhm_plan_cluster *cluster) {
    return (cluster->ranks + cluster->nodes - 1) / cluster->nodes;
}

/* Of the node with the most ranks, as the engine divides them; less than 1 where ranks take turns on a core. */
double rhm_plan_rank_cores(const rhm_plan_cluster *cluster) {
    const int parts = rhm_plan_node_ranks(cluster), cores = cluster->cores;
    if (parts > cores)
        return 1.0 / ((parts + cores - 1) / cores);
    const int share = cores / parts;
    return cluster->threads > 0 && cluster->threads < share ? cluster->threads : share;
}

/* That so many partial sums are kept in: those of a row are one thread's. */
static double rows_of(const rhm_plan_level *level, double leaves, int ranks) {
    size_t together;
    const double size = fmax(1, level->sum_nbytes / sizeof(double));
    return (double)rhm_pass_rows((size_t)leaves, (size_t)size, (size_t)ranks, &together);
}

double rhm_plan_useful_cores(const rhm_training_plan *plan, uint32_t level) {
    const rhm_plan_level *l = &plan->level[level];
    if (l->level == 0 || l->shared_parts == 0 || !(plan->spread & RHM_SPREAD_FIT))
        return HUGE_VAL;
    const double rows = rows_of(l, l->shared_parts, plan->cluster.ranks > 0 ? plan->cluster.ranks : 1);
    return rows * (l->parts_divide ? fmax(1, rhm_plan_rank_cores(&plan->cluster)) : 1);
}

static double link_seconds(const rhm_plan_cluster *c, int from, int to, double nbytes) {
    const int parts = rhm_plan_node_ranks(c);
    const rhm_plan_link *link = from / parts == to / parts ? &c->within : &c->between;
    return link->latency + nbytes / link->rate;
}

/* Its sender is busy with its bytes, and does not wait for it to arrive. */
static void pass_on(double *clock, const rhm_plan_cluster *c, int from, int to, double nbytes) {
    const double arrived = clock[from] + link_seconds(c, from, to, nbytes);
    clock[from] = arrived - link_seconds(c, from, to, 0);
    clock[to] = fmax(clock[to], arrived);
}

/* As rhm_spread_begin shares them. */
static int owner_of(size_t count, int ranks, size_t row) {
    const size_t size = count / (size_t)ranks, rest = count % (size_t)ranks, larger = rest * (size + 1);
    return (int)(row < larger ? row / (size + 1) : rest + (row - larger) / size);
}

/* First of so many things that belong to a rank, and of those after it. */
static size_t begin_of(size_t count, int ranks, int rank) {
    const size_t size = count / (size_t)ranks, rest = count % (size_t)ranks, r = (size_t)rank;
    return size * r + (r < rest ? r : rest);
}

/* Every rank has messages for each other one, of its columns of each own subtree; then their sums go round. */
static rhm_plan_messages sum_columns(const rhm_plan_cluster *c, size_t count, size_t size) {
    const double ranks = c->ranks, steps = ranks - 1, share = sizeof(double) * (double)size / ranks;
    const rhm_plan_link *slowest = c->nodes > 1 ? &c->between : &c->within;
    double subtrees = 0, most = 0, nbytes = 0;
    for (int rank = 0; rank < c->ranks; rank++) {
        const size_t end = begin_of(count, c->ranks, rank + 1);
        double own = 0;
        for (size_t row = begin_of(count, c->ranks, rank); row < end; own++)
            row += rhm_ranks_subtree(row, end, count);
        const size_t kept = begin_of(size, c->ranks, rank + 1) - begin_of(size, c->ranks, rank);
        nbytes += sizeof(double) * (own * (double)(size - kept) + steps * (double)kept);
        subtrees += own;
        most = fmax(most, own);
    }
    return (rhm_plan_messages){
        .count = steps * (subtrees + ranks),
        .nbytes = nbytes,
        .seconds = steps * (most + 1) * (slowest->latency + share / slowest->rate) + (subtrees - 1) * share / ADD_RATE,
    };
}

/* As rhm_ranks_sum goes about it. */
rhm_plan_messages rhm_plan_sum(const rhm_plan_cluster *c, double rows, double nbytes, double *clock) {
    const size_t count = (size_t)rows;
    rhm_plan_messages m = {0};
    const size_t size = (size_t)(nbytes / sizeof(double));
    if (count > 0 && rhm_ranks_share_columns(c->ranks, size))
        return sum_columns(c, count, size);
    memset(clock, 0, sizeof *clock * (size_t)c->ranks);
    for (size_t step = 1; step < count; step *= 2)
        for (size_t row = 0; row + step < count; row += 2 * step) {
            const size_t end = count - row < 2 * step ? count : row + 2 * step;
            const int left = owner_of(count, c->ranks, row), right = owner_of(count, c->ranks, row + step);
            if (owner_of(count, c->ranks, end - 1) == left)
                continue;
            if (left != right) {
                pass_on(clock, c, right, left, nbytes);
                m.count++;
            }
            clock[left] += nbytes / ADD_RATE;
        }
    for (int step = 1; step < c->ranks; step *= 2)
        for (int rank = 0; rank < step && rank + step < c->ranks; rank++) {
            pass_on(clock, c, rank, rank + step, nbytes);
            m.count++;
        }
    m.nbytes = m.count * nbytes;
    for (int rank = 0; rank < c->ranks; rank++)
        m.seconds = fmax(m.seconds, clock[rank]);
    return m;
}

/* Round a ring, in which every step waits for the slowest link. */
static rhm_plan_messages gather(const rhm_plan_cluster *c, double count, double nbytes) {
    const double steps = c->ranks - 1, part = nbytes / c->ranks;
    const rhm_plan_link *slowest = c->nodes > 1 ? &c->between : &c->within;
    return (rhm_plan_messages){.count = count * steps * c->ranks,
                               .nbytes = steps * nbytes,
                               .seconds = steps * (count * slowest->latency + part / slowest->rate)};
}

/* Each to each other one what is of that one. */
static rhm_plan_messages deal(const rhm_plan_cluster *c, double nbytes) {
    const double others = c->ranks - 1, parts = (double)c->ranks * c->ranks;
    const rhm_plan_link *slowest = c->nodes > 1 ? &c->between : &c->within;
    return (rhm_plan_messages){.count = others * c->ranks,
                               .nbytes = nbytes * others / c->ranks,
                               .seconds = others * (slowest->latency + nbytes / parts / slowest->rate)};
}

static void add(rhm_plan_messages *sum, rhm_plan_messages more) {
    sum->count += more.count;
    sum->nbytes += more.nbytes;
    sum->seconds += more.seconds;
}

/* Of shared work that takes one core `seconds`, in so many parts that go to ranks, and to threads, as a whole. */
static double shared_seconds(const rhm_plan_cluster *c, const rhm_plan_level *level, double seconds) {
    const double parts = rows_of(level, level->shared_parts, c->ranks), cores = rhm_plan_rank_cores(c);
    if (parts == 0)
        return seconds / c->ranks / cores;
    const double own = ceil(parts / c->ranks);
    return seconds * own / parts / (level->parts_divide ? cores : fmin(cores, own));
}

static rhm_plan_messages fit_messages(const rhm_plan_level *level, const rhm_plan_cluster *c, double *clock) {
    const double rows = rows_of(level, level->sum_rows, c->ranks);
    const rhm_plan_messages one = rhm_plan_sum(c, rows, level->sum_nbytes, clock);
    rhm_plan_messages m = {one.count * level->sums, one.nbytes * level->sums, one.seconds * level->sums};
    add(&m, gather(c, level->products, level->products * level->product_nbytes));
    return m;
}

/* `alone_seconds` of the fit every rank takes for what could be shared, where none does it. */
static void share_fit(rhm_plan_level *level, const rhm_plan_cluster *c, double alone_seconds, double *clock,
                      rhm_plan_messages *m) {
    const double ranks = c->ranks, passes = level->passes_nbytes, gram = level->gram_nbytes;
    const double shared = shared_seconds(c, level, alone_seconds * rhm_plan_rank_cores(c));
    const rhm_plan_messages own = fit_messages(level, c, clock);
    if (level->shared_if_faster && !(shared + own.seconds < alone_seconds)) {
        level->shared_parts = 0;
        return;
    }
    const double features = level->features_nbytes, most = (double)RHM_CACHE_MOST_NBYTES;
    const double kept = features > most && features <= most * c->nodes ? features / ranks : 0;
    const double more = rows_of(level, level->sum_rows, c->ranks) - rows_of(level, level->sum_rows, 1);
    level->fit_seconds += shared - alone_seconds;
    level->nbytes +=
        fmax((passes + more * level->sum_nbytes) / ranks + kept, gram * (2 / ranks - 1 / (ranks * ranks))) -
        fmax(passes, gram);
    level->nbytes += (ranks > 1 ? level->shared_nbytes : 0) - level->divided_nbytes * (1 - 1 / ranks);
    add(m, own);
}

/* `alone`: what a rank takes for all of what one process takes a second for. */
static void spread_level(rhm_plan_level *level, const rhm_plan_cluster *c, unsigned spread, double alone,
                         double *clock) {
    const double equal = alone / c->ranks, ranks = c->ranks;
    rhm_plan_messages m = {0};
    const bool divided = ranks > 1 && ranks <= level->division_ranks;
    const double merging = divided ? 0 : level->merge_seconds, reading = level->draw_seconds - merging,
                 before = level->fit_seconds;
    level->draw_seconds = merging * alone + reading * (spread & RHM_SPREAD_DRAW ? equal : alone);
    level->embed_seconds *= spread & RHM_SPREAD_EMBED ? equal : alone;
    level->fit_seconds *= alone;
    if (spread & RHM_SPREAD_FIT)
        share_fit(level, c, level->shared_fit_seconds * alone, clock, &m);
    level->epoch_seconds *= before > 0 ? (level->fit_seconds + m.seconds) / before : 1;
    level->budget_seconds *= before > 0 ? level->fit_seconds / before : 1;
    level->allowed_seconds *= before > 0 ? level->fit_seconds / before : 1;
    if (divided) {
        add(&m, deal(c, level->dealt_nbytes));
        add(&m, gather(c, level->fits, level->grouped_nbytes));
        level->nbytes += level->keys_nbytes / ranks - level->patches_nbytes * (1 - 1 / ranks);
    } else {
        if (spread & RHM_SPREAD_DRAW && level->listed_nbytes > 0)
            add(&m, gather(c, 1, level->listed_nbytes));
        if (spread & RHM_SPREAD_EMBED)
            add(&m, gather(c, level->embeddings, level->embedded_nbytes));
    }
    level->messages = m;
}

rhm_status rhm_plan_spread(rhm_training_plan *plan, const rhm_plan_cluster *cluster, rhm_error *error) {
    if (cluster->ranks < 1 || cluster->nodes < 1 || cluster->nodes > cluster->ranks)
        return rhm_fail(error, RHM_INVALID, "%d ranks on %d nodes: allowed are one node to as many as there are ranks",
                        cluster->ranks, cluster->nodes);
    double *clock = RHM_NEW(double, (size_t)cluster->ranks, 1, 1, "clocks of ranks", error);
    if (!clock)
        return RHM_NO_MEMORY;
    /* Rates are of all threads together: what a rank has of them, for one whole and unshared. */
    const double alone = plan->threads / rhm_plan_rank_cores(cluster);
    for (uint32_t level = 1; level <= plan->levels; level++)
        spread_level(&plan->level[level], cluster, plan->spread, alone, clock);
    plan->test_seconds *= plan->spread & RHM_SPREAD_TEST ? alone / cluster->ranks : alone;
    plan->cluster = *cluster;
    rhm_free(clock);
    return RHM_OK;
}
