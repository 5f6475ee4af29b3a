#include "patches/whole.h"

#include <string.h>

#include "core/fail.h"

typedef struct whole_loop {
    rhm_chunk_body *body;
    void *context;
    bool *done;
} whole_loop;

static rhm_status run_one(void *context, size_t i, int thread, rhm_error *error) {
    const whole_loop *loop = context;
    RHM_TRY(loop->body(loop->context, i, thread, error));
    loop->done[i] = true;
    return RHM_OK;
}

rhm_status rhm_whole_run(const rhm_engine *engine, size_t count, bool *done, rhm_chunk_body *body, void *context,
                         rhm_error *error) {
    whole_loop loop = {body, context, done};
    memset(done, 0, sizeof *done * count);
    const rhm_status status = rhm_parallel(engine, count, run_one, &loop, error);
    if (status != RHM_INTERRUPTED)
        return status;
    for (size_t i = 0; i < count; i++)
        if (!done[i])
            RHM_TRY(body(context, i, 0, error));
    return RHM_OK;
}
