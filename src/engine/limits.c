#include "engine/limits.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/fail.h"
#include "core/memory.h"

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

size_t rhm_stack_left(void) {
    pthread_attr_t attributes;
    void *lowest;
    size_t nbytes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return SIZE_MAX;
    const bool known = pthread_attr_getstack(&attributes, &lowest, &nbytes) == 0;
    pthread_attr_destroy(&attributes);
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    /* A thread that runs on a stack of its caller's making, as coroutines do, is none of those that we know about. */
    return known && here > (uintptr_t)lowest && here - (uintptr_t)lowest <= nbytes ? here - (uintptr_t)lowest
                                                                                   : SIZE_MAX;
}

rhm_status rhm_stack_check(size_t left_nbytes, const char *whose, rhm_error *error) {
    if (left_nbytes >= RHM_STACK_NBYTES)
        return RHM_OK;
    return rhm_fail(
        error, RHM_NO_MEMORY,
        "the stack of %s has %zu KiB left and needs %d KiB: raise ulimit -s or OMP_STACKSIZE, the size that "
        "it was given",
        whose, left_nbytes >> 10, RHM_STACK_NBYTES >> 10);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* A line of /proc/self/status, such as "VmSize:  1234 kB" or "Threads: 3"; 0 where there is none. */
static unsigned long long read_status(const char *key) {
    char line[256];
    unsigned long long value = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &value) == 1)
            break;
    if (file)
        fclose(file);
    return value;
}

uint64_t rhm_limits_memory_left(const char **why) {
    static const struct {
        int resource;
        const char *used, *name;
    } limits[] = {{RLIMIT_AS, "VmSize:", "address space, ulimit -v"}, {RLIMIT_DATA, "VmData:", "data, ulimit -d"}};
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
            continue;
        const uint64_t used = 1024 * (uint64_t)read_status(limits[i].used);
        const uint64_t left = used < limit.rlim_cur ? limit.rlim_cur - used : 0;
        if (left < least) {
            least = left;
            *why = limits[i].name;
        }
    }
    return least;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *wait_for_release(void *argument) {
    pthread_mutex_t *held = argument;
    pthread_mutex_lock(held);
    pthread_mutex_unlock(held);
    return NULL;
}

/* Of OpenMP's threads, as its variables say; 0: the usual size. */
static size_t stack_nbytes_asked(void) {
    static const char units[] = "BKMG";
    const char *text = getenv("OMP_STACKSIZE");
    char *end = NULL;
    text = text ? text : getenv("GOMP_STACKSIZE");
    const unsigned long long number = text ? strtoull(text, &end, 10) : 0;
    while (end && isspace((unsigned char)*end))
        end++;
    const char *unit = end && *end ? strchr(units, toupper((unsigned char)*end)) : &units[1];
    const int shift = unit ? 10 * (int)(unit - units) : 0;
    return unit && number <= SIZE_MAX >> shift ? (size_t)number << shift : 0;
}

/* A thread that was joined may still count for a moment; one that is started then could be refused. */
static void await_count(unsigned long long threads) {
    for (int i = 0; i < 100 && read_status("Threads:") > threads; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

rhm_status rhm_limits_try_threads(int threads, rhm_error *error) {
    pthread_t *started = RHM_NEW(pthread_t, (size_t)threads, 1, 1, "threads to try", error);
    if (!started)
        return RHM_NO_MEMORY;
    const unsigned long long before = read_status("Threads:");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_nbytes_asked()); /* too small a one is OpenMP's to refuse */
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&held);
    int count = 0, refusal = 0;
    while (count < threads && (refusal = pthread_create(&started[count], &attributes, wait_for_release, &held)) == 0)
        count++;
    pthread_attr_destroy(&attributes);
    pthread_mutex_unlock(&held);
    for (int i = 0; i < count; i++)
        pthread_join(started[i], NULL);
    await_count(before);
    pthread_mutex_destroy(&held);
    rhm_free(started);
    if (count == threads)
        return RHM_OK;
    return rhm_fail(error, RHM_NO_MEMORY,
                    "%d threads are needed, but the system lets this process start %d more (%s): allow it more (ulimit "
                    "-u and -v, the control group's pids.max), ask for fewer, or make OMP_STACKSIZE smaller where it "
                    "is large",
                    threads, count, strerror(refusal));
}
