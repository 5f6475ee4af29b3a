/*
 * Google Benchmark answers a bad flag with std::exit and a bad value of some with abort, and its flags differ between
 * releases. So they are read here first; the library gets a command line it cannot object to.
 */
#include "gbench_internal.h"

#include <errno.h>
#include <math.h>
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

static const struct {
    const char *flag, *variable;
} settings[SETTING_COUNT] = {
    [COLOR] = {"--benchmark_color", "BENCHMARK_COLOR"},
    [COUNTERS_TABULAR] = {"--benchmark_counters_tabular", "BENCHMARK_COUNTERS_TABULAR"},
    [FORMAT] = {"--benchmark_format", "BENCHMARK_FORMAT"},
    [LIST_TESTS] = {"--benchmark_list_tests", "BENCHMARK_LIST_TESTS"},
    [MIN_TIME] = {"--benchmark_min_time", "BENCHMARK_MIN_TIME"},
    [MIN_WARMUP_TIME] = {"--benchmark_min_warmup_time", "BENCHMARK_MIN_WARMUP_TIME"},
    [OUT] = {"--benchmark_out", "BENCHMARK_OUT"},
    [OUT_FORMAT] = {"--benchmark_out_format", "BENCHMARK_OUT_FORMAT"},
    [PERF_COUNTERS] = {"--benchmark_perf_counters", "BENCHMARK_PERF_COUNTERS"},
    [REPETITIONS] = {"--benchmark_repetitions", "BENCHMARK_REPETITIONS"},
    [TIME_UNIT] = {"--benchmark_time_unit", "BENCHMARK_TIME_UNIT"},
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

static bool is_word(const char *value, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(value, words[i]) == 0)
            return true;
    return false;
}

static rhm_status parse_bool(int setting, const char *value, bool *result, rhm_error *error) {
    static const char *const yes[] = {"", "true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    *result = is_word(value, yes, sizeof yes / sizeof yes[0]);
    if (*result || is_word(value, no, sizeof no / sizeof no[0]))
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "%s is '%s': allowed are true and false", settings[setting].flag, value);
}

static rhm_status parse_color(const char *value, bool *result, rhm_error *error) {
    if (strcmp(value, "auto") == 0) {
        const char *terminal = getenv("TERM");
        *result = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
        return RHM_OK;
    }
    return parse_bool(COLOR, value, result, error);
}

/* Seconds as a finite number, not negative. `end` may be left at a suffix. */
static bool parse_seconds(const char *value, double *seconds, const char **end) {
    char *stop = NULL;
    errno = 0;
    *seconds = strtod(value, &stop);
    *end = stop;
    return stop != value && errno == 0 && isfinite(*seconds) && *seconds >= 0;
}

/* One spelling for all releases: 1.7.1 reads a plain number, later ones warn without the suffix and know iterations. */
static rhm_status spell_min_time(const char *value, char *spelled, size_t nbytes, rhm_error *error) {
    double seconds = 0;
    const char *end = value;
    if (parse_seconds(value, &seconds, &end)) {
        if (*end == '\0' || strcmp(end, "s") == 0) {
            snprintf(spelled, nbytes, "--benchmark_min_time=%.9g%s", seconds, GB_HAVE_MIN_TIME_SUFFIX ? "s" : "");
            return RHM_OK;
        }
        if (strcmp(end, "x") == 0 && seconds >= 1 && seconds <= 1e9 && seconds == floor(seconds)) {
            if (!GB_HAVE_MIN_TIME_SUFFIX)
                return rhm_fail(
                    error, RHM_UNSUPPORTED,
                    "--benchmark_min_time is '%s': a count of iterations needs Google Benchmark 1.8, this is %s", value,
                    gb_version());
            snprintf(spelled, nbytes, "--benchmark_min_time=%.0fx", seconds);
            return RHM_OK;
        }
    }
    return rhm_fail(
        error, RHM_INVALID,
        "--benchmark_min_time is '%s': allowed are seconds such as 0.5 or 0.5s, and iterations such as 100x", value);
}

static rhm_status check_settings(gb_flags *flags, const char *const *value, rhm_error *error) {
    static const char *const units[] = {"", "ns", "us", "ms", "s"};
    double seconds = 0;
    const char *end = "";
    if (value[FORMAT]) {
        flags->json = strcmp(value[FORMAT], "json") == 0;
        if (!flags->json && strcmp(value[FORMAT], "console") != 0)
            return rhm_fail(error, RHM_INVALID, "--benchmark_format is '%s': allowed are console and json",
                            value[FORMAT]);
    }
    if (value[OUT_FORMAT] && strcmp(value[OUT_FORMAT], "json") != 0)
        return rhm_fail(error, RHM_INVALID, "--benchmark_out_format is '%s': the report is always json",
                        value[OUT_FORMAT]);
    if (value[PERF_COUNTERS] && *value[PERF_COUNTERS])
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "--benchmark_perf_counters is '%s': it would not count the threads of a team created before it",
                        value[PERF_COUNTERS]);
    if (value[TIME_UNIT] && !is_word(value[TIME_UNIT], units, sizeof units / sizeof units[0]))
        return rhm_fail(error, RHM_INVALID, "--benchmark_time_unit is '%s': allowed are ns, us, ms and s",
                        value[TIME_UNIT]);
    if (value[MIN_WARMUP_TIME] && (!parse_seconds(value[MIN_WARMUP_TIME], &seconds, &end) || *end))
        return rhm_fail(error, RHM_INVALID, "--benchmark_min_warmup_time is '%s': allowed are seconds from 0",
                        value[MIN_WARMUP_TIME]);
    if (value[REPETITIONS]) {
        char *stop = NULL;
        const long count = strtol(value[REPETITIONS], &stop, 10);
        if (stop == value[REPETITIONS] || *stop || count < 1 || count > 1000000)
            return rhm_fail(error, RHM_INVALID, "--benchmark_repetitions is '%s': allowed are 1 to 1000000",
                            value[REPETITIONS]);
    }
    if (value[COUNTERS_TABULAR])
        RHM_TRY(parse_bool(COUNTERS_TABULAR, value[COUNTERS_TABULAR], &flags->tabular, error));
    if (value[LIST_TESTS])
        RHM_TRY(parse_bool(LIST_TESTS, value[LIST_TESTS], &flags->list_only, error));
    RHM_TRY(parse_color(value[COLOR] ? value[COLOR] : "auto", &flags->colour, error));
    return RHM_OK;
}

/* A string that could not be copied leaves NULL in its place, which the caller looks for at the end. */
static void push(gb_flags *flags, char *copy) {
    flags->copies[flags->argc] = copy;
    flags->argv[flags->argc++] = copy;
}

static void push_pair(gb_flags *flags, int setting, const char *value) {
    char *pair = NULL;
    push(flags, asprintf(&pair, "%s=%s", settings[setting].flag, value) < 0 ? NULL : pair);
}

static bool has_hole(char *const *strings, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strings[i])
            return true;
    return false;
}

/*
 * What the library would act upon by itself is switched off, whatever the environment says: its reporters are ours.
 * A file reporter is used only when a file is named, and that file is opened and truncated, so it gets the null device.
 */
static void push_settings(gb_flags *flags, const char *const *value, const char *min_time) {
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
    if (*min_time)
        push(flags, strdup(min_time));
}

rhm_status gb_flags_take(gb_flags *flags, int *argc, char **argv, rhm_error *error) {
    const char *value[SETTING_COUNT] = {0};
    char min_time[64] = "";
    *flags = (gb_flags){0};

    const char *context = getenv("BENCHMARK_CONTEXT");
    if (context && *context)
        return rhm_fail(error, RHM_INVALID, "BENCHMARK_CONTEXT is set to '%s': use --benchmark_context", context);
    for (int s = 0; s < SETTING_COUNT; s++)
        value[s] = getenv(settings[s].variable);
    for (int i = 1; i < *argc; i++)
        for (int s = 0; s < SETTING_COUNT; s++) {
            const char *given = flag_value(argv[i], settings[s].flag);
            value[s] = given ? given : value[s];
        }
    RHM_TRY(check_settings(flags, value, error));
    if (value[MIN_TIME])
        RHM_TRY(spell_min_time(value[MIN_TIME], min_time, sizeof min_time, error));

    /* Never freed: the library keeps pointers into these. */
    const size_t room = (size_t)*argc + SETTING_COUNT + 2;
    flags->argv = (char **)calloc(room, sizeof *flags->argv);
    flags->copies = (char **)calloc(room, sizeof *flags->copies);
    flags->context = (char **)calloc(room, sizeof *flags->context);
    if (!flags->argv || !flags->copies || !flags->context)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused %zu bytes for the command line",
                        room * sizeof(char *));
    flags->out = strdup(value[OUT] ? value[OUT] : "");
    push(flags, strdup(*argc > 0 && argv[0] ? argv[0] : "unknown"));
    push_settings(flags, value, min_time);

    int kept = *argc > 0 ? 1 : 0;
    for (int i = 1; i < *argc; i++) {
        const char *lines = flag_value(argv[i], "--benchmark_context");
        bool ours = false, passes = false;
        for (int s = 0; s < SETTING_COUNT; s++)
            ours |= flag_value(argv[i], settings[s].flag) != NULL;
        for (size_t p = 0; p < sizeof passed_on / sizeof passed_on[0]; p++)
            passes |= flag_value(argv[i], passed_on[p]) != NULL;
        if (lines)
            flags->context[flags->context_count++] = strdup(lines);
        else if (passes)
            push(flags, strdup(argv[i]));
        else if (!ours)
            argv[kept++] = argv[i];
    }
    *argc = kept;
    if (!flags->out || has_hole(flags->argv, (size_t)flags->argc) || has_hole(flags->context, flags->context_count))
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a copy of the command line");
    gb_text_clean(flags->argv[0]);
    return RHM_OK;
}
