/* Both precisions of bp_lanes.h as one table. The including file has defined VECTOR_NBYTES, RHM_TABLE and
 * RHM_TABLE_ISA. */
#include <math.h>

#include "hierarchy/bp.h"

#define REAL     float
#define WORD     uint32_t
#define BIAS     127
#define MANTISSA 23
#define WEIGHT   weight_float
#define NAME(x)  float_##x
#include "hierarchy/bp_lanes.h"

#define REAL     double
#define WORD     uint64_t
#define BIAS     1023
#define MANTISSA 52
#define WEIGHT   weight_double
#define NAME(x)  double_##x
#include "hierarchy/bp_lanes.h"

const rhm_bp_ops RHM_TABLE = {.isa = RHM_TABLE_ISA, .group_float = float_group, .group_double = double_group};
