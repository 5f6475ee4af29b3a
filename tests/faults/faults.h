/*
 * Calls into the system that fail when they are told to. faults.c stands between the library and libc (-Wl,--wrap; for
 * jansson its own hook): calls are counted, and one of them, or that one and all after it, is refused.
 */
#ifndef RHM_TESTS_FAULTS_H
#define RHM_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_MEMORY, /* aligned_alloc, realloc, strdup, mmap, hwloc's and jansson's objects */
    FAULT_FILES,  /* open, read, write, sync, rename, ... and pipes and child processes */
    FAULT_THREADS /* pthread_create, whoever calls it */
} fault_kind;

enum { FAULT_KINDS = 3 };

/* Refuse call number `nth` (from 0) of a kind; `lasting`: and all later ones. */
void fault_arm(fault_kind kind, uint64_t nth, bool lasting);

/* How many calls of the kind there were since fault_arm. Nothing fails from here on. */
uint64_t fault_disarm(void);

/* The function whose call was the first to be refused, or NULL. */
const char *fault_refused(void);

#endif
