/* Parameters before the first step: standard normal numbers, functions of the seed, the tensor and the index alone. */
#ifndef RHM_LEARNERS_CNN_INITIAL_H
#define RHM_LEARNERS_CNN_INITIAL_H

#include "network/network.h"

/* `count` numbers of a stream of streams.h. */
rhm_status rhm_cnn_normal(float *out, size_t count, const rhm_engine *engine, uint64_t seed, uint32_t stream,
                          rhm_error *error);

/* All parameters of the whole network. */
rhm_status rhm_cnn_initial(float *parameters, const rhm_engine *engine, const rhm_network_shape *shape,
                           const rhm_network_layout *layout, uint64_t seed, rhm_error *error);

#endif
