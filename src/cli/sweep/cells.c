#include "cli/sweep/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/training.h"
#include "core/fail.h"
#include "core/json.h"
#include "core/memory.h"

enum { VALUE_NBYTES = 1024, ENTRY_NBYTES = 64, SHOWN_NBYTES = 100 };

static const char *const decided[] = {
    "output", "report",  "ceilings",  "trace",    "checkpoint",   "checkpoint-seconds",
    "resume", "threads", "placement", "progress", "memory-limit", "rank-timeout"};
static const char *const seeds[] = {"seed", "data-seed"};

static bool among(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static rhm_status no_memory(rhm_error *error) {
    return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for the cells of the sweep");
}

/* ---- one form for every value ---------------------------------------------------------------------------- */

/* "1e3" as "1000", words as they are. */
static void canonical_entry(const char *text, size_t length, char out[ENTRY_NBYTES]) {
    snprintf(out, ENTRY_NBYTES, "%.*s", (int)length, text);
    char *end;
    const double x = strtod(out, &end);
    if (length == 0 || length >= ENTRY_NBYTES || *end || !isfinite(x) || strspn(out, "0123456789.eE+-") != length)
        return;
    if (x == floor(x) && fabs(x) < 0x1p53) {
        snprintf(out, ENTRY_NBYTES, "%.0f", x + 0.0);
        return;
    }
    if (strspn(out, "0123456789") == length)
        return; /* seeds beyond 2^53 */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, ENTRY_NBYTES, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            return;
    }
}

static void canonical_value(const rhm_option *option, const char *text, char *out, size_t out_nbytes) {
    if (option->kind == RHM_OPTION_FLAG || option->kind == RHM_OPTION_TEXT || option->kind == RHM_OPTION_CHOICE) {
        snprintf(out, out_nbytes, "%s", option->kind == RHM_OPTION_FLAG ? "on" : text);
        return;
    }
    *out = '\0';
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ","), used = strlen(out);
        char entry[ENTRY_NBYTES];
        canonical_entry(at, length, entry);
        snprintf(out + used, out_nbytes - used, "%s%s", used ? "," : "", entry);
        at += length;
        if (!*at)
            return;
    }
}

static const rhm_option *option_named(const char *name) {
    for (size_t g = 0; g < RHM_MOST_GROUPS && rhm_command_train.groups[g]; g++)
        for (const rhm_option *option = rhm_command_train.groups[g]->options; option->name; option++)
            if (!strcmp(option->name, name))
                return option;
    return NULL;
}

void rhm_sweep_default_text(const char *name, char *text, size_t text_nbytes) {
    const rhm_option *option = option_named(name);
    *text = '\0';
    if (option && option->fallback)
        canonical_value(option, option->fallback, text, text_nbytes);
    else if (option && option->kind == RHM_OPTION_FLAG)
        snprintf(text, text_nbytes, "off");
    else if (option && !strcmp(name, "learner"))
        snprintf(text, text_nbytes, "%s", rhm_learner_at(0)->name);
}

/* ---- arguments ------------------------------------------------------------------------------------------- */

rhm_status rhm_sweep_cell_arguments(char ***out, size_t *count, const json_t *options, size_t spare, rhm_error *error) {
    const char *name;
    json_t *value;
    json_t *members = (json_t *)(uintptr_t)options; /* only read */
    size_t nbytes = (json_object_size(options) + spare + 1) * sizeof(char *), used = 0;
    const size_t pointers = nbytes;
    json_object_foreach(members, name, value) nbytes += strlen(name) + strlen(json_string_value(value)) + 4;
    char **arguments = (char **)rhm_alloc(1, nbytes, 1, 1, "arguments of a cell", error);
    if (!arguments)
        return RHM_NO_MEMORY;
    char *text = (char *)arguments + pointers;
    json_object_foreach(members, name, value) {
        const char *typed = json_string_value(value);
        const rhm_option *option = option_named(name);
        if (option && option->kind == RHM_OPTION_FLAG && !strcmp(typed, "off"))
            continue;
        const bool flag = option && option->kind == RHM_OPTION_FLAG && !strcmp(typed, "on");
        arguments[used++] = text;
        text += sprintf(text, flag ? "--%s" : "--%s=%s", name, typed) + 1;
    }
    *out = arguments;
    *count = used;
    return RHM_OK;
}

rhm_status rhm_sweep_cell_settings(rhm_settings *settings, char ***storage, const rhm_sweep_cell *cell,
                                   rhm_error *error) {
    size_t count;
    RHM_TRY(rhm_sweep_cell_arguments(storage, &count, cell->options, 0, error));
    return rhm_options_parse(settings, &rhm_command_train, (int)count, *storage, error);
}

void rhm_sweep_cell_text(const json_t *options, char *text, size_t text_nbytes) {
    const char *name;
    json_t *value;
    *text = '\0';
    json_object_foreach((json_t *)(uintptr_t)options, name, value) {
        const size_t used = strlen(text);
        snprintf(text + used, text_nbytes - used, "%s%s=%s", used ? " " : "", name, json_string_value(value));
    }
}

/* ---- cells ----------------------------------------------------------------------------------------------- */

void rhm_sweep_cell_clear(rhm_sweep_cell *cell) {
    json_decref(cell->options);
    rhm_free(cell->key);
    rhm_free(cell->class_key);
    *cell = (rhm_sweep_cell){0};
}

/* Not json_copy, which leaves out members that there is no memory for. */
static json_t *copy_of(json_t *options) {
    json_t *copy = json_object(), *value;
    const char *name;
    json_object_foreach(options, name, value) rhm_json_set(&copy, name, json_incref(value));
    return copy;
}

static rhm_status name_cell(rhm_sweep_cell *cell, rhm_error *error) {
    RHM_TRY(rhm_json_dump(&cell->key, cell->options, JSON_COMPACT | JSON_SORT_KEYS, "", "the key of a cell", error));
    json_t *class = copy_of(cell->options);
    for (size_t i = 0; class && i < sizeof seeds / sizeof *seeds; i++)
        json_object_del(class, seeds[i]);
    const rhm_status status =
        rhm_json_dump(&cell->class_key, class, JSON_COMPACT | JSON_SORT_KEYS, "", "the class of a cell", error);
    json_decref(class);
    return status;
}

/* What was given, in canonical form and without what is the default anyway. */
static rhm_status keep_given(rhm_sweep_cell *cell, const rhm_settings *settings, rhm_error *error) {
    const rhm_learner_info *learner;
    RHM_TRY(rhm_settings_learner_info(&learner, settings, error));
    cell->checkpoints =
        rhm_learner_takes(learner, "checkpoint") && settings->training.between != RHM_BETWEEN_IDS; /* writes none */
    cell->options = json_object();
    for (size_t i = 0; i < settings->given_count; i++) {
        const rhm_option *option = settings->given[i].option;
        char value[VALUE_NBYTES], usual[VALUE_NBYTES];
        canonical_value(option, settings->given[i].text, value, sizeof value);
        rhm_sweep_default_text(option->name, usual, sizeof usual);
        if (strcmp(value, usual) != 0)
            rhm_json_set(&cell->options, option->name, json_string(value));
    }
    return cell->options ? name_cell(cell, error) : no_memory(error);
}

static rhm_status check_names(const rhm_grid_setting *settings, size_t count, rhm_error *error) {
    for (size_t i = 0; i < count; i++) {
        const rhm_option *option = option_named(settings[i].name);
        if (among(settings[i].name, decided, sizeof decided / sizeof *decided))
            return rhm_fail(error, RHM_INVALID, "%s cannot be an axis of the grid: rhm sweep decides it for every cell",
                            settings[i].name);
        if (option && option->kind == RHM_OPTION_FLAG && strcmp(settings[i].value, "on") != 0 &&
            strcmp(settings[i].value, "off") != 0)
            return rhm_fail(error, RHM_INVALID, "--%s '%.80s' is refused (unknown): allowed in a grid is on or off",
                            settings[i].name, settings[i].value);
    }
    return RHM_OK;
}

static json_t *as_typed(const rhm_grid_setting *settings, size_t count) {
    json_t *options = json_object();
    for (size_t i = 0; i < count; i++)
        rhm_json_set(&options, settings[i].name, json_string(settings[i].value));
    return options;
}

/* Whatever can be refused before a cell runs; of cells that differ in seeds alone once. */
static rhm_status check_class(const rhm_sweep_cell *cell, const rhm_settings *settings, json_t *checked,
                              rhm_error *error) {
    if (json_object_get(checked, cell->class_key))
        return RHM_OK;
    RHM_TRY(rhm_training_check(NULL, NULL, settings, error));
    return json_object_set_new(checked, cell->class_key, json_true()) == 0 ? RHM_OK : no_memory(error);
}

rhm_status rhm_sweep_cell_read(rhm_sweep_cell *out, const rhm_grid_setting *settings, size_t count, json_t *checked,
                               rhm_error *error) {
    static rhm_settings parsed;
    rhm_sweep_cell cell = {0};
    rhm_error why = {0};
    char **arguments = NULL, shown[SHOWN_NBYTES];
    size_t argument_count;
    RHM_TRY(check_names(settings, count, error));
    json_t *typed = as_typed(settings, count);
    rhm_status status = typed ? rhm_sweep_cell_arguments(&arguments, &argument_count, typed, 0, &why) : no_memory(&why);
    if (status == RHM_OK)
        status = rhm_options_parse(&parsed, &rhm_command_train, (int)argument_count, arguments, &why);
    if (status == RHM_OK)
        status = keep_given(&cell, &parsed, &why);
    if (status == RHM_OK)
        status = check_class(&cell, &parsed, checked, &why);
    if (status != RHM_OK) {
        rhm_sweep_cell_text(typed, shown, sizeof shown);
        rhm_fail(error, status, "%.390s (in the cell %s)", why.text, shown);
        rhm_sweep_cell_clear(&cell);
    }
    *out = cell;
    json_decref(typed);
    rhm_free(arguments);
    return status;
}

rhm_status rhm_sweep_cell_with(rhm_sweep_cell *out, const rhm_sweep_cell *cell, const rhm_grid_setting *settings,
                               size_t count, rhm_error *error) {
    *out = (rhm_sweep_cell){.options = copy_of(cell->options), .checkpoints = cell->checkpoints};
    for (size_t i = 0; i < count; i++)
        rhm_json_set(&out->options, settings[i].name, json_string(settings[i].value));
    const rhm_status status = out->options ? name_cell(out, error) : no_memory(error);
    if (status != RHM_OK)
        rhm_sweep_cell_clear(out);
    return status;
}
