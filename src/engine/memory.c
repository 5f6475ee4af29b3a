#include "engine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/memory.h"
#include "engine/engine.h"
#include "engine/ledger.h"
#include "engine/parallel.h"
#include "engine/planned.h"

/*
 * Parts of a buffer with homes of their own meet on a page boundary, so up to half a page on either side is in the
 * wrong place: huge pages only where that is small against the part.
 */
enum { HUGE_PART_NBYTES = 8 << 20 };

/*
 * QEMU (seen with 7.2) reads 16 bytes where a fused multiply-add takes one float or double from memory. After the last
 * element of a buffer these must be there: on one page more, never written, which costs nothing but addresses.
 */
static size_t with_page_after(size_t mapped_nbytes) {
    return mapped_nbytes + (size_t)sysconf(_SC_PAGESIZE);
}

enum { SIZE_TEXT_NBYTES = 32 };

static const char *size_text(char text[SIZE_TEXT_NBYTES], uint64_t nbytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (nbytes < 1024) {
        snprintf(text, SIZE_TEXT_NBYTES, "%" PRIu64 " bytes", nbytes);
        return text;
    }
    int unit = 0;
    double value = (double)nbytes / 1024;
    for (; value >= 1024; unit++)
        value /= 1024;
    snprintf(text, SIZE_TEXT_NBYTES, "%.1f %s", value, units[unit]);
    return text;
}

rhm_status rhm_memory_reserve(const rhm_engine *engine, size_t nbytes, const char *name, rhm_error *error) {
    rhm_ledger *ledger = engine->ledger;
    uint64_t used = atomic_load(&ledger->used_nbytes), wanted;
    do {
        const uint64_t room = used < ledger->limit_nbytes ? ledger->limit_nbytes - used : 0;
        if (nbytes > room) {
            char need[SIZE_TEXT_NBYTES], left[SIZE_TEXT_NBYTES], limit[SIZE_TEXT_NBYTES];
            return rhm_fail(error, RHM_NO_MEMORY, "%s: %s needed, but of the memory limit of %s (%s) only %s are left",
                            name, size_text(need, nbytes), size_text(limit, ledger->limit_nbytes), ledger->limit_from,
                            size_text(left, room));
        }
        wanted = used + nbytes;
    } while (!atomic_compare_exchange_weak(&ledger->used_nbytes, &used, wanted));
    uint64_t peak = atomic_load(&ledger->peak_nbytes);
    while (peak < wanted && !atomic_compare_exchange_weak(&ledger->peak_nbytes, &peak, wanted))
        continue;
    return RHM_OK;
}

void rhm_memory_release(const rhm_engine *engine, size_t nbytes) {
    atomic_fetch_sub(&engine->ledger->used_nbytes, nbytes);
}

uint64_t rhm_memory_used(const rhm_engine *engine) {
    return atomic_load(&engine->ledger->used_nbytes);
}

uint64_t rhm_memory_peak(const rhm_engine *engine) {
    return atomic_load(&engine->ledger->peak_nbytes);
}

static size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

static int bind_part(const rhm_buffer *buffer, const rhm_engine *engine, size_t begin, size_t end, int node) {
    if (begin >= end || node < 0)
        return 0;
    hwloc_nodeset_t set = hwloc_bitmap_alloc();
    if (!set)
        return ENOMEM;
    hwloc_bitmap_only(set, engine->topology.node[node].os_index);
    /* Without STRICT a full node makes the kernel take another one instead of killing us; the record tells. */
    const int result = hwloc_set_area_membind(engine->topology.hwloc, (char *)buffer->data + begin, end - begin, set,
                                              HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_BYNODESET);
    const int failure = result == 0 ? 0 : errno;
    hwloc_bitmap_free(set);
    return failure;
}

static int bind_chunks(const rhm_buffer *buffer, const rhm_engine *engine) {
    for (int thread = 0; thread < engine->threads;) {
        const int node = engine->thread_node[thread];
        const size_t begin = rhm_buffer_part_begin(buffer, engine, thread);
        while (thread < engine->threads && engine->thread_node[thread] == node)
            thread++;
        const int failure = bind_part(buffer, engine, begin, rhm_buffer_part_begin(buffer, engine, thread), node);
        if (failure)
            return failure;
    }
    return 0;
}

static int bind_interleaved(const rhm_buffer *buffer, const rhm_engine *engine) {
    hwloc_nodeset_t set = hwloc_bitmap_alloc();
    if (!set)
        return ENOMEM;
    for (int node = 0; node < engine->topology.node_count; node++)
        if (engine->node_threads[node] > 0)
            hwloc_bitmap_set(set, engine->topology.node[node].os_index);
    const int result = hwloc_set_area_membind(engine->topology.hwloc, buffer->data, buffer->mapped_nbytes, set,
                                              HWLOC_MEMBIND_INTERLEAVE, HWLOC_MEMBIND_BYNODESET);
    const int failure = result == 0 ? 0 : errno;
    hwloc_bitmap_free(set);
    return failure;
}

typedef struct touching {
    const rhm_buffer *buffer;
    const rhm_engine *engine;
} touching;

/* Every thread of a node writes its share of the pages planned there: small ones, for huge ones may not have come. */
static void touch_share(void *context, int thread) {
    const rhm_buffer *buffer = ((const touching *)context)->buffer;
    const rhm_engine *engine = ((const touching *)context)->engine;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const int here = engine->thread_node[thread];
    size_t rank = 0;
    for (int other = 0; other < thread; other++)
        rank += engine->thread_node[other] == here;
    size_t planned_here = 0;
    for (size_t offset = 0; offset < buffer->mapped_nbytes && here >= 0; offset += page) {
        if (rhm_buffer_planned_node(buffer, engine, offset) != here)
            continue;
        if (planned_here++ % (size_t)engine->node_threads[here] == rank)
            ((volatile char *)buffer->data)[offset] = 0;
    }
}

static void place(rhm_buffer *buffer, const rhm_engine *engine) {
    if (engine->topology.node_count == 1 || buffer->home.kind == RHM_HOME_TOUCH)
        return;
    if (buffer->home.kind == RHM_HOME_CHUNKS && !engine->threads_have_nodes)
        return;
    int failure = engine->ledger->bind_errno;
    if (!failure && buffer->home.kind == RHM_HOME_NODE)
        failure = bind_part(buffer, engine, 0, buffer->mapped_nbytes, buffer->home.node);
    else if (!failure && buffer->home.kind == RHM_HOME_CHUNKS)
        failure = bind_chunks(buffer, engine);
    else if (!failure)
        failure = bind_interleaved(buffer, engine);
    buffer->bound = !failure;
    if (failure && buffer->home.kind != RHM_HOME_INTERLEAVE)
        rhm_on_every_thread(engine, touch_share, &(touching){buffer, engine});
}

/*
 * Measured on an AMD EPYC (Zen 3) guest, Linux 6.18: from 2 MiB up the first touch of a buffer costs a sixth or less on
 * huge pages and streaming out of the L3 cache is half as fast again; nothing got slower.
 */
static bool huge_pages_pay(const rhm_buffer *buffer, const rhm_engine *engine) {
    if (buffer->nbytes < RHM_HUGE_PAGE_NBYTES)
        return false;
    const int nodes = engine->topology.node_count;
    if (nodes == 1 || buffer->home.kind == RHM_HOME_TOUCH || buffer->home.kind == RHM_HOME_NODE)
        return true;
    const size_t parts = buffer->home.kind == RHM_HOME_CHUNKS ? (size_t)engine->threads : (size_t)nodes;
    return buffer->nbytes / parts >= HUGE_PART_NBYTES;
}

/* mmap aligns to small pages only: map more and cut the ends. */
static void *map_aligned(size_t nbytes, size_t alignment) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t total = alignment > page ? nbytes + alignment : nbytes;
    char *start = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    const size_t head = (alignment - (uintptr_t)start % alignment) % alignment;
    if (head > 0)
        munmap(start, head);
    if (total > head + nbytes)
        munmap(start + head + nbytes, total - head - nbytes);
    return start + head;
}

rhm_status rhm_buffer_create(rhm_buffer *out, const rhm_engine *engine, rhm_home home, size_t element_nbytes, size_t n0,
                             size_t n1, size_t n2, const char *name, rhm_error *error) {
    *out = (rhm_buffer){.home = home, .name = name};
    size_t nbytes = element_nbytes;
    if (!rhm_size_mul(&nbytes, n0) || !rhm_size_mul(&nbytes, n1) || !rhm_size_mul(&nbytes, n2) ||
        nbytes > PTRDIFF_MAX - 2 * (size_t)RHM_HUGE_PAGE_NBYTES)
        return rhm_fail(error, RHM_NO_MEMORY, "%s: %zu x %zu x %zu elements of %zu bytes exceed the address space",
                        name, n0, n1, n2, element_nbytes);
    if (home.kind == RHM_HOME_CHUNKS && home.chunk_nbytes == 0)
        out->home.chunk_nbytes = nbytes > 0 ? nbytes : 1;
    rhm_buffer made = *out;
    made.nbytes = nbytes;
    made.huge = huge_pages_pay(&made, engine);
    made.mapped_nbytes = round_up(nbytes > 0 ? nbytes : 1, (size_t)sysconf(_SC_PAGESIZE));
    RHM_TRY(rhm_memory_reserve(engine, made.mapped_nbytes, name, error));
    made.data = map_aligned(with_page_after(made.mapped_nbytes), rhm_buffer_page_nbytes(&made));
    if (!made.data) {
        const int refusal = errno;
        rhm_memory_release(engine, made.mapped_nbytes);
        char size[SIZE_TEXT_NBYTES];
        return rhm_fail(error, RHM_NO_MEMORY, "%s: the system refused %s: %s", name,
                        size_text(size, made.mapped_nbytes), strerror(refusal));
    }
    /* Advice only: kernels without transparent huge pages refuse it, and nothing is lost. */
    if (made.huge)
        madvise(made.data, made.mapped_nbytes, MADV_HUGEPAGE);
    else if (engine->topology.node_count > 1 && home.kind != RHM_HOME_TOUCH)
        madvise(made.data, made.mapped_nbytes, MADV_NOHUGEPAGE);
    place(&made, engine);
    *out = made;
    return RHM_OK;
}

void rhm_buffer_destroy(rhm_buffer *buffer, const rhm_engine *engine) {
    if (buffer->data) {
        rhm_ledger_enter(engine->ledger, engine, buffer);
        munmap(buffer->data, with_page_after(buffer->mapped_nbytes));
        rhm_memory_release(engine, buffer->mapped_nbytes);
    }
    *buffer = (rhm_buffer){0};
}

rhm_status rhm_scratch_create(rhm_scratch *out, const rhm_engine *engine, size_t nbytes, const char *name,
                              rhm_error *error) {
    *out = (rhm_scratch){0};
    const size_t page = nbytes >= HUGE_PART_NBYTES ? RHM_HUGE_PAGE_NBYTES : (size_t)sysconf(_SC_PAGESIZE);
    if (nbytes > PTRDIFF_MAX - page)
        return rhm_fail(error, RHM_NO_MEMORY, "%s: %zu bytes a thread exceed the address space", name, nbytes);
    const size_t stride = round_up(nbytes > 0 ? nbytes : 1, page);
    const rhm_home home = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = stride};
    RHM_TRY(rhm_buffer_create(&out->buffer, engine, home, stride, (size_t)engine->threads, 1, 1, name, error));
    out->stride_nbytes = stride;
    return RHM_OK;
}

void rhm_scratch_destroy(rhm_scratch *scratch, const rhm_engine *engine) {
    rhm_buffer_destroy(&scratch->buffer, engine);
    *scratch = (rhm_scratch){0};
}

/* Whether copies per node make sense: more than one node has threads, and each thread stays on its node. */
static bool worth_replicating(const rhm_engine *engine) {
    int nodes = 0;
    for (int node = 0; node < engine->topology.node_count; node++)
        nodes += engine->node_threads[node] > 0;
    return engine->threads_have_nodes && nodes > 1;
}

rhm_status rhm_replica_create(rhm_replica *out, const rhm_engine *engine, const void *source, size_t nbytes,
                              const char *name, rhm_error *error) {
    *out = (rhm_replica){.source = source, .nbytes = nbytes, .node_of = engine->thread_node};
    if (!worth_replicating(engine))
        return RHM_OK;
    const int copies = engine->topology.node_count;
    out->copy = RHM_NEW(rhm_buffer, (size_t)copies, 1, 1, name, error);
    if (!out->copy)
        return RHM_NO_MEMORY;
    out->copies = copies;
    for (int node = 0; node < copies; node++) {
        if (engine->node_threads[node] == 0)
            continue;
        const rhm_home home = {.kind = RHM_HOME_NODE, .node = node};
        const rhm_status status = rhm_buffer_create(&out->copy[node], engine, home, nbytes, 1, 1, 1, name, error);
        if (status != RHM_OK) {
            rhm_replica_destroy(out, engine);
            return status;
        }
    }
    rhm_replica_update(out, engine);
    return RHM_OK;
}

typedef struct copying {
    const rhm_replica *replica;
    const rhm_engine *engine;
} copying;

/* A thread that OpenMP did not give leaves its share to the next one that is there. */
static void copy_shares(void *context, int thread) {
    enum { BLOCK_NBYTES = 1 << 16 };
    const rhm_replica *replica = ((const copying *)context)->replica;
    const rhm_engine *engine = ((const copying *)context)->engine;
    const int present = rhm_pool_present(engine->team.pool);
    for (int planned = thread; planned < engine->threads; planned += present) {
        const int here = engine->thread_node[planned];
        size_t rank = 0;
        for (int other = 0; other < planned; other++)
            rank += engine->thread_node[other] == here;
        const size_t step = (size_t)engine->node_threads[here] * BLOCK_NBYTES;
        for (size_t begin = rank * BLOCK_NBYTES; begin < replica->nbytes; begin += step) {
            const size_t left = replica->nbytes - begin;
            memcpy((char *)replica->copy[here].data + begin, (const char *)replica->source + begin,
                   left < BLOCK_NBYTES ? left : BLOCK_NBYTES);
        }
    }
}

/* Each node's threads copy its replica, a share each. */
void rhm_replica_update(rhm_replica *replica, const rhm_engine *engine) {
    if (replica->copies > 0)
        rhm_on_every_thread(engine, copy_shares, &(copying){replica, engine});
}

void rhm_replica_destroy(rhm_replica *replica, const rhm_engine *engine) {
    for (int node = 0; node < replica->copies; node++)
        rhm_buffer_destroy(&replica->copy[node], engine);
    rhm_free(replica->copy);
    *replica = (rhm_replica){0};
}

/* getrusage would do, but for what it inherits over exec: the peak of the process that started us. */
uint64_t rhm_peak_rss_nbytes(void) {
    static const char key[] = "VmHWM:";
    char line[256];
    unsigned long long kibibytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, sizeof key - 1) == 0)
            kibibytes = strtoull(line + sizeof key - 1, NULL, 10);
    if (file)
        fclose(file);
    if (kibibytes == 0) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        kibibytes = (unsigned long long)usage.ru_maxrss;
    }
    return kibibytes * 1024;
}

double rhm_buffer_pages(double nbytes) {
    const double huge = RHM_HUGE_PAGE_NBYTES;
    return nbytes < huge ? nbytes : huge * ceil((nbytes + 1) / huge);
}

double rhm_retained_nbytes(double nbytes) {
    static const double SHARE = 0.3, MOST = 0x1p25;
    return fmin(SHARE * nbytes, MOST);
}
