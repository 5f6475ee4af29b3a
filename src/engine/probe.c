#include "engine/probe.h"

#include <pthread.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

/* Threads wait here until all have been started. */
static void *wait_for_others(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

rhm_status rhm_probe_threads(int count, rhm_error *error) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *thread = RHM_NEW(pthread_t, (size_t)count, 1, 1, "threads", error);
    if (!thread)
        return RHM_NO_MEMORY;
    int started = 0, refusal = 0;
    pthread_mutex_lock(&gate);
    while (started < count && (refusal = pthread_create(&thread[started], NULL, wait_for_others, &gate)) == 0)
        started++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    pthread_mutex_destroy(&gate);
    rhm_free(thread);
    if (refusal)
        return rhm_fail(error, RHM_NO_MEMORY,
                        "the system refused thread %d of %d: %s; ask for fewer threads, or raise the limit on them "
                        "(ulimit -u, ulimit -v, pids.max of the control group)",
                        started + 1, count, strerror(refusal));
    return RHM_OK;
}
