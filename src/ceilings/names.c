#include "ceilings/ceilings.h"

bool rhm_ceilings_has_isa(rhm_isa isa) {
    return rhm_isa_includes(rhm_isa_here(), isa);
}

const char *rhm_ceilings_precision_name(rhm_ceilings_precision precision) {
    return precision == CEILINGS_F32 ? "f32" : "f64";
}

const char *rhm_ceilings_memory_name(rhm_ceilings_memory where) {
    static const char *const names[] = {"L1", "L2", "L3", "DRAM"};
    return names[where];
}

const char *rhm_ceilings_stream_name(rhm_ceilings_stream stream) {
    static const char *const names[] = {"load", "triad", "write"};
    return names[stream];
}
