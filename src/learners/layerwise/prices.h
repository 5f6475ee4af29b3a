/* What the operations of a stage cost in time and memory on this machine, by their sizes: what a forecast adds up. */
#ifndef RHM_LEARNERS_LAYERWISE_PRICES_H
#define RHM_LEARNERS_LAYERWISE_PRICES_H

#include "learners/layerwise/forecast.h"
#include "learners/layerwise/rates.h"
#include "learners/layerwise/task.h"
#include "linear/plan.h"

typedef struct rhm_forecasting {
    const rhm_engine *engine;
    const rhm_problem *problem;
    const rhm_forecast_setup *setup;
    const rhm_grammar *grammar; /* of data: theirs, or one like them */
    const rhm_shape *shape;
    double possible[RHM_MAX_LEVELS + 1]; /* different subtrees of a level */
    const rhm_analysis *analysis;
    const rhm_train_options *options;
    rhm_task task;
    rhm_rates upper, bottom;
    double compared;                /* multiply-adds that went into comparing posteriors */
    double rho[RHM_MAX_LEVELS + 1]; /* of posteriors that differ: others are not told apart whatever the samples */
    rhm_forecast *stage;            /* [level] */
} rhm_forecasting;

enum { RHM_DRAWN_NBYTES = 16 }; /* of a count that is drawn */

/* Of a level: outputs, and numbers that a patch is made of. */
static inline double rhm_price_outputs(const rhm_forecasting *f, uint32_t level) {
    return rhm_task_outputs(&f->task, level);
}

static inline double rhm_price_inputs(const rhm_forecasting *f, uint32_t level) {
    return f->shape->branching[level] * (double)rhm_task_embedding(&f->task, level);
}

/* Of a stage: embeddings that its patches are made of; how passes over so many patches come to their features, were
 * there memory for all of them; by what sizes a fit is planned, and how. */
size_t rhm_price_rows(const rhm_forecasting *f, const rhm_forecast *s);
rhm_linear_record rhm_price_passes(const rhm_forecasting *f, const rhm_forecast *s, double distinct);
rhm_route_sizes rhm_price_sizes(const rhm_forecasting *f, const rhm_forecast *s, double distinct);
rhm_linear_plan rhm_price_plan(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves);

/* Distinct level-j patches under `samples` first level-`level` patches; level 0: in so many sequences. */
double rhm_price_distinct(const rhm_forecasting *f, uint32_t level, uint32_t j, double samples);

/* Seconds to push the patches of so many samples through the levels below `level`. */
double rhm_price_embedding(const rhm_forecasting *f, uint32_t level, double samples);

/* Of passes over all patches, the partial sums, and whether threads can share one; bytes of a sum. */
double rhm_price_leaves(const rhm_forecasting *f, const rhm_forecast *s, bool *divide);
double rhm_price_sum_nbytes(const rhm_forecasting *f, const rhm_forecast *s);

typedef struct rhm_fit_price {
    double seconds, shared; /* and what of them ranks could share */
    double sums, products;  /* passes over all patches, and products with a Gram matrix */
} rhm_fit_price;

/* One of `solves` fits with the same bandwidth, evaluation on `held_out` samples included. */
rhm_fit_price rhm_price_fit(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double held_out,
                            rhm_route route, double solves);
rhm_route rhm_price_route(const rhm_forecasting *f, const rhm_forecast *s, double distinct, double solves);

/* Add the seconds to draw so many samples, from a short trial of the real thing. */
rhm_status rhm_price_draw(const rhm_forecasting *f, rhm_forecast *s, double samples, double *seconds, rhm_error *error);

/* Add what of s->draw_seconds goes into merging the lists of different patches among so many samples, and their bytes.
 */
void rhm_price_merge(const rhm_forecasting *f, rhm_forecast *s, double samples);

/* Bytes that a stage holds with these sets and s->distinct patches, its solver included. */
double rhm_price_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples, double held_out);

/* Bytes that the test holds. */
double rhm_price_test_memory(const rhm_forecasting *f);

/* Of a stage's what is kept of so many held-out samples, of so many distinct patches, alone; for passes; for products.
 */
double rhm_price_held_out_memory(const rhm_forecasting *f, const rhm_forecast *s, double held_out, double distinct);
double rhm_price_pass_memory(const rhm_forecasting *f, const rhm_forecast *s);
double rhm_price_gram_memory(const rhm_forecasting *f, const rhm_forecast *s);

/* Embeddings that so many raw samples are made of; 0 of others. */
double rhm_price_raw_inputs_memory(const rhm_forecasting *f, const rhm_forecast *s, double samples);

/* What becomes of the patches of a level where ranks divide them, into the members of the forecast that say so. */
void rhm_price_division(const rhm_forecasting *f, rhm_forecast *s, double samples, double held_out);

/* Features that passes would keep, were there memory for all of them. */
double rhm_price_features_memory(const rhm_forecasting *f, const rhm_forecast *s);

#endif
