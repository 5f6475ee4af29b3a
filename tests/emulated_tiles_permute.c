/* The table of AVX-512 VBMI in portable C. */
enum { WIDTH = 64 };
#include "emulated_bytes.h"

static vec vec_permute(vec table, vec index) {
    vec v;
    for (size_t i = 0; i < BYTES; i++)
        v.byte[i] = table.byte[index.byte[i] % BYTES];
    return v;
}
static vec vec_permute2(vec low, vec high, vec index) {
    vec v;
    for (size_t i = 0; i < BYTES; i++)
        v.byte[i] = (index.byte[i] & BYTES ? high : low).byte[index.byte[i] % BYTES];
    return v;
}
static vec vec_select_high(vec index, vec low, vec high) {
    for (size_t i = 0; i < BYTES; i++)
        low.byte[i] = (index.byte[i] & 0x80 ? high : low).byte[i];
    return low;
}

#define RHM_TABLE_PERMUTES
#define RHM_TABLE      rhm_tile_ops_emulated_permute
#define RHM_TABLE_NAME "emulated, 64 bytes, permutations"
#define RHM_TABLE_ISA  RHM_ISA_SCALAR
#include "sampling/lanes/table.h"
