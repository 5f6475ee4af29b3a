/* In place of onednn.c where the build has no oneDNN. */
#include "core/fail.h"
#include "kernels/onednn/onednn.h"

rhm_status rhm_onednn_create(rhm_onednn **out, const rhm_engine *engine, rhm_error *error) {
    (void)engine;
    *out = NULL;
    return rhm_fail(error, RHM_UNSUPPORTED, "this build has no oneDNN: configure it with RHM_ONEDNN=ON");
}

void rhm_onednn_destroy(rhm_onednn *onednn) {
    (void)onednn;
}

const char *rhm_onednn_name(const rhm_onednn *onednn) {
    (void)onednn;
    return "";
}

size_t rhm_onednn_cached(const rhm_onednn *onednn, int thread) {
    (void)onednn, (void)thread;
    return 0;
}

size_t rhm_onednn_made(const rhm_onednn *onednn, int thread) {
    (void)onednn, (void)thread;
    return 0;
}

rhm_status rhm_onednn_operator(rhm_operator *op, rhm_onednn *onednn, rhm_error *error) {
    (void)op, (void)onednn;
    return rhm_fail(error, RHM_UNSUPPORTED, "this build has no oneDNN: configure it with RHM_ONEDNN=ON");
}
