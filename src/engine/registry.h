/*
 * The instruction sets and the backends that there is code for, and the one way from an instruction set to what a
 * directory has written for it. A new instruction set is an entry here and a table in each directory that has code for
 * it; directories without one, and functions that a table leaves out, are served by the sets it is based on.
 */
#ifndef RHM_ENGINE_REGISTRY_H
#define RHM_ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/cpu.h"
#include "rhm/engine.h"

/* ------------------------------------------------------------------------------------------------ instruction sets */

/* Not an order: what runs where is what rhm_isa_includes says. */
typedef enum rhm_isa {
    RHM_ISA_SCALAR, /* portable C */
    RHM_ISA_AVX2,   /* AVX2 and FMA */
    RHM_ISA_AVX512, /* AVX-512 F, BW, DQ and VL */
    RHM_ISA_COUNT,
} rhm_isa;

/* "scalar", "avx2", "avx512". */
const char *rhm_isa_name(rhm_isa isa);

/* Whether a CPU that has `isa` also runs what was written for `other`: the set itself and those it is based on. */
bool rhm_isa_includes(rhm_isa isa, rhm_isa other);

/* The set that includes most of what these registers allow, and that of this CPU. */
rhm_isa rhm_isa_of(const rhm_cpuid *cpuid);
rhm_isa rhm_isa_here(void);

/*
 * The set a run uses on a CPU that has `has`. `asked` is "auto" (or NULL) or a set that must be available; `mask` (NULL
 * or empty: none; in practice the variable RHM_ISA) hides what the set that it names does not include. RHM_INVALID for
 * names we do not know, RHM_UNSUPPORTED for a set that is lacking or hidden.
 */
rhm_status rhm_isa_choose(rhm_isa *out, const char *asked, const char *mask, rhm_isa has, rhm_error *error);

/* The set chosen for this engine. */
rhm_isa rhm_engine_isa(const rhm_engine *engine);

/* ---------------------------------------------------------------------------------------------------------- tables */

/*
 * What a directory has, by instruction set: structs of `nbytes` bytes, which consist of function pointers from offset
 * `first` on. Those from offset `together` up to, but without, offset `apart` work on a layout of their table's own and
 * so come from one table; both 0: there are none.
 */
typedef struct rhm_tables {
    size_t nbytes, first, together, apart;
    const void *of[RHM_ISA_COUNT]; /* NULL: none */
} rhm_tables;

/* The table of `isa` or else of the nearest set that it is based on; NULL: none of them has one. */
const void *rhm_tables_nearest(const rhm_tables *tables, rhm_isa isa);

/* The same with the functions it lacks from the sets that it is based on. `out` is (nbytes), all zero where no set has
 * a table. */
void rhm_tables_resolve(void *out, const rhm_tables *tables, rhm_isa isa);

/* -------------------------------------------------------------------------------------------------------- backends */

typedef enum rhm_backend_kind {
    RHM_BACKEND_NATIVE,
    RHM_BACKEND_ONEDNN,
    RHM_BACKEND_AUTO, /* by measurement, among those that can run */
} rhm_backend_kind;

/* Why a backend cannot run on a CPU that has `isa`, or NULL. */
const char *rhm_backend_obstacle(rhm_backend_kind kind, rhm_isa isa);

/* By name; NULL is "native". RHM_INVALID for a name we do not know, RHM_UNSUPPORTED for a backend that cannot run. */
rhm_status rhm_backend_find(rhm_backend_kind *out, const char *name, rhm_isa isa, rhm_error *error);

#endif
