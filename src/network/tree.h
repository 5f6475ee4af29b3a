/*
 * The order in which a batch's gradients are summed: sequences in chunks, each of which is one chain, whose sums are
 * added up in the tree of engine/reduce.h. It follows from the network and the number of sequences alone, so that
 * whoever has some whole chunks can add up what is complete of the tree.
 */
#ifndef RHM_NETWORK_TREE_H
#define RHM_NETWORK_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    RHM_NETWORK_CHUNK = 32,  /* sequences, at least, or a power of two times as many; */
    RHM_NETWORK_CHUNKS = 64, /* in a batch, at most */
    RHM_NETWORK_JOINS = 6,   /* sums that one is added to, at most: log2 of those */
    RHM_NETWORK_SLOTS = 14,  /* sums at a time that a walk holds, at most */
};

typedef struct rhm_network_tree {
    size_t sequences;  /* of a chunk; of the last one maybe fewer */
    size_t count;      /* chunks of the batch */
    size_t first, end; /* the own ones */
} rhm_network_tree;

/*
 * Sequences of a chunk, at least, that take so many multiply-adds each: smaller chunks would not be worth a message,
 * and ends of sums would take time.
 */
size_t rhm_network_least_chunk(double multiply_adds);

/* Of a batch, all of it one's own; chunks of `least` sequences or more. */
rhm_network_tree rhm_network_tree_of(size_t sequences, size_t least);

/* Sums at a time that a walk through some of the chunks of `sequences` or fewer holds at most; or one from the first
 * on. */
size_t rhm_network_tree_slots(size_t sequences, size_t least, bool from_the_first);

/* A walk through the rows of the own chunks, each of whose sums is made in a slot of its own behind those that are
 * there. */
typedef struct rhm_network_walk {
    const rhm_network_tree *tree;
    size_t positions, rows; /* rows of a sequence; of all own ones */
    size_t chunk, row;      /* that come next */
    size_t slots;           /* sums that are there; in the end what is complete of the tree */
} rhm_network_walk;

/* Rows of a chunk. */
typedef struct rhm_network_run {
    size_t row, count, slot;
    bool fresh;   /* the chunk's first: its sum begins */
    size_t joins; /* with its last: it is added to the sums in slot - 1, ..., slot - joins, and is then the last of
                     these */
} rhm_network_run;

static inline size_t rhm_network_chunk_rows(const rhm_network_walk *w) {
    return w->tree->sequences * w->positions;
}

/* `rows` are those of the own chunks, `positions` for each sequence. */
rhm_network_walk rhm_network_walk_of(const rhm_network_tree *tree, size_t positions, size_t rows);

/* The next rows, `most` or as many as are left of the chunk. */
rhm_network_run rhm_network_next_run(rhm_network_walk *walk, size_t most);

#endif
