#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double redraw_seconds = 0.1;

enum { BAR = 24, LINE_NBYTES = 256, NUMBER_NBYTES = 24 };

double rhm_progress_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

rhm_progress_bar rhm_progress_open(rhm_progress_mode mode) {
    const bool on = mode == RHM_PROGRESS_ON || (mode == RHM_PROGRESS_AUTO && isatty(STDERR_FILENO));
    return (rhm_progress_bar){.on = on};
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

static void append_clock(char *line, double seconds) {
    const size_t used = strlen(line);
    const uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(line + used, LINE_NBYTES - used, "  %" PRIu64 ":%02u:%02u left", whole / 3600,
                 (unsigned)(whole / 60 % 60), (unsigned)(whole % 60));
    else
        snprintf(line + used, LINE_NBYTES - used, "  %u:%02u left", (unsigned)(whole / 60), (unsigned)(whole % 60));
}

/* `rate` is 0 as long as nothing is known about it. */
static void compose(char line[LINE_NBYTES], const rhm_progress *progress, double rate) {
    const double done = (double)progress->done, total = (double)progress->total;
    int used = snprintf(line, LINE_NBYTES, "%.100s", progress->stage);
    if (progress->total > 0) {
        const double share = done < total ? done / total : 1;
        const int filled = (int)(share * BAR);
        used += snprintf(line + used, LINE_NBYTES - (size_t)used, "  [%.*s%*s] %3d%%", filled,
                         "########################", BAR - filled, "", (int)(share * 100));
    }
    if (rate <= 0)
        return;
    char number[NUMBER_NBYTES];
    shorten(rate, number);
    snprintf(line + used, LINE_NBYTES - (size_t)used, "  %s/s", number);
    /* Times beyond four days only say that nothing is known yet. */
    if (total > done && (total - done) / rate < 4e5)
        append_clock(line, (total - done) / rate);
}

void rhm_progress_show(void *user, const rhm_progress *progress) {
    rhm_progress_bar *bar = user;
    if (!bar->on)
        return;
    const double now = rhm_progress_seconds();
    if (strncmp(bar->stage, progress->stage, sizeof bar->stage - 1) != 0) {
        snprintf(bar->stage, sizeof bar->stage, "%s", progress->stage);
        bar->stage_started = now;
        bar->stage_first = progress->done;
    } else if (bar->drawn && now - bar->last_drawn < redraw_seconds) {
        return;
    }
    char line[LINE_NBYTES];
    const double elapsed = now - bar->stage_started;
    compose(line, progress, elapsed >= redraw_seconds ? (double)(progress->done - bar->stage_first) / elapsed : 0);
    /* A full line would make some terminals wrap. */
    fprintf(stderr, "\r%.*s\033[K", (int)columns() - 1, line);
    fflush(stderr);
    bar->drawn = true;
    bar->last_drawn = now;
}

void rhm_progress_clear(rhm_progress_bar *bar) {
    if (bar->drawn)
        fputs("\r\033[K", stderr);
    bar->drawn = false;
}
