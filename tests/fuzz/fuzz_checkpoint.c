/*
 * Checkpoints whose checksums are right and whose contents are anything: the training goes on, or says why it does not.
 * Writing one takes intent; reading one must not take more than care.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_input.h"
#include "rhm/rhm.h"
#include "target.h"

static rhm_engine *engine;

static void stop(void) {
    rhm_engine_destroy(engine);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    rhm_error error = {0};
    fuzz_enter_directory();
    templates_make();
    if (rhm_engine_create(&engine, &(rhm_engine_options){.threads = 1, .placement = "none"}, &error) != RHM_OK)
        fuzz_fail("no engine: %s", error.text);
    atexit(stop);
    FUZZ_CHECK(mkdir("kept", 0777) == 0);
    return 0;
}

static void put_template(template_kind kind) {
    const file_image image = template_image(kind, FORM_OURS);
    fuzz_write_file(template_path(kind), image.bytes, image.nbytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    file_input input;
    if (!file_input_read(&input, bytes, nbytes))
        return 0;
    if (input.kind != TEMPLATE_SAMPLES)
        input.kind = TEMPLATE_CHECKPOINT;
    put_template(TEMPLATE_CHECKPOINT);
    put_template(TEMPLATE_SAMPLES);
    if (!file_input_make(&input, template_name(input.kind), template_path(input.kind)))
        return 0;
    const long before = file_input_open_objects();
    rhm_error error = {0};
    fuzz_check_status(template_train(engine, TRAIN_RESUME, &error), &error);
    const long after = file_input_open_objects();
    if (after != before)
        fuzz_fail("%ld objects of libhdf5 are left open", after - before);
    template_remove_checkpoints();
    return 0;
}
