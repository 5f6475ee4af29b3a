#include "engine/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where one hierarchy keeps the files of our group. */
typedef struct hierarchy {
    char directory[PATH_MAX]; /* of our group */
    size_t mount_length;      /* its beginning that is the mount point: nothing above can be seen */
} hierarchy;

/* "cpu.max" in version 2 is what "cpu.cfs_quota_us" is in version 1, and so on. */
typedef struct reader {
    const char *controller; /* of version 1, NULL for version 2 */
    const char *quota_file;
    const char *memory_file;
} reader;

static bool join(char out[PATH_MAX], const char *left, const char *right) {
    const size_t left_length = strlen(left), right_nbytes = strlen(right) + 1;
    if (left_length + right_nbytes > PATH_MAX)
        return false;
    memcpy(out, left, left_length); /* NOLINT(bugprone-not-null-terminated-result): the right part ends it */
    memcpy(out + left_length, right, right_nbytes);
    return true;
}

static FILE *open_under(const char *root, const char *path) {
    char full[PATH_MAX];
    return join(full, root, path) ? fopen(full, "re") : NULL;
}

/* First line of directory/name without its newline. */
static bool read_line(const char *root, const char *directory, const char *name, char *line, int line_nbytes) {
    char path[PATH_MAX];
    FILE *file = join(path, directory, name) ? open_under(root, path) : NULL;
    if (!file)
        return false;
    const bool read = fgets(line, line_nbytes, file);
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

static bool has_word(const char *list, const char *word) {
    const size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* Path of our group in a hierarchy, from lines such as "4:cpu,cpuacct:/user" or, for version 2, "0::/user". */
static bool read_group(const char *root, const char *controller, char group[PATH_MAX]) {
    FILE *file = open_under(root, "/proc/self/cgroup");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (file && !found && getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(++controllers, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        found = (controller ? has_word(controllers, controller) : *controllers == '\0') && join(group, path, "");
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* mountinfo writes blank, tab, newline and backslash as three octal digits. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/*
 * Of a line "id parent device ROOT POINT options ... - TYPE source SUPER-OPTIONS" take ROOT and POINT when it mounts
 * the hierarchy sought.
 */
static bool parse_mount(char *line, const char *controller, char **mount_root, char **mount_point) {
    char *separator = strstr(line, " - ");
    if (!separator)
        return false;
    char *save = NULL;
    char *type = strtok_r(separator + 3, " \n", &save);
    strtok_r(NULL, " \n", &save);
    char *super = strtok_r(NULL, " \n", &save);
    if (!type || strcmp(type, controller ? "cgroup" : "cgroup2") != 0)
        return false;
    if (controller && (!super || !has_word(super, controller)))
        return false;
    *separator = '\0';
    strtok_r(line, " ", &save);
    strtok_r(NULL, " ", &save);
    strtok_r(NULL, " ", &save);
    *mount_root = strtok_r(NULL, " ", &save);
    *mount_point = strtok_r(NULL, " ", &save);
    if (!*mount_root || !*mount_point)
        return false;
    unescape(*mount_root);
    unescape(*mount_point);
    return true;
}

/* A container sees its own group mounted at the top: the mount's root is then a prefix of the group's path. */
static const char *below_mount(const char *group, const char *mount_root) {
    const size_t length = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
    if (strncmp(group, mount_root, length) != 0 || (group[length] != '/' && group[length] != '\0') ||
        strstr(group, "/.."))
        return "";
    return strcmp(group + length, "/") == 0 ? "" : group + length;
}

static bool find_hierarchy(const char *root, const char *controller, hierarchy *out) {
    char group[PATH_MAX];
    if (!read_group(root, controller, group))
        return false;
    FILE *file = open_under(root, "/proc/self/mountinfo");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (file && !found && getline(&line, &capacity, file) > 0) {
        char *mount_root, *mount_point;
        if (!parse_mount(line, controller, &mount_root, &mount_point))
            continue;
        out->mount_length = strlen(mount_point);
        found = join(out->directory, mount_point, below_mount(group, mount_root));
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* CPUs that the quota of one directory allows, 0 where it sets none. */
static double quota_of(const char *root, const char *directory, const reader *how) {
    char line[128], *end;
    if (!read_line(root, directory, how->quota_file, line, sizeof line))
        return 0;
    const double quota = strtod(line, &end); /* "max" parses as nothing, and -1 means none in version 1 */
    if (end == line || quota <= 0)
        return 0;
    if (how->controller && !read_line(root, directory, "/cpu.cfs_period_us", line, sizeof line))
        return 0;
    const double period = strtod(how->controller ? line : end, NULL);
    return period > 0 ? quota / period : 0;
}

static uint64_t memory_limit_of(const char *root, const char *directory, const reader *how) {
    char line[128], *end;
    if (!read_line(root, directory, how->memory_file, line, sizeof line))
        return UINT64_MAX;
    errno = 0;
    const unsigned long long limit = strtoull(line, &end, 10);
    /* Version 1 writes "none" as the largest page-aligned number of 63 bits. */
    return end == line || errno || limit >= (uint64_t)1 << 62 ? UINT64_MAX : limit;
}

static rhm_throttling throttling_of(const char *root, const char *path) {
    rhm_throttling out = {0};
    FILE *file = open_under(root, path);
    char name[64];
    uint64_t value;
    while (file && fscanf(file, "%63s %" SCNu64, name, &value) == 2) {
        if (strcmp(name, "nr_periods") == 0)
            out.periods = value;
        else if (strcmp(name, "nr_throttled") == 0)
            out.throttled_periods = value, out.known = true;
        else if (strcmp(name, "throttled_usec") == 0)
            out.throttled_usec = value;
        else if (strcmp(name, "throttled_time") == 0) /* version 1, nanoseconds */
            out.throttled_usec = value / 1000;
    }
    if (file)
        fclose(file);
    return out;
}

/* Groups nest and each may be tighter than the one below: walk from ours up to the mount point. */
static void walk_cpu(const char *root, const reader *how, rhm_cgroup *out) {
    hierarchy at;
    if (!find_hierarchy(root, how->controller, &at))
        return;
    char path[PATH_MAX];
    if (!*out->throttling_file && join(path, at.directory, "/cpu.stat") && throttling_of(root, path).known)
        memcpy(out->throttling_file, path, sizeof path);
    for (;;) {
        const double quota = quota_of(root, at.directory, how);
        if (quota > 0 && (out->quota_cpus <= 0 || quota < out->quota_cpus)) {
            out->quota_cpus = quota;
            join(out->quota_file, at.directory, how->quota_file);
            join(out->throttling_file, at.directory, "/cpu.stat");
        }
        char *slash = strrchr(at.directory, '/');
        if (!slash || (size_t)(slash - at.directory) < at.mount_length)
            return;
        *slash = '\0';
    }
}

static void walk_memory(const char *root, const reader *how, rhm_cgroup *out) {
    hierarchy at;
    if (!find_hierarchy(root, how->controller, &at))
        return;
    for (;;) {
        const uint64_t limit = memory_limit_of(root, at.directory, how);
        if (limit < out->memory_limit_nbytes) {
            out->memory_limit_nbytes = limit;
            join(out->memory_file, at.directory, how->memory_file);
        }
        char *slash = strrchr(at.directory, '/');
        if (!slash || (size_t)(slash - at.directory) < at.mount_length)
            return;
        *slash = '\0';
    }
}

void rhm_cgroup_read(rhm_cgroup *out, const char *root) {
    static const reader unified = {NULL, "/cpu.max", "/memory.max"};
    static const reader legacy_cpu = {"cpu", "/cpu.cfs_quota_us", NULL};
    static const reader legacy_memory = {"memory", NULL, "/memory.limit_in_bytes"};
    *out = (rhm_cgroup){.memory_limit_nbytes = UINT64_MAX};
    walk_cpu(root, &unified, out);
    walk_cpu(root, &legacy_cpu, out);
    walk_memory(root, &unified, out);
    walk_memory(root, &legacy_memory, out);
    out->throttling = rhm_cgroup_throttling(out, root);
}

rhm_throttling rhm_cgroup_throttling(const rhm_cgroup *cgroup, const char *root) {
    return *cgroup->throttling_file ? throttling_of(root, cgroup->throttling_file) : (rhm_throttling){0};
}

int rhm_cgroup_threads(const rhm_cgroup *cgroup) {
    if (cgroup->quota_cpus <= 0 || cgroup->quota_cpus > INT_MAX - 1)
        return INT_MAX;
    const int whole = (int)cgroup->quota_cpus;
    return whole + ((double)whole < cgroup->quota_cpus);
}
