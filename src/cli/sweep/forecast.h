/*
 * What cells will take: a plan for each class (rhm_plan_training on one thread), put right by the cells that have run.
 */
#ifndef RHM_CLI_SWEEP_FORECAST_H
#define RHM_CLI_SWEEP_FORECAST_H

#include "cli/sweep/cells.h"

typedef struct rhm_sweep_class {
    double planned_seconds; /* NAN: not known */
    double nbytes;          /* of a cell's memory; 0: not known */
    double seconds;         /* of those that have run */
    size_t waiting, ran;    /* cells */
} rhm_sweep_class;

typedef struct rhm_sweep_forecast {
    json_t *number;         /* of classes by key; owned */
    rhm_sweep_class *class; /* (count), owned; there is memory for `room` */
    size_t count, room;
    double planned, took; /* seconds of the cells that had a plan and have run */
} rhm_sweep_forecast;

rhm_status rhm_sweep_forecast_open(rhm_sweep_forecast *out, rhm_error *error);
void rhm_sweep_forecast_close(rhm_sweep_forecast *forecast); /* accepts a zeroed one */

/* Count a cell that is going to run; *class is its number from then on. */
rhm_status rhm_sweep_forecast_add(rhm_sweep_forecast *forecast, size_t *class, const rhm_sweep_cell *cell,
                                  rhm_error *error);

/* Plan a class by a cell of it, unless it has been. What cannot be planned stays unknown. */
void rhm_sweep_forecast_plan(rhm_sweep_forecast *forecast, size_t class, const rhm_sweep_cell *cell,
                             const rhm_engine *engine);

/* A cell has run: seconds of one core. NAN: it has not after all, and runs no more. */
void rhm_sweep_forecast_learn(rhm_sweep_forecast *forecast, size_t class, double seconds);

/* Seconds that a cell is expected to take on one core; NAN: nobody knows. */
double rhm_sweep_forecast_seconds(const rhm_sweep_forecast *forecast, size_t class);

/* Sum over the cells that have not run; those of which nothing is known count as the mean of the others. */
double rhm_sweep_forecast_left(const rhm_sweep_forecast *forecast);

/* The longest cell that has not run; 0 where nothing is known. */
double rhm_sweep_forecast_longest(const rhm_sweep_forecast *forecast);

#endif
