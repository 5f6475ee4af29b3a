/* Options of training from text, by the table of options. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"
#include "training/options.h"

enum { TEXT_NBYTES = 64 };

static const double EXACT = 0x1p53; /* whole numbers are exact in floating point up to here */

rhm_status rhm_train_options_create(rhm_train_options **out, rhm_error *error) {
    *out = RHM_NEW(rhm_train_options, 1, 1, 1, "options of training", error);
    return *out ? RHM_OK : RHM_NO_MEMORY;
}

void rhm_train_options_destroy(rhm_train_options *options) {
    rhm_free(options);
}

void rhm_train_options_listen(rhm_train_options *options, void (*note)(void *user, const char *sentence), void *user) {
    options->checkpoint.note = note;
    options->checkpoint.user = user;
}

static bool parse_real(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && !isspace((unsigned char)*text) && *out - *out == 0;
}

/* Digits, or a real number that is whole, such as 1e6. */
static bool parse_whole(const char *text, uint64_t most, uint64_t *out) {
    double real;
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        errno = 0;
        *out = strtoull(text, NULL, 10);
        return errno == 0 && *out <= most;
    }
    if (!parse_real(text, &real) || real < 0 || real > EXACT || real > (double)most || real != (double)(uint64_t)real)
        return false;
    *out = (uint64_t)real;
    return true;
}

static bool parse_word(const rhm_train_option *option, const char *text, unsigned *out) {
    const char *word;
    for (*out = 0; (*out < 2 || option->kind == RHM_TRAIN_CHOICE) && (word = option->word(*out)); ++*out)
        if (!strcmp(word, text))
            return true;
    return false;
}

static bool parse_number(const rhm_train_option *option, const char *text, void *at) {
    uint64_t whole = 0;
    double real = 0;
    const bool zero = option->zero && !strcmp(text, option->zero);
    if (option->minus_one && !strcmp(text, option->minus_one))
        real = -1;
    else if (option->kind == RHM_TRAIN_REAL
                 ? !zero && !parse_real(text, &real)
                 : !zero && !parse_whole(text, option->kind == RHM_TRAIN_U32 ? UINT32_MAX : UINT64_MAX, &whole))
        return false;
    if (option->kind == RHM_TRAIN_REAL)
        *(double *)at = real;
    else if (option->kind == RHM_TRAIN_U32)
        *(uint32_t *)at = (uint32_t)whole;
    else
        *(uint64_t *)at = whole;
    return true;
}

static rhm_status put(const rhm_train_option *option, const char *text, void *at, rhm_error *error) {
    unsigned word;
    bool good = true;
    switch (option->kind) {
    case RHM_TRAIN_TEXT: *(const char **)at = text; break;
    case RHM_TRAIN_BOOL:
        good = parse_word(option, text, &word);
        if (good)
            *(bool *)at = word != 0;
        break;
    case RHM_TRAIN_CHOICE:
        good = parse_word(option, text, &word);
        if (good)
            *(unsigned *)at = word;
        break;
    case RHM_TRAIN_U32:
    case RHM_TRAIN_U64:
    case RHM_TRAIN_REAL: good = parse_number(option, text, at); break;
    }
    if (good)
        return RHM_OK;
    char allowed[RHM_ERROR_TEXT_NBYTES / 2] = "a number";
    size_t used = 0;
    for (unsigned i = 0; option->word && (i < 2 || option->kind == RHM_TRAIN_CHOICE) && option->word(i); i++)
        if (used < sizeof allowed)
            used +=
                (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", i ? ", " : "one of ", option->word(i));
    return rhm_fail(error, RHM_INVALID, "%s cannot be \"%.64s\": allowed is %s%s%s", option->name, text, allowed,
                    option->zero && !option->word ? " or " : "", option->zero && !option->word ? option->zero : "");
}

static rhm_status put_levels(const rhm_train_option *option, rhm_train_options *options, const char *text,
                             uint32_t levels, rhm_error *error) {
    char *at = (char *)options + option->place;
    const size_t each = rhm_train_option_nbytes(option) / (RHM_MAX_LEVELS + 1);
    uint32_t values = 1;
    for (const char *c = text; *c; c++)
        values += *c == ',';
    if (levels < 1 || levels > RHM_MAX_LEVELS || (values > 1 && values != levels))
        return rhm_fail(error, RHM_INVALID,
                        "%s \"%.64s\" has %u values: with %u levels allowed are one, or %u for levels %u to 1",
                        option->name, text, values, levels, levels, levels);
    const char *next = text;
    for (uint32_t level = levels; level >= 1; level--) {
        char value[TEXT_NBYTES];
        const size_t length = strcspn(next, ",");
        if (length >= sizeof value)
            return rhm_fail(error, RHM_INVALID, "%s has a value of %zu characters: no number is so long", option->name,
                            length);
        memcpy(value, next, length);
        value[length] = '\0';
        RHM_TRY(put(option, value, at + each * level, error));
        next += values > 1 ? length + 1 : 0;
    }
    return RHM_OK;
}

rhm_status rhm_train_options_set(rhm_train_options *options, const char *name, const char *text, uint32_t levels,
                                 rhm_error *error) {
    if (!strcmp(name, "checkpoint")) {
        options->checkpoint.directory = text;
        return RHM_OK;
    }
    if (!strcmp(name, "resume")) {
        options->checkpoint.resume = !strcmp(text, "on");
        return options->checkpoint.resume || !strcmp(text, "off")
                   ? RHM_OK
                   : rhm_fail(error, RHM_INVALID, "resume cannot be \"%.64s\": allowed is on or off", text);
    }
    for (size_t i = 0; i < rhm_train_option_count; i++) {
        const rhm_train_option *option = &rhm_train_option_table[i];
        if (strcmp(option->name, name) != 0)
            continue;
        return option->by_level ? put_levels(option, options, text, levels, error)
                                : put(option, text, (char *)options + option->place, error);
    }
    return rhm_fail(error, RHM_INVALID, "there is no option %.64s of training", name);
}
