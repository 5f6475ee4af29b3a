/*
 * Counts what a program asks the C library and the kernel for: preloaded by perf/facts.py, which reads the line that is
 * written to the file RHM_COUNT_FILE at the end, "calls bytes". glibc only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t nbytes);
extern void *__libc_calloc(size_t count, size_t nbytes);
extern void *__libc_realloc(void *memory, size_t nbytes);
extern void *__libc_memalign(size_t alignment, size_t nbytes);

static atomic_ullong calls, bytes;

static void note(size_t nbytes) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes, nbytes, memory_order_relaxed);
}

void *malloc(size_t nbytes) {
    note(nbytes);
    return __libc_malloc(nbytes);
}

void *calloc(size_t count, size_t nbytes) {
    note(count * nbytes);
    return __libc_calloc(count, nbytes);
}

void *realloc(void *memory, size_t nbytes) {
    note(nbytes);
    return __libc_realloc(memory, nbytes);
}

void *memalign(size_t alignment, size_t nbytes) {
    note(nbytes);
    return __libc_memalign(alignment, nbytes);
}

void *aligned_alloc(size_t alignment, size_t nbytes) {
    return memalign(alignment, nbytes);
}

int posix_memalign(void **memory, size_t alignment, size_t nbytes) {
    void *found = memalign(alignment, nbytes);
    if (!found)
        return ENOMEM;
    *memory = found;
    return 0;
}

void *mmap(void *address, size_t nbytes, int protection, int flags, int file, off_t offset) {
    if (flags & MAP_ANONYMOUS)
        note(nbytes);
    return (void *)syscall(SYS_mmap, address, nbytes, protection, flags, file, offset);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("RHM_COUNT_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%llu %llu\n", atomic_load(&calls), atomic_load(&bytes));
        fclose(file);
    }
}
