#include "cli/interrupt.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"

volatile sig_atomic_t rhm_interrupt;

static bool broken_pipes_end; /* this process; unless it was started so that they do not */

static void raise_flag(int signal_number) {
    __atomic_store_n(&rhm_interrupt, signal_number, __ATOMIC_RELAXED); /* read by all threads */
}

void rhm_interrupt_install(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = raise_flag, .sa_flags = (int)SA_RESETHAND | SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ends[i], &action, NULL);
    /* The write fails then, and what it was for is told and removed. */
    signal(SIGXFSZ, SIG_IGN);
    broken_pipes_end = signal(SIGPIPE, SIG_IGN) != SIG_IGN;
}

bool rhm_interrupt_nobody_reads(int descriptor) {
    struct pollfd pipe = {.fd = descriptor, .events = POLLOUT};
    return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLERR);
}

void rhm_interrupt_by_reader(void) {
    if (!broken_pipes_end)
        return;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

rhm_status rhm_interrupt_check(rhm_error *error) {
    if (rhm_interrupt)
        return rhm_fail(error, RHM_INTERRUPTED, "interrupted by signal %d", (int)rhm_interrupt);
    return RHM_OK;
}
