/*
 * What training on a grammar will take, level by level, before it is begun: samples, patches, memory and time on this
 * machine, from rates measured now. Sizes that a learner chooses from its data are estimates.
 */
#ifndef RHM_PLAN_H
#define RHM_PLAN_H

#include <stdbool.h>

#include "rhm/data.h"
#include "rhm/learner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A message takes latency + bytes / rate. */
typedef struct rhm_plan_link {
    double latency; /* seconds */
    double rate;    /* bytes a second */
} rhm_plan_link;

/* Messages of all ranks together, and how long they keep the job waiting. */
typedef struct rhm_plan_messages {
    double count, nbytes, seconds;
} rhm_plan_messages;

/* Ranks in equal parts, in order, on nodes that are alike. */
typedef struct rhm_plan_cluster {
    int ranks, nodes;
    int cores;                     /* of a node, which its ranks divide */
    int threads;                   /* of a rank; 0: a thread for each core it has */
    rhm_plan_link within, between; /* of ranks on a node, and of nodes */
} rhm_plan_cluster;

/* What of a training its ranks share, one or several joined by |; the rest every rank does for itself. */
typedef enum rhm_plan_part {
    RHM_SPREAD_DRAW = 1,  /* drawing and counting samples, but for merge_seconds */
    RHM_SPREAD_EMBED = 2, /* embeddings of distinct patches */
    RHM_SPREAD_FIT = 4,   /* of fits what is in shared_fit_seconds: passes and Gram matrices */
    RHM_SPREAD_TEST = 8,  /* the test */
} rhm_plan_part;

/* What is expected of a level. Members that mean nothing to the learner are 0, numbers of them NAN. */
typedef struct rhm_plan_level {
    uint32_t level;       /* 0: the learner has no such level */
    uint32_t positions;   /* patches of a sequence that are looked at */
    rhm_draw draw;        /* RHM_DRAW_SAMPLES or RHM_DRAW_COUNTS */
    double kept_share;    /* where the support is restricted, else 1: samples below are the kept ones (rhm/learner.h) */
    double first_samples; /* with which the search begins */
    double wanted_samples; /* after which the outputs should be far enough apart; infinite where rho = 0 */
    double samples;        /* where the search is expected to end, or the given number */
    bool capped;           /* fewer than wanted are allowed */
    double possible;       /* different first patches that exist */
    double distinct;       /* and that are expected among the samples */
    uint32_t width;        /* M: given, or where the search is expected to end; 0: no regression */
    double gap;            /* separation / radius that is expected to come out */
    double fits;           /* attempts */
    rhm_route route;       /* how one fit at a bandwidth multiplies with C */
    rhm_route ridge_route; /* and the fits of a walk along ridges */
    double nbytes;         /* largest memory held by the stage, threads' workspaces aside */
    double draw_seconds, embed_seconds, fit_seconds;
    double epochs;        /* of gradient descent, at most: fit_seconds are for so many; 0: there are none */
    double epoch_seconds; /* of an epoch; end to end, the level's share */
    double budget_work, budget_seconds; /* as the next, if levels below come out as foreseen */
    double allowed_work;    /* multiply-adds that its searches do at most, whatever comes out of them, together; */
    double allowed_seconds; /* about how long they take */
    uint32_t allowed_searches, allowed_positions; /* they are at most so many, up to so many positions */
    double merge_seconds, listed_nbytes; /* of draw_seconds, what no ranks share: merging what each has listed */
    double shared_fit_seconds;           /* of fit_seconds, what several ranks could share (rhm_plan_spread) */
    double shared_parts;                 /* into which that falls, or 0 where it falls into any number, */
    bool parts_divide;                   /* of which a rank's threads can share one; */
    bool shared_if_faster;               /* only where messages take less time than that saves */
    double shared_nbytes;                /* that ranks hold beside nbytes to share it */
    double sums, sum_rows, sum_nbytes;   /* passes over all patches; partial sums of one, and bytes of each */
    double products, product_nbytes;     /* products with Gram matrices, and bytes of one */
    double embeddings, embedded_nbytes;  /* times that outputs are made, and bytes of all of them */
    double grouped_nbytes;               /* of those, what every rank gets even where patches are divided */
    double divided_nbytes;               /* of nbytes, what ranks have equal parts of */
    double division_ranks; /* up to so many ranks divide patches of counted samples, and their subtrees; 0: none do */
    double patches_nbytes; /* of nbytes, what they have parts of then, beside divided_nbytes */
    double keys_nbytes, dealt_nbytes; /* and what that takes them in memory, and in messages, all together */
    double passes_nbytes, gram_nbytes;   /* and of that the larger of what passes hold, likewise, and Gram matrices */
    double features_nbytes;              /* of all patches: more than one process keeps may be what ranks do */
    rhm_plan_messages messages;          /* of several ranks; their seconds are the level's, too */
} rhm_plan_level;

typedef struct rhm_training_plan {
    const char *learner;   /* static */
    uint64_t sequences;    /* of the data set; 0: fresh ones */
    uint64_t test_samples; /* of these, or fresh ones */
    bool stand_in;         /* what the data do not say is that of a random grammar like them (rhm_plan_training_data) */
    int threads;           /* for which times are, */
    char cpu[96], isa[16]; /* and on what; "": nothing was measured */
    uint32_t levels;
    rhm_plan_level level[RHM_MAX_LEVELS + 1]; /* [1..levels] */
    double test_seconds;
    double base_nbytes;       /* of the process before a level begins */
    unsigned spread;          /* parts that ranks share */
    rhm_plan_cluster cluster; /* for which the plan is; its ranks are 0 in that of one process */
} rhm_training_plan;

/* A second or two of measuring, in which nothing else may run. `options` as rhm_train takes them. */
RHM_API rhm_status rhm_plan_training(rhm_training_plan *out, const rhm_engine *engine, const rhm_grammar *grammar,
                                     const rhm_train_options *options, double base_nbytes, rhm_error *error);

/*
 * The same on a data set, as rhm_train_data takes it. Samples, patches and how they are drawn are those of the data.
 * How far symbols are apart, and so where a search ends, is told from the grammar of the data; without one from a
 * grammar that is drawn with the numbers of tokens, labels, symbols and rules that the data show, as if its rules were
 * uniform.
 */
RHM_API rhm_status rhm_plan_training_data(rhm_training_plan *out, const rhm_engine *engine, const rhm_data *data,
                                          const uint32_t *parents, const rhm_train_options *options, double base_nbytes,
                                          rhm_error *error);

/* Links within and between nodes as they often are. */
RHM_API rhm_plan_cluster rhm_plan_cluster_default(int ranks, int nodes, int cores);

/* The ranks of an engine that is one of several, and where they are; links as above. */
RHM_API rhm_plan_cluster rhm_plan_cluster_here(const rhm_engine *engine);

/*
 * Turn the plan of one process into that of a rank of several: seconds are of the job, bytes of a rank. Work that is
 * shared is in equal parts, down to single partial sums; what is not is done by every rank with its own cores, each as
 * fast as one of the machine that was measured with all of them at work. Ranks that share a core take turns. Sums and
 * gathers take the messages that they do, one after the other where they depend on each other. Not foreseen: ranks that
 * wait for slower ones. RHM_INVALID for more nodes than ranks.
 */
RHM_API rhm_status rhm_plan_spread(rhm_training_plan *plan, const rhm_plan_cluster *cluster, rhm_error *error);

RHM_API int rhm_plan_node_ranks(const rhm_plan_cluster *cluster);                    /* at most, of a node */
RHM_API double rhm_plan_useful_cores(const rhm_training_plan *plan, uint32_t level); /* that a level's passes can keep
                                                                                       busy; HUGE_VAL: any number */
RHM_API double rhm_plan_rank_cores(const rhm_plan_cluster *cluster); /* that a rank has; 1/2: two take turns on one */

/* A sum over `rows` partial sums of `nbytes` each up the tree, and back to all; `clock` is (ranks), overwritten. */
RHM_API rhm_plan_messages rhm_plan_sum(const rhm_plan_cluster *cluster, double rows, double nbytes, double *clock);

RHM_API double rhm_plan_level_seconds(const rhm_training_plan *plan, uint32_t level);
RHM_API double rhm_plan_seconds(const rhm_training_plan *plan); /* test included */
RHM_API double rhm_plan_samples(const rhm_training_plan *plan);
RHM_API double rhm_plan_nbytes(const rhm_training_plan *plan); /* at the largest level */

#ifdef __cplusplus
}
#endif
#endif
