/*
 * Runs the kept inputs of a target once, without libFuzzer: `fuzz_files_replay corpus/files.txt`. A line is an input in
 * hexadecimal; lines of other things, and what follows a '#', are for the reader.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

enum { MOST_NBYTES = 1 << 16 };

static int digit(int character) {
    return isdigit(character) ? character - '0' : tolower(character) - 'a' + 10;
}

/* Number of bytes, 0 where the line is not an input. */
static size_t decode(const char *line, uint8_t *bytes) {
    size_t count = 0;
    for (const char *at = line; *at && *at != '#' && *at != '\n' && count < MOST_NBYTES;) {
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]))
            return 0;
        bytes[count++] = (uint8_t)(digit((unsigned char)at[0]) << 4 | digit((unsigned char)at[1]));
        at += 2;
    }
    return count;
}

int main(int count, char **arguments) {
    static char line[3 * MOST_NBYTES];
    static uint8_t bytes[MOST_NBYTES];
    int inputs = 0;
    if (count != 2)
        return 2;
    FILE *corpus = fopen(arguments[1], "r");
    if (!corpus)
        fuzz_fail("cannot open %s", arguments[1]);
    LLVMFuzzerInitialize(&count, &arguments);
    for (int number = 1; fgets(line, sizeof line, corpus); number++) {
        const size_t nbytes = decode(line, bytes);
        if (nbytes == 0)
            continue;
        fprintf(stderr, "%s:%d\n", arguments[1], number);
        /* Memory of exactly this size: the sanitizers then know its end. */
        uint8_t *exact = malloc(nbytes);
        if (!exact)
            fuzz_fail("no memory");
        memcpy(exact, bytes, nbytes);
        LLVMFuzzerTestOneInput(exact, nbytes);
        free(exact);
        inputs++;
    }
    fclose(corpus);
    fprintf(stderr, "%d inputs\n", inputs);
    return inputs == 0;
}
