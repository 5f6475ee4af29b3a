/* All operations, and RHM_TABLE of them, called RHM_TABLE_NAME and made for RHM_TABLE_ISA. */
#include "kernels/lanes/features.h"
#include "kernels/lanes/forward.h"
#include "kernels/lanes/gradient.h"
#include "kernels/lanes/gram.h"
#include "kernels/lanes/gram_product.h"
#include "kernels/lanes/pack.h"
#include "kernels/lanes/product.h"
#include "kernels/lanes/rotated_forward.h"
#include "kernels/lanes/rotated_gradient.h"

extern const rhm_kernels RHM_TABLE;
const rhm_kernels RHM_TABLE = {
    .name = RHM_TABLE_NAME,
    .isa = RHM_TABLE_ISA,
    .features = features,
    .pack = pack,
    .product = product,
    .gradient = gradient,
    .forward = forward,
    .rotated_forward = rotated_forward,
    .rotated_gradient = rotated_gradient,
    .gram = gram,
    .gram_product = gram_product,
};
