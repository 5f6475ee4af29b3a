/* Signs of life of ranks that do not wait for each other's messages: rank 0's for all others, theirs for rank 0. */
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "ranks/departures.h"
#include "ranks/watch.h"

enum { SIGNS = 4 }; /* while one is waited for */

static void send_sign(rhm_ranks *ranks, int to) {
    static const char sign;
    const rhm_transport *t = &ranks->transport;
    struct rhm_posted *posted = RHM_NEW(struct rhm_posted, 1, 1, 1, "a message to a rank", NULL);
    if (!posted)
        return; /* the next one may come through */
    posted->request[0] = t->send(t->state, to, RHM_MESSAGE_SIGN, &sign, sizeof sign);
    posted->next = ranks->posted;
    ranks->posted = posted;
}

void rhm_ranks_sign(rhm_ranks *ranks) {
    const double now = rhm_seconds();
    if (!ranks || !(ranks->silence_seconds > 0) || now - ranks->watch.signed_seconds < ranks->silence_seconds / SIGNS)
        return;
    ranks->watch.signed_seconds = now;
    rhm_posts_forget(ranks);
    for (int rank = rhm_ranks_rank(ranks) == 0; rank < (rhm_ranks_rank(ranks) == 0 ? rhm_ranks_size(ranks) : 1); rank++)
        if (!ranks->has_gone[rank])
            send_sign(ranks, rank);
}

static rhm_status begin(rhm_ranks *ranks, double now, rhm_error *error) {
    rhm_watch *watch = &ranks->watch;
    const size_t size = (size_t)rhm_ranks_size(ranks);
    watch->heard_seconds = RHM_NEW(double, size, 1, 1, "signs of ranks", error);
    for (size_t rank = 0; watch->heard_seconds && rank < size; rank++)
        watch->heard_seconds[rank] = now;
    watch->looked_seconds = now;
    return watch->heard_seconds ? RHM_OK : RHM_NO_MEMORY;
}

void rhm_watch_heard(rhm_ranks *ranks, int from) {
    if (ranks->watch.heard_seconds)
        ranks->watch.heard_seconds[from] = rhm_seconds();
}

rhm_status rhm_watch_look(rhm_ranks *ranks, rhm_error *error) {
    rhm_watch *watch = &ranks->watch;
    const double now = rhm_seconds();
    if (!(ranks->silence_seconds > 0))
        return RHM_OK;
    if (!watch->heard_seconds)
        RHM_TRY(begin(ranks, now, error));
    const double away = now - watch->looked_seconds;
    watch->looked_seconds = now;
    for (int from; rhm_signs_take(ranks, &from);)
        watch->heard_seconds[from] = now;
    const bool first = rhm_ranks_rank(ranks) == 0;
    for (int rank = first; rank < (first ? rhm_ranks_size(ranks) : 1); rank++) {
        watch->heard_seconds[rank] = rhm_watch_excused(watch->heard_seconds[rank], away, now);
        if (ranks->has_gone[rank] || now - watch->heard_seconds[rank] <= ranks->silence_seconds)
            continue;
        rhm_departures_silent(ranks, rank);
        return rhm_departures_look(ranks, error);
    }
    return RHM_OK;
}
