/*
 * Cores that compute wrongly, and machines that are slow. The same work, a small training and one call of every compute
 * kernel, runs on one core after the other, on all cores at once, and as one training of all cores, in every
 * instruction set. Its results are known: they are the same bits everywhere, and a test keeps this release's constants
 * true. Rates are compared between cores turn by turn, so that what happens to the whole machine is no outlier, and by
 * the shortest runs, which a host that takes processors away in bursts leaves alone; of the whole burn, and of parts of
 * it for what becomes slow.
 */
#ifndef RHM_BURN_H
#define RHM_BURN_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"
#include "rhm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rhm_burn rhm_burn;

/* All zero is a valid choice. */
typedef struct rhm_burn_options {
    double seconds;    /* to go on for; every core and instruction set has its turn at least once. 0: 60. In a virtual
                        * machine nothing is called slow in less than 24 */
    const char *cores; /* a list of PUs, as rhm_engine_options.placement has it; NULL: one of every allowed core */
    const char *isa;   /* the only one; NULL or "auto": all that there are */
    double tolerance;  /* share by which a core or a socket may be slower than its siblings; 0: 0.05 */
    double frequency_tolerance; /* share by which the frequency may fall in an instruction set; 0: `tolerance` */

    /* As in rhm_engine_options: both may be NULL. */
    const volatile sig_atomic_t *interrupt;
    void (*progress)(void *user, const rhm_progress *progress);
    void *user;
} rhm_burn_options;

/* What was found; see rhm_burn_json for all of it. */
typedef struct rhm_burn_summary {
    uint64_t runs;        /* trainings and kernel calls whose results were looked at */
    uint64_t mismatches;  /* of these, results that are not the known ones */
    uint64_t wrong_cores; /* that had any */
    uint64_t outliers;    /* cores, sockets and instruction sets that are slow beyond the tolerance */
} rhm_burn_summary;

/*
 * Takes at least one turn of every core, which is about 0.1 s a core and instruction set. Binds threads of its own; the
 * calling thread is left where it is. RHM_OK also for a machine that is found wanting; RHM_INTERRUPTED too leaves in
 * *out what was found until then. RHM_UNSUPPORTED where threads cannot be bound, or OpenMP's variables bind them.
 */
RHM_API rhm_status rhm_burn_run(rhm_burn **out, const rhm_burn_options *options, rhm_error *error);

/* Accepts NULL. */
RHM_API void rhm_burn_destroy(rhm_burn *burn);

RHM_API rhm_burn_summary rhm_burn_summarise(const rhm_burn *burn);

/*
 * The same in four forms, released with free(): for people, one table for each way of running; "rhm-burn/1"; one line
 * for each core, way and instruction set; and gauges for the text file collector of Prometheus' node_exporter.
 */
RHM_API rhm_status rhm_burn_text(char **text, const rhm_burn *burn, rhm_error *error);
RHM_API rhm_status rhm_burn_json(char **text, const rhm_burn *burn, rhm_error *error);
RHM_API rhm_status rhm_burn_csv(char **text, const rhm_burn *burn, rhm_error *error);
RHM_API rhm_status rhm_burn_openmetrics(char **text, const rhm_burn *burn, rhm_error *error);

#ifdef __cplusplus
}
#endif
#endif
