/* The engine that a benchmark's row runs on, and the ceiling it is compared with, measured in between. */
#ifndef RHM_BENCH_SESSION_ENGINE_H
#define RHM_BENCH_SESSION_ENGINE_H

#include "engine/registry.h"
#include "gbench.h"
#include "rhm/engine.h"

/*
 * The engine of an instruction set and thread count, kept until another one is asked for: threads inherit the mask of
 * their creator, so engines of different sizes do not live together. RHM_UNSUPPORTED, with a sentence, for a level that
 * the CPU lacks or RHM_ISA hides.
 */
rhm_status session_engine(rhm_engine **out, rhm_isa isa, int threads, rhm_error *error);

/*
 * One trial, of about 2 ms, of the multiply-add ceiling of that engine's instruction set and threads. Done in
 * alternation with the work that is compared with it, so that both meet the same neighbours and clock frequency.
 */
void session_ceiling_trial(void);

/* Make none of these trials: for a program whose rows are compared with those of another build, not with the machine.
 */
void session_no_ceilings(void);
bool session_has_ceilings(void);

/* Whether rows verify their result at their first call. They do, unless told that another process did. */
void session_verify(bool on);
bool session_verifies(void);

/* The best of these trials so far in this process, operations per second; NaN when it could not be measured. */
double session_ceiling(void);

/*
 * The counter threads_off_plan: threads of that engine that are not bound to the PU planned for them, or were last seen
 * elsewhere. A row with any is about another machine than it says. No counter where none is planned (--placement=none,
 * OMP_PROC_BIND and its kin).
 */
void session_report_placement(gb_state *state);

/* At the end of main. */
void session_engine_clear(void);

/* Bytes of a core's second-level cache; 512 KiB where the system does not say. */
double session_l2_nbytes(void);

#endif
