#include "cli/results.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/json.h"

/* Append `word` as a POSIX shell would need it typed; false when the buffer is full. */
static bool append_quoted(char *line, size_t line_nbytes, const char *word) {
    const bool plain = *word && !word[strcspn(word, " \t\n\"'\\$`!*?[](){}<>|&;#~")];
    size_t used = strlen(line);
    if (used + 4 * strlen(word) + 4 > line_nbytes)
        return false;
    if (used)
        line[used++] = ' ';
    if (plain) {
        memcpy(line + used, word, strlen(word) + 1);
        return true;
    }
    line[used++] = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(line + used, "'\\''", 4);
            used += 4;
        } else {
            line[used++] = *word;
        }
    }
    line[used++] = '\'';
    line[used] = '\0';
    return true;
}

void rhm_results_command(char line[RHM_COMMAND_LINE_NBYTES], const rhm_settings *settings) {
    strcpy(line, "rhm");
    bool fits = append_quoted(line, RHM_COMMAND_LINE_NBYTES, settings->command->name);
    for (int i = 0; fits && i < settings->argument_count; i++)
        fits = append_quoted(line, RHM_COMMAND_LINE_NBYTES, settings->arguments[i]);
}

rhm_status rhm_results_parse(json_t **json, char *text, rhm_error *error) {
    *json = json_loads(text, 0, NULL);
    free(text);
    return *json ? RHM_OK
                 : rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for what the library says as JSON");
}

rhm_status rhm_results_write(const rhm_settings *settings, const char *text, rhm_error *error) {
    if (!settings->report)
        return RHM_OK;
    /* Where the report goes to standard output too, it comes after what was printed before. */
    fflush(stdout);
    return rhm_atomic_write_text(settings->report, text, strlen(text), error);
}

rhm_status rhm_results_print(json_t *json, rhm_error *error) {
    char *text;
    const rhm_status status =
        rhm_json_dump(&text, json, JSON_INDENT(2) | JSON_REAL_PRECISION(17), "\n", "the result's text", error);
    json_decref(json);
    if (status == RHM_OK)
        fputs(text, stdout);
    free(text);
    return status;
}

void rhm_results_bayes(FILE *stream, double accuracy) {
    if (accuracy < 1)
        fprintf(stream, "Bayes accuracy %.4f on the same sequences: no predictor can be expected to do better\n",
                accuracy);
}
