#include "cli/sweep/forecast.h"

#include <math.h>

#include "cli/training.h"
#include "core/fail.h"
#include "core/memory.h"
#include "rhm/machine.h"
#include "rhm/plan.h"

rhm_status rhm_sweep_forecast_open(rhm_sweep_forecast *out, rhm_error *error) {
    *out = (rhm_sweep_forecast){.number = json_object()};
    return out->number ? RHM_OK : rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a sweep");
}

void rhm_sweep_forecast_close(rhm_sweep_forecast *forecast) {
    json_decref(forecast->number);
    rhm_free(forecast->class);
    *forecast = (rhm_sweep_forecast){0};
}

rhm_status rhm_sweep_forecast_add(rhm_sweep_forecast *forecast, size_t *class, const rhm_sweep_cell *cell,
                                  rhm_error *error) {
    const json_t *known = json_object_get(forecast->number, cell->class_key);
    if (!known) {
        if (forecast->count == forecast->room) {
            const size_t more = forecast->room ? 2 * forecast->room : 16;
            RHM_TRY(rhm_grow((void **)&forecast->class, sizeof *forecast->class, forecast->count, more,
                             "classes of cells", error));
            forecast->room = more;
        }
        if (json_object_set_new(forecast->number, cell->class_key, json_integer((json_int_t)forecast->count)) != 0)
            return rhm_fail(error, RHM_NO_MEMORY, "the system refused memory for a sweep");
        forecast->class[forecast->count] = (rhm_sweep_class){.planned_seconds = NAN};
        *class = forecast->count++;
    } else {
        *class = (size_t)json_integer_value(known);
    }
    forecast->class[*class].waiting++;
    return RHM_OK;
}

void rhm_sweep_forecast_plan(rhm_sweep_forecast *forecast, size_t class, const rhm_sweep_cell *cell,
                             const rhm_engine *engine) {
    static rhm_settings settings;
    rhm_sweep_class *out = &forecast->class[class];
    char **storage = NULL;
    rhm_grammar *grammar = NULL;
    rhm_train_options options;
    rhm_training_plan plan;
    if (!isnan(out->planned_seconds))
        return;
    if (rhm_sweep_cell_settings(&settings, &storage, cell, NULL) == RHM_OK &&
        rhm_training_check(&grammar, &options, &settings, NULL) == RHM_OK && grammar &&
        rhm_plan_training(&plan, engine, grammar, &options, (double)rhm_machine_peak_rss_nbytes(), NULL) == RHM_OK) {
        const double seconds = rhm_plan_seconds(&plan), nbytes = rhm_plan_nbytes(&plan);
        if (isfinite(seconds) && seconds >= 0)
            out->planned_seconds = seconds;
        if (isfinite(nbytes) && nbytes > 0)
            out->nbytes = nbytes;
    }
    rhm_grammar_destroy(grammar);
    rhm_free(storage);
}

void rhm_sweep_forecast_learn(rhm_sweep_forecast *forecast, size_t class, double seconds) {
    rhm_sweep_class *c = &forecast->class[class];
    c->waiting--;
    if (isnan(seconds))
        return;
    c->ran++;
    c->seconds += seconds;
    if (!isnan(c->planned_seconds)) {
        forecast->planned += c->planned_seconds;
        forecast->took += seconds;
    }
}

double rhm_sweep_forecast_seconds(const rhm_sweep_forecast *forecast, size_t class) {
    const rhm_sweep_class *c = &forecast->class[class];
    if (c->ran)
        return c->seconds / (double)c->ran;
    return forecast->planned > 0 ? c->planned_seconds * forecast->took / forecast->planned : c->planned_seconds;
}

double rhm_sweep_forecast_left(const rhm_sweep_forecast *forecast) {
    double known = 0, sum = 0, unknown = 0, ran = 0, took = 0;
    for (size_t i = 0; i < forecast->count; i++) {
        const rhm_sweep_class *c = &forecast->class[i];
        const double seconds = rhm_sweep_forecast_seconds(forecast, i);
        ran += (double)c->ran;
        took += c->seconds;
        if (isnan(seconds)) {
            unknown += (double)c->waiting;
        } else {
            known += (double)c->waiting;
            sum += (double)c->waiting * seconds;
        }
    }
    const double usual = ran > 0 ? took / ran : known > 0 ? sum / known : 1;
    return sum + unknown * usual;
}

double rhm_sweep_forecast_longest(const rhm_sweep_forecast *forecast) {
    double longest = 0;
    for (size_t i = 0; i < forecast->count; i++)
        if (forecast->class[i].waiting)
            longest = fmax(longest, rhm_sweep_forecast_seconds(forecast, i));
    return longest;
}
