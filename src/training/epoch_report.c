#include "training/epoch_report.h"

#define AT(member) offsetof(rhm_epoch_report, member)

static const rhm_field fields[] = {
    {"level", RHM_FIELD_U32, AT(level), .meaning = "whose convolution was trained; 0: all"},
    {"steps", RHM_FIELD_U64, AT(steps), .meaning = "of gradient descent"},
    {"rate", RHM_FIELD_F64, AT(rate), .meaning = "size of a step"},
    {"loss", RHM_FIELD_F64, AT(loss), .unit = "nats", .meaning = "mean cross-entropy, each before its own step"},
    {"accuracy", RHM_FIELD_F64, AT(accuracy), .meaning = "of the same"},
    {"seconds", RHM_FIELD_F64, AT(seconds), .unit = "seconds", .meaning = "of the epoch"},
};

const rhm_fields rhm_epoch_report_fields = {fields, sizeof fields / sizeof *fields, sizeof(rhm_epoch_report)};
