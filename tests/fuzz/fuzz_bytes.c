/*
 * Files with damaged bytes, read as users read them: those of others first in a child process, which libhdf5 may crash.
 * An input is a step that says which file, then steps that change its bytes. What the child found new is added to this
 * process's coverage; of libhdf5 itself none is known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file_header.h"
#include "core/h5file.h"
#include "file_input.h"
#include "rhm/rhm.h"
#include "target.h"

enum { SANITIZER_STATUS = 99 }; /* see ./dev and tests/fuzz/CMakeLists.txt */

extern uint8_t __start___sancov_cntrs[] __attribute__((weak)), __stop___sancov_cntrs[] __attribute__((weak));

void __asan_set_error_report_callback(void (*callback)(const char *report)) __attribute__((weak));

static uint8_t *shared; /* the child's counters */
static pid_t parent;

void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));
pid_t __real_waitpid(pid_t child, int *status, int options);
pid_t __wrap_waitpid(pid_t child, int *status, int options);

/* Sanitizers see what libhdf5 copies: beyond its end, that is what the child is for. */
static void on_report(const char *report) {
    const char *caller = strstr(report, "#1 ");
    const char *end = caller ? strchr(caller, '\n') : NULL;
    const char *found = caller ? strstr(caller, "libhdf5") : NULL;
    if (getpid() != parent && found && end && found < end)
        __real__exit(0);
}

static size_t counters(void) {
    return __start___sancov_cntrs ? (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs) : 0;
}

void __wrap__exit(int status) {
    if (shared)
        memcpy(shared, __start___sancov_cntrs, counters());
    __real__exit(status);
}

pid_t __wrap_waitpid(pid_t child, int *status, int options) {
    int ended = 0;
    const pid_t found = __real_waitpid(child, &ended, options);
    if (found > 0 && WIFEXITED(ended) && WEXITSTATUS(ended) == SANITIZER_STATUS)
        fuzz_fail("a sanitizer stopped the child that reads the file first");
    if (found > 0 && shared && WIFEXITED(ended))
        for (size_t i = 0; i < counters(); i++)
            __start___sancov_cntrs[i] |= shared[i];
    if (status)
        *status = ended;
    return found;
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    fuzz_enter_directory();
    templates_make();
    parent = getpid();
    if (__asan_set_error_report_callback)
        __asan_set_error_report_callback(on_report);
    if (counters()) {
        shared = mmap(NULL, counters(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
            fuzz_fail("no memory to share");
    }
    return 0;
}

/* step: what, where (three bytes), with what (four bytes). */
static void change(uint8_t *bytes, size_t *nbytes, const uint8_t step[STEP_NBYTES]) {
    size_t at = step[1] | (size_t)step[2] << 8 | (size_t)step[3] << 16;
    const uint8_t *value = step + 4;
    if (*nbytes < 2 * STEP_NBYTES)
        return;
    at %= (step[0] & 128 ? RHM_FILE_HEADER_NBYTES : *nbytes) - STEP_NBYTES;
    if (at >= *nbytes - STEP_NBYTES)
        return;
    switch (step[0] % 8) {
    case 0: bytes[at] = value[0]; return;
    case 1: bytes[at] ^= value[0]; return;
    case 2: bytes[at] = (uint8_t)(bytes[at] + value[0]); return;
    case 3: memcpy(bytes + at, value, 2); return;
    case 4: memcpy(bytes + at, value, 4); return;
    case 5: memset(bytes + at, value[0], 8); return;
    case 6: memmove(bytes + at, bytes + (value[0] | (size_t)value[1] << 8) % (*nbytes - STEP_NBYTES), 8); return;
    case 7:
        if (value[0] % 16 == 0)
            *nbytes = at;
        return;
    }
}

static void read_file(const char *path, uint8_t reader) {
    rhm_grammar *grammar = NULL;
    rhm_model *model = NULL;
    rhm_data data = {0};
    char kind[RHM_FILE_KIND_NBYTES];
    rhm_error error = {0};
    rhm_status status = RHM_OK;
    switch (reader % 4) {
    case 0: status = rhm_grammar_load(&grammar, path, &error); break;
    case 1: status = rhm_data_load(&data, path, NULL, &error); break;
    case 2: status = rhm_model_load(&model, path, &error); break;
    case 3: status = rhm_h5_load_kind(path, kind, &error); break;
    }
    fuzz_check_status(status, &error);
    rhm_grammar_destroy(grammar);
    rhm_model_destroy(model);
    rhm_data_clear(&data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    file_input input;
    if (!file_input_read(&input, bytes, nbytes))
        return 0;
    const file_image image = template_image(input.kind, input.form);
    uint8_t *damaged = malloc(image.nbytes);
    size_t damaged_nbytes = image.nbytes;
    FUZZ_CHECK(damaged);
    memcpy(damaged, image.bytes, image.nbytes);
    for (; input.steps_nbytes >= STEP_NBYTES; input.steps += STEP_NBYTES, input.steps_nbytes -= STEP_NBYTES)
        change(damaged, &damaged_nbytes, input.steps);
    fuzz_write_file("damaged.h5", damaged, damaged_nbytes);
    free(damaged);
    read_file("damaged.h5", input.reader);
    return 0;
}
