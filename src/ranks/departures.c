#include "ranks/departures.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "ranks/unjoined.h"

/* For a failed job's ranks to come to where they hear of it: between two messages there may be seconds of work. */
static const double GRACE_SECONDS = 20;
static const double WORDS_SECONDS = 0.3; /* for words to come through a launcher */

static void rest_seconds(double seconds) {
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * seconds)}, NULL);
}

static void pause_briefly(void) {
    rest_seconds(2e-4);
}

void rhm_departures_hear(rhm_ranks *ranks) {
    const rhm_transport *t = &ranks->transport;
    for (int from; t->arrived(t->state, RHM_MESSAGE_LEAVE, &from);) {
        rhm_departure *gone = &ranks->gone[from];
        void *request = t->receive(t->state, from, RHM_MESSAGE_LEAVE, gone, sizeof *gone);
        int done = 0;
        while (request && (done = t->done(t->state, request)) == 0)
            pause_briefly();
        gone->sentence[sizeof gone->sentence - 1] = '\0';
        if (done < 0 || !request)
            *gone = (rhm_departure){.status = RHM_FAILED, .rank = from, .sentence = "how it ended was lost"};
        ranks->has_gone[from] = true;
    }
}

/* Of the ranks that have ended, the one to speak of: the lowest that failed of itself, and was not interrupted if
 * another was not. -1: none has failed. Who has not met the others yet does so first: it may fail of itself, too. */
static int spokesman(const rhm_ranks *ranks) {
    int chosen = -1;
    for (int rank = rhm_ranks_size(ranks) - 1; rank >= 0; rank--) {
        const rhm_departure *gone = &ranks->gone[rank];
        if (!ranks->has_gone[rank] || gone->status == RHM_OK || (gone->met && !ranks->met))
            continue;
        const bool itself = gone->rank == rank, interrupted = gone->status == RHM_INTERRUPTED;
        if (chosen < 0) {
            chosen = rank;
            continue;
        }
        const rhm_departure *best = &ranks->gone[chosen];
        const bool best_itself = best->rank == chosen, best_interrupted = best->status == RHM_INTERRUPTED;
        if (itself > best_itself || (itself == best_itself && interrupted <= best_interrupted))
            chosen = rank;
    }
    return chosen;
}

static rhm_status tell(const rhm_ranks *ranks, int rank, rhm_error *error) {
    const rhm_departure *gone = &ranks->gone[rank];
    if (rank == 0 || gone->rank != rank || ranks->silent[rank])
        return rhm_fail(error, (rhm_status)gone->status, "%s", gone->sentence);
    return rhm_fail(error, (rhm_status)gone->status, "rank %d (%s): %.400s", rank, rhm_ranks_host(ranks, rank),
                    gone->sentence);
}

void rhm_departures_silent(rhm_ranks *ranks, int rank) {
    rhm_departure *gone = &ranks->gone[rank];
    *gone = (rhm_departure){.status = RHM_FAILED, .rank = rank};
    snprintf(gone->sentence, sizeof gone->sentence,
             "rank %d (%s) has been silent for %.3g seconds: no more are allowed", rank, rhm_ranks_host(ranks, rank),
             ranks->silence_seconds);
    ranks->has_gone[rank] = ranks->silent[rank] = true;
}

bool rhm_ranks_speaks(const rhm_ranks *ranks) {
    int speaker = 0;
    while (ranks && speaker < rhm_ranks_rank(ranks) && ranks->silent[speaker])
        speaker++;
    return speaker == rhm_ranks_rank(ranks);
}

rhm_status rhm_departures_look(rhm_ranks *ranks, rhm_error *error) {
    rhm_departures_hear(ranks);
    const int rank = spokesman(ranks);
    if (rank < 0)
        return RHM_OK;
    ranks->blamed = rank;
    return tell(ranks, rank, error);
}

static bool all_gone(const rhm_ranks *ranks) {
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        if (!ranks->has_gone[rank])
            return false;
    return true;
}

static void announce(rhm_ranks *ranks, rhm_status outcome, const rhm_error *error) {
    const int own = rhm_ranks_rank(ranks);
    rhm_departure *mine = &ranks->gone[own];
    *mine = (rhm_departure){(int)outcome, ranks->blamed >= 0 ? ranks->blamed : own, ranks->met, ""};
    if (outcome != RHM_OK && error)
        memcpy(mine->sentence, error->text, sizeof mine->sentence);
    ranks->has_gone[own] = true;
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        if (rank != own)
            ranks->farewell[rank] =
                ranks->transport.send(ranks->transport.state, rank, RHM_MESSAGE_LEAVE, mine, sizeof *mine);
}

/* What they were told has arrived, as they have been heard of themselves. */
static void finish_farewells(rhm_ranks *ranks) {
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        while (ranks->farewell[rank] && ranks->transport.done(ranks->transport.state, ranks->farewell[rank]) == 0)
            pause_briefly();
}

/* Waits for as long as the others work, unless one has failed. */
static void wait_for_others(rhm_ranks *ranks, rhm_status outcome) {
    double failed = outcome == RHM_OK ? -1 : rhm_seconds();
    for (;;) {
        rhm_departures_hear(ranks);
        if (all_gone(ranks))
            return;
        const volatile sig_atomic_t *flag = ranks->options.interrupt;
        if (failed < 0 && (spokesman(ranks) >= 0 || (flag && *flag)))
            failed = rhm_seconds();
        if (failed >= 0 && rhm_seconds() - failed > GRACE_SECONDS)
            return;
        pause_briefly();
    }
}

void rhm_ranks_release(rhm_ranks *ranks) {
    rhm_free(ranks->home);
    rhm_free(ranks->gone);
    rhm_free(ranks->has_gone);
    rhm_free(ranks->silent);
    rhm_free(ranks->farewell);
    rhm_free(ranks->known);
    rhm_free(ranks->summing);
    rhm_free(ranks->watch.heard_seconds);
    rhm_free(ranks);
}

rhm_status rhm_ranks_leave(rhm_ranks *ranks, rhm_status outcome, rhm_error *error) {
    if (!ranks)
        return outcome;
    announce(ranks, outcome, error);
    wait_for_others(ranks, outcome);
    const int rank = spokesman(ranks);
    if (rank < 0 && all_gone(ranks)) {
        finish_farewells(ranks);
        for (int from; rhm_signs_take(ranks, &from);)
            continue;
        rhm_posts_forget(ranks);
        ranks->transport.close(ranks->transport.state);
        rhm_ranks_release(ranks);
        return RHM_OK;
    }
    if (rank >= 0)
        return tell(ranks, rank, error);
    return rhm_fail(error, RHM_INTERRUPTED, "interrupted while other ranks were at work");
}

/* A stopped process does not hear its launcher, which may leave it behind. Machines that were cloned while they ran
   have one boot_id, but names of their own: nobody else's process must end. */
static void kill_silent(const rhm_ranks *ranks) {
    const int own = rhm_ranks_rank(ranks);
    const uint64_t known = ranks->home[own].of_namespace;
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++)
        if (ranks->silent[rank] && known && ranks->home[rank].of_namespace == known &&
            rhm_ranks_machine(ranks, rank) == rhm_ranks_machine(ranks, own) &&
            strcmp(ranks->home[rank].host, ranks->home[own].host) == 0)
            kill((pid_t)ranks->home[rank].pid, SIGKILL);
}

/* Others end by themselves then, should the launcher not end them: Slurm's does not in a job that is being cancelled.
 */
static void tell_said(rhm_ranks *ranks) {
    static const char said;
    const rhm_transport *t = &ranks->transport;
    for (int rank = 0; rank < rhm_ranks_size(ranks); rank++) {
        void *request = rank != rhm_ranks_rank(ranks) && !ranks->silent[rank]
                            ? t->send(t->state, rank, RHM_MESSAGE_SAID, &said, sizeof said)
                            : NULL;
        if (request)
            (void)t->done(t->state, request);
    }
    rest_seconds(WORDS_SECONDS);
}

static void wait_for_words(rhm_ranks *ranks) {
    const rhm_transport *t = &ranks->transport;
    int from;
    for (double begin = rhm_seconds(); rhm_seconds() - begin < GRACE_SECONDS; pause_briefly())
        if (t->arrived(t->state, RHM_MESSAGE_SAID, &from))
            return;
}

void rhm_ranks_abort(rhm_ranks *ranks, int exit_status) {
    if (!ranks) {
        rhm_unjoined_end(exit_status);
        return;
    }
    /* Who has something to say has the last word. */
    if (!rhm_ranks_speaks(ranks))
        wait_for_words(ranks);
    /* Launchers drop what has not come through their pipes when they are told to end the job. */
    rest_seconds(WORDS_SECONDS);
    if (rhm_ranks_speaks(ranks))
        tell_said(ranks);
    kill_silent(ranks);
    if (all_gone(ranks) && rhm_launcher_drops_status())
        _exit(exit_status);
    ranks->transport.abort(ranks->transport.state, exit_status);
    _exit(exit_status);
}
