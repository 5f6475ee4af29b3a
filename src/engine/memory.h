/*
 * Large arrays: accounted against the memory limit, placed on NUMA nodes, on huge pages where these pay.
 *
 * Nodes are indices into rhm_topology.node. Where binding is denied (containers without CAP_SYS_NICE) the pages are
 * touched first by threads of the node planned for them, which has the same effect while there is room on that node.
 * Functions may be called from any one thread at a time per engine; accounting alone is safe from several.
 */
#ifndef RHM_ENGINE_MEMORY_H
#define RHM_ENGINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"

typedef enum rhm_home_kind {
    RHM_HOME_TOUCH,      /* near whoever writes a page first */
    RHM_HOME_NODE,       /* on one node */
    RHM_HOME_INTERLEAVE, /* page by page over the nodes that have threads */
    RHM_HOME_CHUNKS,     /* each chunk near the thread in whose range rhm_parallel has it */
} rhm_home_kind;

typedef struct rhm_home {
    rhm_home_kind kind;
    int node;            /* of RHM_HOME_NODE */
    size_t chunk_nbytes; /* of RHM_HOME_CHUNKS; the last chunk may be shorter */
} rhm_home;

/*
 * Zeroed memory that starts on a page; 16 bytes from its last element on may be read. A plain value: it may be moved,
 * and copied as long as one copy is destroyed.
 */
typedef struct rhm_buffer {
    void *data;
    size_t nbytes;        /* as asked */
    size_t mapped_nbytes; /* as accounted */
    rhm_home home;
    bool bound;       /* the system was told where the pages go */
    bool huge;        /* huge pages were asked for */
    const char *name; /* the caller's, must outlive the engine: buffers are reported by it */
} rhm_buffer;

/*
 * Memory for n0 x n1 x n2 elements. RHM_NO_MEMORY, with the numbers, when the shape overflows, the limit has no room or
 * the system refuses. For arrays of at least some pages; small ones are rhm_alloc's.
 */
rhm_status rhm_buffer_create(rhm_buffer *out, const rhm_engine *engine, rhm_home home, size_t element_nbytes, size_t n0,
                             size_t n1, size_t n2, const char *name, rhm_error *error);

/* Accepts a zeroed buffer. Where its pages were is kept for the record. */
void rhm_buffer_destroy(rhm_buffer *buffer, const rhm_engine *engine);

/* One working set of `nbytes` for each thread, near it, on pages of its own: rhm_scratch_at(&scratch, thread). */
typedef struct rhm_scratch {
    rhm_buffer buffer;
    size_t stride_nbytes;
} rhm_scratch;

rhm_status rhm_scratch_create(rhm_scratch *out, const rhm_engine *engine, size_t nbytes, const char *name,
                              rhm_error *error);
void rhm_scratch_destroy(rhm_scratch *scratch, const rhm_engine *engine); /* accepts a zeroed one */

static inline void *rhm_scratch_at(const rhm_scratch *scratch, int thread) {
    return (char *)scratch->buffer.data + scratch->stride_nbytes * (size_t)thread;
}

/*
 * A read-only array, once per node that has threads. With a single such node, or threads that roam between nodes, there
 * is no copy: readers get `source` itself, which must live as long as the replica.
 */
typedef struct rhm_replica {
    const void *source;
    size_t nbytes;
    int copies;         /* 0, or one for each node of the topology */
    rhm_buffer *copy;   /* (copies), owned; data NULL on nodes without threads */
    const int *node_of; /* (threads), the engine's */
} rhm_replica;

rhm_status rhm_replica_create(rhm_replica *out, const rhm_engine *engine, const void *source, size_t nbytes,
                              const char *name, rhm_error *error);

/* Copy the source again, after it has changed. */
void rhm_replica_update(rhm_replica *replica, const rhm_engine *engine);

/* Accepts a zeroed one. */
void rhm_replica_destroy(rhm_replica *replica, const rhm_engine *engine);

/* What thread `thread` should read. */
static inline const void *rhm_replica_at(const rhm_replica *replica, int thread) {
    return replica->copies > 0 ? replica->copy[replica->node_of[thread]].data : replica->source;
}

/*
 * Account for memory that is not in a buffer: RHM_NO_MEMORY, with the numbers and the name, when the limit has no room.
 * Whoever reserved releases the same amount.
 */
rhm_status rhm_memory_reserve(const rhm_engine *engine, size_t nbytes, const char *name, rhm_error *error);
void rhm_memory_release(const rhm_engine *engine, size_t nbytes);

uint64_t rhm_memory_used(const rhm_engine *engine);
uint64_t rhm_memory_peak(const rhm_engine *engine);

/* For plans: of a buffer of so many bytes, those of the pages that it touches; and, of memory that is had and freed
 * again and again, those that malloc keeps. glibc gives back only blocks above a threshold that rises to 32 MiB. */
double rhm_buffer_pages(double nbytes);
double rhm_retained_nbytes(double nbytes);

/* The most memory that this program has had resident, whatever for. */
uint64_t rhm_peak_rss_nbytes(void);

#endif
