#include "kernels/operator.h"

#include "kernels/phasors.h"

void rhm_operator_clear(rhm_operator *op) {
    if (op->operations)
        op->operations->clear(op);
    *op = (rhm_operator){0};
}

rhm_status rhm_operator_set_weights(rhm_operator *op, const float *w, rhm_error *error) {
    op->w = w;
    return op->operations->set_weights(op, error);
}

rhm_status rhm_operator_share(rhm_operator *op, const float *table, size_t rows, size_t count, rhm_error *error) {
    const rhm_phase_map *map = op->map;
    if (!op->operations->share || !rhm_phasors_pay(map->tokens, map->embedding, map->padded, rows, count))
        return RHM_OK;
    return op->operations->share(op, table, rows, error);
}
