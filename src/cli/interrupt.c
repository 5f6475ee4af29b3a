#include "cli/interrupt.h"

#include "core/fail.h"

volatile sig_atomic_t rhm_interrupt;

static void raise_flag(int signal_number) {
    rhm_interrupt = signal_number;
}

void rhm_interrupt_install(void) {
    struct sigaction action = {.sa_handler = raise_flag, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

rhm_status rhm_interrupt_check(rhm_error *error) {
    if (rhm_interrupt)
        return rhm_fail(error, RHM_INTERRUPTED, "interrupted by signal %d", (int)rhm_interrupt);
    return RHM_OK;
}
