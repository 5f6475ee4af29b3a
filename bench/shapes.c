#include "shapes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/memory.h"

static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
static const char key_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

/* Copy a word when it has a fitting length and only allowed characters. */
static bool take_word(char *copy, size_t nbytes, const char *word, const char *allowed) {
    const size_t length = strlen(word);
    if (length == 0 || length >= nbytes || strspn(word, allowed) != length)
        return false;
    memcpy(copy, word, length + 1);
    return true;
}

static bool take_integer(int64_t *value, const char *text) {
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *value = strtoll(text, NULL, 10);
    return errno == 0;
}

static bool is_known(const char *key, const char *const *known) {
    if (!known)
        return true;
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

static rhm_status parse_pair(shape *problem, char *word, const char *path, const char *const *known, rhm_error *error) {
    char *text = strchr(word, '=');
    int64_t ignored;
    if (!text)
        return rhm_fail(error, RHM_INVALID, "%s:%zu: '%s' is not of the form key=value", path, problem->line, word);
    *text++ = '\0';
    if (problem->pair_count == SHAPES_MAX_PAIRS)
        return rhm_fail(error, RHM_INVALID, "%s:%zu: more than %d keys", path, problem->line, SHAPES_MAX_PAIRS);
    char *key = problem->pairs[problem->pair_count].key;
    if (!take_word(key, SHAPES_KEY_NBYTES, word, key_characters))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: key '%s': allowed are 1 to %d lower-case letters, digits and '_'",
                        path, problem->line, word, SHAPES_KEY_NBYTES - 1);
    if (!is_known(key, known))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: key '%s' is not one of this benchmark", path, problem->line, key);
    if (shape_find(problem, key, &ignored))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: key '%s' is given twice", path, problem->line, key);
    if (!take_integer(&problem->pairs[problem->pair_count].value, text))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: %s is '%s': allowed are integers from 0 to %" PRId64, path,
                        problem->line, key, text, INT64_MAX);
    problem->pair_count++;
    return RHM_OK;
}

/* Parse one line, which is consumed; *found says whether it held a problem. */
static rhm_status parse_line(shape *problem, char *line, const char *path, const char *const *known, bool *found,
                             rhm_error *error) {
    static const char blanks[] = " \t\r\n";
    line[strcspn(line, "#")] = '\0';
    char *rest = NULL, *word = strtok_r(line, blanks, &rest);
    *found = word != NULL;
    if (!word)
        return RHM_OK;
    if (!take_word(problem->name, SHAPES_NAME_NBYTES, word, name_characters))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: name '%s': allowed are 1 to %d letters, digits and '._-'", path,
                        problem->line, word, SHAPES_NAME_NBYTES - 1);
    while ((word = strtok_r(NULL, blanks, &rest)))
        RHM_TRY(parse_pair(problem, word, path, known, error));
    return RHM_OK;
}

static rhm_status append(shapes *all, const shape *problem, size_t *capacity, rhm_error *error) {
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].name, problem->name) == 0)
            return rhm_fail(error, RHM_INVALID, "%s:%zu: name '%s' was given in line %zu", all->path, problem->line,
                            problem->name, all->items[i].line);
    if (all->count == *capacity) {
        void *items = all->items;
        RHM_TRY(rhm_grow(&items, sizeof *problem, all->count, 2 * *capacity + 8, "shapes", error));
        all->items = items;
        *capacity = 2 * *capacity + 8;
    }
    all->items[all->count++] = *problem;
    return RHM_OK;
}

rhm_status shapes_read(shapes *out, const char *path, const char *const *known, rhm_error *error) {
    shapes all = {0};
    size_t capacity = 0, line_capacity = 0, number = 0;
    char *line = NULL;
    rhm_status status = RHM_OK;
    FILE *file = fopen(path, "r");
    if (!file)
        return rhm_fail(error, RHM_IO, "cannot read '%s': %s", path, strerror(errno));
    all.path = RHM_NEW(char, strlen(path) + 1, 1, 1, "path", error);
    if (!all.path) {
        status = RHM_NO_MEMORY;
        goto done;
    }
    memcpy(all.path, path, strlen(path));
    errno = 0;
    while (status == RHM_OK && getline(&line, &line_capacity, file) >= 0) {
        shape problem = {.line = ++number};
        bool found = false;
        status = parse_line(&problem, line, path, known, &found, error);
        if (status == RHM_OK && found)
            status = append(&all, &problem, &capacity, error);
        errno = 0;
    }
    if (status == RHM_OK && (ferror(file) || errno))
        status = rhm_fail(error, RHM_IO, "cannot read '%s': %s", path, strerror(errno));
    else if (status == RHM_OK && all.count == 0)
        status = rhm_fail(error, RHM_INVALID, "%s:%zu: the file ends without a problem", path, number);
done:
    free(line);
    fclose(file);
    if (status == RHM_OK)
        *out = all;
    else
        shapes_destroy(&all);
    return status;
}

void shapes_destroy(shapes *all) {
    rhm_free(all->path);
    rhm_free(all->items);
    *all = (shapes){0};
}

bool shape_find(const shape *problem, const char *key, int64_t *value) {
    for (size_t i = 0; i < problem->pair_count; i++)
        if (strcmp(problem->pairs[i].key, key) == 0) {
            *value = problem->pairs[i].value;
            return true;
        }
    return false;
}

rhm_status shape_value(const shapes *all, const shape *problem, const char *key, int64_t low, int64_t high,
                       int64_t *value, rhm_error *error) {
    int64_t found;
    if (!shape_find(problem, key, &found))
        return rhm_fail(error, RHM_INVALID, "%s:%zu: problem '%s' has no '%s'", all->path, problem->line, problem->name,
                        key);
    if (found < low || found > high)
        return rhm_fail(error, RHM_INVALID, "%s:%zu: %s is %" PRId64 ": allowed are %" PRId64 " to %" PRId64, all->path,
                        problem->line, key, found, low, high);
    *value = found;
    return RHM_OK;
}
