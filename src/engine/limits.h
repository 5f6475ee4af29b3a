/* Limits that the process was given (ulimit, OMP_STACKSIZE) and whose excess the system would answer with a signal. */
#ifndef RHM_ENGINE_LIMITS_H
#define RHM_ENGINE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/status.h"

/* What each thread's stack must have left: kernels keep up to 150 KiB there, libraries that are called the rest. */
enum { RHM_STACK_NBYTES = 384 << 10 };

/* Bytes that the calling thread's stack has left; SIZE_MAX where that cannot be known. */
size_t rhm_stack_left(void);

/* RHM_NO_MEMORY, with what to change, where the stack of the calling thread or of another one is too small. */
rhm_status rhm_stack_check(size_t left_nbytes, const char *whose, rhm_error *error);

/*
 * Memory that the limits on address space and data leave (RLIMIT_AS, RLIMIT_DATA), with what the process already has
 * taken off; UINT64_MAX without limits. *why names the tighter one.
 */
uint64_t rhm_limits_memory_left(const char **why);

/*
 * Whether the system lets this process start `threads` more threads at a time. OpenMP ends the process when it does
 * not, so threads of our own go first. RHM_NO_MEMORY, with how many there could be.
 */
rhm_status rhm_limits_try_threads(int threads, rhm_error *error);

#endif
