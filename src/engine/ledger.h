/* What the engine knows about memory: the account against the limit, and where pages of buffers were found to be. */
#ifndef RHM_ENGINE_LEDGER_H
#define RHM_ENGINE_LEDGER_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/memory.h"
#include "engine/topology.h"

/* Buffers of one name. Pages are samples: at most some hundred of each buffer, evenly spaced. */
typedef struct rhm_ledger_row {
    const char *name;
    rhm_home_kind home;
    uint64_t buffers;
    uint64_t largest_nbytes;
    bool bound;       /* all of them */
    bool huge;        /* any of them */
    int locate_errno; /* why pages could not be located, or 0 */
    uint64_t on_plan; /* pages where they were planned; pages without a plan count as such */
    uint64_t off_plan;
    uint64_t untouched;
    uint64_t *per_node; /* (node_count) */
} rhm_ledger_row;

enum { RHM_LEDGER_ROWS = 64 }; /* names; buffers of further ones are accounted but not measured */

typedef struct rhm_ledger {
    uint64_t limit_nbytes;
    const char *limit_from; /* what decided it */
    atomic_uint_least64_t used_nbytes;
    atomic_uint_least64_t peak_nbytes;
    int bind_errno;   /* outcome of binding a page of our own: 0 where it works */
    int locate_errno; /* likewise of asking where it is */
    pthread_mutex_t mutex;
    int rows;
    int node_count;
    rhm_ledger_row row[RHM_LEDGER_ROWS];
    uint64_t *per_node; /* (RHM_LEDGER_ROWS, node_count), owned */
} rhm_ledger;

/* Also tries whether this process may bind pages and ask where they are. */
rhm_status rhm_ledger_create(rhm_ledger **out, const rhm_topology *topology, uint64_t limit_nbytes,
                             const char *limit_from, rhm_error *error);
void rhm_ledger_destroy(rhm_ledger *ledger); /* accepts NULL */

/* Find out where the pages of a buffer are and enter it under the buffer's name. */
void rhm_ledger_enter(rhm_ledger *ledger, const rhm_engine *engine, const rhm_buffer *buffer);

/*
 * Nodes (operating-system numbers) of `count` pages, given by addresses within them; negative errno values for pages
 * that are nowhere yet. 0, or the errno of why the system does not tell.
 */
int rhm_locate_pages(size_t count, void *const *address, int *node_os);

#endif
