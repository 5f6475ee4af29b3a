/* Mutations that keep the steps of a program whole (made_file.h); libFuzzer's own reach what is inside them. */
#include <stdlib.h>
#include <string.h>

#include "made_file.h"

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t nbytes, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t most, unsigned seed);

static uint8_t random_byte(unsigned *seed) {
    return (uint8_t)(rand_r(seed) >> 4);
}

/* Insert a step before step `at`: of random bytes, or a copy of another. */
static size_t insert(uint8_t *bytes, size_t nbytes, size_t at, unsigned *seed) {
    uint8_t step[STEP_NBYTES];
    const size_t steps = nbytes / STEP_NBYTES;
    for (int i = 0; i < STEP_NBYTES; i++)
        step[i] = random_byte(seed);
    if (random_byte(seed) % 4 == 0)
        memcpy(step, bytes + random_byte(seed) % steps * STEP_NBYTES, STEP_NBYTES);
    memmove(bytes + (at + 1) * STEP_NBYTES, bytes + at * STEP_NBYTES, nbytes - at * STEP_NBYTES);
    memcpy(bytes + at * STEP_NBYTES, step, STEP_NBYTES);
    return nbytes + STEP_NBYTES;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t most, unsigned seed) {
    nbytes -= nbytes % STEP_NBYTES;
    if (nbytes == 0) {
        nbytes = most < STEP_NBYTES ? 0 : STEP_NBYTES;
        for (size_t i = 0; i < nbytes; i++)
            bytes[i] = random_byte(&seed);
        return nbytes;
    }
    const size_t steps = nbytes / STEP_NBYTES, at = random_byte(&seed) % steps;
    uint8_t *step = bytes + at * STEP_NBYTES;
    switch (random_byte(&seed) % 8) {
    case 0:
    case 1:
        if (nbytes + STEP_NBYTES <= most)
            return insert(bytes, nbytes, 1 + at, &seed);
        break;
    case 2:
        if (at > 0) {
            memmove(step, step + STEP_NBYTES, nbytes - (at + 1) * STEP_NBYTES);
            return nbytes - STEP_NBYTES;
        }
        break;
    case 3: return LLVMFuzzerMutate(bytes, nbytes, most);
    case 4: step[random_byte(&seed) % STEP_NBYTES]++; return nbytes;
    default: break;
    }
    step[random_byte(&seed) % STEP_NBYTES] = random_byte(&seed);
    return nbytes;
}
