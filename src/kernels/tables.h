/* What this build may contain for each instruction set. A table has the operations that its set makes faster; tables.c
 * takes the others from the sets it is based on. */
#ifndef RHM_KERNELS_TABLES_H
#define RHM_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const rhm_kernels rhm_kernels_reference;     /* fmaf from the library */
extern const rhm_kernels rhm_kernels_reference_fma; /* fmaf as an instruction */

#endif
