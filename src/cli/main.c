/* The command: finds the subcommand, reads its options, runs it, and turns the outcome into an exit status. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/settings.h"
#include "rhm/status.h"

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

/* One line, whatever a file name or a library put into the sentence. */
static void complain(const char *command, const char *sentence) {
    fprintf(stderr, "rhm%s%s: ", *command ? " " : "", command);
    for (; *sentence; sentence++)
        fputc((unsigned char)*sentence < ' ' || *sentence == '\177' ? '?' : *sentence, stderr);
    fputc('\n', stderr);
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

static int run(const rhm_command *command, int count, char **arguments) {
    if (asks_for_help(count, arguments)) {
        rhm_options_help(stdout, command);
        return finish(command->name, DONE);
    }
    static rhm_settings settings;
    rhm_error error = {0};
    rhm_status status = rhm_options_parse(&settings, command, count, arguments, &error);
    if (status == RHM_OK) {
        rhm_interrupt_install();
        status = rhm_files_check(&settings, &error);
    }
    if (status == RHM_OK)
        status = command->run(&settings, &error);
    if (status != RHM_OK)
        complain(command->name, error.text);
    return finish(command->name, exit_status(status));
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
    if (count < 2) {
        rhm_command_overview(stderr);
        return USAGE;
    }
    const char *first = arguments[1];
    if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
        rhm_command_overview(stdout);
        return finish("", DONE);
    }
    if (!strcmp(first, "--version")) {
        printf("rhm %s\n", rhm_version());
        return finish("", DONE);
    }
    const rhm_command *command = rhm_command_named(first);
    if (command)
        return run(command, count - 2, arguments + 2);
    char sentence[256];
    snprintf(sentence, sizeof sentence, "unknown command '%.80s': the commands are listed by rhm --help", first);
    complain("", sentence);
    return USAGE;
}
