#include "training/backend_choices.h"

#include <stddef.h>

#include "core/fail.h"
#include "engine/engine.h"
#include "kernels/backend.h"

#define PICK(member) offsetof(rhm_backend_choice, member)

static const rhm_field choice_columns[] = {
    {"work", RHM_FIELD_U32, PICK(work), .count = 0},
    {"inputs", RHM_FIELD_U64, PICK(inputs), .count = 0},
    {"padded", RHM_FIELD_U64, PICK(padded), .count = 0},
    {"classes", RHM_FIELD_U64, PICK(classes), .count = 0},
    {"expected", RHM_FIELD_F64, PICK(expected), .count = 0},
    {"measured", RHM_FIELD_BOOL, PICK(measured), .count = 0},
    {"onednn", RHM_FIELD_BOOL, PICK(onednn), .count = 0},
    {"native_seconds", RHM_FIELD_F64, PICK(native_seconds), .count = 0},
    {"onednn_seconds", RHM_FIELD_F64, PICK(onednn_seconds), .count = 0},
};
const rhm_fields rhm_backend_choice_fields = {choice_columns, sizeof choice_columns / sizeof *choice_columns,
                                              sizeof(rhm_backend_choice)};

rhm_status rhm_backend_choices_write(rhm_h5 *file, const rhm_engine *engine, rhm_error *error) {
    rhm_backend *backend;
    if (engine->backend_kind != RHM_BACKEND_AUTO)
        return RHM_OK;
    RHM_TRY(rhm_backend_of(&backend, engine, error));
    RHM_TRY(rhm_h5_write_group(file, "/backend", error));
    return rhm_fields_write(file, "/backend/choices", &rhm_backend_choice_fields, backend->choice, backend->choices,
                            error);
}

rhm_status rhm_backend_choices_read(const rhm_h5 *file, const rhm_engine *engine, rhm_error *error) {
    rhm_backend *backend;
    size_t count;
    if (engine->backend_kind != RHM_BACKEND_AUTO)
        return RHM_OK;
    RHM_TRY(rhm_backend_of(&backend, engine, error));
    RHM_TRY(rhm_fields_rows(file, "/backend/choices", &rhm_backend_choice_fields, &count, error));
    if (count > RHM_BACKEND_CHOICES)
        return rhm_h5_refuse(file, "/backend/choices", error, "has %zu rows; at most %d are expected", count,
                             RHM_BACKEND_CHOICES);
    RHM_TRY(rhm_fields_read(file, "/backend/choices", &rhm_backend_choice_fields, backend->choice, count, error));
    backend->choices = count;
    const char *obstacle = rhm_backend_obstacle(RHM_BACKEND_ONEDNN, engine->isa);
    for (size_t i = 0; i < count && obstacle; i++)
        if (backend->choice[i].onednn)
            return rhm_h5_refuse(file, "this checkpoint", error, "has chosen oneDNN for some of the work, but %s",
                                 obstacle);
    return RHM_OK;
}
