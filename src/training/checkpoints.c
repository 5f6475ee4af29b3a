#include "training/checkpoints.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/fail.h"
#include "engine/spread.h"

static const double DEFAULT_SECONDS = 60;
static const double LEAST_PAUSE = 4; /* times what writing took: a slow disk must not become the training's pace */

void rhm_checkpoints_note(const rhm_checkpoints *cp, const char *format, ...) {
    char sentence[RHM_ERROR_TEXT_NBYTES + 160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (cp->options.note)
        cp->options.note(cp->options.user, sentence);
}

void rhm_checkpoints_write(rhm_checkpoints *cp) {
    if (cp->follows)
        return;
    const double start = rhm_seconds();
    rhm_error error;
    uint64_t nbytes = 0;
    if (cp->content.write(cp->content.context, &cp->rotation, start - cp->begin, &nbytes, &error) == RHM_OK) {
        cp->report->written++;
        cp->report->nbytes = nbytes > cp->report->nbytes ? nbytes : cp->report->nbytes;
        if (cp->last_failed)
            rhm_checkpoints_note(cp, "checkpoints are written again");
        cp->last_failed = false;
    } else {
        cp->report->failed++;
        memcpy(cp->report->failure, error.text, sizeof cp->report->failure);
        if (!cp->last_failed)
            rhm_checkpoints_note(cp, "no checkpoint could be written; %s, and training goes on: %s",
                                 cp->rotation.count ? "those before are intact" : "there is none yet", error.text);
        cp->last_failed = true;
    }
    cp->last = rhm_seconds();
    cp->last_seconds = cp->last - start;
    cp->report->seconds += cp->last_seconds;
}

void rhm_checkpoints_offer(rhm_checkpoints *cp) {
    if (cp->follows)
        return;
    if (rhm_engine_check(cp->engine, NULL) != RHM_OK) {
        if (cp->interrupted)
            return;
        cp->interrupted = true;
    } else {
        const double pause = LEAST_PAUSE * cp->last_seconds;
        if (rhm_seconds() - cp->last < (pause > cp->options.seconds ? pause : cp->options.seconds))
            return;
    }
    rhm_checkpoints_write(cp);
}

/* Which file the first rank has read, 0 being none: the others have that one to read. */
static rhm_status agree(rhm_checkpoints *cp, rhm_error *error) {
    double number = cp->rotation.count ? (double)cp->rotation.found[0].number : 0;
    RHM_TRY(rhm_spread_agree(cp->engine, &number, error));
    if (cp->follows && number > 0)
        return rhm_rotation_name(&cp->rotation, cp->options.directory, (uint64_t)number, error);
    return RHM_OK;
}

static rhm_status resume(rhm_checkpoints *cp, rhm_error *error) {
    double seconds = 0;
    if (cp->follows || cp->rotation.count == 0)
        RHM_TRY(agree(cp, error));
    if (cp->rotation.count == 0) {
        rhm_checkpoints_note(cp, "%s holds no checkpoint: training starts from the beginning", cp->options.directory);
        return RHM_OK;
    }
    for (;;) {
        rhm_error reason;
        const rhm_status status = cp->content.read(cp->content.context, &cp->rotation, &seconds, &reason);
        if (status == RHM_OK)
            break;
        const bool damaged = status == RHM_CORRUPT || status == RHM_IO;
        if (!damaged || cp->rotation.count == 1)
            return rhm_fail(error, status, "%s%s", reason.text,
                            damaged ? "; there is no other checkpoint: empty the directory to start anew" : "");
        rhm_checkpoints_note(cp, "the newest checkpoint is of no use, the one before it is taken: %s", reason.text);
        rhm_rotation_forget(&cp->rotation);
    }
    if (!cp->follows)
        RHM_TRY(agree(cp, error));
    cp->begin = rhm_seconds() - seconds;
    cp->report->resumed = true;
    cp->report->resumed_seconds = seconds;
    return RHM_OK;
}

rhm_status rhm_checkpoints_open(rhm_checkpoints *out, const rhm_engine *engine, const rhm_checkpoint_options *options,
                                rhm_checkpoint_report *report, rhm_checkpoint_content content, rhm_error *error) {
    *out = (rhm_checkpoints){.options = *options, .content = content, .report = report, .engine = engine};
    if (out->options.seconds == 0)
        out->options.seconds = DEFAULT_SECONDS;
    out->begin = out->last = rhm_seconds();
    out->follows = rhm_ranks_rank(rhm_engine_ranks(engine)) > 0;
    out->rotation.descriptor = -1;
    rhm_status status = out->follows ? RHM_OK : rhm_rotation_open(&out->rotation, options->directory, error);
    if (status == RHM_OK && options->resume)
        status = resume(out, error);
    else if (status == RHM_OK && out->rotation.count)
        status = rhm_fail(error, RHM_INVALID,
                          "%s: there is a checkpoint in this directory already: resume it, or empty the directory or "
                          "name another one to start anew",
                          options->directory);
    if (status != RHM_OK)
        rhm_checkpoints_close(out);
    return status;
}

void rhm_checkpoints_close(rhm_checkpoints *cp) {
    rhm_rotation_close(&cp->rotation);
}
