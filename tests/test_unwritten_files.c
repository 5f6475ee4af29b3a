/* Where a file cannot be written whole, nothing of it is left and what was there before stays. */
#include "files.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/atomic_file.h"

static void an_unfinished_data_set_leaves_nothing(void **state) {
    (void)state;
    const int before = count_entries();
    rhm_grammar *grammar = small_grammar();
    const uint16_t tokens[3 * TOKENS] = {0}, labels[3] = {0};
    rhm_data_writer *writer = NULL;
    rhm_error error;
    assert_ok(rhm_data_writer_open(&writer, "never.h5", grammar, 1, 2, 0, &error), &error);
    assert_refused(rhm_data_writer_append(writer, 3, tokens, labels, NULL, &error), RHM_INVALID, &error, "0 of 2");
    assert_ok(rhm_data_writer_append(writer, 1, tokens, labels, NULL, &error), &error);
    assert_refused(rhm_data_writer_commit(&writer, &error), RHM_INVALID, &error, "1 of 2");
    assert_null(writer);
    assert_ok(rhm_data_writer_open(&writer, "never.h5", grammar, 1, 2, 1, &error), &error);
    assert_refused(rhm_data_writer_append(writer, 1, tokens, labels, NULL, &error), RHM_INVALID, &error, "level 1");
    rhm_data_writer_abandon(&writer);
    rhm_data_writer_abandon(&writer);
    assert_refused(rhm_data_writer_open(&writer, "never.h5", grammar, 1, 0, 0, &error), RHM_INVALID, &error,
                   "0 samples");
    assert_refused(rhm_data_writer_open(&writer, "never.h5", grammar, 1, SIZE_MAX / 8, 0, &error), RHM_INVALID, &error,
                   "exceed");
    assert_null(writer);
    assert_int_equal(count_entries(), before);
    rhm_grammar_destroy(grammar);
}

static void what_cannot_be_written_is_named(void **state) {
    (void)state;
    rhm_grammar *grammar = small_grammar();
    rhm_error error;
    assert_int_equal(mkdir("taken", 0777), 0);
    assert_int_equal(symlink("nowhere/at/all", "dangling"), 0);
    const int before = count_entries();
    assert_refused(rhm_grammar_save(grammar, "taken", &error), RHM_IO, &error, "directory");
    assert_refused(rhm_grammar_save(grammar, "absent/g.h5", &error), RHM_IO, &error, "No such file");
    assert_refused(rhm_grammar_save(grammar, "", &error), RHM_IO, &error, "No such file");
    assert_refused(rhm_grammar_save(grammar, "dangling", &error), RHM_IO, &error, "symbolic link");
    assert_ok(rhm_grammar_save(grammar, "/dev/null", &error), &error);
    assert_int_equal(count_entries(), before);
    if (geteuid() != 0) {
        assert_int_equal(chmod("taken", 0555), 0);
        assert_refused(rhm_grammar_save(grammar, "taken/g.h5", &error), RHM_IO, &error, "Permission denied");
        write_bytes("kept", "kept", 4);
        assert_int_equal(chmod("kept", 0444), 0);
        assert_refused(rhm_grammar_save(grammar, "kept", &error), RHM_IO, &error, "Permission denied");
    }
    rhm_grammar_destroy(grammar);
}

static void a_replaced_file_keeps_its_mode_and_its_links(void **state) {
    (void)state;
    rhm_error error;
    struct stat status;
    assert_int_equal(mkdir("elsewhere", 0777), 0);
    write_bytes("elsewhere/old.txt", "old", 3);
    assert_int_equal(chmod("elsewhere/old.txt", 0600), 0);
    assert_int_equal(symlink("elsewhere/old.txt", "link.txt"), 0);
    assert_ok(rhm_atomic_write_text("link.txt", "newer", 5, &error), &error);
    assert_int_equal(lstat("link.txt", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat("elsewhere/old.txt", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 5);
    assert_ok(rhm_atomic_write_text("/dev/null", "newer", 5, &error), &error);
    assert_int_equal(lstat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

/* In a child, since the limit and what libhdf5 keeps after a failure stay with the process. */
static int save_with_limit(int kind, rlim_t limit) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rhm_grammar *grammar = small_grammar();
        rhm_model *model = small_model(grammar);
        rhm_error error = {0};
        signal(SIGXFSZ, SIG_IGN);
        alarm(20);
        const struct rlimit sizes = {limit, limit};
        setrlimit(RLIMIT_FSIZE, &sizes);
        const uint16_t tokens[TOKENS] = {0}, labels[1] = {0};
        rhm_data_writer *writer = NULL;
        rhm_status status;
        if (kind == 0)
            status = rhm_grammar_save(grammar, "limited.h5", &error);
        else if (kind == 2)
            status = rhm_model_save(model, "limited.h5", &error);
        else if ((status = rhm_data_writer_open(&writer, "limited.h5", grammar, 1, 1000, 0, &error)) == RHM_OK) {
            for (int i = 0; i < 1000 && status == RHM_OK; i++)
                status = rhm_data_writer_append(writer, 1, tokens, labels, NULL, &error);
            if (status == RHM_OK)
                status = rhm_data_writer_commit(&writer, &error);
        }
        rhm_data_writer_abandon(&writer);
        rhm_model_destroy(model);
        rhm_grammar_destroy(grammar);
        const int named = strstr(error.text, strerror(EFBIG)) || strstr(error.text, strerror(ENOSPC));
        /* exit, not _exit: what libhdf5 does on its way out belongs to the test. */
        exit(status == RHM_OK ? 0 : status == RHM_IO && named ? 1 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("kind %s, limit %ld: the process was killed by signal %d", kinds[kind], (long)limit, WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        int failed = 0, result = 1;
        for (rlim_t limit = 0; result != 0; limit = limit * 3 / 2 + 300) {
            write_bytes("limited.h5", "before", 6);
            const int before = count_entries();
            result = save_with_limit(kind, limit);
            assert_in_range(result, 0, 1);
            assert_int_equal(count_entries(), before);
            if (result == 1) {
                size_t nbytes;
                unsigned char *bytes = read_bytes("limited.h5", &nbytes);
                assert_int_equal(nbytes, 6);
                assert_memory_equal(bytes, "before", 6);
                free(bytes);
                failed++;
            }
        }
        assert_true(failed >= 8);
        rhm_error error;
        assert_ok(load_any(kinds[kind], "limited.h5", &error), &error);
    }
}

/* The real thing where the system lets us mount; the limit on sizes stands in for it elsewhere. */
static void a_full_tmpfs_leaves_nothing(void **state) {
    (void)state;
    assert_int_equal(mkdir("tiny", 0777), 0);
    if (mount("tmpfs", "tiny", "tmpfs", 0, "size=8k") != 0)
        skip();
    assert_int_equal(chdir("tiny"), 0);
    const int before = count_entries();
    for (int kind = 0; kind < 3; kind++)
        assert_int_equal(save_with_limit(kind, RLIM_INFINITY), 1);
    assert_int_equal(count_entries(), before);
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(umount("tiny"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unfinished_data_set_leaves_nothing),
        cmocka_unit_test(what_cannot_be_written_is_named),
        cmocka_unit_test(a_replaced_file_keeps_its_mode_and_its_links),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(a_full_tmpfs_leaves_nothing),
    };
    return cmocka_run_group_tests_name("unwritten files", tests, enter_directory, leave_directory);
}
