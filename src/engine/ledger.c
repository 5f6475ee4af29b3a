#include "engine/ledger.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/memory.h"
#include "engine/engine.h"
#include "engine/planned.h"

enum { SAMPLED_PAGES = 512 };

/* The system call itself: libnuma would be one more library for this alone. */
int rhm_locate_pages(size_t count, void *const *address, int *node_os) {
    return syscall(SYS_move_pages, 0, count, address, NULL, node_os, 0) == 0 ? 0 : errno;
}

static void probe(rhm_ledger *ledger, const rhm_topology *topology) {
    const size_t nbytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        ledger->bind_errno = ledger->locate_errno = errno;
        return;
    }
    hwloc_nodeset_t set = hwloc_bitmap_alloc();
    if (!topology->this_system || !set) {
        ledger->bind_errno = ENOSYS;
    } else {
        const int flags = HWLOC_MEMBIND_BYNODESET;
        hwloc_bitmap_only(set, topology->node[0].os_index);
        if (hwloc_set_area_membind(topology->hwloc, page, nbytes, set, HWLOC_MEMBIND_BIND, flags) != 0)
            ledger->bind_errno = errno;
    }
    hwloc_bitmap_free(set);
    memset(page, 0, nbytes);
    int node;
    ledger->locate_errno = topology->this_system ? rhm_locate_pages(1, &page, &node) : ENOSYS;
    munmap(page, nbytes);
}

rhm_status rhm_ledger_create(rhm_ledger **out, const rhm_topology *topology, uint64_t limit_nbytes,
                             const char *limit_from, rhm_error *error) {
    *out = NULL;
    rhm_ledger *ledger = RHM_NEW(rhm_ledger, 1, 1, 1, "memory ledger", error);
    if (!ledger)
        return RHM_NO_MEMORY;
    ledger->per_node = RHM_NEW(uint64_t, RHM_LEDGER_ROWS, (size_t)topology->node_count, 1, "memory ledger", error);
    if (!ledger->per_node) {
        rhm_free(ledger);
        return RHM_NO_MEMORY;
    }
    ledger->limit_nbytes = limit_nbytes;
    ledger->limit_from = limit_from;
    ledger->node_count = topology->node_count;
    for (int i = 0; i < RHM_LEDGER_ROWS; i++)
        ledger->row[i].per_node = ledger->per_node + (size_t)i * (size_t)topology->node_count;
    pthread_mutex_init(&ledger->mutex, NULL);
    probe(ledger, topology);
    *out = ledger;
    return RHM_OK;
}

void rhm_ledger_destroy(rhm_ledger *ledger) {
    if (!ledger)
        return;
    pthread_mutex_destroy(&ledger->mutex);
    rhm_free(ledger->per_node);
    rhm_free(ledger);
}

static rhm_ledger_row *find_row(rhm_ledger *ledger, const rhm_buffer *buffer) {
    for (int i = 0; i < ledger->rows; i++)
        if (strcmp(ledger->row[i].name, buffer->name) == 0 && ledger->row[i].home == buffer->home.kind)
            return &ledger->row[i];
    if (ledger->rows == RHM_LEDGER_ROWS)
        return NULL;
    rhm_ledger_row *row = &ledger->row[ledger->rows++];
    row->name = buffer->name;
    row->home = buffer->home.kind;
    row->bound = true;
    return row;
}

static bool on_plan(const rhm_engine *engine, const rhm_buffer *buffer, size_t offset, int node) {
    if (buffer->home.kind == RHM_HOME_INTERLEAVE)
        return node >= 0 && engine->node_threads[node] > 0;
    const int planned = rhm_buffer_planned_node(buffer, engine, offset);
    return planned < 0 || planned == node;
}

static int node_index(const rhm_topology *topology, int os_index) {
    for (int i = 0; i < topology->node_count; i++)
        if ((int)topology->node[i].os_index == os_index)
            return i;
    return -1;
}

void rhm_ledger_enter(rhm_ledger *ledger, const rhm_engine *engine, const rhm_buffer *buffer) {
    const size_t page_nbytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t pages = (buffer->nbytes + page_nbytes - 1) / page_nbytes;
    const size_t count = pages < SAMPLED_PAGES ? pages : SAMPLED_PAGES;
    void *address[SAMPLED_PAGES];
    size_t offset[SAMPLED_PAGES];
    int node_os[SAMPLED_PAGES];
    for (size_t i = 0; i < count; i++) {
        offset[i] = i * pages / count * page_nbytes; /* below 2^9 x 2^52 pages */
        address[i] = (char *)buffer->data + offset[i];
    }
    int failure = ledger->locate_errno;
    if (!failure && count > 0)
        failure = rhm_locate_pages(count, address, node_os);

    pthread_mutex_lock(&ledger->mutex);
    rhm_ledger_row *row = find_row(ledger, buffer);
    if (row) {
        row->buffers++;
        if (buffer->nbytes > row->largest_nbytes)
            row->largest_nbytes = buffer->nbytes;
        row->bound = row->bound && buffer->bound;
        row->huge = row->huge || buffer->huge;
        if (failure)
            row->locate_errno = failure;
        for (size_t i = 0; i < count && !failure; i++) {
            if (node_os[i] < 0) {
                row->untouched++;
                continue;
            }
            const int node = node_index(&engine->topology, node_os[i]);
            if (node >= 0)
                row->per_node[node]++;
            if (on_plan(engine, buffer, offset[i], node))
                row->on_plan++;
            else
                row->off_plan++;
        }
    }
    pthread_mutex_unlock(&ledger->mutex);
}
