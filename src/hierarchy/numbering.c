#include "hierarchy/numbering.h"

#include <inttypes.h>

#include "core/fail.h"
#include "rhm/grammar.h"

static bool has(uint64_t seen, uint32_t number) {
    return seen >> number & 1;
}

static uint32_t lowest(uint64_t seen) {
    uint32_t number = 0;
    while (!has(seen, number))
        number++;
    return number;
}

static uint32_t highest(uint64_t seen) {
    uint32_t number = RHM_H5_NUMBERS - 1;
    while (!has(seen, number))
        number--;
    return number;
}

static rhm_status check_rules(uint64_t seen, const rhm_h5 *file, const char *group, rhm_error *error) {
    if (!seen)
        return rhm_h5_refuse(file, group, error, "has no rules_1");
    const uint32_t first = lowest(seen), last = highest(seen);
    if (first > 1)
        return rhm_h5_refuse(file, group, error, "has no rules_1, but rules_%" PRIu32, first);
    for (uint32_t number = first; number < last; number++)
        if (!has(seen, number))
            return rhm_h5_refuse(file, group, error,
                                 "has no rules_%" PRIu32 ", but rules_%" PRIu32 " to rules_%" PRIu32
                                 " around it: no level may be missing",
                                 number, first, last);
    if (last - first >= RHM_MAX_LEVELS)
        return rhm_h5_refuse(file, group, error, "has rules_%" PRIu32 " to rules_%" PRIu32 ": at most %d levels", first,
                             last, RHM_MAX_LEVELS);
    return RHM_OK;
}

/* What the attribute says must be what is there. */
static rhm_status check_count(const rhm_numbering *found, const rhm_h5 *file, const char *group, rhm_error *error) {
    uint64_t stated;
    if (!rhm_h5_has_attribute(file, group, "levels"))
        return RHM_OK;
    RHM_TRY(rhm_h5_read_integer_attribute(file, group, "levels", 1, 1, RHM_MAX_LEVELS, &stated, error));
    const uint32_t last = found->first + found->levels - 1;
    if (stated > found->levels)
        return rhm_h5_refuse(file, group, error,
                             "says that there are %" PRIu64 " levels: there is no %s/rules_%" PRIu32, stated, group,
                             last + 1);
    if (stated < found->levels)
        return rhm_h5_refuse(file, group, error,
                             "says that there are %" PRIu64 " levels: rules_%" PRIu32 " to rules_%" PRIu32
                             " are %" PRIu32 ", so that one is superfluous",
                             stated, found->first, last, found->levels);
    return RHM_OK;
}

static rhm_status check_probabilities(const rhm_numbering *found, uint64_t rules, const rhm_h5 *file, const char *group,
                                      rhm_error *error) {
    uint64_t seen;
    RHM_TRY(rhm_h5_numbers(file, group, "probability", &seen, error));
    if (seen & ~rules)
        return rhm_h5_refuse(file, group, error,
                             "has a superfluous probability_%" PRIu32 ": there is no rules_%" PRIu32,
                             lowest(seen & ~rules), lowest(seen & ~rules));
    for (uint32_t number = found->first; seen && number < found->first + found->levels; number++)
        if (!has(seen, number))
            rhm_h5_note(file,
                        "there is no probability_%" PRIu32 ": the rules of rules_%" PRIu32 " count as equally probable",
                        number, number);
    return RHM_OK;
}

rhm_status rhm_numbering_read(rhm_numbering *out, const rhm_h5 *file, const char *group, rhm_error *error) {
    uint64_t rules;
    RHM_TRY(rhm_h5_numbers(file, group, "rules", &rules, error));
    RHM_TRY(check_rules(rules, file, group, error));
    *out = (rhm_numbering){.first = lowest(rules), .levels = highest(rules) - lowest(rules) + 1};
    RHM_TRY(check_count(out, file, group, error));
    RHM_TRY(check_probabilities(out, rules, file, group, error));
    if (out->first == 0)
        rhm_h5_note(file,
                    "its levels are numbered from 0: rules_0 is taken for level 1, which rewrites the labels, and "
                    "rules_%" PRIu32 " for level %" PRIu32,
                    out->levels - 1, out->levels);
    return RHM_OK;
}
