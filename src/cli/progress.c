#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"

static const double redraw_seconds = 0.1, plain_seconds = 10;
static const double too_long = 4e5; /* seconds: such times only say that nothing is known yet */

enum { BAR = 24, LINE_NBYTES = 256, NUMBER_NBYTES = 24 };

double rhm_progress_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

rhm_progress_bar rhm_progress_open(rhm_progress_mode mode) {
    const bool on = mode == RHM_PROGRESS_ON || (mode == RHM_PROGRESS_AUTO && isatty(STDERR_FILENO));
    const char *terminal = getenv("TERM");
    return (rhm_progress_bar){.on = on, .plain = !terminal || !*terminal || strcmp(terminal, "dumb") == 0};
}

static size_t columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* 1234567 as "1.23M". */
static void shorten(double value, char text[NUMBER_NBYTES]) {
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    for (; value >= 999.5 && units[unit + 1]; unit++)
        value /= 1000;
    snprintf(text, NUMBER_NBYTES, "%.3g%.*s", value, unit > 0, units + unit);
}

static void append_clock(char *line, double seconds, const char *word) {
    const uint64_t whole = (uint64_t)(seconds + 0.5);
    const unsigned minutes = (unsigned)(whole / 60 % 60), rest = (unsigned)(whole % 60);
    if (whole >= 3600)
        rhm_text_append(line, LINE_NBYTES, "  %" PRIu64 ":%02u:%02u %s", whole / 3600, minutes, rest, word);
    else
        rhm_text_append(line, LINE_NBYTES, "  %u:%02u %s", minutes, rest, word);
}

static void append_bar(char *line, double done, double total) {
    const double share = done < total ? done / total : 1;
    const int filled = (int)(share * BAR);
    rhm_text_append(line, LINE_NBYTES, "[%.*s%*s] %3d%%", filled, "########################", BAR - filled, "",
                    (int)(share * 100));
}

/* `rate` is 0 as long as nothing is known about it. */
static void compose_stage(char *line, const rhm_progress *progress, double rate) {
    const double done = (double)progress->done, total = (double)progress->total;
    rhm_text_append(line, LINE_NBYTES, "%.100s", progress->stage);
    if (progress->total > 0) {
        rhm_text_append(line, LINE_NBYTES, "  ");
        append_bar(line, done, total);
    }
    if (rate <= 0)
        return;
    char number[NUMBER_NBYTES];
    shorten(rate, number);
    rhm_text_append(line, LINE_NBYTES, "  %s/s", number);
    if (total > done && (total - done) / rate < too_long)
        append_clock(line, (total - done) / rate, "left");
}

/* The whole job, then the stage with how far it is. */
static void compose_overall(char *line, const rhm_progress_bar *bar, const rhm_progress *progress, double now) {
    const double elapsed = now - bar->begun, rate = (bar->done - bar->before) / elapsed;
    append_bar(line, bar->done, bar->expected);
    append_clock(line, elapsed, "elapsed");
    if (elapsed > redraw_seconds && rate > 0 && (bar->expected - bar->done) / rate < too_long)
        append_clock(line, (bar->expected - bar->done) / rate, "left");
    rhm_text_append(line, LINE_NBYTES, "  %.100s", progress->stage);
    if (progress->total > 0)
        rhm_text_append(line, LINE_NBYTES, " %d%%", (int)(100 * (double)progress->done / (double)progress->total));
}

static void compose(char line[LINE_NBYTES], const rhm_progress_bar *bar, const rhm_progress *progress, double now) {
    line[0] = '\0';
    if (bar->expected > 0) {
        compose_overall(line, bar, progress, now);
        return;
    }
    const double elapsed = now - bar->stage_started;
    compose_stage(line, progress,
                  elapsed >= redraw_seconds ? (double)(progress->done - bar->stage_first) / elapsed : 0);
}

void rhm_progress_overall(rhm_progress_bar *bar, double done, double expected) {
    if (bar->begun == 0) {
        bar->begun = rhm_progress_seconds();
        bar->before = done;
    }
    bar->done = done;
    bar->expected = expected;
}

void rhm_progress_show(void *user, const rhm_progress *progress) {
    rhm_progress_bar *bar = user;
    if (!bar->on)
        return;
    const double now = rhm_progress_seconds();
    bool due = false;
    if (strncmp(bar->stage, progress->stage, sizeof bar->stage - 1) != 0) {
        snprintf(bar->stage, sizeof bar->stage, "%s", progress->stage);
        bar->stage_started = now;
        bar->stage_first = progress->done;
        due = !bar->plain;
    }
    if (!due && bar->last_drawn > 0 && now - bar->last_drawn < (bar->plain ? plain_seconds : redraw_seconds))
        return;
    char line[LINE_NBYTES];
    compose(line, bar, progress, now);
    /* A full line would make some terminals wrap. */
    if (bar->plain)
        fprintf(stderr, "%s\n", line);
    else
        fprintf(stderr, "\r%.*s\033[K", (int)columns() - 1, line);
    fflush(stderr);
    bar->drawn = !bar->plain;
    bar->last_drawn = now;
}

void rhm_progress_clear(rhm_progress_bar *bar) {
    if (bar->drawn)
        fputs("\r\033[K", stderr);
    bar->drawn = false;
}
