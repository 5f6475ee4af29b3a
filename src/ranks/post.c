/* Texts that nobody waits for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "ranks/departures.h"
#include "ranks/watch.h"

enum { MOST_NBYTES = 1 << 30 };

rhm_status rhm_ranks_post(rhm_ranks *ranks, int to, const char *text, rhm_error *error) {
    const rhm_transport *t = &ranks->transport;
    const size_t nbytes = strlen(text);
    rhm_posts_forget(ranks);
    if (nbytes >= MOST_NBYTES)
        return rhm_fail(error, RHM_INVALID, "a message to rank %d has %zu bytes: fewer than %d are allowed", to, nbytes,
                        MOST_NBYTES);
    struct rhm_posted *posted = rhm_alloc(sizeof *posted + nbytes, 1, 1, 1, "a message to a rank", error);
    if (!posted)
        return RHM_NO_MEMORY;
    posted->nbytes = nbytes;
    memcpy(posted->text, text, nbytes);
    posted->request[0] = t->send(t->state, to, RHM_MESSAGE_POST, &posted->nbytes, sizeof posted->nbytes);
    posted->request[1] = t->send(t->state, to, RHM_MESSAGE_POST, posted->text, nbytes);
    posted->next = ranks->posted;
    ranks->posted = posted;
    if (!posted->request[0] || !posted->request[1])
        return rhm_fail(error, RHM_FAILED, "%s refuses a message to rank %d", t->name, to);
    return RHM_OK;
}

static rhm_status receive(rhm_ranks *ranks, int from, void *data, size_t nbytes, rhm_error *error) {
    const rhm_transport *t = &ranks->transport;
    return rhm_ranks_wait(ranks, t->receive(t->state, from, RHM_MESSAGE_POST, data, nbytes), from, error);
}

rhm_status rhm_ranks_fetch(rhm_ranks *ranks, char **text, int *from, rhm_error *error) {
    const rhm_transport *t = &ranks->transport;
    uint64_t nbytes;
    *text = NULL;
    rhm_posts_forget(ranks);
    rhm_ranks_sign(ranks);
    if (!t->arrived(t->state, RHM_MESSAGE_POST, from)) {
        RHM_TRY(rhm_departures_look(ranks, error));
        return rhm_watch_look(ranks, error);
    }
    rhm_watch_heard(ranks, *from);
    RHM_TRY(receive(ranks, *from, &nbytes, sizeof nbytes, error));
    if (nbytes >= MOST_NBYTES)
        return rhm_fail(error, RHM_FAILED, "a message from rank %d has %" PRIu64 " bytes: fewer than %d are allowed",
                        *from, nbytes, MOST_NBYTES);
    char *words = rhm_alloc((size_t)nbytes + 1, 1, 1, 1, "a message from a rank", error);
    if (!words)
        return RHM_NO_MEMORY;
    const rhm_status status = receive(ranks, *from, words, (size_t)nbytes, error);
    if (status != RHM_OK) {
        free(words);
        return status;
    }
    words[nbytes] = '\0';
    *text = words;
    return RHM_OK;
}
