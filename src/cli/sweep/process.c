#include "cli/sweep/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"

enum { MOST_REPORT_NBYTES = 1 << 26, MOST_WORDS_NBYTES = 1 << 14, CANNOT_EXECUTE = 127, PATH_NBYTES = 32 };

/* ---- starting -------------------------------------------------------------------------------------------- */

static sigset_t ends_of_children(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return set;
}

void rhm_sweep_process_prepare(void) {
    const sigset_t set = ends_of_children();
    setenv("RHM_MPI", "off", 1); /* a cell is alone, whoever started the sweep */
    signal(SIGCHLD, SIG_DFL);    /* ignored, ends would be lost */
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void bind_to(const rhm_core_set *cores) {
    int most = 0;
    for (int i = 0; i < cores->count; i++)
        most = cores->cpu[i] > most ? cores->cpu[i] : most;
    cpu_set_t *set = CPU_ALLOC((size_t)most + 1);
    const size_t nbytes = CPU_ALLOC_SIZE((size_t)most + 1);
    if (!set)
        return;
    CPU_ZERO_S(nbytes, set);
    for (int i = 0; i < cores->count; i++)
        CPU_SET_S((size_t)cores->cpu[i], nbytes, set);
    (void)sched_setaffinity(0, nbytes, set); /* where the system forbids it, it runs wherever it is put */
    CPU_FREE(set);
}

/* In the child. Its process group is its own: Ctrl-C on a terminal reaches the sweep alone, which tells it. */
static void become(char **arguments, const rhm_sweep_process *process, pid_t parent, int nothing) {
    const sigset_t set = ends_of_children();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(CANNOT_EXECUTE);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    fcntl(process->report, F_SETFD, 0);
    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 || dup2(process->words, STDERR_FILENO) < 0)
        _exit(CANNOT_EXECUTE);
    execv("/proc/self/exe", arguments);
    dprintf(STDERR_FILENO, "cannot execute this program: %s\n", strerror(errno));
    _exit(CANNOT_EXECUTE);
}

static void close_all(rhm_sweep_process *process) {
    if (process->report >= 0)
        close(process->report);
    if (process->words >= 0)
        close(process->words);
    *process = (rhm_sweep_process){.report = -1, .words = -1};
}

rhm_status rhm_sweep_process_start(rhm_sweep_process *out, char **options, size_t count, const rhm_core_set *cores,
                                   rhm_error *error) {
    char report[PATH_NBYTES], command[] = "rhm", train[] = "train", with_report[] = "--report";
    char ceilings[] = "--ceilings=off", progress[] = "--progress=off";
    *out = (rhm_sweep_process){.report = memfd_create("report", MFD_CLOEXEC),
                               .words = memfd_create("words", MFD_CLOEXEC),
                               .began = rhm_seconds()};
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (options[count])
        count++;
    char **arguments = RHM_NEW(char *, count + 7, 1, 1, "arguments of a cell", error);
    rhm_status status = arguments ? RHM_OK : RHM_NO_MEMORY;
    if (arguments && (out->report < 0 || out->words < 0 || nothing < 0))
        status = rhm_fail(error, RHM_IO, "cannot open files for a cell: %s", strerror(errno));
    if (status == RHM_OK) {
        snprintf(report, sizeof report, "/dev/fd/%d", out->report);
        char *const around[] = {command, train, with_report, report, ceilings, progress};
        memcpy(arguments, around, sizeof around);
        memcpy(arguments + 6, options, count * sizeof *options);
        fflush(NULL);
        const pid_t parent = getpid();
        out->pid = fork();
        if (out->pid == 0) {
            bind_to(cores);
            become(arguments, out, parent, nothing);
        }
        if (out->pid < 0)
            status = rhm_fail(error, RHM_FAILED, "cannot start a process for a cell: %s", strerror(errno));
    }
    if (nothing >= 0)
        close(nothing);
    rhm_free(arguments);
    if (status != RHM_OK)
        close_all(out);
    return status;
}

/* ---- ending ---------------------------------------------------------------------------------------------- */

void rhm_sweep_process_interrupt(const rhm_sweep_process *process) {
    kill(process->pid, SIGINT);
}

void rhm_sweep_process_wait(double seconds) {
    const sigset_t set = ends_of_children();
    const struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    (void)sigtimedwait(&set, NULL, &time);
}

/* What is in a memory file, with a NUL behind it; NULL without memory or where it is too large. */
static char *contents(int descriptor, size_t most, size_t *nbytes) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || status.st_size < 0)
        return NULL;
    const size_t size = (size_t)status.st_size, kept = size < most ? size : most;
    char *text = RHM_NEW(char, kept + 1, 1, 1, "what a cell wrote", NULL);
    if (!text)
        return NULL;
    /* Of much, the end. */
    const ssize_t got = pread(descriptor, text, kept, (off_t)(size - kept));
    *nbytes = got > 0 ? (size_t)got : 0;
    return text;
}

/* The last line of its words, without "rhm train: ". */
static void last_words(char reason[RHM_SWEEP_REASON_NBYTES], int descriptor) {
    static const char prefix[] = "rhm train: ";
    size_t nbytes;
    char *text = contents(descriptor, MOST_WORDS_NBYTES, &nbytes);
    while (text && nbytes > 0 && text[nbytes - 1] == '\n')
        text[--nbytes] = '\0';
    const char *line = text && strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    if (line && !strncmp(line, prefix, strlen(prefix)))
        line += strlen(prefix);
    snprintf(reason, RHM_SWEEP_REASON_NBYTES, "%s", line && *line ? line : "it said nothing");
    rhm_free(text);
}

static void read_outcome(rhm_sweep_outcome *outcome, const rhm_sweep_process *process, int status) {
    enum { INTERRUPTED = 130 };
    size_t nbytes;
    if (WIFSIGNALED(status)) {
        snprintf(outcome->reason, sizeof outcome->reason, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        outcome->interrupted = WTERMSIG(status) == SIGINT;
    } else if (WEXITSTATUS(status) == INTERRUPTED) {
        outcome->interrupted = true;
    } else if (WEXITSTATUS(status) != 0) {
        last_words(outcome->reason, process->words);
    } else {
        char *text = contents(process->report, MOST_REPORT_NBYTES, &nbytes);
        outcome->report = text ? json_loadb(text, nbytes, 0, NULL) : NULL;
        rhm_free(text);
        if (!outcome->report)
            snprintf(outcome->reason, sizeof outcome->reason, "it ended well, but its report cannot be read");
    }
}

bool rhm_sweep_process_ended(rhm_sweep_process *process, rhm_sweep_outcome *outcome) {
    struct rusage usage;
    int status;
    if (wait4(process->pid, &status, WNOHANG, &usage) != process->pid)
        return false;
    *outcome = (rhm_sweep_outcome){
        .seconds = rhm_seconds() - process->began,
        .cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
    };
    read_outcome(outcome, process, status);
    close_all(process);
    return true;
}
