#include "job.h"

#include <math.h>

const char *const job_keys[] = {"vocab", "rules", "branching", "levels", "width", "c", "test", "accuracy", NULL};

/* What training chooses for such instances, within a factor of two: 0.65 times the distance between two posteriors,
 * which falls like m^(-(l - 1) / 2) from sqrt(2), and a tenth of 1 / |P_l|. */
static double bandwidth_of(const instance *of, uint32_t level) {
    const double distance = sqrt(2) * pow(of->rules, -0.5 * (double)level);
    return level == of->levels ? 0.35 : 0.65 * distance;
}

rhm_status job_make(job *out, const shapes *all, const shape *source, rhm_error *error) {
    int64_t width = 0, c = 0, test = 0, accuracy = 0;
    *out = (job){0};
    rhm_status status = instance_make(&out->of, all, source, error);
    if (status == RHM_OK)
        status = shape_value(all, source, "width", 1, RHM_MAX_WIDTH, &width, error);
    if (status == RHM_OK)
        status = shape_value(all, source, "c", 1, 1 << 20, &c, error);
    if (status == RHM_OK)
        status = shape_value(all, source, "test", 1, 1 << 24, &test, error);
    if (status == RHM_OK)
        status = shape_value(all, source, "accuracy", 0, 100, &accuracy, error);
    if (status != RHM_OK)
        return status;
    out->options = (rhm_train_options){.width = (uint32_t)width, .seed = 1, .test_samples = (uint64_t)test};
    out->accuracy = (double)accuracy / 100;
    double samples = (double)c * out->of.vocab;
    for (uint32_t level = 1; level <= out->of.levels; level++) {
        samples *= out->of.rules;
        out->options.samples[level] = (uint64_t)samples;
        out->options.bandwidth[level] = bandwidth_of(&out->of, level);
        out->options.ridge[level] = 0.1 / (out->of.vocab * out->of.rules);
    }
    return RHM_OK;
}

void job_clear(job *of) {
    instance_clear(&of->of);
    *of = (job){0};
}
