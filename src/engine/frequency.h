/*
 * How many cycles a second the calling thread's processor really does, whatever its label says: counted by perf events
 * where the system lets a process count its own, else told by a chain of dependent additions, one a cycle on every
 * processor with this code, against the clock.
 */
#ifndef RHM_ENGINE_FREQUENCY_H
#define RHM_ENGINE_FREQUENCY_H

#include <stdint.h>

/* The calling thread's cycles outside of the kernel. All zero is one that is not open. */
typedef struct rhm_cycle_counter {
    int descriptor; /* one more than the file descriptor; 0: none */
    int obstacle;   /* errno, where the system has no such counter for us */
} rhm_cycle_counter;

/* Whether there is a counter; it belongs to the thread that opened it. */
int rhm_cycle_counter_open(rhm_cycle_counter *counter);
void rhm_cycle_counter_close(rhm_cycle_counter *counter); /* accepts a zeroed one */

/* Cycles since it was opened. 0 without one. */
uint64_t rhm_cycle_counter_read(const rhm_cycle_counter *counter);

/*
 * Cycles a second at this moment, by additions: the best of a few chains of about 20 microseconds, so short that the
 * frequency which wide instructions have just brought about still holds (Intel's licences last 0.7 ms). NAN where there
 * is no code for this architecture. Emulators and processors that fuse additions say something else.
 */
double rhm_frequency_by_additions(void);

#endif
