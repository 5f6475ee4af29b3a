#include "session_serve.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "ceilings/ceilings.h"
#include "core/fail.h"
#include "engine/effort.h"
#include "gbench.h"
#include "rhm/rhm.h"
#include "session.h"
#include "session_engine.h"

enum { LINE_NBYTES = 1024, PROTOCOL = 1 };

static void (*on_request)(const char *row);

void session_on_request(void (*prepare)(const char *row)) {
    on_request = prepare;
}

static void add_counter(void *context, const char *name, double value) {
    json_object_set_new(context, name, json_real(value));
}

static json_t *answer_of(const char *row, const gb_sample *sample, json_t *counters, const rhm_effort *effort,
                         const int cpus[2]) {
    json_t *passes = json_array(), *cpu_passes = json_array();
    for (size_t i = 0; i < sample->count; i++) {
        json_array_append_new(passes, json_real(sample->pass[i]));
        json_array_append_new(cpu_passes, json_real(sample->cpu[i]));
    }
    /* clang-format off */
    json_t *answer = json_pack("{s:s, s:o, s:o, s:O, s:s, s:s, s:b, s:f, s:f, s:f, s:I, s:[i, i]}",
                               "row", row,
                               "passes", passes,
                               "cpu_passes", cpu_passes,
                               "counters", counters,
                               "label", sample->label,
                               "reason", sample->reason,
                               "skipped", sample->skipped,
                               "seconds", effort->seconds,
                               "cpu_seconds", effort->cpu_seconds,
                               "system_seconds", effort->system_seconds,
                               "preempted", (json_int_t)effort->involuntary_switches,
                               "cpus", cpus[0], cpus[1]);
    /* clang-format on */
    if (isfinite(effort->hertz))
        json_object_set_new(answer, "hertz", json_real(effort->hertz));
    return answer;
}

static json_t *failure(const char *text) {
    return json_pack("{s:s}", "error", text);
}

/* "run ITERATIONS ROW" or "time ITERATIONS ROW"; the answer is NULL only when memory is short. */
static json_t *carry_out(char *line) {
    line[strcspn(line, "\n")] = '\0';
    char *end = NULL;
    const bool is_run = strncmp(line, "run ", 4) == 0, is_time = strncmp(line, "time ", 5) == 0;
    errno = 0;
    const intmax_t iterations = is_run || is_time ? strtoimax(strchr(line, ' ') + 1, &end, 10) : 0;
    if (!end || errno || *end != ' ' || end[1] == '\0')
        return failure("a request is \"run ITERATIONS ROW\" or \"time ITERATIONS ROW\"");
    const char *row = end + 1;
    rhm_error error = {0};
    gb_sample sample;
    json_t *counters = json_object();
    rhm_effort_mark mark;
    int cpus[2] = {sched_getcpu(), -1};
    session_verify(is_run);
    if (on_request)
        on_request(row);
    rhm_effort_begin(&mark, true);
    const rhm_status status = gb_run_row(row, iterations, &sample, add_counter, counters, &error);
    const rhm_effort effort = rhm_effort_read(&mark);
    rhm_effort_end(&mark);
    cpus[1] = sched_getcpu();
    json_t *answer = status == RHM_OK ? answer_of(row, &sample, counters, &effort, cpus) : failure(error.text);
    json_decref(counters);
    return answer;
}

static rhm_status print(FILE *answers, json_t *answer, rhm_error *error) {
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (!text)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for an answer");
    const bool written = fprintf(answers, "%s\n", text) > 0 && fflush(answers) == 0;
    free(text);
    return written ? RHM_OK : rhm_fail(error, RHM_IO, "cannot write an answer: %s", strerror(errno));
}

rhm_status session_serve(FILE *requests, FILE *answers, rhm_error *error) {
    char line[LINE_NBYTES];
    session_no_ceilings();
    rhm_status status =
        print(answers,
              json_pack("{s:s, s:i, s:s, s:s, s:i, s:[s, s]}", "serves", program_invocation_short_name, "protocol",
                        PROTOCOL, "version", rhm_version(), "isa_widest", rhm_isa_name(rhm_isa_here()), "cpus_allowed",
                        session_allowed_cpus(), "requests", "run", "time"),
              error);
    while (status == RHM_OK && fgets(line, sizeof line, requests))
        status = print(answers, carry_out(line), error);
    return status;
}
