#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/settings.h"
#include "core/fail.h"

/* Values longer than this are cut in messages, which must stay on one line. */
enum { SHOWN = 80, ALLOWED_NBYTES = 320, NUMBER_NBYTES = 64 };

/* The readers return NULL, or why the text is refused. */

static const char *only(const char *text, const char *characters) {
    return *text && strspn(text, characters) == strlen(text) ? NULL : "not a number";
}

static const char *read_count(const char *text, uint64_t *value) {
    if (only(text, "0123456789.eE+") || !isdigit((unsigned char)*text))
        return "not a whole number";
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (!*end)
        return errno ? "too large" : NULL;
    /* Powers of ten such as 1e6: a double holds every whole number up to 2^53. */
    const double x = strtod(text, &end);
    if (*end || x != floor(x))
        return "not a whole number";
    if (x > 0x1p53)
        return "too large";
    *value = (uint64_t)x;
    return NULL;
}

static const char *read_nbytes(const char *text, uint64_t *value) {
    static const char suffixes[] = "kMGT";
    char number[NUMBER_NBYTES] = "";
    double unit = 1;
    const size_t length = strlen(text);
    const char *suffix = length ? strchr(suffixes, text[length - 1] == 'K' ? 'k' : text[length - 1]) : NULL;
    if (length >= sizeof number)
        return "too long";
    memcpy(number, text, length - (suffix != NULL));
    for (const char *s = suffixes; suffix && s <= suffix; s++)
        unit *= 1024;
    if (only(number, "0123456789.eE+"))
        return "not a size";
    char *end;
    const double x = strtod(number, &end) * unit;
    if (*end)
        return "not a size";
    if (x >= 0x1p63)
        return "too large";
    *value = (uint64_t)x;
    return NULL;
}

static const char *read_real(const char *text, double *value) {
    char *end;
    if (only(text, "0123456789.eE+-"))
        return "not a number";
    *value = strtod(text, &end);
    if (*end)
        return "not a number";
    return isfinite(*value) ? NULL : "too large";
}

rhm_option_bounds rhm_option_bounds_of(const rhm_option *option) {
    rhm_option_bounds bounds = {option->least, option->greatest};
    if (option->of_training)
        rhm_train_option_bounds(option->name, &bounds.least, &bounds.greatest);
    return bounds;
}

static const char *check_range(const rhm_option *option, double value) {
    const rhm_option_bounds allowed = rhm_option_bounds_of(option);
    if (value < allowed.least)
        return "too small";
    return value > allowed.greatest ? "too large" : NULL;
}

/* Whole numbers are compared as such: beyond 2^53 doubles lie apart. */
static uint64_t whole_bound(double bound) {
    return bound >= 0x1p63 ? INT64_MAX : (uint64_t)bound;
}

static const char *check_whole(const rhm_option *option, uint64_t value) {
    const rhm_option_bounds allowed = rhm_option_bounds_of(option);
    if (value < whole_bound(allowed.least))
        return "too small";
    return value > whole_bound(allowed.greatest) ? "too large" : NULL;
}

rhm_word rhm_option_word(const rhm_option *option, int i) {
    if (option->name_of)
        return (rhm_word){option->name_of(i), i};
    return option->words ? option->words[i] : (rhm_word){NULL, 0};
}

static bool find_word(const rhm_option *option, const char *text, double *value) {
    rhm_word word;
    for (int i = 0; (word = rhm_option_word(option, i)).text; i++)
        if (!strcmp(word.text, text)) {
            *value = word.value;
            return true;
        }
    return false;
}

static const char *read_list(const rhm_option *option, const char *text, rhm_list *list) {
    *list = (rhm_list){0};
    for (const char *entry = text;; entry++) {
        const size_t length = strcspn(entry, ",");
        char one[NUMBER_NBYTES] = "";
        if (list->count == RHM_MAX_LEVELS + 1)
            return "more entries than there can be levels";
        if (length == 0)
            return "an empty entry";
        if (length >= sizeof one)
            return "not a number";
        memcpy(one, entry, length);
        double value = 0;
        if (!find_word(option, one, &value)) {
            uint64_t whole = 0;
            const char *reason = option->kind == RHM_OPTION_COUNTS ? read_count(one, &whole) : read_real(one, &value);
            if (reason)
                return reason;
            if (option->kind == RHM_OPTION_COUNTS)
                value = (double)whole;
            if ((reason = check_range(option, value)))
                return reason;
        }
        list->value[list->count++] = value;
        entry += length;
        if (!*entry)
            return NULL;
    }
}

/* Parse `text` into the option's member. */
static const char *store(const rhm_option *option, const char *text, rhm_settings *settings) {
    void *member = (char *)settings + option->place;
    const char *reason = NULL;
    double word;
    switch (option->kind) {
    case RHM_OPTION_FLAG: *(bool *)member = true; return NULL;
    case RHM_OPTION_TEXT: *(const char **)member = text; return *text ? NULL : "empty";
    case RHM_OPTION_REAL:
        if (find_word(option, text, member))
            return NULL;
        reason = read_real(text, member);
        return reason ? reason : check_range(option, *(double *)member);
    case RHM_OPTION_COUNT:
        if (find_word(option, text, &word)) {
            *(uint64_t *)member = (uint64_t)word;
            return NULL;
        }
        reason = read_count(text, member);
        return reason ? reason : check_whole(option, *(uint64_t *)member);
    case RHM_OPTION_NBYTES:
        reason = read_nbytes(text, member);
        return reason ? reason : check_whole(option, *(uint64_t *)member);
    case RHM_OPTION_CHOICE:
        if (!find_word(option, text, &word))
            return "unknown";
        *(int *)member = (int)word;
        return NULL;
    case RHM_OPTION_COUNTS:
    case RHM_OPTION_REALS: return read_list(option, text, member);
    }
    return "unknown kind";
}

/* A bound as it may be given: in short where that is exact. */
static const char *describe_bound(double bound, char text[NUMBER_NBYTES]) {
    snprintf(text, NUMBER_NBYTES, "%.10g", bound);
    if (strtod(text, NULL) != bound)
        snprintf(text, NUMBER_NBYTES, "%.17g", bound);
    if (bound >= 0x1p53 && bound <= 0x1p63)
        snprintf(text, NUMBER_NBYTES, "%" PRIu64, whole_bound(bound));
    return text;
}

static void describe_range(const rhm_option *option, const char *noun, char *text, size_t text_nbytes) {
    char least[NUMBER_NBYTES], greatest[NUMBER_NBYTES];
    const rhm_option_bounds allowed = rhm_option_bounds_of(option);
    describe_bound(allowed.least, least);
    describe_bound(allowed.greatest, greatest);
    if (allowed.least == DBL_MIN && allowed.greatest == DBL_MAX)
        snprintf(text, text_nbytes, "%s greater than 0", noun);
    else if (allowed.least == DBL_MIN)
        snprintf(text, text_nbytes, "%s greater than 0, up to %s", noun, greatest);
    else
        snprintf(text, text_nbytes, "%s from %s to %s", noun, least, greatest);
}

void rhm_option_allowed(const rhm_option *option, char *text, size_t text_nbytes) {
    char words[ALLOWED_NBYTES / 2] = "", range[ALLOWED_NBYTES / 2];
    rhm_word word;
    for (int i = 0; (word = rhm_option_word(option, i)).text; i++) {
        const size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, "%s%s", used ? ", " : "", word.text);
    }
    switch (option->kind) {
    case RHM_OPTION_FLAG: snprintf(text, text_nbytes, "no value"); return;
    case RHM_OPTION_TEXT: snprintf(text, text_nbytes, "any text that is not empty"); return;
    case RHM_OPTION_CHOICE: snprintf(text, text_nbytes, "one of %s", words); return;
    case RHM_OPTION_COUNT:
    case RHM_OPTION_REAL:
        describe_range(option, option->kind == RHM_OPTION_COUNT ? "a whole number" : "a number", range, sizeof range);
        snprintf(text, text_nbytes, "%s%s%s", words, *words ? " or " : "", range);
        return;
    case RHM_OPTION_NBYTES:
        describe_range(option, "a number of bytes", range, sizeof range);
        snprintf(text, text_nbytes, "%s, with k, M, G or T for powers of 1024", range);
        return;
    case RHM_OPTION_COUNTS:
    case RHM_OPTION_REALS:
        describe_range(option, option->kind == RHM_OPTION_COUNTS ? "a whole number" : "a number", range, sizeof range);
        snprintf(text, text_nbytes, "%s%s%s, or a comma-separated list of them", words, *words ? " or " : "", range);
        return;
    }
}

/* The option that `text` (length bytes, without dashes) names; a single letter after one dash is a short form. */
static const rhm_option *find_option(const rhm_command *command, const char *text, size_t length, bool short_form) {
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            if (short_form ? length == 1 && option->letter == *text
                           : strlen(option->name) == length && !memcmp(option->name, text, length))
                return option;
    return NULL;
}

static const char *dashes(const rhm_option *option, char buffer[NUMBER_NBYTES]) {
    if (option->letter)
        snprintf(buffer, NUMBER_NBYTES, "-%c", option->letter);
    else
        snprintf(buffer, NUMBER_NBYTES, "--%s", option->name);
    return buffer;
}

static rhm_status give(rhm_settings *settings, const rhm_option *option, const char *text, rhm_error *error) {
    char name[NUMBER_NBYTES], allowed[ALLOWED_NBYTES];
    const char *before = rhm_option_given(settings, option->name);
    if (before)
        return strcmp(before, text)
                   ? rhm_fail(error, RHM_INVALID, "%s is given twice, as %.*s and as %.*s: give it once",
                              dashes(option, name), SHOWN, before, SHOWN, text)
                   : RHM_OK;
    const char *reason = store(option, text, settings);
    if (reason) {
        rhm_option_allowed(option, allowed, sizeof allowed);
        return rhm_fail(error, RHM_INVALID, "%s '%.*s' is refused (%s): allowed is %s", dashes(option, name), SHOWN,
                        text, reason, allowed);
    }
    settings->given[settings->given_count].option = option;
    settings->given[settings->given_count++].text = text;
    return RHM_OK;
}

static void set_defaults(rhm_settings *settings, const rhm_command *command) {
    for (size_t g = 0; g < RHM_MOST_GROUPS && command->groups[g]; g++)
        for (const rhm_option *option = command->groups[g]->options; option->name; option++)
            if (option->fallback)
                (void)store(option, option->fallback, settings); /* the tables' own text is well-formed */
}

/* Handle the option at arguments[*i], advancing *i over a separate value. */
static rhm_status parse_option(rhm_settings *settings, int *i, rhm_error *error) {
    const char *argument = settings->arguments[*i];
    const bool short_form = argument[1] != '-';
    const char *name = argument + (short_form ? 1 : 2);
    const size_t length = short_form ? strlen(name) : strcspn(name, "=");
    const rhm_option *option = find_option(settings->command, name, length, short_form);
    if (!option)
        return rhm_fail(error, RHM_INVALID, "unknown option %.*s: the options are listed by rhm %s --help", SHOWN,
                        argument, settings->command->name);
    const char *attached = !short_form && name[length] == '=' ? name + length + 1 : NULL;
    if (option->kind == RHM_OPTION_FLAG) {
        if (attached)
            return rhm_fail(error, RHM_INVALID, "--%s takes no value, but got '%.*s'", option->name, SHOWN, attached);
        return give(settings, option, "", error);
    }
    if (!attached) {
        const bool last = *i + 1 == settings->argument_count;
        if (last || !strncmp(settings->arguments[*i + 1], "--", 2)) {
            char allowed[ALLOWED_NBYTES];
            rhm_option_allowed(option, allowed, sizeof allowed);
            return rhm_fail(error, RHM_INVALID, "%.*s needs a value, %s: allowed is %s", SHOWN, argument,
                            option->argument, allowed);
        }
        attached = settings->arguments[++*i];
    }
    return give(settings, option, attached, error);
}

rhm_status rhm_options_parse(rhm_settings *settings, const rhm_command *command, int argument_count, char **arguments,
                             rhm_error *error) {
    *settings = (rhm_settings){.command = command, .arguments = arguments, .argument_count = argument_count};
    set_defaults(settings, command);
    size_t operands = 0;
    bool options_ended = false;
    for (int i = 0; i < argument_count; i++) {
        const char *argument = arguments[i];
        if (!options_ended && !strcmp(argument, "--")) {
            options_ended = true;
        } else if (!options_ended && argument[0] == '-' && argument[1]) {
            RHM_TRY(parse_option(settings, &i, error));
        } else if (operands == command->operand_count) {
            return rhm_fail(error, RHM_INVALID, "unexpected argument '%.*s': usage is rhm %s %s[options]", SHOWN,
                            argument, command->name, command->operands);
        } else {
            settings->operands[operands++] = argument;
        }
    }
    if (operands < command->operand_count && !command->operands_optional)
        return rhm_fail(error, RHM_INVALID, "%s missing: usage is rhm %s %s[options]",
                        command->operand_name_of                 ? "a word is"
                        : command->operand_count - operands == 1 ? "a file name is"
                                                                 : "file names are",
                        command->name, command->operands);
    return RHM_OK;
}

const char *rhm_option_given(const rhm_settings *settings, const char *name) {
    for (size_t i = 0; i < settings->given_count; i++)
        if (!strcmp(settings->given[i].option->name, name))
            return settings->given[i].text;
    return NULL;
}

rhm_status rhm_option_refuse(const rhm_settings *settings, const char *name, const char *why, rhm_error *error) {
    const char *text = rhm_option_given(settings, name);
    if (!text)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "--%s%s%.*s %s", name, *text ? " " : "", SHOWN, text, why);
}
