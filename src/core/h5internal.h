/* What the h5*.c files share: the handle, the guard around libhdf5, and its errors as sentences. */
#ifndef RHM_CORE_H5INTERNAL_H
#define RHM_CORE_H5INTERNAL_H

#include <hdf5.h>

#include "core/atomic_file.h"
#include "core/file_header.h"
#include "core/h5file.h"

enum { RHM_H5_NOTES_NBYTES = 4096 };

struct rhm_h5 {
    hid_t id;           /* negative when closed */
    char *path;         /* as the caller wrote it, for sentences; owned */
    uint64_t nbytes;    /* size of a file being read */
    bool intact;        /* a file being read is as this library wrote it */
    rhm_atomic writing; /* of a file being written */
    int write_failure;  /* errno of the first write that failed; 0: none */
    char kind[RHM_FILE_KIND_NBYTES];
    rhm_error *damage; /* owned: filled by the first look for an object or attribute that failed */
    char *notes;       /* owned, RHM_H5_NOTES_NBYTES: sentences with a newline each */
};

/*
 * One thread at a time inside libhdf5 (not every build of it is thread-safe), and its printing of errors off and
 * afterwards as the application had it. Declare with RHM_H5_GUARDED before the first call; nesting is fine.
 */
typedef struct rhm_h5_guard {
    H5E_auto2_t print;
    void *print_data;
} rhm_h5_guard;

rhm_h5_guard rhm_h5_enter(void);
void rhm_h5_leave(rhm_h5_guard *guard);

/* In a child process made under the guard: give it to the child. */
void rhm_h5_after_fork(void);

#define RHM_H5_GUARDED __attribute__((cleanup(rhm_h5_leave), unused)) rhm_h5_guard guard = rhm_h5_enter()

/*
 * The sentence for a call of libhdf5 that failed just now, from its error stack: RHM_IO with the system's words where
 * the system refused, else `status` with libhdf5's innermost words.
 */
rhm_status rhm_h5_failed(const rhm_h5 *file, const char *object, rhm_status status, const char *action,
                         rhm_error *error);

/* Turn `status` into the failure of a write that libhdf5 was not told of, if there was one. */
rhm_status rhm_h5_check_written(const rhm_h5 *file, rhm_status status, rhm_error *error);

/*
 * Open for reading a file whose header was checked. Only rhm_h5_load may be handed files of others; release with
 * rhm_h5_close.
 */
rhm_status rhm_h5_open(rhm_h5 **out, const char *path, const rhm_file_header *header, rhm_error *error);

/*
 * What libhdf5 answers to "is it there": positive, 0, or negative where the file is too damaged to tell. That is taken
 * for a no and remembered: rhm_h5_load fails in the end, whatever the reader made of it.
 */
bool rhm_h5_exists(const rhm_h5 *file, const char *object, htri_t answer);

/*
 * Refuse an array of `elements`, created with the properties `layout`, of which a part or the way to read it is missing
 * here: filters (RHM_UNSUPPORTED), external files, sources of a virtual array. What was never written is noted.
 */
rhm_status rhm_h5_check_sources(const rhm_h5 *file, const char *object, hid_t dataset, hid_t layout, uint64_t elements,
                                rhm_error *error);

/* Whether the link `object` leads nowhere. Like damage, that makes rhm_h5_load fail in the end. */
bool rhm_h5_broken_link(const rhm_h5 *file, const char *object);

hid_t rhm_h5_memory_type(rhm_h5_type type);
hid_t rhm_h5_stored_type(rhm_h5_type type);

/* Select rows first..first+count-1 in `space`; *memory becomes a space of just those, to be closed in any case. */
bool rhm_h5_select_rows(hid_t space, const rhm_h5_shape *shape, uint64_t first, uint64_t count, hid_t *memory);

/* A variable-length UTF-8 string, which h5py reads as str; close with H5Tclose. */
hid_t rhm_h5_text_type(void);

/* The value of `id`, an attribute or dataset that holds a single text of `type`; *text is from rhm_alloc. */
rhm_status rhm_h5_read_string(const rhm_h5 *file, const char *what, hid_t id, hid_t type, char **text,
                              rhm_error *error);

/* Closers that accept what a failed call returned. */
void rhm_h5_close_type(hid_t id);
void rhm_h5_close_space(hid_t id);
void rhm_h5_close_plist(hid_t id);
void rhm_h5_close_attribute(hid_t id);
void rhm_h5_close_object(hid_t id);

#endif
