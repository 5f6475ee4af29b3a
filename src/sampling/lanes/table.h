/* All operations, and RHM_TABLE of them, called RHM_TABLE_NAME and made for RHM_TABLE_ISA. With RHM_TABLE_PERMUTES
 * there are vec_permute, vec_permute2 and vec_select_high, and WIDTH is 64. */
#include "sampling/lanes/choices.h"
#include "sampling/lanes/rows.h"
#include "sampling/lanes/words.h"
#ifdef RHM_TABLE_PERMUTES
#include "sampling/lanes/permute.h"
#else
#include "sampling/lanes/rewrite.h"
#endif

extern const rhm_tile_ops RHM_TABLE;
const rhm_tile_ops RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .words = words,
    .scramble = scramble,
    .bytes = bytes,
    .digits = digits,
    .choices = choices,
    .rewrite = rewrite,
    .rows = rows,
    .settle = settle,
};
