#include "engine/effort.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_in(struct timeval t) {
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void look(rhm_effort_mark *mark) {
    struct rusage usage = {0};
    getrusage(mark->whole_process ? RUSAGE_SELF : RUSAGE_THREAD, &usage);
    mark->clock = seconds_of(CLOCK_MONOTONIC);
    mark->user = seconds_in(usage.ru_utime);
    mark->system = seconds_in(usage.ru_stime);
    mark->involuntary = (uint64_t)usage.ru_nivcsw;
    mark->cycles_before = rhm_cycle_counter_read(&mark->cycles);
}

void rhm_effort_begin(rhm_effort_mark *mark, bool whole_process) {
    *mark = (rhm_effort_mark){.whole_process = whole_process};
    if (!whole_process) /* cycles are a thread's, these times would be all threads' */
        rhm_cycle_counter_open(&mark->cycles);
    look(mark);
}

rhm_effort rhm_effort_read(const rhm_effort_mark *mark) {
    rhm_effort_mark now = {.whole_process = mark->whole_process, .cycles = mark->cycles};
    look(&now);
    rhm_effort effort = {
        .seconds = now.clock - mark->clock,
        .system_seconds = now.system - mark->system,
        .involuntary_switches = now.involuntary - mark->involuntary,
    };
    const double user = now.user - mark->user;
    effort.cpu_seconds = user + effort.system_seconds;
    effort.counted = now.cycles_before > mark->cycles_before && user > 0;
    effort.hertz =
        effort.counted ? (double)(now.cycles_before - mark->cycles_before) / user : rhm_frequency_by_additions();
    return effort;
}

void rhm_effort_end(rhm_effort_mark *mark) {
    rhm_cycle_counter_close(&mark->cycles);
}
