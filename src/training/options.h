/*
 * The options of training, said once for all learners: what they are called, where they are, what they may be and what
 * zero stands for. Checks, defaults, the bounds that the command shows and the facts that a checkpoint is compared by
 * follow from the table.
 */
#ifndef RHM_TRAINING_OPTIONS_H
#define RHM_TRAINING_OPTIONS_H

#include "rhm/learner.h"

typedef enum rhm_train_option_kind {
    RHM_TRAIN_U32,
    RHM_TRAIN_U64,
    RHM_TRAIN_REAL,
    RHM_TRAIN_BOOL,
    RHM_TRAIN_CHOICE, /* an enumeration */
    RHM_TRAIN_TEXT,   /* const char * */
} rhm_train_option_kind;

typedef struct rhm_train_option {
    const char *name; /* as the command has it */
    rhm_train_option_kind kind;
    bool by_level; /* an array, 1..L of which count */
    size_t place;
    double least, greatest;              /* of numbers other than 0; DBL_MIN: any that is positive */
    double otherwise;                    /* what 0 is replaced by; 0: it stays */
    const char *zero;                    /* what a 0 or NULL that stays means, in a word or two; NULL: 0 */
    const char *minus_one;               /* what -1 is called, where it has a meaning */
    const char *(*word)(unsigned value); /* of a bool or a choice; NULL beyond the last */
    bool every_learner;                  /* takes it */
    bool without_effect;                 /* on the model and its report */
} rhm_train_option;

extern const rhm_train_option rhm_train_option_table[];
extern const size_t rhm_train_option_count;

size_t rhm_train_option_nbytes(const rhm_train_option *option);

/* The value as one would type it, exactly, at one level where the option has levels; `text` gets at most text_nbytes
 * with the NUL. */
void rhm_train_option_text(const rhm_train_option *option, const rhm_train_options *options, uint32_t level, char *text,
                           size_t text_nbytes);

/* Defaults filled in, ranges checked. */
rhm_status rhm_train_options_resolve(rhm_train_options *out, const rhm_train_options *options, uint32_t levels,
                                     rhm_error *error);

/*
 * RHM_INVALID where an option has a value other than its default although the learner takes no such option; names are
 * those of the command.
 */
rhm_status rhm_train_options_check(const rhm_train_options *options, const rhm_learner_info *learner, uint32_t levels,
                                   rhm_error *error);

#endif
