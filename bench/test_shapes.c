/* The text files of problems: what they may say, and how a mistake is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shapes.h"

static const char *const known[] = {"vocab", "width", "patches", NULL};

/* Write `text` to a file, read it, and return the status; the error's file name is replaced by "F". */
static rhm_status read_text(const char *text, shapes *out, char *message, size_t nbytes) {
    char path[] = "test_shapes_XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    rhm_error error = {0};
    const rhm_status status = shapes_read(out, path, known, &error);
    unlink(path);
    const char *tail = strstr(error.text, path);
    snprintf(message, nbytes, "F%s", tail ? tail + strlen(path) : error.text);
    return status;
}

static void reads_problems(void **unused) {
    (void)unused;
    char message[1024];
    shapes all = {0};
    const char *text = "# a comment\n\n  first vocab=16\twidth=2048 # and another\r\nsecond.2-b_c patches=0 "
                       "vocab=9223372036854775807\nbare";
    assert_int_equal(read_text(text, &all, message, sizeof message), RHM_OK);
    assert_int_equal(all.count, 3);
    assert_string_equal(all.items[0].name, "first");
    assert_int_equal(all.items[0].line, 3);
    assert_string_equal(all.items[1].name, "second.2-b_c");
    assert_string_equal(all.items[2].name, "bare");
    assert_int_equal(all.items[2].pair_count, 0);

    int64_t value = -1;
    rhm_error error = {0};
    assert_true(shape_find(&all.items[0], "width", &value));
    assert_int_equal(value, 2048);
    assert_false(shape_find(&all.items[0], "patches", &value));
    assert_int_equal(shape_value(&all, &all.items[1], "vocab", 1, INT64_MAX, &value, &error), RHM_OK);
    assert_int_equal(value, INT64_MAX);

    assert_int_equal(shape_value(&all, &all.items[1], "patches", 1, 10, &value, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, ":4: patches is 0: allowed are 1 to 10"));
    assert_int_equal(shape_value(&all, &all.items[2], "width", 1, 10, &value, &error), RHM_INVALID);
    assert_non_null(strstr(error.text, ":5: problem 'bare' has no 'width'"));
    assert_int_equal(value, INT64_MAX);
    shapes_destroy(&all);
    shapes_destroy(&all);
}

static void names_mistakes(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "F:0: the file ends without a problem"},
        {"# only\n\n", "F:2: the file ends without a problem"},
        {"ok vocab=1\na/b vocab=1\n", "F:2: name 'a/b': allowed are 1 to 63 letters, digits and '._-'"},
        {"a vocab=1\n\n a width=1\n", "F:3: name 'a' was given in line 1"},
        {"a vocab\n", "F:1: 'vocab' is not of the form key=value"},
        {"a =3\n", "F:1: key '': allowed are 1 to 31 lower-case letters, digits and '_'"},
        {"a Vocab=3\n", "F:1: key 'Vocab': allowed are 1 to 31 lower-case letters, digits and '_'"},
        {"a height=3\n", "F:1: key 'height' is not one of this benchmark"},
        {"a vocab=3 vocab=4\n", "F:1: key 'vocab' is given twice"},
        {"a vocab=\n", "F:1: vocab is '': allowed are integers from 0 to 9223372036854775807"},
        {"a vocab=-1\n", "F:1: vocab is '-1': allowed are integers from 0 to 9223372036854775807"},
        {"a vocab=1e3\n", "F:1: vocab is '1e3': allowed are integers from 0 to 9223372036854775807"},
        {"a vocab=9223372036854775808\n",
         "F:1: vocab is '9223372036854775808': allowed are integers from 0 to 9223372036854775807"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[1024];
        shapes all = {0};
        assert_int_equal(read_text(cases[i].text, &all, message, sizeof message), RHM_INVALID);
        assert_string_equal(message, cases[i].message);
        assert_null(all.items);
    }
}

static void refuses_unreadable_files(void **unused) {
    (void)unused;
    shapes all = {0};
    rhm_error error = {0};
    assert_int_equal(shapes_read(&all, "no/such/file", known, &error), RHM_IO);
    assert_non_null(strstr(error.text, "'no/such/file'"));
    assert_int_equal(shapes_read(&all, ".", known, &error), RHM_IO);
}

static void limits_the_number_of_keys(void **unused) {
    (void)unused;
    char path[] = "test_shapes_XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    assert_non_null(file);
    fprintf(file, "a");
    for (int i = 0; i <= SHAPES_MAX_PAIRS; i++)
        fprintf(file, " k%d=%d", i, i);
    fclose(file);
    shapes all = {0};
    rhm_error error = {0};
    const rhm_status status = shapes_read(&all, path, NULL, &error);
    unlink(path);
    assert_int_equal(status, RHM_INVALID);
    assert_non_null(strstr(error.text, ":1: more than 24 keys"));
}

/* Every file that ships is read with the keys it may have, and describes possible instances. */
static void shipped_files_are_sound(void **unused) {
    (void)unused;
    static const char *const keys[] = {"vocab", "rules", "branching", "levels", "width",    "patches", "rows",  "run",
                                       "first", "c",     "samples",   "test",   "accuracy", "others",  "batch", NULL};
    glob_t files;
    assert_int_equal(glob(RHM_BENCH_DIR "/shapes/*.txt", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 3);
    for (size_t f = 0; f < files.gl_pathc; f++) {
        shapes all = {0};
        rhm_error error = {0};
        if (shapes_read(&all, files.gl_pathv[f], keys, &error) != RHM_OK)
            fail_msg("%s", error.text);
        for (size_t i = 0; i < all.count; i++) {
            const shape *item = &all.items[i];
            int64_t value[sizeof keys / sizeof *keys] = {0};
            for (size_t k = 0; keys[k]; k++)
                if (shape_find(item, keys[k], &value[k]) &&
                    shape_value(&all, item, keys[k], 1, INT32_MAX, &value[k], &error) != RHM_OK)
                    fail_msg("%s", error.text);
            if (value[0] == 0 || value[2] == 0)
                fail_msg("%s:%zu: no vocab or branching", all.path, item->line);
            int64_t tuples = 1; /* V^s, enough to see V m <= V^s */
            for (int64_t s = 0; s < value[2] && tuples < INT32_MAX; s++)
                tuples *= value[0];
            if (value[0] * value[1] > tuples)
                fail_msg("%s:%zu: V m exceeds V^s", all.path, item->line);
        }
        shapes_destroy(&all);
    }
    globfree(&files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_problems),           cmocka_unit_test(names_mistakes),
        cmocka_unit_test(refuses_unreadable_files), cmocka_unit_test(limits_the_number_of_keys),
        cmocka_unit_test(shipped_files_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
