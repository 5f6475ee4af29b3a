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
        .trace = settings->trace != NULL,
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

/* Text may also go to a device or a pipe, such as /dev/stdout. */
static rhm_status check_text_output(const char *path, rhm_error *error) {
    struct stat status;
    if (path && (stat(path, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
        return check_output(path, error);
    return RHM_OK;
}

rhm_status rhm_running_check_outputs(const rhm_settings *settings, rhm_error *error) {
    const struct {
        const char *option, *path;
    } all[] = {{"-o", settings->output}, {"--report", settings->report}, {"--trace", settings->trace}};
    for (size_t i = 1; i < sizeof all / sizeof *all; i++)
        for (size_t j = 0; j < i; j++)
            if (all[i].path && all[j].path && !strcmp(all[i].path, all[j].path))
                return rhm_fail(error, RHM_INVALID, "%s and %s both name %s: they are two files", all[j].option,
                                all[i].option, rhm_path_shown(all[i].path));
    if (settings->output)
        RHM_TRY(check_output(settings->output, error));
    RHM_TRY(check_text_output(settings->report, error));
    return check_text_output(settings->trace, error);
}
