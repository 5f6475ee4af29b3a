#include "training/options.h"

#include <stddef.h>
#include <string.h>

#include "core/fail.h"

/* Every option that not all learners take. */
#define AT(member) offsetof(rhm_train_options, member), sizeof((rhm_train_options){0}.member)

static const struct {
    const char *name;
    size_t place, nbytes;
} choices[] = {
    {"samples", AT(samples)},
    {"positions", AT(positions)},
    {"bandwidth", AT(bandwidth)},
    {"ridge", AT(ridge)},
    {"width", AT(width)},
    {"solver", AT(solver)},
    {"draw", AT(draw)},
    {"distinct", AT(raw)},
    {"tolerance", AT(tolerance)},
    {"max-samples", AT(max_samples)},
    {"max-width", AT(max_width)},
    {"max-seconds", AT(max_seconds)},
    {"protocol", AT(protocol)},
    {"learning-rate", AT(learning_rate)},
    {"checkpoint", AT(checkpoint.directory)},
};

rhm_status rhm_train_options_check(const rhm_train_options *options, const rhm_learner_info *learner, uint32_t levels,
                                   rhm_error *error) {
    static const rhm_train_options none;
    rhm_train_options defaults;
    RHM_TRY(rhm_train_options_resolve(&defaults, NULL, levels, error));
    for (size_t i = 0; options && i < sizeof choices / sizeof *choices; i++) {
        const size_t place = choices[i].place, nbytes = choices[i].nbytes;
        const char *given = (const char *)options + place;
        if (!rhm_learner_takes(learner, choices[i].name) && memcmp(given, (const char *)&none + place, nbytes) != 0 &&
            memcmp(given, (const char *)&defaults + place, nbytes) != 0)
            return rhm_fail(error, RHM_INVALID, "%s has no effect on the learner %s: leave it out", choices[i].name,
                            learner->name);
    }
    return RHM_OK;
}

rhm_status rhm_train_options_resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels,
                                     rhm_error *error) {
    rhm_train_options o = options ? *options : (rhm_train_options){0};
    o.tolerance = o.tolerance == 0 ? 1e-4 : o.tolerance;
    o.max_samples = o.max_samples ? o.max_samples : UINT64_C(1000000000000000);
    o.max_width = o.max_width ? o.max_width : 4096;
    o.test_samples = o.test_samples ? o.test_samples : 10000;
    if (!(o.tolerance > 0 && o.tolerance < 1))
        return rhm_fail(error, RHM_INVALID, "tolerance is %g: allowed is more than 0 and less than 1", o.tolerance);
    if (o.width > RHM_MAX_WIDTH || o.max_width > RHM_MAX_WIDTH)
        return rhm_fail(error, RHM_INVALID, "width is %u: allowed are 1 to %d, or 0 for an automatic choice",
                        o.width > RHM_MAX_WIDTH ? o.width : o.max_width, RHM_MAX_WIDTH);
    if (!(o.max_seconds >= 0))
        return rhm_fail(error, RHM_INVALID, "max_seconds is %g: allowed are positive numbers, or 0 for no limit",
                        o.max_seconds);
    if (!(o.learning_rate >= 0 && o.learning_rate <= 1e12))
        return rhm_fail(error, RHM_INVALID,
                        "learning_rate is %g: allowed are positive numbers up to 1e12, or 0 for the protocol's",
                        o.learning_rate);
    if (!(o.checkpoint.seconds >= 0))
        return rhm_fail(error, RHM_INVALID,
                        "checkpoint.seconds is %g: allowed are positive numbers, or 0 for one a minute",
                        o.checkpoint.seconds);
    if ((unsigned)o.solver >= RHM_SOLVERS)
        return rhm_fail(error, RHM_INVALID, "solver %d is unknown", (int)o.solver);
    if ((unsigned)o.draw > RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID, "draw %d is unknown", (int)o.draw);
    if (o.raw && o.draw == RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID, "counts drawn directly have no raw samples: draw samples instead");
    for (uint32_t l = 1; l <= levels; l++) {
        if (!(o.bandwidth[l] >= 0 && o.bandwidth[l] <= 1e6))
            return rhm_fail(
                error, RHM_INVALID,
                "bandwidth of level %u is %g: allowed are positive numbers up to 1e6, or 0 for an automatic choice", l,
                o.bandwidth[l]);
        if (!((o.ridge[l] >= 0 && o.ridge[l] <= 1e6) || o.ridge[l] == RHM_RIDGE_PAPER))
            return rhm_fail(error, RHM_INVALID,
                            "ridge of level %u is %g: allowed are positive numbers up to 1e6, 0 for an automatic "
                            "choice, or the paper's",
                            l, o.ridge[l]);
        if (o.positions[l] > RHM_MAX_POSITIONS)
            return rhm_fail(error, RHM_INVALID, "%u positions at level %u: allowed are at most %d", o.positions[l], l,
                            RHM_MAX_POSITIONS);
        if (o.samples[l] > UINT64_C(1) << 53)
            return rhm_fail(error, RHM_INVALID, "%llu samples at level %u: allowed are at most 2^53",
                            (unsigned long long)o.samples[l], l);
    }
    *out = o;
    return RHM_OK;
}
