/* In place of onednn.c and onednn_passes.c where the build has no oneDNN. */
#include "core/fail.h"
#include "network/onednn.h"

static rhm_status absent(rhm_error *error) {
    return rhm_fail(error, RHM_UNSUPPORTED, "this build has no oneDNN: configure it with RHM_ONEDNN=ON");
}

rhm_status rhm_network_onednn_make(rhm_network_onednn **out, rhm_network *n, bool narrow, rhm_error *error) {
    (void)n, (void)narrow;
    *out = NULL;
    return absent(error);
}

void rhm_network_onednn_free(rhm_network_onednn *o) {
    (void)o;
}

rhm_status rhm_network_onednn_load(rhm_network_onednn *o, const float *parameters, const float *momenta,
                                   rhm_error *error) {
    (void)o, (void)parameters, (void)momenta;
    return absent(error);
}

rhm_status rhm_network_onednn_store(const rhm_network_onednn *o, float *parameters, float *momenta, rhm_error *error) {
    (void)o, (void)parameters, (void)momenta;
    return absent(error);
}

rhm_status rhm_network_onednn_pass(rhm_network_onednn *o, rhm_error *error) {
    (void)o;
    return absent(error);
}

rhm_status rhm_network_onednn_descend(rhm_network_onednn *o, const rhm_network_rule *rule, rhm_error *error) {
    (void)o, (void)rule;
    return absent(error);
}

rhm_status rhm_network_onednn_hidden(const rhm_network_onednn *o, uint32_t level, float *out, rhm_error *error) {
    (void)o, (void)level, (void)out;
    return absent(error);
}

double rhm_network_onednn_seconds(const rhm_network_onednn *o, uint32_t level, int phase) {
    (void)o, (void)level, (void)phase;
    return 0;
}
