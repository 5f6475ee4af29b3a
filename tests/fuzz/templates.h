/* The files that programs of made_file.h start from: one of each kind, in the forms in which it may come. */
#ifndef RHM_TESTS_FUZZ_TEMPLATES_H
#define RHM_TESTS_FUZZ_TEMPLATES_H

#include <stddef.h>
#include <stdint.h>

#include "rhm/engine.h"

typedef enum template_kind {
    TEMPLATE_GRAMMAR,
    TEMPLATE_DATA,
    TEMPLATE_MODEL,
    TEMPLATE_PREDICTION,
    TEMPLATE_CHECKPOINT,
    TEMPLATE_SAMPLES,
    TEMPLATE_EMPTY,
    TEMPLATES
} template_kind;

typedef enum template_form { FORM_OURS, FORM_PLAIN, FORM_LATEST, FORMS } template_form;

typedef struct file_image {
    uint8_t *bytes;
    size_t nbytes;
} file_image;

/* As in headers; "" where there is no such kind. */
const char *template_name(template_kind kind);

/* Make them all, in the current directory, which is left empty. */
void templates_make(void);
void templates_clear(void);
file_image template_image(template_kind kind, template_form form);

/* The training whose checkpoints are the templates: it keeps them in the directory "kept". */
typedef enum train_how { TRAIN_ANEW, TRAIN_RESUME } train_how;
rhm_status template_train(const rhm_engine *engine, train_how how, rhm_error *error);

/* Where it had put the files of a kind, such as "kept/samples-1.h5". */
const char *template_path(template_kind kind);
void template_remove_checkpoints(void);

#endif
