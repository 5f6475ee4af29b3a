#include "learner/route.h"

#include <math.h>

static const double TRIGONOMETRY = 14;
static const double DOUBLE_PRECISION = 3;

double rhm_route_cost(rhm_route route, const rhm_route_sizes *sizes) {
    const double units = sizes->patches * sizes->width, features = units * (sizes->inputs + TRIGONOMETRY);
    if (route == RHM_ROUTE_PASSES)
        return sizes->products * (features + 4 * units * sizes->classes);
    const double columns = 8 * ceil(sizes->classes / 8); /* RHM_GRAM_CLASSES */
    const double product = DOUBLE_PRECISION * 4 * sizes->width * sizes->width * columns;
    return features + 2 * units * sizes->width + sizes->products * product;
}

rhm_route rhm_route_choose(const rhm_route_sizes *sizes) {
    return sizes->width <= RHM_GRAM_MOST_WIDTH &&
                   rhm_route_cost(RHM_ROUTE_GRAM, sizes) < rhm_route_cost(RHM_ROUTE_PASSES, sizes)
               ? RHM_ROUTE_GRAM
               : RHM_ROUTE_PASSES;
}

/* paper.md section 4 and 5: steps at ridges between 1 / |P_l| and a hundredth of it. */
double rhm_route_products(rhm_solver solver, double solves) {
    switch (solver) {
    case RHM_CG: return 14 * solves;
    case RHM_GD: return 20 * solves + 30; /* the step takes the top eigenvalue */
    case RHM_GD_PAPER: return 140 * solves;
    default: return 0;
    }
}

const char *rhm_route_name(rhm_route route) {
    return route == RHM_ROUTE_GRAM ? "gram" : "passes";
}
