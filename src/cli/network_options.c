/* Options of --learner cnn: every number of a protocol. */
#include <stddef.h>

#include "cli/settings.h"

static const rhm_word biases[] = {
    {"protocol", RHM_BIAS_PROTOCOL}, {"none", RHM_BIAS_NONE}, {"per-position", RHM_BIAS_PER_POSITION}, {NULL, 0}};
static const rhm_word scales[] = {
    {"protocol", RHM_SCALE_PROTOCOL}, {"channels", RHM_SCALE_CHANNELS}, {"inputs", RHM_SCALE_INPUTS}, {NULL, 0}};
static const rhm_word whitenings[] = {{"protocol", RHM_WHITENING_PROTOCOL},
                                      {"none", RHM_WHITENING_NONE},
                                      {"shifted", RHM_WHITENING_SHIFTED},
                                      {"standardized", RHM_WHITENING_STANDARDIZED},
                                      {NULL, 0}};
static const rhm_word rates[] = {
    {"protocol", RHM_RATE_PROTOCOL}, {"constant", RHM_RATE_CONSTANT}, {"cosine", RHM_RATE_COSINE}, {NULL, 0}};
static const rhm_word samplings[] = {{"protocol", RHM_SEQUENCES_PROTOCOL},
                                     {"without-replacement", RHM_SEQUENCES_DISTINCT},
                                     {"with-replacement", RHM_SEQUENCES_REPEATED},
                                     {"fresh", RHM_SEQUENCES_FRESH},
                                     {NULL, 0}};
static const rhm_word schedules[] = {{"end-to-end", RHM_END_TO_END}, {"layerwise", RHM_BY_LEVEL}, {NULL, 0}};
static const rhm_word arithmetics[] = {{"float32", RHM_FLOAT32}, {"bfloat16", RHM_BFLOAT16}, {NULL, 0}};
static const rhm_word automatic[] = {{"auto", 0}, {NULL, 0}};
static const rhm_word none[] = {{"none", RHM_NONE}, {"0", RHM_NONE}, {NULL, 0}};

#define PLACE(member) offsetof(rhm_settings, own.cnn.member)
#define CHOICE(called, what, list, member, words_)                                                                     \
    {                                                                                                                  \
        .name = called, .kind = RHM_OPTION_CHOICE, .argument = what, .fallback = "protocol", .words = list,            \
        .place = PLACE(member), .help = words_                                                                         \
    }
#define NUMBER(called, type, measure, prx, list, member, words_)                                                       \
    {                                                                                                                  \
        .name = called, .kind = type, .argument = "x", .unit = measure, .otherwise = prx, .of_training = true,         \
        .words = list, .place = PLACE(member), .help = words_                                                          \
    }

static const rhm_option own[] = {
    {.name = "sequences",
     .kind = RHM_OPTION_COUNT,
     .argument = "auto|P",
     .unit = "sequences",
     .fallback = "auto",
     .of_training = true,
     .words = automatic,
     .place = PLACE(sequences),
     .help = "Sequences of an epoch. auto: 32768, or as many as there are."},
    CHOICE(
        "sampling", "NAME", samplings, sampling,
        "without-replacement (prx, unless noise, laws or their number forbid it): P different sequences, the same in "
        "every epoch, and tested on others. with-replacement (2025): any P sequences. fresh: every epoch has P new "
        "ones."),
    {.name = "schedule",
     .kind = RHM_OPTION_CHOICE,
     .argument = "end-to-end|layerwise",
     .fallback = "end-to-end",
     .words = schedules,
     .place = PLACE(schedule),
     .help = "layerwise: level L first, each with a readout of its own from the first --positions patches, and with "
             "the levels below fixed; the epochs are those of a level."},
    NUMBER("epochs", RHM_OPTION_COUNT, "passes over the sequences", "250; 2025: 10000", NULL, epochs,
           "After so many training ends in any case."),
    NUMBER("batch", RHM_OPTION_COUNT, "sequences", "128", NULL, batch,
           "Sequences of a step; the last batch of an epoch may have fewer."),
    NUMBER("loss-threshold", RHM_OPTION_REAL, "nats", "0.01; 2025: 0.001", none, loss_threshold,
           "Training ends after an epoch in which the mean cross-entropy was not larger."),
    NUMBER("momentum", RHM_OPTION_REAL, NULL, "0.9; 2025: none", none, momentum, "Of gradient descent."),
    CHOICE("rate-schedule", "protocol|constant|cosine", rates, rate_schedule,
           "The learning rate from epoch to epoch; cosine (prx) comes down to 0 in --rate-period of the epochs, and "
           "goes up again after that. 2025: constant."),
    NUMBER("rate-period", RHM_OPTION_REAL, "share of the epochs", "0.8", NULL, rate_period,
           "Of --rate-schedule cosine."),
    NUMBER("regulariser", RHM_OPTION_REAL, NULL, "5e-4; 2025: none", none, regulariser,
           "Weight of the mean square of every tensor of parameters, which is added to the loss."),
    CHOICE("bias", "protocol|none|per-position", biases, bias,
           "per-position (prx): a number for every channel and position. 2025: none."),
    NUMBER("bias-scale", RHM_OPTION_REAL, NULL, "0.1", NULL, bias_scale, "Biases are multiplied by this."),
    CHOICE("weight-scale", "protocol|channels|inputs", scales, weight_scale,
           "What convolutions are divided by: the root of the number of channels that come in (prx), or of that times "
           "s (2025)."),
    CHOICE("whitening", "NAME", whitenings, whitening,
           "Of one-hot tokens x: none; shifted (prx), x (1 + q) - q with q = (V - 1)^(-1/2); standardized (2025), (x - "
           "1/V) / sqrt(1 - 1/V)."),
    {.name = "arithmetic",
     .kind = RHM_OPTION_CHOICE,
     .argument = "float32|bfloat16",
     .fallback = "float32",
     .words = arithmetics,
     .place = PLACE(arithmetic),
     .help =
         "Of activations and weights in products. bfloat16: by --backend onednn, on CPUs that multiply such numbers; "
         "parameters, sums and steps are 32-bit numbers in any case."},
    {0}};
const rhm_option_group rhm_network_options = {"Convolutional network (--learner cnn)", own};
