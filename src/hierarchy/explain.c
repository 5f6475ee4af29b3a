/* Assumption 6 in plain sentences: what a user must know before spending time on an instance. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "rhm/grammar.h"

/* Text that is cut, never overrun, where the buffer ends. */
typedef struct writer {
    char *text;
    size_t nbytes;
    size_t used;
} writer;

static void put(writer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(writer *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(out->text + out->used, out->nbytes - out->used, format, arguments);
    va_end(arguments);
    const size_t room = out->nbytes - out->used;
    out->used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* Separate sentences by a space. */
static void next_sentence(writer *out) {
    if (out->used > 0)
        put(out, " ");
}

static void put_rho(writer *out, const rhm_analysis *analysis) {
    for (uint32_t level = 1; level <= analysis->levels; level++)
        put(out, "%s%.4g", level == 1 ? "" : ", ", analysis->rho[level]);
    if (analysis->levels == 1)
        put(out, " (level 1)");
    else
        put(out, " (levels 1 to %u)", analysis->levels);
}

/* "symbol 3" or "symbols 3, 5, 8 and 4 more": those that never come first, but occur or not as is asked for. "7
 * symbols" where it is not known which. */
static uint32_t put_never_first(writer *out, const rhm_analysis *analysis, uint32_t level, const char *noun,
                                bool occurring) {
    const uint32_t never = analysis->never[level];
    const uint32_t count = occurring ? analysis->never_first[level] - never : never;
    uint32_t named = 0;
    if (!analysis->posterior[level]) {
        put(out, "%u %s%s", count, noun, count == 1 ? "" : "s");
        return count;
    }
    put(out, "%s%s", noun, count == 1 ? "" : "s");
    for (uint32_t symbol = 0; symbol < analysis->vocab[level - 1] && named < 5; symbol++)
        if (isnan(analysis->posterior[level][(size_t)symbol * analysis->vocab[0]]) &&
            analysis->occurs[level][symbol] == occurring)
            put(out, "%s%u", named++ == 0 ? " " : ", ", symbol);
    if (count > named)
        put(out, " and %u more", count - named);
    return count;
}

static void explain_never_first(writer *out, const rhm_analysis *analysis, uint32_t level) {
    if (level == 1) {
        next_sentence(out);
        put(out, "Assumption 6 fails at level 1: ");
        const uint32_t count = put_never_first(out, analysis, level, "label", false);
        put(out, " of probability 0 (kappa infinite): no sample shows %s patches.", count == 1 ? "its" : "their");
        return;
    }
    if (analysis->never_first[level] > analysis->never[level]) {
        next_sentence(out);
        put(out, "Assumption 6 fails at level %u: ", level);
        const uint32_t count = put_never_first(out, analysis, level, "symbol", true);
        put(out,
            " of level %u never come%s first (kappa infinite), so first patches never show %s patches, which tests "
            "contain.",
            level - 1, count == 1 ? "s" : "", count == 1 ? "its" : "their");
    }
    if (analysis->never[level] > 0) {
        next_sentence(out);
        put(out, "Assumption 6 fails at level %u: ", level);
        const uint32_t count = put_never_first(out, analysis, level, "symbol", false);
        put(out, " of level %u never occur%s (kappa infinite): no sample and no test shows %s patches.", level - 1,
            count == 1 ? "s" : "", count == 1 ? "its" : "their");
    }
}

void rhm_analysis_explain(const rhm_analysis *analysis, char *text, size_t text_nbytes) {
    if (text_nbytes == 0)
        return;
    writer out = {.text = text, .nbytes = text_nbytes};
    text[0] = '\0';
    if (analysis->assumption_6 && !analysis->posterior[1]) {
        put(&out, "Whether Assumption 6 holds is not known: kappa = %.4g is finite, rho was not computed.",
            analysis->kappa);
    } else if (analysis->assumption_6) {
        put(&out, "Assumption 6 holds: kappa = %.4g, rho = ", analysis->kappa);
        put_rho(&out, analysis);
        put(&out, ".");
    }
    for (uint32_t level = 1; !analysis->assumption_6 && level <= analysis->levels; level++) {
        if (analysis->never_first[level] > 0)
            explain_never_first(&out, analysis, level);
        if (analysis->rho[level] <= 0) {
            next_sentence(&out);
            put(&out,
                "Assumption 6 fails at level %u: symbols %u and %u of level %u have the same label posterior "
                "(rho^(%u) = 0), so first patches of the two differ by the noise of the samples alone, however many "
                "these are.",
                level, analysis->closest[level][0], analysis->closest[level][1], level - 1, level);
        }
    }
    for (uint32_t level = 1; level <= analysis->levels; level++)
        if (analysis->ambiguous[level] > 0) {
            next_sentence(&out);
            put(&out, "At level %u, %zu patches have several parents: no parse is unique.", level,
                analysis->ambiguous[level]);
        }
}
