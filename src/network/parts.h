/* What a network is made of, for the files of this directory. Arrays lie in panels, as kernels/dense.h has them. */
#ifndef RHM_NETWORK_PARTS_H
#define RHM_NETWORK_PARTS_H

#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/trace.h"
#include "kernels/dense.h"
#include "network/network.h"
#include "network/tree.h"

enum {
    RHM_NETWORK_WIDTH = 65536, /* channels at most */
    RHM_NETWORK_GROUP = 8,     /* panels of outputs whose gradients a thread sums at a time, at most */
};

/* Convolution l, or the readout: a convolution of one tap and one position that nothing follows. */
typedef struct rhm_network_level {
    size_t taps, inputs, outputs, positions;
    size_t in_panels, out_panels;
    float scale;
    float *w;      /* (out_panels, taps, in_panels 16, 16): [n / 16][t][k][n % 16] */
    float *turned; /* (taps, in_panels, out_panels 16, 16): [t][k / 16][n][k % 16]; NULL: nothing is below */
    float *v;      /* momenta, as w */
    float *b, *bv; /* (out_panels, positions, 16), or NULL */
    float *added;  /* (out_panels, positions, 16): what is added to the scaled sums; NULL: nothing */
    float *y, *dy; /* outputs; gradient of the loss by scaled sums: (out_panels, batch positions, 16) */
    size_t panel;  /* floats from one panel of y, dy to the next */
} rhm_network_level;

typedef struct rhm_network_outcome {
    double loss;
    bool correct;
} rhm_network_outcome;

/* What ranks that share steps have: each some chunks of a batch, and a sum of gradients for each subtree of these. */
typedef struct rhm_network_share {
    float *sums;   /* (sums, floats), each as momenta lie; NULL: steps are not shared */
    float *spare;  /* of rhm_ranks_sum_floats */
    size_t floats; /* of all parameters */
    size_t *first; /* (ranks + 1) chunks of the step in hand */
    size_t *begin; /* (ranks + 1) bytes of a message */
    rhm_buffer buffer;
} rhm_network_share;

struct rhm_network {
    const rhm_engine *engine;
    struct rhm_network_onednn *onednn; /* NULL: native */
    bool elsewhere, narrow;            /* computed by oneDNN, in bfloat16 */
    rhm_dense_ops ops;
    rhm_network_shape shape;
    rhm_network_layout layout;
    size_t batch;          /* sequences at a time */
    size_t most;           /* in a step; more than batch where ranks share it */
    size_t chunk;          /* at least, of one chain of a gradient */
    size_t last;           /* whose activations are there, */
    size_t all, begin;     /* of a step, of so many, from that on */
    rhm_network_tree tree; /* of their gradients */
    rhm_network_share share;
    rhm_network_level level[RHM_MAX_LEVELS + 1];
    rhm_buffer weights, momenta, activations;
    rhm_scratch scratch;          /* per thread: sums of a column of gradients, in slots */
    uint32_t *index;              /* (batch positions_L, s_L): rows of the table that convolution L's w is */
    uint16_t *label;              /* (batch) */
    rhm_network_outcome *outcome; /* (most) of each sequence */
    float *mean, *dmean; /* (panels of h_1, batch, 16): outputs of convolution 1 where it leaves several positions */
};

size_t rhm_network_widest(const rhm_network_shape *shape);
/* A network computed by oneDNN or not; for steps of `most` sequences, of which `batch` are its own. */
rhm_status rhm_network_make_part(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                                 size_t most, size_t batch, bool onednn, bool narrow, rhm_error *error);

/* A network computed by a backend that has been chosen. */
rhm_status rhm_network_make_by(rhm_network **out, const rhm_engine *engine, const rhm_network_shape *shape,
                               size_t batch, bool onednn, bool narrow, rhm_error *error);

/* The sequences, at most a batch of them, that what follows is about; labels may be NULL where no losses are asked for.
 */
void rhm_network_take(rhm_network *n, const uint16_t *tokens, const uint16_t *labels, size_t count);

/* Outputs of level l from those below it (l = levels: from the tokens); of all levels. */
void rhm_network_convolve(const rhm_network *n, uint32_t l);
rhm_status rhm_network_pass(rhm_network *n, rhm_error *error);

/* Losses, and whether right, after a pass; with `gradient` that of the logits as well, in level[0].dy. Then their sums,
 * of a step those of all ranks. */
void rhm_network_losses(rhm_network *n, bool gradient);
rhm_network_result rhm_network_sum_losses(const rhm_network *n);

/* dy of level l + 1 from that of level l; new parameters of level l from its dy; both for all levels. */
void rhm_network_back(const rhm_network *n, uint32_t l);
void rhm_network_learn(rhm_network *n, uint32_t l, const rhm_network_rule *rule);
rhm_status rhm_network_descend(rhm_network *n, const rhm_network_rule *rule, rhm_error *error);

/* The two halves of rhm_network_learn where ranks share a step: sums of the own chunks, new parameters from the sum of
 * all. */
void rhm_network_sum(rhm_network *n, uint32_t l);
void rhm_network_move(rhm_network *n, uint32_t l, const rhm_network_rule *rule);

/* The own part of a step's sequences, all of them where it is not shared. */
void rhm_network_take_part(rhm_network *n, const uint16_t *tokens, const uint16_t *labels, size_t count);

/* Outcomes of all sequences, and sums of the gradients of levels 0 .. lowest: to all ranks. */
rhm_status rhm_network_unite(rhm_network *n, uint32_t lowest, rhm_error *error);

/* Memory for steps that are shared. */
rhm_status rhm_network_share_make(rhm_network *n, rhm_error *error);
void rhm_network_share_clear(rhm_network *n); /* accepts one that shares nothing */

/* Whether the step in hand is shared. */
static inline bool rhm_network_is_shared(const rhm_network *n) {
    return n->share.sums && n->tree.count > 1;
}

/* A product in pieces, on all threads where that pays. */
void rhm_network_multiply(const rhm_network *n, const rhm_dense_product *product);

/* level->added from its bias and, for convolution L, from what all tokens have in common. */
void rhm_network_prepare(rhm_network *n, uint32_t l);

/* level->turned from w. */
void rhm_network_turn(rhm_network *n, uint32_t l);

static inline size_t rhm_panels(size_t columns) {
    return (columns + RHM_LANES - 1) / RHM_LANES;
}

static inline size_t rhm_least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Floats of w before row k of tap t in panel `panel`. */
static inline size_t rhm_weight_at(const rhm_network_level *v, size_t panel, size_t t, size_t k) {
    return ((panel * v->taps + t) * v->in_panels * RHM_LANES + k) * RHM_LANES;
}

/* Outputs of convolution 1 as the readout takes them. */
static inline float *rhm_network_top(const rhm_network *n) {
    return n->mean ? n->mean : n->level[1].y;
}

static inline size_t rhm_network_top_panel(const rhm_network *n) {
    return n->mean ? n->batch * RHM_LANES : n->level[1].panel;
}

/* Adding a float of a row to another takes as long as so many operations of a product. */
#define RHM_NETWORK_ADD_FLOPS 4

/* One product of level l over the sequences taken, for a trace: of tokens there is none, only the operands. */
rhm_span_work rhm_network_work(const rhm_network *n, uint32_t l);

/*
 * Into how many pieces work of so many floating-point operations is cut: one where a second thread would gain nothing,
 * at most `most`. Results do not depend on it.
 */
size_t rhm_network_pieces(const rhm_network *n, double flops, size_t most);

#endif
