#include "training/options.h"

#include <float.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"

enum { NUMBER_NBYTES = 32, ALLOWED_NBYTES = 128 };

/* Largest numbers of samples that make sense; what is affordable is decided later, with reasons. */
static const double MOST_SAMPLES = 1e15, MOST_TEST_SAMPLES = 1e12, MOST_MOMENTUM = 0.9999;
enum { MOST_BATCH = 1 << 20, MOST_EPOCHS = 1000000, MOST_SEQUENCES = 1 << 30 };

static const char *solver_word(unsigned solver) {
    return solver < RHM_SOLVERS ? rhm_solver_name((rhm_solver)solver) : NULL;
}

static const char *distinct_word(unsigned raw) {
    return raw ? "off" : "on";
}

#define PROTOCOLS "the protocol's"

static const char *among(const char *const *words, size_t count, unsigned i) {
    return i < count ? words[i] : NULL;
}

#define WORDS(name, ...)                                                                                               \
    static const char *name(unsigned i) {                                                                              \
        static const char *const words[] = {__VA_ARGS__};                                                              \
        return among(words, sizeof words / sizeof *words, i);                                                          \
    }

WORDS(draw_word, "auto", "samples", "counts")
WORDS(between_word, "embeddings", "ids")
WORDS(slices_word, "auto", "disjoint", "shared")
WORDS(bias_word, "protocol", "none", "per-position")
WORDS(scale_word, "protocol", "channels", "inputs")
WORDS(whitening_word, "protocol", "none", "shifted", "standardized")
WORDS(rate_word, "protocol", "constant", "cosine")
WORDS(sampling_word, "protocol", "without-replacement", "with-replacement", "fresh")
WORDS(schedule_word, "end-to-end", "layerwise")
WORDS(arithmetic_word, "float32", "bfloat16")

#define AT(member) offsetof(rhm_train_options, member)
#define CHOICE(called, member, words)                                                                                  \
    { called, RHM_TRAIN_CHOICE, .place = AT(member), .word = words }

/* clang-format off */
const rhm_train_option rhm_train_option_table[] = {
    {"learner", RHM_TRAIN_TEXT, .place = AT(learner), .zero = "layerwise", .every_learner = true},
    {"data-seed", RHM_TRAIN_U64, .place = AT(seed), .greatest = 0x1p64, .every_learner = true},
    {"samples", RHM_TRAIN_U64, true, AT(samples), 1, MOST_SAMPLES, .zero = "auto"},
    {"positions", RHM_TRAIN_U32, true, AT(positions), 1, RHM_MAX_POSITIONS, .zero = "auto"},
    {"width", RHM_TRAIN_U32, false, AT(width), 1, RHM_MAX_WIDTH, .zero = "auto"},
    {"max-samples", RHM_TRAIN_U64, false, AT(max_samples), 1, MOST_SAMPLES, .otherwise = MOST_SAMPLES},
    {"max-width", RHM_TRAIN_U32, false, AT(max_width), 1, RHM_MAX_WIDTH, .otherwise = 4096},
    {"bandwidth", RHM_TRAIN_REAL, true, AT(bandwidth), DBL_MIN, 1e6, .zero = "auto"},
    {"ridge", RHM_TRAIN_REAL, true, AT(ridge), DBL_MIN, 1e6, .zero = "auto", .minus_one = "paper"},
    CHOICE("solver", solver, solver_word),
    CHOICE("draw", draw, draw_word),
    CHOICE("between", between, between_word),
    CHOICE("slices", slices, slices_word),
    {"distinct", RHM_TRAIN_BOOL, .place = AT(raw), .word = distinct_word},
    {"tolerance", RHM_TRAIN_REAL, false, AT(tolerance), DBL_MIN, 0.9, .otherwise = 1e-4},
    {"max-seconds", RHM_TRAIN_REAL, false, AT(max_seconds), DBL_MIN, DBL_MAX, .zero = "no limit"},
    {"protocol", RHM_TRAIN_TEXT, .place = AT(protocol), .zero = "the learner's own"},
    {"learning-rate", RHM_TRAIN_REAL, false, AT(learning_rate), DBL_MIN, 1e12, .zero = PROTOCOLS},
    {"widths", RHM_TRAIN_U32, true, AT(cnn.width), 1, RHM_MAX_WIDTH, .zero = "that of all levels"},
    CHOICE("bias", cnn.bias, bias_word),
    CHOICE("weight-scale", cnn.weight_scale, scale_word),
    CHOICE("whitening", cnn.whitening, whitening_word),
    CHOICE("rate-schedule", cnn.rate_schedule, rate_word),
    CHOICE("sampling", cnn.sampling, sampling_word),
    CHOICE("schedule", cnn.schedule, schedule_word),
    CHOICE("arithmetic", cnn.arithmetic, arithmetic_word),
    {"bias-scale", RHM_TRAIN_REAL, false, AT(cnn.bias_scale), DBL_MIN, 1e6, .zero = PROTOCOLS},
    {"momentum", RHM_TRAIN_REAL, false, AT(cnn.momentum), DBL_MIN, MOST_MOMENTUM, .zero = PROTOCOLS, .minus_one = "none"},
    {"rate-period", RHM_TRAIN_REAL, false, AT(cnn.rate_period), DBL_MIN, 1e6, .zero = PROTOCOLS},
    {"loss-threshold", RHM_TRAIN_REAL, false, AT(cnn.loss_threshold), DBL_MIN, 1e6, .zero = PROTOCOLS, .minus_one = "none"},
    {"regulariser", RHM_TRAIN_REAL, false, AT(cnn.regulariser), DBL_MIN, 1e6, .zero = PROTOCOLS, .minus_one = "none"},
    {"batch", RHM_TRAIN_U64, false, AT(cnn.batch), 1, MOST_BATCH, .zero = PROTOCOLS},
    {"epochs", RHM_TRAIN_U64, false, AT(cnn.epochs), 1, MOST_EPOCHS, .zero = PROTOCOLS},
    {"sequences", RHM_TRAIN_U64, false, AT(cnn.sequences), 1, MOST_SEQUENCES, .zero = "auto"},
    {"test-samples", RHM_TRAIN_U64, false, AT(test_samples), 1, MOST_TEST_SAMPLES, .otherwise = 10000,
     .every_learner = true},
    {"checkpoint-seconds", RHM_TRAIN_REAL, false, AT(checkpoint.seconds), DBL_MIN, 1e9, .zero = "one a minute",
     .every_learner = true, .without_effect = true},
};
/* clang-format on */

enum { OPTIONS = sizeof rhm_train_option_table / sizeof *rhm_train_option_table };
const size_t rhm_train_option_count = OPTIONS;

size_t rhm_train_option_nbytes(const rhm_train_option *option) {
    static const size_t of_kind[] = {
        [RHM_TRAIN_U32] = sizeof(uint32_t), [RHM_TRAIN_U64] = sizeof(uint64_t),      [RHM_TRAIN_REAL] = sizeof(double),
        [RHM_TRAIN_BOOL] = sizeof(bool),    [RHM_TRAIN_CHOICE] = sizeof(rhm_solver), [RHM_TRAIN_TEXT] = sizeof(char *),
    };
    return of_kind[option->kind] * (option->by_level ? RHM_MAX_LEVELS + 1 : 1);
}

_Static_assert(sizeof(rhm_draw) == sizeof(rhm_solver) && sizeof(rhm_between) == sizeof(rhm_solver) &&
                   sizeof(rhm_slices) == sizeof(rhm_solver),
               "choices are of one size");

/* A member read as its kind; of the others 0. */
typedef struct value {
    uint64_t whole;
    double real; /* of any number */
    const char *text;
} value;

static value value_of(const rhm_train_option *option, const rhm_train_options *options, uint32_t level) {
    const char *at = (const char *)options + option->place;
    if (option->by_level)
        at += rhm_train_option_nbytes(option) / (RHM_MAX_LEVELS + 1) * level;
    value v = {0};
    switch (option->kind) {
    case RHM_TRAIN_U32: v.whole = *(const uint32_t *)(const void *)at; break;
    case RHM_TRAIN_U64: v.whole = *(const uint64_t *)(const void *)at; break;
    case RHM_TRAIN_BOOL: v.whole = *(const bool *)(const void *)at; break;
    case RHM_TRAIN_CHOICE: v.whole = *(const unsigned *)(const void *)at; break;
    case RHM_TRAIN_REAL: v.real = *(const double *)(const void *)at; return v;
    case RHM_TRAIN_TEXT: v.text = *(const char *const *)(const void *)at; return v;
    }
    v.real = (double)v.whole;
    return v;
}

void rhm_train_option_text(const rhm_train_option *option, const rhm_train_options *options, uint32_t level, char *text,
                           size_t text_nbytes) {
    const value v = value_of(option, options, level);
    const char *word = option->word ? option->word((unsigned)v.whole) : NULL;
    if (word || v.text)
        snprintf(text, text_nbytes, "%s", word ? word : v.text);
    else if (v.real == 0 && option->zero)
        snprintf(text, text_nbytes, "%s", option->zero);
    else if (v.real == -1 && option->minus_one)
        snprintf(text, text_nbytes, "%s", option->minus_one);
    else if (option->kind == RHM_TRAIN_REAL)
        snprintf(text, text_nbytes, "%.17g", v.real);
    else
        snprintf(text, text_nbytes, "%" PRIu64, v.whole);
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

bool rhm_train_option_bounds(const char *option, double *least, double *greatest) {
    for (size_t i = 0; i < OPTIONS; i++) {
        const rhm_train_option *o = &rhm_train_option_table[i];
        if (o->greatest > 0 && !strcmp(o->name, option)) {
            *least = o->least;
            *greatest = o->greatest;
            return true;
        }
    }
    return false;
}

static const char *allowed(const rhm_train_option *option, char text[ALLOWED_NBYTES]) {
    const bool any = option->least == DBL_MIN;
    char zero[NUMBER_NBYTES];
    snprintf(zero, sizeof zero, "%.10g", option->otherwise);
    int used = snprintf(text, ALLOWED_NBYTES, any ? "positive numbers" : "%.10g", option->least);
    if (option->greatest < DBL_MAX)
        used +=
            snprintf(text + used, ALLOWED_NBYTES - (size_t)used, any ? " up to %.10g" : " to %.10g", option->greatest);
    used += snprintf(text + used, ALLOWED_NBYTES - (size_t)used, ", or 0 for %s", option->zero ? option->zero : zero);
    if (option->minus_one)
        snprintf(text + used, ALLOWED_NBYTES - (size_t)used, ", or -1 for %s", option->minus_one);
    return text;
}

static rhm_status check(const rhm_train_option *option, const rhm_train_options *options, uint32_t level,
                        rhm_error *error) {
    const value v = value_of(option, options, level);
    if (option->kind == RHM_TRAIN_CHOICE && !option->word((unsigned)v.whole))
        return rhm_fail(error, RHM_INVALID, "%s %" PRIu64 " is unknown", option->name, v.whole);
    if (!(option->greatest > 0) || v.real == 0 || (v.real >= option->least && v.real <= option->greatest) ||
        (v.real == -1 && option->minus_one))
        return RHM_OK;
    char text[ALLOWED_NBYTES], number[NUMBER_NBYTES], where[NUMBER_NBYTES] = "";
    snprintf(number, sizeof number, option->kind == RHM_TRAIN_REAL ? "%g" : "%.15g", v.real);
    if (option->by_level)
        snprintf(where, sizeof where, " of level %u", level);
    return rhm_fail(error, RHM_INVALID, "%s%s is %s: allowed are %s", option->name, where, number,
                    allowed(option, text));
}

static void put_default(const rhm_train_option *option, rhm_train_options *options) {
    void *at = (char *)options + option->place;
    if (option->otherwise == 0 || value_of(option, options, 0).real != 0)
        return;
    if (option->kind == RHM_TRAIN_REAL)
        *(double *)at = option->otherwise;
    else if (option->kind == RHM_TRAIN_U64)
        *(uint64_t *)at = (uint64_t)option->otherwise;
    else
        *(uint32_t *)at = (uint32_t)option->otherwise;
}

rhm_status rhm_train_options_resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels,
                                     rhm_error *error) {
    rhm_train_options o = options ? *options : (rhm_train_options){0};
    for (size_t i = 0; i < OPTIONS; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        put_default(option, &o);
        for (uint32_t l = 1; l <= (option->by_level ? levels : 1); l++)
            RHM_TRY(check(option, &o, l, error));
    }
    if (o.raw && o.draw == RHM_DRAW_COUNTS)
        return rhm_fail(error, RHM_INVALID, "counts drawn directly have no raw samples: draw samples instead");
    *out = o;
    return RHM_OK;
}

bool rhm_learner_takes(const rhm_learner_info *learner, const char *option) {
    for (const char *const *name = learner->options; *name; name++)
        if (!strcmp(*name, option))
            return true;
    return false;
}

rhm_status rhm_train_options_check(const rhm_train_options *options, const rhm_learner_info *learner, uint32_t levels,
                                   rhm_error *error) {
    static const rhm_train_options none;
    rhm_train_options defaults;
    RHM_TRY(rhm_train_options_resolve(&defaults, NULL, levels, error));
    for (size_t i = 0; options && i < OPTIONS; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        const size_t place = option->place, nbytes = rhm_train_option_nbytes(option);
        const char *given = (const char *)options + place;
        if (!option->every_learner && !rhm_learner_takes(learner, option->name) &&
            memcmp(given, (const char *)&none + place, nbytes) != 0 &&
            memcmp(given, (const char *)&defaults + place, nbytes) != 0)
            return rhm_fail(error, RHM_INVALID, "%s has no effect on the learner %s: leave it out", option->name,
                            learner->name);
    }
    if (options && !options->checkpoint.directory && (options->checkpoint.resume || options->checkpoint.seconds > 0))
        return rhm_fail(error, RHM_INVALID, "%s has no effect without a directory for checkpoints: name one",
                        options->checkpoint.resume ? "resume" : "checkpoint-seconds");
    if (options && options->checkpoint.directory && !rhm_learner_takes(learner, "checkpoint"))
        return rhm_fail(error, RHM_INVALID, "checkpoint has no effect on the learner %s: leave it out", learner->name);
    return RHM_OK;
}
