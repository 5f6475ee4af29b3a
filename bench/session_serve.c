#include "session_serve.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ceilings/ceilings.h"
#include "core/fail.h"
#include "gbench.h"
#include "rhm/rhm.h"
#include "session.h"
#include "session_engine.h"

enum { LINE_NBYTES = 1024, PROTOCOL = 1 };

/* What the system counts about this process. */
typedef struct account {
    double seconds, cpu_seconds;
    long preempted;
    int cpu;
} account;

static account account_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const struct timeval *user = &usage.ru_utime, *system = &usage.ru_stime;
    return (account){
        .seconds = session_seconds(),
        .cpu_seconds = (double)(user->tv_sec + system->tv_sec) + 1e-6 * (double)(user->tv_usec + system->tv_usec),
        .preempted = usage.ru_nivcsw,
        .cpu = sched_getcpu(),
    };
}

static void add_counter(void *context, const char *name, double value) {
    json_object_set_new(context, name, json_real(value));
}

static json_t *answer_of(const char *row, const gb_sample *sample, json_t *counters, const account *a,
                         const account *b) {
    json_t *passes = json_array(), *cpu_passes = json_array();
    for (size_t i = 0; i < sample->count; i++) {
        json_array_append_new(passes, json_real(sample->pass[i]));
        json_array_append_new(cpu_passes, json_real(sample->cpu[i]));
    }
    return json_pack("{s:s, s:o, s:o, s:O, s:s, s:s, s:b, s:f, s:f, s:I, s:[i, i]}", "row", row, "passes", passes,
                     "cpu_passes", cpu_passes, "counters", counters, "label", sample->label, "reason", sample->reason,
                     "skipped", sample->skipped, "seconds", b->seconds - a->seconds, "cpu_seconds",
                     b->cpu_seconds - a->cpu_seconds, "preempted", (json_int_t)(b->preempted - a->preempted), "cpus",
                     a->cpu, b->cpu);
}

static json_t *failure(const char *text) {
    return json_pack("{s:s}", "error", text);
}

/* "run ITERATIONS ROW"; the answer is NULL only when memory is short. */
static json_t *carry_out(char *line) {
    static const char run[] = "run ";
    line[strcspn(line, "\n")] = '\0';
    char *end = NULL;
    const bool is_run = strncmp(line, run, sizeof run - 1) == 0;
    errno = 0;
    const intmax_t iterations = is_run ? strtoimax(line + sizeof run - 1, &end, 10) : 0;
    if (!is_run || errno || *end != ' ' || end[1] == '\0')
        return failure("a request is \"run ITERATIONS ROW\"");
    const char *row = end + 1;
    rhm_error error = {0};
    gb_sample sample;
    json_t *counters = json_object();
    const account before = account_now();
    const rhm_status status = gb_run_row(row, iterations, &sample, add_counter, counters, &error);
    const account after = account_now();
    json_t *answer = status == RHM_OK ? answer_of(row, &sample, counters, &before, &after) : failure(error.text);
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
    rhm_status status = print(answers,
                              json_pack("{s:s, s:i, s:s, s:s, s:i}", "serves", program_invocation_short_name,
                                        "protocol", PROTOCOL, "version", rhm_version(), "isa_widest",
                                        rhm_isa_name(rhm_isa_here()), "cpus_allowed", session_allowed_cpus()),
                              error);
    while (status == RHM_OK && fgets(line, sizeof line, requests))
        status = print(answers, carry_out(line), error);
    return status;
}
