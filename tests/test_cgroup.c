/* Control-group limits, read from trees of files written here as the kernel would show them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "engine/cgroup.h"

typedef struct file {
    const char *path;
    const char *contents;
} file;

static void make_directories(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* A fresh directory under the current one, with these files in it. */
static const char *tree(const file *files, size_t count) {
    static char root[64];
    static int number;
    snprintf(root, sizeof root, "cgroup-tree-%d-XXXXXX", number++);
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s%s", root, files[i].path);
        make_directories(path);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(files[i].contents, out);
        fclose(out);
    }
    return root;
}

static void fell(const char *root) {
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static rhm_cgroup read_tree(const file *files, size_t count) {
    rhm_cgroup cgroup;
    const char *root = tree(files, count);
    rhm_cgroup_read(&cgroup, root);
    fell(root);
    return cgroup;
}

#define COUNT(files) (sizeof(files) / sizeof *(files))

#define MOUNT_V2 "30 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static void the_tightest_group_of_the_path_counts(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "0::/slice/pod/run\n"},
        {"/proc/self/mountinfo", "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n" MOUNT_V2},
        {"/sys/fs/cgroup/slice/cpu.max", "400000 100000\n"},
        {"/sys/fs/cgroup/slice/memory.max", "8589934592\n"},
        {"/sys/fs/cgroup/slice/pod/cpu.max", "75000 50000\n"},
        {"/sys/fs/cgroup/slice/pod/cpu.stat", "usage_usec 9\nnr_periods 70\nnr_throttled 7\nthrottled_usec 1234\n"},
        {"/sys/fs/cgroup/slice/pod/memory.max", "max\n"},
        {"/sys/fs/cgroup/slice/pod/run/cpu.max", "max 100000\n"},
        {"/sys/fs/cgroup/slice/pod/run/cpu.stat", "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"},
        {"/sys/fs/cgroup/slice/pod/run/memory.max", "10737418240\n"},
    };
    const rhm_cgroup cgroup = read_tree(files, COUNT(files));
    assert_true(cgroup.quota_cpus == 1.5);
    assert_int_equal(rhm_cgroup_threads(&cgroup), 2);
    assert_string_equal(cgroup.quota_file, "/sys/fs/cgroup/slice/pod/cpu.max");
    assert_true(cgroup.memory_limit_nbytes == UINT64_C(8589934592));
    assert_string_equal(cgroup.memory_file, "/sys/fs/cgroup/slice/memory.max");
    assert_true(cgroup.throttling.known);
    assert_int_equal(cgroup.throttling.periods, 70);
    assert_int_equal(cgroup.throttling.throttled_periods, 7);
    assert_int_equal(cgroup.throttling.throttled_usec, 1234);
}

static void no_limit_is_no_limit(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "0::/user.slice\n"},
        {"/proc/self/mountinfo", MOUNT_V2},
        {"/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"},
        {"/sys/fs/cgroup/user.slice/memory.max", "max\n"},
        {"/sys/fs/cgroup/user.slice/cpu.stat", "usage_usec 1\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1\n"},
    };
    const rhm_cgroup cgroup = read_tree(files, COUNT(files));
    assert_true(cgroup.quota_cpus == 0);
    assert_int_equal(rhm_cgroup_threads(&cgroup), INT_MAX);
    assert_true(cgroup.memory_limit_nbytes == UINT64_MAX);
    assert_string_equal(cgroup.quota_file, "");
    assert_string_equal(cgroup.throttling_file,
                        "/sys/fs/cgroup/user.slice/cpu.stat"); /* our own, for lack of a limiting one */
    assert_int_equal(cgroup.throttling.throttled_periods, 2);
}

static void the_root_of_a_container_is_its_own_group(void **state) {
    (void)state;
    static const file with_namespace[] = {
        {"/proc/self/cgroup", "0::/\n"},
        {"/proc/self/mountinfo", MOUNT_V2},
        {"/sys/fs/cgroup/cpu.max", "50000 100000\n"},
        {"/sys/fs/cgroup/memory.max", "1048576\n"},
    };
    rhm_cgroup cgroup = read_tree(with_namespace, COUNT(with_namespace));
    assert_true(cgroup.quota_cpus == 0.5);
    assert_int_equal(rhm_cgroup_threads(&cgroup), 1);
    assert_int_equal(cgroup.memory_limit_nbytes, 1048576);

    static const file without_namespace[] = {
        {"/proc/self/cgroup", "0::/docker/0123abc/inner\n"},
        {"/proc/self/mountinfo", "30 24 0:27 /docker/0123abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"},
        {"/sys/fs/cgroup/cpu.max", "200000 100000\n"},
        {"/sys/fs/cgroup/inner/cpu.max", "300000 100000\n"},
    };
    cgroup = read_tree(without_namespace, COUNT(without_namespace));
    assert_true(cgroup.quota_cpus == 2);
    assert_int_equal(rhm_cgroup_threads(&cgroup), 2);

    static const file outside[] = {
        {"/proc/self/cgroup", "0::/../../elsewhere\n"},
        {"/proc/self/mountinfo", MOUNT_V2},
        {"/sys/fs/cgroup/cpu.max", "100000 100000\n"},
    };
    cgroup = read_tree(outside, COUNT(outside));
    assert_true(cgroup.quota_cpus == 1);

    static const file namesake[] = {
        {"/proc/self/cgroup", "0::/docker/0123abcdef\n"},
        {"/proc/self/mountinfo", "30 24 0:27 /docker/0123abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"},
        {"/sys/fs/cgroup/cpu.max", "700000 100000\n"},
        {"/sys/fs/cgroup/def/cpu.max", "100000 100000\n"},
    };
    cgroup = read_tree(namesake, COUNT(namesake));
    assert_true(cgroup.quota_cpus == 7);
}

#define MOUNTS_V1                                                                                                      \
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"                    \
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"                                       \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"

static void version_1_has_other_files_and_units(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "5:memory:/batch/job7\n3:cpuset:/\n2:cpu,cpuacct:/batch/job7\n1:name=systemd:/x\n"},
        {"/proc/self/mountinfo", MOUNTS_V1},
        {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "250000\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/batch/cpu.stat", "nr_periods 11\nnr_throttled 4\nthrottled_time 5000999\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/batch/job7/cpu.cfs_quota_us", "-1\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/batch/job7/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {"/sys/fs/cgroup/memory/batch/memory.limit_in_bytes", "4294967296\n"},
        {"/sys/fs/cgroup/memory/batch/job7/memory.limit_in_bytes", "9223372036854771712\n"},
    };
    const rhm_cgroup cgroup = read_tree(files, COUNT(files));
    assert_true(cgroup.quota_cpus == 2.5);
    assert_int_equal(rhm_cgroup_threads(&cgroup), 3);
    assert_true(cgroup.memory_limit_nbytes == UINT64_C(4294967296));
    assert_int_equal(cgroup.throttling.throttled_periods, 4);
    assert_int_equal(cgroup.throttling.throttled_usec, 5000);
}

static void both_versions_at_once(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "2:memory:/a\n1:cpu:/a\n0::/b\n"},
        {"/proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                 "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                 "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"},
        {"/sys/fs/cgroup/unified/b/cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"},
        {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "100000\n"},
        {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu/a/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 1000\n"},
        {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"},
    };
    const rhm_cgroup cgroup = read_tree(files, COUNT(files));
    assert_true(cgroup.quota_cpus == 1);
    assert_int_equal(cgroup.memory_limit_nbytes, 1000);
    assert_string_equal(cgroup.throttling_file, "/sys/fs/cgroup/cpu/a/cpu.stat");
}

static void blanks_in_mount_points_are_octal(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "0::/g\n"},
        {"/proc/self/mountinfo", "30 24 0:27 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n"},
        {"/mnt/my groups/g/cpu.max", "120000 40000\n"},
    };
    assert_true(read_tree(files, COUNT(files)).quota_cpus == 3);
}

static void odd_files_set_no_limit(void **state) {
    (void)state;
    static const char *const quotas[] = {"",           "\n",          "abc 100000\n", "100000\n",
                                         "100000 0\n", "-5 100000\n", "0 100000\n"};
    for (size_t i = 0; i < COUNT(quotas); i++) {
        const file files[] = {
            {"/proc/self/cgroup", "0::/g\n"},
            {"/proc/self/mountinfo", MOUNT_V2},
            {"/sys/fs/cgroup/g/cpu.max", quotas[i]},
            {"/sys/fs/cgroup/g/memory.max", quotas[i][0] == '1' ? "99999999999999999999999\n" : "nonsense"},
        };
        const rhm_cgroup cgroup = read_tree(files, COUNT(files));
        assert_true(cgroup.quota_cpus == 0);
        assert_true(cgroup.memory_limit_nbytes == UINT64_MAX);
    }
    static const file broken[] = {{"/proc/self/cgroup", "nonsense\n0:\n::\n"},
                                  {"/proc/self/mountinfo", "- \n - cgroup2\n1 2 - cgroup2 x y\n"}};
    rhm_cgroup cgroup = read_tree(broken, COUNT(broken));
    assert_true(cgroup.quota_cpus == 0);
    rhm_cgroup_read(&cgroup, "/nonexistent");
    assert_true(cgroup.memory_limit_nbytes == UINT64_MAX);
    assert_false(cgroup.throttling.known);
}

static void counters_are_read_anew(void **state) {
    (void)state;
    static const file files[] = {
        {"/proc/self/cgroup", "0::/\n"},
        {"/proc/self/mountinfo", MOUNT_V2},
        {"/sys/fs/cgroup/cpu.max", "100000 100000\n"},
        {"/sys/fs/cgroup/cpu.stat", "nr_periods 5\nnr_throttled 1\nthrottled_usec 10\n"},
    };
    const char *root = tree(files, COUNT(files));
    rhm_cgroup cgroup;
    rhm_cgroup_read(&cgroup, root);
    assert_int_equal(cgroup.throttling.throttled_usec, 10);
    char path[128];
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu.stat", root);
    FILE *out = fopen(path, "w");
    fputs("nr_periods 9\nnr_throttled 3\nthrottled_usec 77\n", out);
    fclose(out);
    const rhm_throttling now = rhm_cgroup_throttling(&cgroup, root);
    assert_int_equal(now.periods, 9);
    assert_int_equal(now.throttled_usec, 77);
    fell(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_group_of_the_path_counts),
        cmocka_unit_test(no_limit_is_no_limit),
        cmocka_unit_test(the_root_of_a_container_is_its_own_group),
        cmocka_unit_test(version_1_has_other_files_and_units),
        cmocka_unit_test(both_versions_at_once),
        cmocka_unit_test(blanks_in_mount_points_are_octal),
        cmocka_unit_test(odd_files_set_no_limit),
        cmocka_unit_test(counters_are_read_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
