/* Where the pages of every kind of buffer are, asked of the kernel page by page. */
#include "guest.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/memory.h"
#include "engine/parallel.h"

enum { PAGE = 4096, MEBIBYTE = 1 << 20 };

enum { MAX_PAGES = 8192 };

/* How many of `count` pages are on `node`. */
static size_t pages_on(const char *data, size_t count, int node) {
    static void *address[MAX_PAGES];
    static int found[MAX_PAGES];
    for (size_t i = 0; i < count && i < MAX_PAGES; i++)
        address[i] = (void *)((uintptr_t)data / PAGE * PAGE + i * PAGE);
    if (count > MAX_PAGES || syscall(SYS_move_pages, 0, count, address, NULL, found, 0) != 0) {
        guest_check(false, "cannot locate %zu pages: %s", count, strerror(errno));
        return 0;
    }
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += found[i] == node;
    return good;
}

/* The same, the last byte of each page being written before. */
static size_t written_pages_on(char *data, size_t count, int node) {
    for (size_t page = 0; page < count; page++)
        data[page * PAGE + PAGE - 1] = 1;
    return pages_on(data, count, node);
}

static rhm_buffer create(const rhm_engine *engine, rhm_home home, size_t nbytes, const char *name) {
    rhm_buffer buffer;
    rhm_error error = {0};
    if (rhm_buffer_create(&buffer, engine, home, nbytes, 1, 1, 1, name, &error) != RHM_OK) {
        guest_check(false, "no buffer: %s", error.text);
        exit(1);
    }
    return buffer;
}

/* All are written by the calling thread alone, which sits on node 0: nothing is right by accident. */
static void check_one_node(const rhm_engine *engine, size_t nbytes) {
    for (int node = 0; node < GUEST_NODES; node++) {
        rhm_buffer buffer = create(engine, (rhm_home){.kind = RHM_HOME_NODE, .node = node}, nbytes, "one node");
        const size_t pages = nbytes / PAGE, good = written_pages_on(buffer.data, pages, node);
        guest_check(good == pages, "one node: %zu of %zu pages are on node %d", good, pages, node);
        rhm_buffer_destroy(&buffer, engine);
    }
}

static void check_interleaved(const rhm_engine *engine, size_t nbytes) {
    rhm_buffer buffer = create(engine, (rhm_home){.kind = RHM_HOME_INTERLEAVE}, nbytes, "interleaved");
    const size_t pages = nbytes / PAGE, good = written_pages_on(buffer.data, pages, 0);
    guest_check(good == pages / 2, "interleaved: %zu of %zu pages are on node 0", good, pages);
    rhm_buffer_destroy(&buffer, engine);
}

/* `cpus` are those of the threads 0, 1, ...; the chunks divide evenly among them, on page boundaries. */
static void check_chunks(const rhm_engine *engine, const int *cpus, size_t chunk_nbytes, size_t chunks) {
    const rhm_home home = {.kind = RHM_HOME_CHUNKS, .chunk_nbytes = chunk_nbytes};
    rhm_buffer buffer = create(engine, home, chunk_nbytes * chunks, "chunks");
    const size_t pages_of_chunk = chunk_nbytes / PAGE, chunks_of_thread = chunks / (size_t)rhm_engine_threads(engine);
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        const int node = guest_node_of_cpu(cpus[chunk / chunks_of_thread]);
        const size_t good = written_pages_on((char *)buffer.data + chunk * chunk_nbytes, pages_of_chunk, node);
        guest_check(good == pages_of_chunk, "chunk %zu: %zu of %zu pages are on node %d", chunk, good, pages_of_chunk,
                    node);
    }
    rhm_buffer_destroy(&buffer, engine);
}

static void check_scratch(const rhm_engine *engine, const int *cpus, size_t nbytes) {
    rhm_scratch scratch;
    rhm_error error = {0};
    guest_check(rhm_scratch_create(&scratch, engine, nbytes, "scratch", &error) == RHM_OK, "no scratch: %s",
                error.text);
    const size_t pages = nbytes / PAGE;
    for (int thread = 0; thread < rhm_engine_threads(engine); thread++) {
        const int node = guest_node_of_cpu(cpus[thread]);
        const size_t good = written_pages_on(rhm_scratch_at(&scratch, thread), pages, node);
        guest_check(good == pages, "scratch of thread %d: %zu of %zu pages are on node %d", thread, good, pages, node);
    }
    rhm_scratch_destroy(&scratch, engine);
}

static void check_replica(const rhm_engine *engine, const int *cpus, size_t nbytes) {
    unsigned char *source = malloc(nbytes);
    for (size_t i = 0; i < nbytes; i++)
        source[i] = (unsigned char)(i * 2654435761u >> 13);
    rhm_replica replica;
    rhm_error error = {0};
    guest_check(rhm_replica_create(&replica, engine, source, nbytes, "replica", &error) == RHM_OK, "no replica: %s",
                error.text);
    for (int round = 0; round < 2; round++) {
        for (int thread = 0; thread < rhm_engine_threads(engine); thread++) {
            const unsigned char *copy = rhm_replica_at(&replica, thread);
            guest_check(copy != source && memcmp(copy, source, nbytes) == 0, "thread %d reads another array", thread);
            const size_t pages = (nbytes + PAGE - 1) / PAGE;
            const size_t good = pages_on((const char *)copy, pages, guest_node_of_cpu(cpus[thread]));
            guest_check(good == pages, "replica of thread %d: %zu of %zu pages are near", thread, good, pages);
        }
        source[nbytes / 2] ^= 0xff;
        source[nbytes - 1] ^= 0xff;
        rhm_replica_update(&replica, engine);
    }
    rhm_replica_destroy(&replica, engine);
    free(source);
}

enum { TOUCHED_CHUNKS = 64, TOUCHED_CHUNK_PAGES = 4 };

typedef struct touching {
    char *data;
    int thread[TOUCHED_CHUNKS];
} touching;

static rhm_status touch(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)error;
    touching *work = context;
    memset(work->data + chunk * TOUCHED_CHUNK_PAGES * PAGE, 1, TOUCHED_CHUNK_PAGES * PAGE);
    work->thread[chunk] = thread;
    usleep(500); /* so that no thread does it all before the others wake up */
    return RHM_OK;
}

static void check_first_touch(const rhm_engine *engine, const int *cpus) {
    rhm_buffer buffer = create(engine, (rhm_home){.kind = RHM_HOME_TOUCH},
                               (size_t)TOUCHED_CHUNKS * TOUCHED_CHUNK_PAGES * PAGE, "touched");
    touching work = {.data = buffer.data};
    rhm_error error = {0};
    rhm_parallel(engine, TOUCHED_CHUNKS, touch, &work, &error);
    for (size_t chunk = 0; chunk < TOUCHED_CHUNKS; chunk++) {
        const int thread = work.thread[chunk], node = guest_node_of_cpu(cpus[thread]);
        const size_t good = pages_on(work.data + chunk * TOUCHED_CHUNK_PAGES * PAGE, TOUCHED_CHUNK_PAGES, node);
        guest_check(good == TOUCHED_CHUNK_PAGES, "touched by thread %d: %zu pages are near", thread, good);
    }
    rhm_buffer_destroy(&buffer, engine);
}

/* What the engine itself found out about the buffers above must be the same. */
static void check_ledger(const rhm_engine *engine, bool bound) {
    guest_check(engine->ledger->rows > 0, "no buffer in the ledger");
    for (int i = 0; i < engine->ledger->rows; i++) {
        const rhm_ledger_row *row = &engine->ledger->row[i];
        guest_check(row->on_plan > 0 && row->off_plan == 0 && row->locate_errno == 0,
                    "ledger of %s: %lu on plan, %lu off, errno %d", row->name, (unsigned long)row->on_plan,
                    (unsigned long)row->off_plan, row->locate_errno);
        guest_check(row->home == RHM_HOME_TOUCH || row->bound == bound, "ledger of %s: bound is %d", row->name,
                    row->bound);
    }
    guest_check(rhm_memory_used(engine) == 0, "%lu bytes are still accounted", (unsigned long)rhm_memory_used(engine));
}

/* Large enough for huge pages, which come 2 MiB at a time. */
static void check_large(const rhm_engine *engine, const int *cpus) {
    check_one_node(engine, 6 * MEBIBYTE);
    check_chunks(engine, cpus, 2 * MEBIBYTE, 16);
    check_scratch(engine, cpus, 8 * MEBIBYTE);
    check_replica(engine, cpus, 5 * MEBIBYTE + 1);
}

static void check_small(const rhm_engine *engine, const int *cpus) {
    check_one_node(engine, 300 * PAGE);
    check_chunks(engine, cpus, 2 * PAGE, 40);
    check_scratch(engine, cpus, 3 * PAGE);
    check_replica(engine, cpus, 100 * PAGE + 17);
    check_first_touch(engine, cpus);
}

static void check_all(bool bound) {
    const int neighbours[] = {0, 1, 2, 3}, scattered[] = {0, 2, 1, 3};
    rhm_engine *engine = guest_engine("compact", 0);
    check_small(engine, neighbours);
    check_ledger(engine, bound);
    rhm_engine_destroy(engine);

    engine = guest_engine("scatter", 0);
    check_small(engine, scattered);
    check_large(engine, scattered);
    if (bound)
        check_interleaved(engine, 400 * PAGE);
    check_ledger(engine, bound);
    rhm_engine_destroy(engine);
}

void guest_check_memory(void) {
    check_all(true);
    rhm_engine *engine = guest_engine("0,1", 0); /* one node in use: nothing to replicate */
    rhm_replica replica;
    rhm_error error = {0};
    const char text[] = "alone";
    guest_check(rhm_replica_create(&replica, engine, text, sizeof text, "alone", &error) == RHM_OK, "%s", error.text);
    guest_check(rhm_replica_at(&replica, 1) == text, "a replica for one node");
    rhm_replica_destroy(&replica, engine);
    rhm_engine_destroy(engine);
}

/* What container runtimes do: mbind and set_mempolicy fail with EPERM. */
static void deny_binding(void) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    guest_check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0, "no seccomp filter: %s", strerror(errno));
}

void guest_check_memory_denied(void) {
    /* It moves pages without a policy to whoever uses them: here that is the thread that checks. */
    guest_write_file("/proc/sys/kernel/numa_balancing", "0");
    deny_binding();
    rhm_engine *engine = guest_engine(NULL, 0);
    guest_check(engine->ledger->bind_errno == EPERM, "binding memory gives errno %d", engine->ledger->bind_errno);
    rhm_engine_destroy(engine);
    check_all(false);
}
