/*
 * HDF5 files made by small programs: a program starts from a file of ours or of another program (templates.h) and
 * changes its objects through libhdf5, so that every result is a file that libhdf5 itself might have written.
 *
 * A step has eight bytes: what is done, to which object (both modulo what there is), and six more that each kind of
 * step reads in its own way. Steps that make no sense are skipped, so any bytes are a program.
 */
#ifndef RHM_TESTS_FUZZ_MADE_FILE_H
#define RHM_TESTS_FUZZ_MADE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STEP_NBYTES = 8 };

/* Who has written it: the checksum in the header (core/file_header.h) is right, stale, zeroed, or there is no header.
 */
typedef enum made_by { MADE_BY_US, MADE_STALE, MADE_BLANK, MADE_BY_OTHERS } made_by;

/*
 * Apply the steps to a copy of `image` and write the result to `path`; `kind` is for the header. False where libhdf5
 * makes no file of it.
 */
bool make_file(const char *path, const uint8_t *image, size_t image_nbytes, made_by by, const char *kind,
               const uint8_t *steps, size_t steps_nbytes);

/* The image without its header, as another program would store it; latest: in the newest format. From malloc. */
uint8_t *copy_without_header(const uint8_t *image, size_t image_nbytes, int latest, size_t *nbytes);

#endif
