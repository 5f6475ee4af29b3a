#include "faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_bool armed;
static fault_kind armed_kind;
static bool armed_lasting;
static uint64_t armed_nth;
static atomic_uint_least64_t seen;
static const char *_Atomic refused;

void __sanitizer_print_stack_trace(void) __attribute__((weak));

void fault_arm(fault_kind kind, uint64_t nth, bool lasting) {
    armed_kind = kind;
    armed_nth = nth;
    armed_lasting = lasting;
    seen = 0;
    refused = NULL;
    armed = true;
}

uint64_t fault_disarm(void) {
    armed = false;
    return seen;
}

const char *fault_refused(void) {
    return refused;
}

static bool refuse(fault_kind kind, const char *name, int failure) {
    if (!armed || kind != armed_kind)
        return false;
    const uint64_t number = atomic_fetch_add(&seen, 1);
    if (number < armed_nth || (number > armed_nth && !armed_lasting))
        return false;
    const char *none = NULL;
    if (atomic_compare_exchange_strong(&refused, &none, name) && __sanitizer_print_stack_trace &&
        getenv("RHM_FAULT_STACK"))
        __sanitizer_print_stack_trace();
    errno = failure;
    return true;
}

/* A function of libc or hwloc with its stand-in, which fails with `failure` and returns `result`. */
#define STAND_IN(kind, type, name, parameters, arguments, failure, result)                                             \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        return refuse(kind, #name, failure) ? (result) : __real_##name arguments;                                      \
    }

STAND_IN(FAULT_MEMORY, void *, aligned_alloc, (size_t alignment, size_t nbytes), (alignment, nbytes), ENOMEM, NULL)
STAND_IN(FAULT_MEMORY, void *, realloc, (void *memory, size_t nbytes), (memory, nbytes), ENOMEM, NULL)
STAND_IN(FAULT_MEMORY, char *, strdup, (const char *text), (text), ENOMEM, NULL)
STAND_IN(FAULT_MEMORY, FILE *, open_memstream, (char **text, size_t *nbytes), (text, nbytes), ENOMEM, NULL)
STAND_IN(FAULT_MEMORY, void *, mmap, (void *at, size_t nbytes, int protection, int flags, int descriptor, off_t offset),
         (at, nbytes, protection, flags, descriptor, offset), ENOMEM, MAP_FAILED)
STAND_IN(FAULT_MEMORY, hwloc_bitmap_t, hwloc_bitmap_alloc, (void), (), ENOMEM, NULL)
STAND_IN(FAULT_MEMORY, int, hwloc_topology_init, (hwloc_topology_t * topology), (topology), ENOMEM, -1)
STAND_IN(FAULT_MEMORY, int, hwloc_topology_load, (hwloc_topology_t topology), (topology), ENOMEM, -1)
STAND_IN(FAULT_MEMORY, int, hwloc_topology_restrict,
         (hwloc_topology_t topology, hwloc_const_bitmap_t set, unsigned long flags), (topology, set, flags), ENOMEM, -1)

STAND_IN(FAULT_FILES, FILE *, fopen, (const char *path, const char *mode), (path, mode), EMFILE, NULL)
STAND_IN(FAULT_FILES, ssize_t, write, (int descriptor, const void *bytes, size_t nbytes), (descriptor, bytes, nbytes),
         ENOSPC, -1)
STAND_IN(FAULT_FILES, ssize_t, pwrite, (int descriptor, const void *bytes, size_t nbytes, off_t offset),
         (descriptor, bytes, nbytes, offset), ENOSPC, -1)
STAND_IN(FAULT_FILES, ssize_t, read, (int descriptor, void *bytes, size_t nbytes), (descriptor, bytes, nbytes), EIO, -1)
STAND_IN(FAULT_FILES, ssize_t, pread, (int descriptor, void *bytes, size_t nbytes, off_t offset),
         (descriptor, bytes, nbytes, offset), EIO, -1)
STAND_IN(FAULT_FILES, int, fsync, (int descriptor), (descriptor), EIO, -1)
STAND_IN(FAULT_FILES, int, rename, (const char *from, const char *to), (from, to), EACCES, -1)
STAND_IN(FAULT_FILES, int, ftruncate, (int descriptor, off_t nbytes), (descriptor, nbytes), ENOSPC, -1)
STAND_IN(FAULT_FILES, int, mkdir, (const char *path, mode_t mode), (path, mode), EACCES, -1)
STAND_IN(FAULT_FILES, int, mkostemp, (char *name, int flags), (name, flags), EMFILE, -1)
STAND_IN(FAULT_FILES, int, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE, -1)
STAND_IN(FAULT_FILES, int, unlink, (const char *path), (path), EACCES, -1)
STAND_IN(FAULT_FILES, int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags), EACCES, -1)
STAND_IN(FAULT_FILES, int, flock, (int descriptor, int operation), (descriptor, operation), ENOLCK, -1)
STAND_IN(FAULT_FILES, int, fstat, (int descriptor, struct stat *status), (descriptor, status), EIO, -1)
STAND_IN(FAULT_FILES, int, fstatat, (int directory, const char *path, struct stat *status, int flags),
         (directory, path, status, flags), EIO, -1)
STAND_IN(FAULT_FILES, int, stat, (const char *path, struct stat *status), (path, status), EACCES, -1)
STAND_IN(FAULT_FILES, off_t, lseek, (int descriptor, off_t offset, int from), (descriptor, offset, from), EIO, -1)
STAND_IN(FAULT_FILES, int, fchmod, (int descriptor, mode_t mode), (descriptor, mode), EPERM, -1)
STAND_IN(FAULT_FILES, int, dup2, (int from, int to), (from, to), EMFILE, -1)
STAND_IN(FAULT_FILES, int, poll, (struct pollfd * waiting, nfds_t count, int milliseconds),
         (waiting, count, milliseconds), ENOMEM, -1)
STAND_IN(FAULT_FILES, DIR *, fdopendir, (int descriptor), (descriptor), ENOMEM, NULL)
STAND_IN(FAULT_FILES, int, pipe2, (int ends[2], int flags), (ends, flags), EMFILE, -1)
STAND_IN(FAULT_FILES, pid_t, fork, (void), (), EAGAIN, -1)
STAND_IN(FAULT_FILES, char *, realpath, (const char *path, char *resolved), (path, resolved), ENOMEM, NULL)

/* ---- those with a form of their own ---------------------------------------------------------------------- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return refuse(FAULT_FILES, "open", EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return refuse(FAULT_FILES, "openat", EMFILE) ? -1 : __real_openat(directory, path, flags, mode);
}

/* What is closed is closed, also where that fails. */
int __wrap_close(int descriptor) {
    const bool fails = refuse(FAULT_FILES, "close", EIO);
    const int result = __real_close(descriptor);
    if (!fails)
        return result;
    errno = EIO;
    return -1;
}

int __wrap_fclose(FILE *file) {
    const bool fails = refuse(FAULT_FILES, "fclose", ENOSPC);
    const int result = __real_fclose(file);
    if (!fails)
        return result;
    errno = ENOSPC;
    return EOF;
}

static _Thread_local bool parsing;

/* jansson's parser asserts what does not hold where memory is short (seen with 2.14): nothing is refused in there. */
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error) {
    parsing = true;
    json_t *json = __real_json_loads(text, flags, error);
    parsing = false;
    return json;
}

static void *refusing_malloc(size_t nbytes) {
    return !parsing && refuse(FAULT_MEMORY, "malloc of jansson", ENOMEM) ? NULL : malloc(nbytes);
}

static void hook_jansson(void) __attribute__((constructor));

static void hook_jansson(void) {
    json_set_alloc_funcs(refusing_malloc, free);
}

/*
 * The program's own comes before libc's, for OpenMP too. Those that an OpenMP runtime starts are not counted: it ends
 * the process where one is refused, and the library has asked before (engine/limits.h).
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!next) {
        void *found = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&next, &found, sizeof next); /* ISO C knows no conversion from one to the other */
    }
    Dl_info caller;
    const bool of_openmp =
        dladdr(__builtin_return_address(0), &caller) && caller.dli_fname && strstr(caller.dli_fname, "omp");
    if (!of_openmp && refuse(FAULT_THREADS, "pthread_create", EAGAIN))
        return EAGAIN;
    return next(thread, attributes, start, argument);
}
