/*
 * What a test program has allocated: its malloc and mmap take the place of the system's, for the libraries too. For one
 * program of one source file; not under sanitizers, which have their own.
 */
#ifndef RHM_TESTS_ALLOCATIONS_H
#define RHM_TESTS_ALLOCATIONS_H

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ALLOCATIONS_ARE_COUNTED = 0 };
#else
enum { ALLOCATIONS_ARE_COUNTED = 1 };
#endif

static atomic_llong allocated_nbytes, most_allocated_nbytes;

static inline void account_for(long long nbytes) {
    const long long now = atomic_fetch_add(&allocated_nbytes, nbytes) + nbytes;
    long long most = atomic_load(&most_allocated_nbytes);
    while (now > most && !atomic_compare_exchange_weak(&most_allocated_nbytes, &most, now))
        continue;
}

/* From here on most_allocated() counts what comes on top. */
static inline void begin_allocations(void) {
    atomic_store(&allocated_nbytes, 0);
    atomic_store(&most_allocated_nbytes, 0);
}

static inline double most_allocated(void) {
    return (double)atomic_load(&most_allocated_nbytes);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t nbytes);
void *__libc_calloc(size_t count, size_t nbytes);
void *__libc_realloc(void *memory, size_t nbytes);
void *__libc_memalign(size_t alignment, size_t nbytes);
void __libc_free(void *memory);

static void *counted(void *memory) {
    account_for(memory ? (long long)malloc_usable_size(memory) : 0);
    return memory;
}

static void discounted(void *memory) {
    account_for(memory ? -(long long)malloc_usable_size(memory) : 0);
}

void *malloc(size_t nbytes) {
    return counted(__libc_malloc(nbytes));
}

void *calloc(size_t count, size_t nbytes) {
    return counted(__libc_calloc(count, nbytes));
}

void *realloc(void *memory, size_t nbytes) {
    discounted(memory);
    void *moved = __libc_realloc(memory, nbytes);
    return counted(moved || nbytes == 0 ? moved : memory) ? moved : NULL;
}

void *memalign(size_t alignment, size_t nbytes) {
    return counted(__libc_memalign(alignment, nbytes));
}

void *aligned_alloc(size_t alignment, size_t nbytes);
int posix_memalign(void **out, size_t alignment, size_t nbytes);

void *aligned_alloc(size_t alignment, size_t nbytes) {
    return counted(__libc_memalign(alignment, nbytes));
}

int posix_memalign(void **out, size_t alignment, size_t nbytes) {
    *out = counted(__libc_memalign(alignment, nbytes));
    return *out ? 0 : ENOMEM;
}

void free(void *memory) {
    discounted(memory);
    __libc_free(memory);
}

/* Stacks of threads are not among them: glibc maps those by itself. */
void *mmap(void *address, size_t nbytes, int protection, int flags, int file, off_t offset) {
    void *memory = (void *)syscall(SYS_mmap, address, nbytes, protection, flags, file, offset);
    account_for(memory != MAP_FAILED && (flags & MAP_ANONYMOUS) ? (long long)nbytes : 0);
    return memory;
}

int munmap(void *memory, size_t nbytes) {
    const int result = (int)syscall(SYS_munmap, memory, nbytes);
    account_for(result == 0 ? -(long long)nbytes : 0);
    return result;
}

#endif
#endif
