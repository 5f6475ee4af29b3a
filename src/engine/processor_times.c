#include "engine/processor_times.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

bool rhm_processor_times_read(rhm_processor_times *times, int pu_os) {
    char line[256], name[32] = "cpu ";
    bool found = false;
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return false;
    if (pu_os >= 0)
        snprintf(name, sizeof name, "cpu%d ", pu_os);
    const double tick = 1 / (double)sysconf(_SC_CLK_TCK);
    while (!found && fgets(line, sizeof line, file)) {
        double t[8] = {0}; /* user, nice, system, idle, waiting, interrupts, soft ones, stolen */
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        found = sscanf(line + strlen(name), "%lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
                       &t[6], &t[7]) == 8;
        times->busy = tick * (t[0] + t[1] + t[2] + t[5] + t[6]);
        times->stolen = tick * t[7];
    }
    fclose(file);
    return found;
}

static double own_seconds(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

rhm_processor_others rhm_processor_others_begin(void) {
    rhm_processor_others others = {.own_begin = own_seconds()};
    others.known = rhm_processor_times_read(&others.begin, -1);
    return others;
}

rhm_processor_times rhm_processor_others_since(const rhm_processor_others *others) {
    rhm_processor_times now;
    if (!others->known || !rhm_processor_times_read(&now, -1))
        return (rhm_processor_times){(double)NAN, (double)NAN};
    return (rhm_processor_times){fmax(0, now.busy - others->begin.busy - (own_seconds() - others->own_begin)),
                                 now.stolen - others->begin.stolen};
}
