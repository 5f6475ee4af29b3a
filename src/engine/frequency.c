#include "engine/frequency.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int rhm_cycle_counter_open(rhm_cycle_counter *counter) {
    struct perf_event_attr event = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof event,
        .config = PERF_COUNT_HW_CPU_CYCLES,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    const long descriptor = syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    *counter = (rhm_cycle_counter){.descriptor = (int)descriptor + 1, .obstacle = descriptor < 0 ? errno : 0};
    return descriptor >= 0;
}

void rhm_cycle_counter_close(rhm_cycle_counter *counter) {
    if (counter->descriptor > 0)
        close(counter->descriptor - 1);
    *counter = (rhm_cycle_counter){0};
}

uint64_t rhm_cycle_counter_read(const rhm_cycle_counter *counter) {
    uint64_t count = 0;
    if (counter->descriptor <= 0 || read(counter->descriptor - 1, &count, sizeof count) != sizeof count)
        return 0;
    return count;
}

/*
 * Of registers: Intel's processors since 2021 do additions of constants while renaming, several a cycle. The other
 * operand is a variable for the same reason.
 */
#if defined(__x86_64__)
#define ADD "add %1, %0\n\t"
#elif defined(__aarch64__)
#define ADD "add %0, %0, %1\n\t"
#endif

#ifdef ADD
#define ADD_4  ADD ADD ADD ADD
#define ADD_16 ADD_4 ADD_4 ADD_4 ADD_4
enum { ADDITIONS_A_ROUND = 64, ROUNDS = 1000, CHAINS = 3 };

static uint64_t chain(uint64_t step) {
    uint64_t sum = step;
    for (int round = 0; round < ROUNDS; round++)
        __asm__ volatile(ADD_16 ADD_16 ADD_16 ADD_16 : "+r"(sum) : "r"(step));
    return sum;
}

static double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double rhm_frequency_by_additions(void) {
    double least = HUGE_VAL;
    for (int i = 0; i < CHAINS; i++) {
        const double begin = clock_seconds();
        volatile uint64_t sum = chain((uint64_t)i + 3);
        (void)sum;
        least = fmin(least, clock_seconds() - begin);
    }
    return least > 0 ? (double)ADDITIONS_A_ROUND * ROUNDS / least : (double)NAN;
}
#else
double rhm_frequency_by_additions(void) {
    return (double)NAN;
}
#endif
