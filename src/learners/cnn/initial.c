#include "learners/cnn/initial.h"

#include "core/fail.h"
#include "core/gaussian.h"
#include "engine/parallel.h"
#include "learners/cnn/streams.h"

enum { CHUNK = 1 << 14 };

typedef struct drawing {
    float *out;
    size_t count;
    uint64_t seed;
    uint32_t stream;
} drawing;

static rhm_status draw(void *context, size_t chunk, int thread, rhm_error *error) {
    (void)thread;
    (void)error;
    const drawing *d = context;
    const size_t end = (chunk + 1) * CHUNK < d->count ? (chunk + 1) * CHUNK : d->count;
    for (size_t i = chunk * CHUNK; i < end; i++)
        d->out[i] = (float)rhm_gaussian(d->seed, d->stream, i);
    return RHM_OK;
}

rhm_status rhm_cnn_normal(float *out, size_t count, const rhm_engine *engine, uint64_t seed, uint32_t stream,
                          rhm_error *error) {
    drawing d = {out, count, seed, stream};
    return rhm_parallel(engine, (count + CHUNK - 1) / CHUNK, draw, &d, error);
}

rhm_status rhm_cnn_initial(float *parameters, const rhm_engine *engine, const rhm_network_shape *shape,
                           const rhm_network_layout *layout, uint64_t seed, rhm_error *error) {
    for (uint32_t l = 0; l <= shape->levels; l++) {
        RHM_TRY(rhm_cnn_normal(parameters + layout->weights[l], rhm_network_weights(layout, shape, l), engine, seed,
                               RHM_CNN_STREAM | RHM_CNN_WEIGHTS | l, error));
        if (l >= 1 && shape->bias)
            RHM_TRY(rhm_cnn_normal(parameters + layout->bias[l], layout->positions[l] * layout->outputs[l], engine,
                                   seed, RHM_CNN_STREAM | RHM_CNN_BIASES | l, error));
    }
    return RHM_OK;
}
