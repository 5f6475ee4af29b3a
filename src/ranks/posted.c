/* Texts and signs of life on their way. */
#include "core/memory.h"
#include "ranks/group.h"

void rhm_posts_forget(rhm_ranks *ranks) {
    const rhm_transport *t = &ranks->transport;
    for (struct rhm_posted **at = &ranks->posted; *at;) {
        struct rhm_posted *posted = *at;
        for (int i = 0; i < 2; i++)
            if (posted->request[i] && t->done(t->state, posted->request[i]) != 0)
                posted->request[i] = NULL;
        if (posted->request[0] || posted->request[1]) {
            at = &posted->next;
        } else {
            *at = posted->next;
            rhm_free(posted);
        }
    }
}

/* It is here when it is asked for. */
bool rhm_signs_take(rhm_ranks *ranks, int *from) {
    const rhm_transport *t = &ranks->transport;
    char sign;
    if (!t->arrived(t->state, RHM_MESSAGE_SIGN, from))
        return false;
    void *request = t->receive(t->state, *from, RHM_MESSAGE_SIGN, &sign, sizeof sign);
    while (request && t->done(t->state, request) == 0)
        continue;
    return true;
}
