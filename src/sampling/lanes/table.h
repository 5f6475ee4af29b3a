/* All operations, and RHM_TABLE of them, called RHM_TABLE_NAME and made for RHM_TABLE_ISA. */
#include "sampling/lanes/rewrite.h"
#include "sampling/lanes/rows.h"
#include "sampling/lanes/words.h"

extern const rhm_tile_ops RHM_TABLE;
const rhm_tile_ops RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .words = words,
    .choices = choices,
    .rewrite = rewrite,
    .rows = rows,
};
