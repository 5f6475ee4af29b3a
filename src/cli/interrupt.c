#include "cli/interrupt.h"

#include <stddef.h>

#include "core/fail.h"

volatile sig_atomic_t rhm_interrupt;

static void raise_flag(int signal_number) {
    rhm_interrupt = signal_number;
}

void rhm_interrupt_install(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = raise_flag, .sa_flags = (int)SA_RESETHAND | SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ends[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* the write fails then, and what it was for is told and removed */
}

rhm_status rhm_interrupt_check(rhm_error *error) {
    if (rhm_interrupt)
        return rhm_fail(error, RHM_INTERRUPTED, "interrupted by signal %d", (int)rhm_interrupt);
    return RHM_OK;
}
