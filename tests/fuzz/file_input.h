/* How the bytes of an input name a file: a step that says what to start from, then the steps of made_file.h. */
#ifndef RHM_TESTS_FUZZ_FILE_INPUT_H
#define RHM_TESTS_FUZZ_FILE_INPUT_H

#include "made_file.h"
#include "templates.h"

typedef struct file_input {
    template_kind kind;
    template_form form;
    made_by by;
    uint8_t reader, hints[4]; /* for the target to read */
    const uint8_t *steps;
    size_t steps_nbytes;
} file_input;

/* False where there is no first step. */
bool file_input_read(file_input *input, const uint8_t *bytes, size_t nbytes);

/* `header`: the kind that the header names. False where there is no such file. */
bool file_input_make(const file_input *input, const char *header, const char *path);

/* Objects of libhdf5 that are open: their number must not grow. */
long file_input_open_objects(void);

#endif
