/* Gradient descent: its numbers, and a row an epoch as arrays. */
#include <string.h>

#include "core/fields.h"
#include "reports/parts.h"
#include "training/options.h"

/* Every number of the protocol, under the names of the options. */
static json_t *numbers(const rhm_descent_report *d) {
    const rhm_train_options used = {.cnn = d->used, .learning_rate = d->learning_rate};
    const size_t begin = offsetof(rhm_train_options, cnn), end = begin + sizeof used.cnn;
    json_t *list = json_object();
    for (size_t i = 0; i < rhm_train_option_count; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        const char *at = (const char *)&used + option->place;
        char text[64];
        if (option->place < begin || option->place >= end || option->by_level)
            continue;
        rhm_train_option_text(option, &used, 1, text, sizeof text);
        const bool none = option->place == offsetof(rhm_train_options, cnn.sampling) && !d->used.sampling;
        json_t *value = none                                    ? json_null()
                        : option->kind == RHM_TRAIN_CHOICE      ? json_string(text)
                        : option->kind != RHM_TRAIN_REAL        ? rhm_json_unsigned(*(const uint64_t *)(const void *)at)
                        : *(const double *)(const void *)at < 0 ? json_integer(0)
                                                                : rhm_json_number(*(const double *)(const void *)at);
        rhm_json_set(&list, option->name, value);
    }
    return list;
}

static json_t *widths(const rhm_descent_report *d, uint32_t levels) {
    json_t *list = json_array();
    for (uint32_t l = levels; l >= 1; l--)
        rhm_json_append(&list, json_integer(d->used.width[l]));
    return list;
}

/* A column of the epochs: a whole number or a real one of each. */
static json_t *column(const rhm_descent_report *d, size_t place, bool whole) {
    json_t *list = json_array();
    for (size_t e = 0; d->epoch && e < d->epochs; e++) {
        const char *at = (const char *)&d->epoch[e] + place;
        rhm_json_append(&list, whole ? json_integer(*(const uint32_t *)(const void *)at)
                                     : rhm_json_number(*(const double *)(const void *)at));
    }
    return list;
}

/* Keys stand one to a line. */
/* clang-format off */

static json_t *curve(const rhm_descent_report *d) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o}",
                     "level", d->used.schedule == RHM_BY_LEVEL ? column(d, offsetof(rhm_epoch_report, level), true) : json_null(),
                     "rate", column(d, offsetof(rhm_epoch_report, rate), false),
                     "loss", column(d, offsetof(rhm_epoch_report, loss), false),
                     "accuracy", column(d, offsetof(rhm_epoch_report, accuracy), false),
                     "seconds", column(d, offsetof(rhm_epoch_report, seconds), false));
}

json_t *rhm_report_part_descent(const rhm_train_report *report) {
    const rhm_descent_report *d = &report->descent;
    if (!d->protocol)
        return json_null();
    const rhm_epoch_report *last = d->epochs ? &d->epoch[d->epochs - 1] : NULL;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}",
                     "protocol", d->protocol,
                     "backend", d->backend ? d->backend : "native",
                     "epochs", rhm_json_unsigned(d->epochs),
                     "steps", rhm_json_unsigned(d->steps),
                     "seconds", rhm_json_number(d->seconds),
                     "samples_per_second", rhm_json_number((double)d->visits / d->seconds),
                     "loss", last ? rhm_json_number(last->loss) : json_null(),
                     "accuracy", last ? rhm_json_number(last->accuracy) : json_null(),
                     "reached_threshold", (int)d->reached,
                     "parameters", rhm_json_unsigned(d->parameters),
                     "width", widths(d, report->levels),
                     "learning_rate", rhm_json_number(d->learning_rate),
                     "options", numbers(d),
                     "curve", curve(d));
}

/* clang-format on */
