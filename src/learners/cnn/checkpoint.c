#include "learners/cnn/checkpoint.h"

#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/fail.h"
#include "core/memory.h"
#include "kernels/kernels.h"
#include "training/backend_choices.h"
#include "training/epoch_report.h"

enum { EPOCH_NBYTES = 64, TABLES_NBYTES = 1 << 16 };

static const char run[] = "/run", epochs[] = "/epochs", whole[] = "/whole", stage[] = "/stage";

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static rhm_status write_numbers(rhm_h5 *file, const rhm_cnn_descent *d, double seconds, rhm_error *error) {
    const rhm_descent_report *r = &d->report->descent;
    const struct {
        const char *name;
        uint64_t value;
    } whole_numbers[] = {
        {"level", d->level}, {"first_epoch", d->first_epoch}, {"done", d->done},      {"correct", d->correct},
        {"steps", r->steps}, {"visits", r->visits},           {"reached", r->reached}};
    const struct {
        const char *name;
        double value;
    } reals[] = {{"loss", d->loss},
                 {"seconds", seconds},
                 {"epoch_seconds", d->seconds + (d->network ? rhm_seconds() - d->clock : 0)}};
    for (size_t i = 0; i < sizeof whole_numbers / sizeof *whole_numbers; i++)
        RHM_TRY(
            rhm_h5_write_attribute(file, run, whole_numbers[i].name, RHM_H5_U64, 0, &whole_numbers[i].value, error));
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        RHM_TRY(rhm_h5_write_attribute(file, run, reals[i].name, RHM_H5_F64, 0, &reals[i].value, error));
    if (!r->epochs)
        return RHM_OK;
    return rhm_fields_write(file, epochs, &rhm_epoch_report_fields, r->epoch, r->epochs, error);
}

static rhm_status write_stage(rhm_h5 *file, const rhm_cnn_descent *d, rhm_error *error) {
    const size_t count = rhm_network_layout_of(d->network)->parameters;
    const rhm_h5_shape shape = rhm_h5_shape2(2, count);
    float *state = RHM_NEW(float, 2, count, 1, "parameters and momenta", error);
    if (!state)
        return RHM_NO_MEMORY;
    rhm_network_store(d->network, state, state + count);
    const rhm_status status = rhm_h5_write(file, stage, RHM_H5_F32, &shape, state, error);
    rhm_free(state);
    return status;
}

static rhm_status write_all(rhm_h5 *file, const rhm_cnn_checkpoint *cp, double seconds, rhm_error *error) {
    const rhm_cnn_descent *d = cp->descent;
    const rhm_h5_shape shape = rhm_h5_shape1(d->layout.parameters);
    RHM_TRY(rhm_fingerprint_write(file, run, &cp->fingerprint, error));
    RHM_TRY(write_numbers(file, d, seconds, error));
    RHM_TRY(rhm_backend_choices_write(file, d->engine, error));
    RHM_TRY(rhm_h5_write(file, whole, RHM_H5_F32, &shape, d->parameters, error));
    return d->network ? write_stage(file, d, error) : RHM_OK;
}

static uint64_t nbytes_of(const rhm_cnn_descent *d) {
    const size_t in_hand = d->network ? 2 * rhm_network_layout_of(d->network)->parameters : 0;
    return sizeof(float) * (d->layout.parameters + in_hand) + EPOCH_NBYTES * d->report->descent.epochs + TABLES_NBYTES;
}

static rhm_status write_newest(void *context, rhm_rotation *rotation, double seconds, uint64_t *nbytes,
                               rhm_error *error) {
    const rhm_cnn_checkpoint *cp = context;
    char path[RHM_CHECKPOINT_PATH_NBYTES];
    const rhm_kept_files files = {.number = rotation->next++};
    rhm_h5 *file = NULL;
    RHM_TRY(rhm_rotation_room(rotation, nbytes_of(cp->descent), error));
    rhm_checkpoint_path(rotation, files.number, path);
    RHM_TRY(rhm_h5_create(&file, path, "checkpoint", error));
    rhm_status status = write_all(file, cp, seconds, error);
    if (status == RHM_OK)
        status = rhm_h5_commit(&file, error);
    else
        rhm_h5_close(&file);
    if (status != RHM_OK)
        return status;
    struct stat written;
    *nbytes = stat(path, &written) == 0 ? (uint64_t)written.st_size : 0;
    return rhm_rotation_add(rotation, files, error);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static rhm_status read_whole_number(uint64_t *out, const rhm_h5 *file, const char *name, uint64_t most,
                                    rhm_error *error) {
    return rhm_h5_read_integer_attribute(file, run, name, 1, 0, most, out, error);
}

static rhm_status read_numbers(rhm_cnn_descent *d, const rhm_h5 *file, rhm_error *error) {
    rhm_descent_report *r = &d->report->descent;
    uint64_t level, first, done, reached;
    size_t rows = 0;
    if (rhm_h5_has(file, epochs))
        RHM_TRY(rhm_fields_rows(file, epochs, &rhm_epoch_report_fields, &rows, error));
    RHM_TRY(read_whole_number(&level, file, "level", d->shape.levels, error));
    RHM_TRY(read_whole_number(&first, file, "first_epoch", rows, error));
    RHM_TRY(read_whole_number(&done, file, "done", d->sequences->count - 1, error));
    RHM_TRY(read_whole_number(&d->correct, file, "correct", d->sequences->count, error));
    RHM_TRY(read_whole_number(&r->steps, file, "steps", INT64_MAX, error));
    RHM_TRY(read_whole_number(&r->visits, file, "visits", INT64_MAX, error));
    RHM_TRY(read_whole_number(&reached, file, "reached", 1, error));
    RHM_TRY(rhm_h5_read_float_attribute(file, run, "loss", &d->loss, error));
    RHM_TRY(rhm_h5_read_float_attribute(file, run, "epoch_seconds", &d->seconds, error));
    size_t capacity = 1;
    while (capacity < rows)
        capacity *= 2;
    rhm_free(r->epoch);
    r->epochs = 0;
    if (!(r->epoch = RHM_NEW(rhm_epoch_report, capacity, 1, 1, "reports of epochs", error)))
        return RHM_NO_MEMORY;
    if (rows)
        RHM_TRY(rhm_fields_read(file, epochs, &rhm_epoch_report_fields, r->epoch, rows, error));
    r->epochs = rows;
    r->reached = reached;
    for (size_t i = 0; i < rows; i++)
        r->seconds += r->epoch[i].seconds;
    d->level = (uint32_t)level;
    d->first_epoch = (size_t)first;
    d->done = (size_t)done;
    return RHM_OK;
}

static rhm_status read_stage(rhm_cnn_descent *d, const rhm_h5 *file, rhm_error *error) {
    const size_t first = d->first_epoch;
    RHM_TRY(rhm_cnn_descent_enter(d, error));
    d->first_epoch = first;
    const size_t count = rhm_network_layout_of(d->network)->parameters;
    const rhm_h5_shape shape = rhm_h5_shape2(2, count);
    float *state = RHM_NEW(float, 2, count, 1, "parameters and momenta", error);
    if (!state)
        return RHM_NO_MEMORY;
    rhm_status status = rhm_h5_read_floats(file, stage, &shape, RHM_H5_F32, state, error);
    if (status == RHM_OK)
        status = rhm_network_load(d->network, state, state + count, error);
    rhm_free(state);
    return status;
}

typedef struct reading {
    rhm_cnn_checkpoint *checkpoint;
    double seconds;
} reading;

static rhm_status read_all(void *context, const rhm_h5 *file, rhm_error *error) {
    reading *r = context;
    rhm_cnn_descent *d = r->checkpoint->descent;
    const rhm_h5_shape shape = rhm_h5_shape1(d->layout.parameters);
    if (strcmp(rhm_h5_kind(file), "checkpoint") != 0)
        return rhm_h5_refuse(file, "this file", error, "was not written as a checkpoint");
    RHM_TRY(rhm_fingerprint_check(file, run, &r->checkpoint->fingerprint, error));
    RHM_TRY(rhm_h5_read_float_attribute(file, run, "seconds", &r->seconds, error));
    RHM_TRY(read_numbers(d, file, error));
    RHM_TRY(rhm_backend_choices_read(file, d->engine, error));
    RHM_TRY(rhm_h5_read_floats(file, whole, &shape, RHM_H5_F32, d->parameters, error));
    return rhm_h5_has(file, stage) ? read_stage(d, file, error) : RHM_OK;
}

/* As before the first step. */
static rhm_status forget(rhm_cnn_descent *d, rhm_error *error) {
    const rhm_cnn_descent had = *d;
    rhm_descent_report *r = &had.report->descent;
    rhm_free(r->epoch);
    r->epoch = NULL;
    r->epochs = 0;
    r->steps = r->visits = 0;
    r->seconds = 0;
    rhm_cnn_descent_clear(d);
    return rhm_cnn_descent_init(d, had.engine, had.problem, had.options, had.recipe, had.sequences, had.report, error);
}

static rhm_status read_newest(void *context, rhm_rotation *rotation, double *seconds, rhm_error *error) {
    reading r = {.checkpoint = context};
    char path[RHM_CHECKPOINT_PATH_NBYTES];
    rhm_checkpoint_path(rotation, rotation->found[0].number, path);
    const rhm_status status = rhm_h5_load(path, read_all, &r, error);
    *seconds = r.seconds;
    if (status != RHM_OK)
        RHM_TRY(forget(r.checkpoint->descent, NULL));
    return status;
}

/* ---- the training ------------------------------------------------------------------------------------------------ */

static void note_resumed(const rhm_cnn_checkpoint *cp) {
    const rhm_cnn_descent *d = cp->descent;
    const char *directory = cp->files.options.directory;
    const double seconds = cp->files.report->resumed_seconds;
    if (!cp->files.report->resumed)
        return;
    if (d->level == 0)
        rhm_checkpoints_note(&cp->files, "resumed from %s with all epochs done, after %.1f seconds", directory,
                             seconds);
    else
        rhm_checkpoints_note(&cp->files,
                             "resumed from %s in epoch %zu, %zu of its %zu sequences done, after %.1f seconds",
                             directory, d->report->descent.epochs + 1, d->done, d->sequences->count, seconds);
}

rhm_status rhm_cnn_checkpoint_open(rhm_cnn_checkpoint **out, rhm_cnn_descent *descent, rhm_error *error) {
    const rhm_checkpoint_options *options = &descent->options->checkpoint;
    *out = NULL;
    if (!options->directory)
        return RHM_OK;
    rhm_cnn_checkpoint *cp = RHM_NEW(rhm_cnn_checkpoint, 1, 1, 1, "checkpoint", error);
    if (!cp)
        return RHM_NO_MEMORY;
    cp->descent = descent;
    rhm_fingerprint_make(&cp->fingerprint, descent->engine, descent->problem,
                         (rhm_fingerprint_versions){.sums = RHM_ORDER_VERSION}, descent->options);
    const rhm_checkpoint_content content = {write_newest, read_newest, cp};
    const rhm_status status =
        rhm_checkpoints_open(&cp->files, descent->engine, options, &descent->report->checkpoint, content, error);
    if (status != RHM_OK) {
        rhm_free(cp);
        return status;
    }
    note_resumed(cp);
    *out = cp;
    return RHM_OK;
}

void rhm_cnn_checkpoint_close(rhm_cnn_checkpoint *cp) {
    if (!cp)
        return;
    rhm_checkpoints_close(&cp->files);
    rhm_free(cp);
}

void rhm_cnn_checkpoint_offer(rhm_cnn_checkpoint *cp) {
    if (cp)
        rhm_checkpoints_offer(&cp->files);
}

void rhm_cnn_checkpoint_write(rhm_cnn_checkpoint *cp) {
    if (cp)
        rhm_checkpoints_write(&cp->files);
}

double rhm_cnn_checkpoint_begin(const rhm_cnn_checkpoint *cp, double now) {
    return cp ? cp->files.begin : now;
}
