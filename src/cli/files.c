#include "cli/files.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "rhm/learner.h"

enum { MOST_FILES = RHM_MOST_OPERANDS + 16, NAME_NBYTES = 32, PATH_NBYTES = 4096 };

/* One file that the command line names. */
struct named {
    char name[NAME_NBYTES]; /* "--data", "-o", or "MODEL" for an operand */
    const char *path;
    rhm_option_file file;
    rhm_destination place;
};

struct list {
    struct named entry[MOST_FILES];
    size_t count;
};

static void clear(struct list *list) {
    for (size_t i = 0; i < list->count; i++)
        rhm_destination_clear(&list->entry[i].place);
}

static rhm_status add(struct list *list, const char *name, size_t length, const char *path, rhm_option_file file,
                      rhm_error *error) {
    if (list->count == MOST_FILES)
        return rhm_fail(error, RHM_INVALID, "more than %d files are named", MOST_FILES);
    struct named *entry = &list->entry[list->count];
    snprintf(entry->name, sizeof entry->name, "%.*s", (int)length, name);
    entry->path = path;
    entry->file = file;
    /* A directory may be named with a slash at its end, also one that is not there yet. */
    char bare[PATH_NBYTES];
    size_t kept = strlen(path);
    while (file == RHM_FILE_DIRECTORY && kept > 1 && path[kept - 1] == '/')
        kept--;
    snprintf(bare, sizeof bare, "%.*s", (int)(kept < sizeof bare ? kept : sizeof bare), path);
    RHM_TRY(rhm_destination_find(&entry->place, bare, error));
    list->count++;
    return RHM_OK;
}

/* Operands are inputs, called as in the usage line: "MODEL DATA ". */
static rhm_status collect(struct list *list, const rhm_settings *settings, rhm_error *error) {
    const char *name = settings->command->operands;
    for (size_t i = 0; i < settings->command->operand_count && !settings->command->operand_name_of; i++) {
        const size_t length = strcspn(name, " ");
        RHM_TRY(add(list, name, length, settings->operands[i], RHM_FILE_READ, error));
        name += length + (name[length] == ' ');
    }
    for (size_t i = 0; i < settings->given_count; i++) {
        const rhm_option *option = settings->given[i].option;
        char dashed[NAME_NBYTES];
        if (option->file == RHM_FILE_NONE)
            continue;
        if (option->letter)
            snprintf(dashed, sizeof dashed, "-%c", option->letter);
        else
            snprintf(dashed, sizeof dashed, "--%.28s", option->name);
        RHM_TRY(add(list, dashed, strlen(dashed), settings->given[i].text, option->file, error));
    }
    return RHM_OK;
}

/* Devices such as /dev/null keep nothing that could be lost. */
static bool same_file(const rhm_destination *a, const rhm_destination *b) {
    return rhm_destination_same(a, b) && !(a->exists && S_ISCHR(a->status.st_mode));
}

static rhm_status check_pair(const struct named *a, const struct named *b, rhm_error *error) {
    if ((a->file == RHM_FILE_READ && b->file == RHM_FILE_READ) || !same_file(&a->place, &b->place))
        return RHM_OK;
    const char *why = a->file == RHM_FILE_READ || b->file == RHM_FILE_READ
                          ? "a result never replaces an input; name another file"
                          : "each result needs a file of its own";
    return rhm_fail(error, RHM_INVALID, "%s %s and %s %s are the same file: %s", a->name, rhm_path_shown(a->path),
                    b->name, rhm_path_shown(b->path), why);
}

/* Words appended to an input damage it; words in a file that is then replaced are lost. */
static rhm_status check_stream(const struct named *named, int descriptor, const char *stream, rhm_error *error) {
    rhm_destination open_one = {.exists = true, .descriptor = descriptor};
    if (named->file == RHM_FILE_DIRECTORY || named->place.through || fstat(descriptor, &open_one.status) != 0 ||
        !S_ISREG(open_one.status.st_mode) || !rhm_destination_same(&named->place, &open_one))
        return RHM_OK;
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID, "%s goes to %s, which is %s: %s", stream, rhm_path_shown(named->path),
                    named->name,
                    named->file == RHM_FILE_READ ? "nothing is written into an input"
                                                 : "replacing it would lose what was said; name another file, or "
                                                   "/dev/stdout to have both in one");
}

/* What is in the directory of the checkpoints under one of their names would be taken for one, or removed. */
static rhm_status check_checkpoints(const struct named *directory, const struct named *named, rhm_error *error) {
    const char *slash = strrchr(named->place.path, '/');
    if (!rhm_checkpoint_file_name(slash ? slash + 1 : named->place.path))
        return RHM_OK;
    rhm_destination around;
    char path[PATH_NBYTES];
    snprintf(path, sizeof path, "%.*s", slash ? (int)(slash - named->place.path) + 1 : 1,
             slash ? named->place.path : ".");
    RHM_TRY(rhm_destination_find(&around, path, error));
    const bool inside = rhm_destination_same(&around, &directory->place);
    rhm_destination_clear(&around);
    if (!inside)
        return RHM_OK;
    return rhm_fail(error, RHM_INVALID,
                    "%s %s has the name of a checkpoint in %s %s, where such files are replaced and removed: name "
                    "another file or directory",
                    named->name, rhm_path_shown(named->path), directory->name, rhm_path_shown(directory->path));
}

static rhm_status check_collisions(const struct list *list, rhm_error *error) {
    for (size_t i = 0; i < list->count; i++) {
        const struct named *a = &list->entry[i];
        RHM_TRY(check_stream(a, STDOUT_FILENO, "standard output", error));
        RHM_TRY(check_stream(a, STDERR_FILENO, "standard error", error));
        for (size_t j = 0; j < i; j++)
            RHM_TRY(check_pair(a, &list->entry[j], error));
        for (size_t j = 0; j < list->count && a->file == RHM_FILE_DIRECTORY; j++)
            if (j != i)
                RHM_TRY(check_checkpoints(a, &list->entry[j], error));
    }
    return RHM_OK;
}

static rhm_status check_writable(const struct named *named, rhm_error *error) {
    rhm_atomic file;
    RHM_TRY(rhm_atomic_begin(&file, named->path, error));
    const int own = file.to.descriptor;
    rhm_atomic_abandon(&file);
    if (named->file == RHM_FILE_RESULT && own >= 0 && isatty(own))
        return rhm_fail(error, RHM_INVALID, "%s %s is a terminal, which an HDF5 file would only confuse: name a file",
                        named->name, rhm_path_shown(named->path));
    return RHM_OK;
}

rhm_status rhm_files_check(const rhm_settings *settings, rhm_error *error) {
    struct list list = {.count = 0};
    rhm_status status = collect(&list, settings, error);
    if (status == RHM_OK)
        status = check_collisions(&list, error);
    for (size_t i = 0; i < list.count && status == RHM_OK; i++)
        if (list.entry[i].file == RHM_FILE_TEXT || list.entry[i].file == RHM_FILE_RESULT)
            status = check_writable(&list.entry[i], error);
    clear(&list);
    return status;
}

FILE *rhm_files_words(const rhm_settings *settings) {
    rhm_destination to, out = {.exists = true};
    if (!settings->output || fstat(STDOUT_FILENO, &out.status) != 0 ||
        rhm_destination_find(&to, settings->output, NULL) != RHM_OK)
        return stdout;
    const bool taken = to.through && same_file(&to, &out);
    rhm_destination_clear(&to);
    return taken ? stderr : stdout;
}
