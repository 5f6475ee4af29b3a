#include "cli/running.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/interrupt.h"
#include "core/atomic_file.h"
#include "core/fail.h"

rhm_status rhm_running_engine(rhm_engine **out, rhm_progress_bar *bar, const rhm_settings *settings, rhm_error *error) {
    *bar = rhm_progress_open((rhm_progress_mode)settings->running.progress);
    const rhm_engine_options options = {
        .threads = (int)settings->running.threads,
        .placement = settings->running.placement,
        .isa = settings->running.isa,
        .backend = settings->running.backend,
        .memory_limit_nbytes = settings->running.memory_limit_nbytes,
        .interrupt = &rhm_interrupt,
        .progress = bar->on ? rhm_progress_show : NULL,
        .user = bar,
    };
    return rhm_engine_create(out, &options, error);
}

static rhm_status check_output(const char *path, rhm_error *error) {
    rhm_atomic file;
    RHM_TRY(rhm_atomic_begin(&file, path, error));
    rhm_atomic_abandon(&file);
    return RHM_OK;
}

rhm_status rhm_running_check_outputs(const rhm_settings *settings, rhm_error *error) {
    if (settings->output && settings->report && !strcmp(settings->output, settings->report))
        return rhm_fail(error, RHM_INVALID, "-o and --report both name %s: they are two files",
                        rhm_path_shown(settings->output));
    if (settings->output)
        RHM_TRY(check_output(settings->output, error));
    /* A report may also go to a device or a pipe, such as /dev/stdout. */
    struct stat status;
    if (settings->report &&
        (stat(settings->report, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
        RHM_TRY(check_output(settings->report, error));
    return RHM_OK;
}
