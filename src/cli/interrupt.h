/*
 * Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) raise a flag, so that work stops at a clean point; a second one
 * ends the process at once. Those that were ignored when the command was started, as under nohup or in the background
 * of a script, stay ignored. A limit on the size of files (SIGXFSZ) is met like a full disk, and so is a pipe that
 * nobody reads any more (SIGPIPE): other results come to their end first.
 */
#ifndef RHM_CLI_INTERRUPT_H
#define RHM_CLI_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

#include "rhm/status.h"

extern volatile sig_atomic_t rhm_interrupt; /* the number of the signal that came, or 0 */

void rhm_interrupt_install(void);

/* RHM_INTERRUPTED, with its sentence, once a signal has come. For loops of the command itself. */
rhm_status rhm_interrupt_check(rhm_error *error);

/* Whether the descriptor is of a pipe whose reader has gone. */
bool rhm_interrupt_nobody_reads(int descriptor);

/* End quietly by SIGPIPE, as a command that writes to `head` does; returns if the process was started with it ignored.
 */
void rhm_interrupt_by_reader(void);

#endif
