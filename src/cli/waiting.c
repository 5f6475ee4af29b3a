#include "cli/waiting.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "rhm/ranks.h"

static const double NOTE_SECONDS = 30;
static const double LAST_WORDS_SECONDS = 5; /* in which rank 0, if it is there, says it for all */

/* Whether it came to an end by then, in seconds of the monotonic clock. */
static bool ends_by(rhm_waiting *w, double seconds) {
    const double whole = floor(seconds);
    const struct timespec end = {.tv_sec = (time_t)whole, .tv_nsec = (long)(1e9 * (seconds - whole))};
    int status = 0;
    pthread_mutex_lock(&w->mutex);
    while (!w->over && status != ETIMEDOUT)
        status = pthread_cond_timedwait(&w->change, &w->mutex, &end);
    const bool over = w->over;
    pthread_mutex_unlock(&w->mutex);
    return over;
}

static void *watch(void *context) {
    rhm_waiting *w = context;
    struct timespec now;
    const rhm_ranks_launch here = rhm_ranks_launched();
    const bool limited = w->most_seconds > 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double begin = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (here.rank == 0 && !(limited && w->most_seconds <= NOTE_SECONDS)) {
        if (ends_by(w, begin + NOTE_SECONDS))
            return NULL;
        dprintf(w->words,
                "rhm %s: note: rank 0 has waited %.0f seconds for all %d ranks to start; one that ended before it "
                "started MPI is waited for without end, unless --rank-timeout says how long\n",
                w->command, NOTE_SECONDS, here.size);
    }
    if (!limited || ends_by(w, begin + w->most_seconds) ||
        (here.rank > 0 && ends_by(w, begin + w->most_seconds + LAST_WORDS_SECONDS)))
        return NULL;
    dprintf(w->words, "rhm %s: rank %d has waited %.3g seconds for all %d ranks to start: no more are allowed\n",
            w->command, here.rank, w->most_seconds, here.size);
    rhm_ranks_abort(NULL, 1);
    return NULL;
}

static bool open_condition(rhm_waiting *w) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    const bool opened =
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&w->change, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return opened;
}

void rhm_waiting_begin(rhm_waiting *w, const char *command, double most_seconds, int words) {
    *w = (rhm_waiting){.command = command, .most_seconds = most_seconds, .words = words};
    if (rhm_ranks_launched().size < 2 || pthread_mutex_init(&w->mutex, NULL) != 0 || !open_condition(w))
        return;
    /* Signals are for the thread that works. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->watched = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void rhm_waiting_end(rhm_waiting *w) {
    if (!w->watched)
        return;
    pthread_mutex_lock(&w->mutex);
    w->over = true;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->mutex);
}
