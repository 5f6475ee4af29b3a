/*
 * Error convention of the whole API.
 *
 * Every function that can fail returns an rhm_status and takes, as its last parameter, an rhm_error owned by the
 * caller (or NULL). On failure the error holds the same status and one sentence that names the value at fault, the
 * reason, and what is allowed; output parameters are then left NULL or unchanged. On success the error is untouched.
 * The library never exits, aborts or prints.
 */
#ifndef RHM_STATUS_H
#define RHM_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define RHM_API __attribute__((visibility("default")))

typedef enum rhm_status {
    RHM_OK = 0,
    RHM_INVALID,     /* an argument, an option or the contents of an input make no sense */
    RHM_CORRUPT,     /* a file is damaged, truncated or not one of ours */
    RHM_IO,          /* the operating system refused a file operation */
    RHM_NO_MEMORY,   /* a size overflows, exceeds the memory limit, or was refused by the system */
    RHM_UNSUPPORTED, /* this build or this machine lacks what was asked for */
    RHM_INTERRUPTED, /* the caller's interrupt flag was raised */
    RHM_FAILED,      /* the computation could not reach what was asked */
} rhm_status;

enum { RHM_ERROR_TEXT_NBYTES = 512 };

typedef struct rhm_error {
    rhm_status status;
    char text[RHM_ERROR_TEXT_NBYTES]; /* one sentence without a final newline */
} rhm_error;

/* A short lower-case name such as "invalid"; never NULL. */
RHM_API const char *rhm_status_name(rhm_status status);

/* Library version, "MAJOR.MINOR.PATCH". */
RHM_API const char *rhm_version(void);

#ifdef __cplusplus
}
#endif
#endif
