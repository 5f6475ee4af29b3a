/*
 * Google Benchmark answers a bad flag with std::exit and a bad value of some with abort, and its flags differ between
 * releases. So they are read here first; the library gets a command line it cannot object to.
 */
#include "gbench_internal.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fail.h"
#include "gbench.h"

/* Flags with a value that is checked here, from the environment or the command line; the latter wins. */
enum {
    COLOR,
    COUNTERS_TABULAR,
    FORMAT,
    LIST_TESTS,
    MIN_TIME,
    MIN_WARMUP_TIME,
    OUT,
    OUT_FORMAT,
    PERF_COUNTERS,
    REPETITIONS,
    TIME_UNIT,
    SETTING_COUNT
};

#define BOOLEAN "(true|yes|on|1|false|no|off|0)?"
#define SECONDS "([0-9]{1,15}[.]?[0-9]{0,15}|[.][0-9]{1,15})(e[-+]?[0-9]{1,2})?"

static const struct {
    const char *flag, *variable, *pattern, *allowed;
} settings[SETTING_COUNT] = {
    [COLOR] = {"--benchmark_color", "BENCHMARK_COLOR", "auto|" BOOLEAN, "allowed are auto, true and false"},
    [COUNTERS_TABULAR] = {"--benchmark_counters_tabular", "BENCHMARK_COUNTERS_TABULAR", BOOLEAN,
                          "allowed are true and false"},
    [FORMAT] = {"--benchmark_format", "BENCHMARK_FORMAT", "console|json", "allowed are console and json"},
    [LIST_TESTS] = {"--benchmark_list_tests", "BENCHMARK_LIST_TESTS", BOOLEAN, "allowed are true and false"},
    [MIN_TIME] = {"--benchmark_min_time", "BENCHMARK_MIN_TIME", SECONDS "s?|[1-9][0-9]{0,8}x",
                  "allowed are seconds such as 0.5 or 0.5s, and iterations such as 100x"},
    [MIN_WARMUP_TIME] = {"--benchmark_min_warmup_time", "BENCHMARK_MIN_WARMUP_TIME", SECONDS,
                         "allowed are seconds from 0"},
    [OUT] = {"--benchmark_out", "BENCHMARK_OUT", ".*", ""},
    [OUT_FORMAT] = {"--benchmark_out_format", "BENCHMARK_OUT_FORMAT", "json", "the report is always json"},
    [PERF_COUNTERS] = {"--benchmark_perf_counters", "BENCHMARK_PERF_COUNTERS", "",
                       "it would not count the threads of a team created before it"},
    [REPETITIONS] = {"--benchmark_repetitions", "BENCHMARK_REPETITIONS", "[1-9][0-9]{0,5}|1000000",
                     "allowed are 1 to 1000000"},
    [TIME_UNIT] = {"--benchmark_time_unit", "BENCHMARK_TIME_UNIT", "([num]?s)?", "allowed are ns, us, ms and s"},
};

/* Flags without such dangers go on as they are; one that this release does not know comes back as unrecognised. */
static const char *const passed_on[] = {
    "--benchmark_filter",
    "--benchmark_enable_random_interleaving",
    "--benchmark_report_aggregates_only",
    "--benchmark_display_aggregates_only",
    "--benchmark_dry_run",
    "--v",
};

const char *gb_help(void) {
    return "  --benchmark_filter=REGEX                 run the matching rows only; a leading '-' negates\n"
           "  --benchmark_list_tests                   print the names of the rows, run nothing\n"
           "  --benchmark_min_time=SECONDS             at least so long per repetition (default 0.5)\n"
           "  --benchmark_min_warmup_time=SECONDS      unmeasured runs first (default 0)\n"
           "  --benchmark_repetitions=N                measure each row N times (default 1)\n"
           "  --benchmark_enable_random_interleaving   shuffle the repetitions of all rows\n"
           "  --benchmark_report_aggregates_only       statistics instead of repetitions\n"
           "  --benchmark_display_aggregates_only      the same, on the terminal only\n"
           "  --benchmark_format=console|json          standard output (default console)\n"
           "  --benchmark_out=FILE                     write the JSON report\n"
           "  --benchmark_color=auto|true|false        (default auto)\n"
           "  --benchmark_counters_tabular             one column per counter\n"
           "  --benchmark_context=KEY=VALUE,...        lines for the report's context\n"
           "  --benchmark_time_unit=ns|us|ms|s         unit of times (default ns)\n";
}

/* The text after "FLAG=", or "" for the bare flag, or NULL when `argument` is something else. */
static const char *flag_value(const char *argument, const char *flag) {
    const size_t length = strlen(flag);
    if (strncmp(argument, flag, length) != 0)
        return NULL;
    return argument[length] == '=' ? argument + length + 1 : argument[length] == '\0' ? argument + length : NULL;
}

static bool fits(const char *value, const char *pattern) {
    char anchored[128];
    regex_t compiled;
    snprintf(anchored, sizeof anchored, "^(%s)$", pattern);
    if (regcomp(&compiled, anchored, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    const bool found = regexec(&compiled, value, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

/* Of a value that fits BOOLEAN; the bare flag says yes. */
static bool is_true(const char *value) {
    return value && (*value == '\0' || strchr("ty1", *value) || strcmp(value, "on") == 0);
}

static bool wants_colour(const char *value) {
    if (value && strcmp(value, "auto") != 0)
        return is_true(value);
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

static rhm_status check_settings(gb_flags *flags, const char *const *value, rhm_error *error) {
    for (int s = 0; s < SETTING_COUNT; s++)
        if (value[s] && !fits(value[s], settings[s].pattern))
            return rhm_fail(error, s == PERF_COUNTERS ? RHM_UNSUPPORTED : RHM_INVALID, "%s is '%s': %s",
                            settings[s].flag, value[s], settings[s].allowed);
    if (value[MIN_TIME] && strchr(value[MIN_TIME], 'x') && !GB_HAVE_MIN_TIME_SUFFIX)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "--benchmark_min_time is '%s': a count of iterations needs Google Benchmark 1.8, this is %s",
                        value[MIN_TIME], gb_version());
    flags->json = value[FORMAT] && strcmp(value[FORMAT], "json") == 0;
    flags->tabular = is_true(value[COUNTERS_TABULAR]);
    flags->list_only = is_true(value[LIST_TESTS]);
    flags->colour = wants_colour(value[COLOR]);
    return RHM_OK;
}

/* Keep a copy for as long as the process lives, since the library has pointers into it; NULL: there was no memory. */
static char *keep(gb_flags *flags, char *copy) {
    flags->lacks_memory |= !copy;
    return flags->kept[flags->kept_count++] = copy;
}

static void push(gb_flags *flags, const char *argument) {
    flags->argv[flags->argc++] = keep(flags, strdup(argument));
}

static void push_pair(gb_flags *flags, int setting, const char *value) {
    char *pair = NULL;
    flags->argv[flags->argc++] = keep(flags, asprintf(&pair, "%s=%s", settings[setting].flag, value) < 0 ? NULL : pair);
}

/* One spelling for all releases: 1.7.1 reads a plain number, later ones warn without the suffix and know iterations. */
static void push_min_time(gb_flags *flags, const char *value) {
    char spelled[128];
    const bool counts = strchr(value, 'x');
    snprintf(spelled, sizeof spelled, "%.*s%s", (int)strcspn(value, "s"), value,
             GB_HAVE_MIN_TIME_SUFFIX && !counts ? "s" : "");
    push_pair(flags, MIN_TIME, spelled);
}

/*
 * What the library would act upon by itself is switched off, whatever the environment says: its reporters are ours.
 * A file reporter is used only when a file is named, and that file is opened and truncated, so it gets the null device.
 */
static void push_settings(gb_flags *flags, const char *const *value) {
    push_pair(flags, FORMAT, "console");
    push_pair(flags, OUT, "/dev/null");
    push_pair(flags, OUT_FORMAT, "json");
    push_pair(flags, COLOR, "false");
    push_pair(flags, PERF_COUNTERS, "");
    push_pair(flags, TIME_UNIT, value[TIME_UNIT] ? value[TIME_UNIT] : "");
    push_pair(flags, LIST_TESTS, flags->list_only ? "true" : "false");
    if (value[MIN_WARMUP_TIME])
        push_pair(flags, MIN_WARMUP_TIME, value[MIN_WARMUP_TIME]);
    if (value[REPETITIONS])
        push_pair(flags, REPETITIONS, value[REPETITIONS]);
    if (value[MIN_TIME])
        push_min_time(flags, value[MIN_TIME]);
}

/* Whether `argument` is one of the settings. */
static bool is_setting(const char *argument) {
    for (int s = 0; s < SETTING_COUNT; s++)
        if (flag_value(argument, settings[s].flag))
            return true;
    return false;
}

static bool passes(const char *argument) {
    for (size_t p = 0; p < sizeof passed_on / sizeof passed_on[0]; p++)
        if (flag_value(argument, passed_on[p]))
            return true;
    return false;
}

rhm_status gb_flags_take(gb_flags *flags, int *argc, char **argv, rhm_error *error) {
    const char *value[SETTING_COUNT] = {0};
    *flags = (gb_flags){0};

    const char *context = getenv("BENCHMARK_CONTEXT");
    if (context && *context)
        return rhm_fail(error, RHM_INVALID, "BENCHMARK_CONTEXT is set to '%s': use --benchmark_context", context);
    for (int s = 0; s < SETTING_COUNT; s++) {
        value[s] = getenv(settings[s].variable);
        for (int i = 1; i < *argc; i++) {
            const char *given = flag_value(argv[i], settings[s].flag);
            value[s] = given ? given : value[s];
        }
    }
    RHM_TRY(check_settings(flags, value, error));

    const size_t room = (size_t)*argc + SETTING_COUNT + 3;
    flags->argv = (char **)calloc(room, sizeof *flags->argv);
    flags->kept = (char **)calloc(room, sizeof *flags->kept);
    flags->context = (char **)calloc(room, sizeof *flags->context);
    if (!flags->argv || !flags->kept || !flags->context)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused %zu bytes for the command line",
                        room * sizeof(char *));
    flags->out = keep(flags, strdup(value[OUT] ? value[OUT] : ""));
    push(flags, *argc > 0 && argv[0] ? argv[0] : "unknown");
    push_settings(flags, value);

    int left = *argc > 0 ? 1 : 0;
    for (int i = 1; i < *argc; i++) {
        const char *lines = flag_value(argv[i], "--benchmark_context");
        if (lines)
            flags->context[flags->context_count++] = keep(flags, strdup(lines));
        else if (passes(argv[i]))
            push(flags, argv[i]);
        else if (!is_setting(argv[i]))
            argv[left++] = argv[i];
    }
    *argc = left;
    if (flags->lacks_memory)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a copy of the command line");
    gb_text_clean(flags->argv[0]);
    return RHM_OK;
}
