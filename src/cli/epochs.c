#include "cli/epochs.h"

#include <inttypes.h>
#include <math.h>

static void print_widths(FILE *stream, const rhm_train_report *report) {
    const uint32_t *width = report->descent.used.width;
    bool same = true;
    for (uint32_t l = 2; l <= report->levels; l++)
        same = same && width[l] == width[1];
    fprintf(stream, "width %" PRIu32, width[report->levels]);
    for (uint32_t l = report->levels - 1; l >= 1 && !same; l--)
        fprintf(stream, ",%" PRIu32, width[l]);
}

static const char *sampling_words(const rhm_cnn_options *used, bool of_data) {
    return of_data                                    ? "of the data set"
           : used->sampling == RHM_SEQUENCES_DISTINCT ? "without replacement"
           : used->sampling == RHM_SEQUENCES_FRESH    ? "new in every epoch"
                                                      : "with replacement";
}

/* A number that may be none. */
static void print_number(FILE *stream, const char *name, double value) {
    if (value == RHM_NONE)
        fprintf(stream, ", no %s", name);
    else
        fprintf(stream, ", %s %g", name, value);
}

static void print_network(FILE *stream, const rhm_train_report *report) {
    const rhm_descent_report *d = &report->descent;
    const rhm_cnn_options *used = &d->used;
    fprintf(stream, "network     protocol %s: ", d->protocol);
    print_widths(stream, report);
    fprintf(stream, ", %s, %" PRIu64 " parameters%s\n",
            used->bias == RHM_BIAS_NONE ? "no biases" : "a bias per channel and position", d->parameters,
            used->schedule == RHM_BY_LEVEL ? ", trained level by level" : "");
    fprintf(stream, "descent     %" PRIu64 " sequences %s, batches of %" PRIu64 ", rate %g h%s", used->sequences,
            sampling_words(used, used->sampling == RHM_SEQUENCES_PROTOCOL), used->batch, d->learning_rate,
            used->rate_schedule == RHM_RATE_COSINE ? " (cosine)" : "");
    print_number(stream, "momentum", used->momentum);
    print_number(stream, "regulariser", used->regulariser);
    fprintf(stream, "\n\n");
}

/* 1, 2, 5, 10, 20, 50, ... */
static bool is_round(size_t epoch) {
    while (epoch % 10 == 0)
        epoch /= 10;
    return epoch == 1 || epoch == 2 || epoch == 5;
}

void rhm_epochs_print(FILE *stream, const rhm_train_report *report) {
    const rhm_descent_report *d = &report->descent;
    const bool by_level = d->used.schedule == RHM_BY_LEVEL;
    size_t first = 0;
    double seconds = 0;
    print_network(stream, report);
    fprintf(stream, "%s%7s %10s %10s %9s %9s\n", by_level ? "level " : "", "epoch", "rate", "loss", "accuracy",
            "seconds");
    for (size_t e = 0; e < d->epochs; e++) {
        const rhm_epoch_report *one = &d->epoch[e];
        if (e > 0 && one->level != one[-1].level)
            first = e;
        seconds += one->seconds;
        if (!is_round(e - first + 1) && e + 1 < d->epochs && one[1].level == one->level)
            continue;
        if (by_level)
            fprintf(stream, "%5" PRIu32 " ", one->level);
        fprintf(stream, "%7zu %10.4g %10.4g %9.4f %9.2f\n", e - first + 1, one->rate, one->loss, one->accuracy,
                seconds);
    }
}

void rhm_epochs_notes(FILE *stream, const rhm_train_report *report, bool ended) {
    const rhm_descent_report *d = &report->descent;
    fprintf(stream,
            "loss, accuracy: mean cross-entropy in nats, and share of right answers, of the training sequences, "
            "each before the step that it took part in; seconds: since the beginning; of the epochs those "
            "between are left out\n");
    if (!ended || d->reached || d->used.loss_threshold == RHM_NONE || !d->epochs)
        return;
    for (size_t e = 0; e < d->epochs; e++) {
        const rhm_epoch_report *one = &d->epoch[e];
        const bool last = e + 1 == d->epochs || one[1].level != one->level;
        if (!last || one->loss <= d->used.loss_threshold)
            continue;
        fprintf(stream, "note: ");
        if (one->level)
            fprintf(stream, "level %" PRIu32 ": ", one->level);
        fprintf(stream, "the epochs ended at a loss of %.4g, above --loss-threshold %g\n", one->loss,
                d->used.loss_threshold);
    }
}

void rhm_epochs_seconds(FILE *stream, const rhm_train_report *report) {
    const double sample = report->level[report->levels].sample_seconds, epochs = report->descent.seconds;
    fprintf(stream, "seconds     %.2f: sampling %.2f, epochs %.2f (%.4g sequences a second), test %.2f, other %.2f\n",
            report->seconds, sample, epochs, (double)report->descent.visits / epochs, report->test_seconds,
            fmax(0, report->seconds - sample - epochs - report->test_seconds));
}
