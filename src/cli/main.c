/* The command: finds the subcommand, reads its options, runs it, and turns the outcome into an exit status. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/files.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/settings.h"
#include "cli/waiting.h"
#include "core/fail.h"
#include "rhm/ranks.h"
#include "rhm/status.h"

/* Launchers start ranks one after the other, and MPI takes its time. */
static const double starting_factor = 10;

/* What scripts rely on. */
enum { DONE = 0, FAILED = 1, USAGE = 2, INTERRUPTED = 130 };

static int exit_status(rhm_status status) {
    switch (status) {
    case RHM_OK: return DONE;
    case RHM_INVALID:
    case RHM_CORRUPT: return USAGE;
    case RHM_INTERRUPTED: return INTERRUPTED;
    case RHM_IO:
    case RHM_NO_MEMORY:
    case RHM_UNSUPPORTED:
    case RHM_FAILED: break;
    }
    return FAILED;
}

/* One line, whatever a file name or a library put into the sentence; and in one piece, as launchers and logs mix what
 * several processes write. */
static void complain(const char *command, const char *sentence) {
    char line[RHM_ERROR_TEXT_NBYTES + 64];
    size_t length = (size_t)snprintf(line, sizeof line, "rhm%s%.40s: ", *command ? " " : "", command);
    for (; *sentence && length < sizeof line - 1; sentence++)
        line[length++] = (unsigned char)*sentence < ' ' || *sentence == '\177' ? '?' : *sentence;
    line[length++] = '\n';
    fwrite(line, 1, length, stderr);
}

/*
 * What was printed must have arrived: a full disk behind standard output is a failed run. A reader that has seen enough
 * is no news, least of all after the sentence of a failure.
 */
static int finish(const char *command, int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (rhm_interrupt_nobody_reads(STDOUT_FILENO)) {
        if (status != DONE)
            return status;
        rhm_interrupt_by_reader();
    }
    char sentence[128];
    snprintf(sentence, sizeof sentence, "cannot write to standard output: %s", strerror(errno));
    complain(command, sentence);
    return status == DONE ? FAILED : status;
}

static bool asks_for_help(int count, char **arguments) {
    for (int i = 0; i < count && strcmp(arguments[i], "--") != 0; i++)
        if (!strcmp(arguments[i], "--help") || !strcmp(arguments[i], "-h"))
            return true;
    return false;
}

/* Under mpirun: the other ranks, before anything can fail, so that they hear of it. They must have been told the same.
 */
static rhm_status join(rhm_ranks **out, const char *name, int count, char **arguments, rhm_error *error) {
    *out = NULL;
    if (rhm_ranks_launched().size < 2)
        return RHM_OK;
    size_t nbytes = 1;
    for (int i = 0; i < count; i++)
        nbytes += strlen(arguments[i]) + 1;
    char *all = malloc(nbytes + strlen(name)), *end = all;
    if (!all)
        return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the command line");
    end = stpcpy(end, name);
    for (int i = 0; i < count; i++)
        end = stpcpy(stpcpy(end, "\n"), arguments[i]);
    const rhm_ranks_options options = {.interrupt = &rhm_interrupt, .agreement = all};
    const rhm_status status = rhm_ranks_join(out, &options, error);
    free(all);
    return status;
}

static void tell_odd_nodes(const rhm_command *command, const rhm_ranks *ranks) {
    char sentence[RHM_ERROR_TEXT_NBYTES];
    if (ranks && rhm_ranks_odd_nodes(ranks, sentence, sizeof sentence))
        fprintf(stderr, "rhm %s: note: %s\n", command->name, sentence);
}

static void tell_strangers(const rhm_command *command) {
    const char *task = getenv("SLURM_PROCID");
    const int tasks = command->on_ranks ? rhm_ranks_strangers() : 0;
    if (tasks > 1 && task && !strcmp(task, "0"))
        fprintf(stderr,
                "rhm %s: note: srun started %d tasks, each of which works alone: with --mpi=pmix (Open MPI) or "
                "--mpi=pmi2 (MPICH) they would be ranks of one job\n",
                command->name, tasks);
}

/* Rank 0 talks and writes; the rest are silent. */
static int hush(void) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC), before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (nowhere < 0)
        return -1;
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return before;
}

static rhm_status work(rhm_settings *settings, const rhm_command *command, rhm_ranks *ranks, rhm_error *error) {
    if (ranks && !command->on_ranks)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "this command works in one process, but %d ranks were started: start it without mpirun",
                        rhm_ranks_size(ranks));
    if (!ranks)
        RHM_TRY(rhm_option_refuse(settings, "rank-timeout", "has no effect without mpirun: leave it out", error));
    settings->running.ranks = ranks;
    rhm_ranks_limit_silence(ranks, settings->running.rank_timeout);
    rhm_interrupt_install();
    tell_odd_nodes(command, ranks);
    tell_strangers(command);
    RHM_TRY(rhm_files_check(settings, error));
    RHM_TRY(rhm_inputs_compare(settings, error));
    return command->run(settings, error);
}

/* What is wrong with a command line is said when all ranks are there, and once. */
static rhm_status parse(rhm_settings *settings, const rhm_command *command, const char *name, int count,
                        char **arguments, rhm_error *error) {
    if (!command)
        return rhm_fail(error, RHM_INVALID, "%s%.80s%s: the commands are listed by rhm --help",
                        *name ? "unknown command '" : "no command is named", name, *name ? "'" : "");
    return rhm_options_parse(settings, command, count, arguments, error);
}

static int run(const char *name, int count, char **arguments) {
    static rhm_settings settings;
    const rhm_command *command = rhm_command_named(name);
    const char *called = command ? command->name : "";
    const int before = rhm_ranks_launched().rank > 0 ? hush() : -1;
    if (command && asks_for_help(count, arguments)) {
        rhm_options_help(stdout, command);
        return finish(called, DONE);
    }
    rhm_error error = {0}, misuse = {0};
    rhm_waiting waiting;
    rhm_ranks *ranks;
    const rhm_status parsed = parse(&settings, command, name, count, arguments, &misuse);
    rhm_waiting_begin(&waiting, called, starting_factor * settings.running.rank_timeout,
                      before >= 0 ? before : STDERR_FILENO);
    rhm_status status = join(&ranks, name, count, arguments, &error);
    rhm_waiting_end(&waiting);
    if (status == RHM_OK && parsed != RHM_OK) {
        error = misuse;
        status = parsed;
    } else if (status == RHM_OK) {
        status = work(&settings, command, ranks, &error);
    }
    status = rhm_ranks_leave(ranks, status, &error);
    if (status != RHM_OK && before >= 0 && rhm_ranks_speaks(ranks))
        dup2(before, STDERR_FILENO);
    if (status != RHM_OK)
        complain(called, error.text);
    const int exit_code = finish(called, exit_status(status));
    if (status != RHM_OK)
        rhm_ranks_abort(ranks, exit_code);
    return exit_code;
}

/*
 * A standard stream that is closed at the start would hand its number to the next file that is opened, and words meant
 * for the stream would land in a result.
 */
static void occupy_standard_streams(void) {
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDONLY); /* takes the lowest number; what is written to it fails */
}

int main(int count, char **arguments) {
    occupy_standard_streams();
    if (count < 2 && rhm_ranks_launched().size < 2) {
        rhm_command_overview(stderr);
        return USAGE;
    }
    const char *first = count < 2 ? "" : arguments[1];
    if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
        rhm_command_overview(stdout);
        return finish("", DONE);
    }
    if (!strcmp(first, "--version")) {
        printf("rhm %s\n", rhm_version());
        return finish("", DONE);
    }
    return run(first, count < 2 ? 0 : count - 2, arguments + (count < 2 ? 1 : 2));
}
