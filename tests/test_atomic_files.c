/* Files on their way to their names: what is in their way, what they leave, and what a path means to a writer. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "core/atomic_file.h"
#include "core/partial.h"

static int exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

static void sweep_here(void) {
    const int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_true(here >= 0);
    rhm_partial_sweep(here);
    close(here);
}

static void leftovers_without_an_owner_are_removed(void **state) {
    (void)state;
    static const char *const gone[] = {".rhm-0123abcd-77-0.partial", ".rhm-4194304-3.partial"};
    static const char *const kept[] = {".rhm-notes.partial", ".rhm-1-2.partial.h5", "rhm-1-2.partial", ".rhm-.partial"};
    const int before = count_entries();
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        write_bytes(gone[i], "half", 4);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        write_bytes(kept[i], "mine", 4);
    assert_int_equal(mkfifo(".rhm-5-0.partial", 0666), 0);
    assert_int_equal(symlink("precious", ".rhm-6-0.partial"), 0);
    write_bytes("precious", "kept", 4);
    sweep_here();
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_false(exists(gone[i]));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        assert_true(exists(kept[i]));
        unlink(kept[i]);
    }
    assert_true(exists(".rhm-5-0.partial") && exists(".rhm-6-0.partial") && exists("precious"));
    unlink(".rhm-5-0.partial");
    unlink(".rhm-6-0.partial");
    unlink("precious");
    assert_int_equal(count_entries(), before);
}

static void what_somebody_is_writing_stays(void **state) {
    (void)state;
    rhm_atomic first, second;
    rhm_error error;
    const int before = count_entries();
    assert_ok(rhm_atomic_begin(&first, "a", &error), &error);
    assert_ok(rhm_atomic_begin(&second, "b", &error), &error); /* sweeps */
    assert_string_not_equal(first.temporary, second.temporary);
    sweep_here();
    assert_true(exists(first.temporary) && exists(second.temporary));
    assert_ok(rhm_atomic_commit(&first, &error), &error);
    rhm_atomic_abandon(&second);
    assert_true(exists("a") && !exists("b"));
    unlink("a");
    assert_int_equal(count_entries(), before);
}

/* The lock goes with the process, not with its number: this process lives on under the number in the name. */
static void what_a_killed_process_was_writing_is_removed(void **state) {
    (void)state;
    rhm_error error;
    int ready[2];
    const int before = count_entries();
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rhm_atomic file;
        const char fine = rhm_atomic_begin(&file, "c", NULL) == RHM_OK;
        if (write(ready[1], &fine, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char fine = 0;
    assert_int_equal(read(ready[0], &fine, 1), 1);
    assert_true(fine);
    sweep_here();
    assert_int_equal(count_entries(), before + 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(count_entries(), before + 1);
    assert_ok(rhm_atomic_write_text("d", "text", 4, &error), &error);
    unlink("d");
    assert_int_equal(count_entries(), before);
    close(ready[0]);
    close(ready[1]);
}

static rhm_destination found(const char *path) {
    rhm_destination to;
    rhm_error error;
    assert_ok(rhm_destination_find(&to, path, &error), &error);
    return to;
}

static bool same(const char *a, const char *b) {
    rhm_destination one = found(a), other = found(b);
    const bool result = rhm_destination_same(&one, &other);
    assert_true(rhm_destination_same(&other, &one) == result);
    rhm_destination_clear(&one);
    rhm_destination_clear(&other);
    return result;
}

static void names_of_one_file_are_recognised(void **state) {
    (void)state;
    char here[4096], absolute[8192];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir("deep", 0777), 0);
    assert_int_equal(symlink("deep", "folder"), 0);
    assert_int_equal(symlink("fresh", "soft"), 0);
    assert_int_equal(symlink("folder/fresh", "other"), 0);
    for (int there = 0; there < 2; there++) { /* before and after there is a file */
        snprintf(absolute, sizeof absolute, "%s/fresh", here);
        assert_true(same("fresh", "./fresh") && same("fresh", absolute) && same("soft", "fresh"));
        assert_true(same("deep/../fresh", "fresh"));
        assert_true(same("other", "deep/fresh") && same("folder/fresh", "deep/fresh"));
        assert_false(same("fresh", "fresh2") || same("fresh", "deep/fresh") || same("fresh", "absent/fresh"));
        assert_false(same("absent/fresh", "absent/fresh2"));
        write_bytes("fresh", "1", 1);
        write_bytes("deep/fresh", "1", 1);
    }
    assert_int_equal(link("fresh", "hard"), 0);
    assert_true(same("hard", "soft"));
    assert_int_equal(unlink("soft") | unlink("other") | unlink("hard") | unlink("fresh"), 0);
}

static void descriptors_are_written_through(void **state) {
    (void)state;
    char name[64];
    size_t nbytes;
    rhm_error error;
    write_bytes("log", "earlier ", 8);
    const int log = open("log", O_WRONLY);
    assert_true(log >= 0);
    assert_int_equal(lseek(log, 0, SEEK_END), 8);
    static const char *const names[] = {"/dev/fd/%d", "/proc/self/fd/%d", "/proc/thread-self/fd/%d"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, names[i], log);
        rhm_destination to = found(name);
        assert_true(to.through);
        assert_int_equal(to.descriptor, log);
        rhm_destination_clear(&to);
        assert_ok(rhm_atomic_write_text(name, "text ", 5, &error), &error);
    }
    /* Of another process: opened anew, and appended to. */
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        snprintf(name, sizeof name, "/proc/%ld/fd/%d", (long)getppid(), log);
        _exit(rhm_atomic_write_text(name, "child", 5, NULL) == RHM_OK ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(log);
    unsigned char *bytes = read_bytes("log", &nbytes);
    bytes[nbytes] = 0;
    assert_string_equal((char *)bytes, "earlier text text text child");
    free(bytes);
    assert_refused(rhm_atomic_write_text(name, "", 0, &error), RHM_IO, &error, "not open");
    assert_int_equal(unlink("log"), 0);
}

static void disks_and_sockets_are_refused(void **state) {
    (void)state;
    rhm_error error;
    if (mknod("disk", S_IFBLK | 0666, 7 << 8) == 0)
        assert_refused(rhm_atomic_write_text("disk", "", 0, &error), RHM_IO, &error, "block device");
    assert_int_equal(mknod("socket", S_IFSOCK | 0666, 0), 0);
    assert_refused(rhm_atomic_write_text("socket", "", 0, &error), RHM_IO, &error, "socket");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leftovers_without_an_owner_are_removed),
        cmocka_unit_test(what_somebody_is_writing_stays),
        cmocka_unit_test(what_a_killed_process_was_writing_is_removed),
        cmocka_unit_test(names_of_one_file_are_recognised),
        cmocka_unit_test(descriptors_are_written_through),
        cmocka_unit_test(disks_and_sockets_are_refused),
    };
    return cmocka_run_group_tests_name("atomic files", tests, enter_directory, leave_directory);
}
