#include "training/level_report.h"

#include <math.h>

#define AT(member) offsetof(rhm_level_report, member)
#define REGRESSION .only_with = AT(width) + 1
#define TRIED      .only_with = AT(attempts) + 1

static const char *draw_name(uint32_t draw) {
    return draw == RHM_DRAW_COUNTS ? "counts" : "samples";
}

static const char *solver_name(uint32_t solver) {
    return rhm_solver_name((rhm_solver)solver);
}

static const char *route_name(uint32_t route) {
    return rhm_route_name((rhm_route)route);
}

static const rhm_field fields[] = {
    {"level", RHM_FIELD_U32, AT(level), .meaning = "1..L, level L reads the tokens"},
    {"draw", RHM_FIELD_U32, AT(draw), .meaning = "how counts came about: samples or counts", .word = draw_name},
    {"samples", RHM_FIELD_U64, AT(samples), .meaning = "the kept ones, of about samples / kept_share"},
    {"kept_share", RHM_FIELD_F64, AT(kept_share),
     .meaning = "of all samples, those that are kept; 1 unless the support is restricted"},
    {"validation_samples", RHM_FIELD_U64, AT(validation_samples), .meaning = "held out"},
    {"distinct_patches", RHM_FIELD_U64, AT(distinct_patches),
     .meaning = "that occurred; null where gradients are descended, as clusters, attempts and resolved", TRIED},
    {"unseen_mass", RHM_FIELD_F64, AT(unseen_mass),
     .meaning = "probability of patches that training never saw; null without a grammar"},
    {"positions", RHM_FIELD_U32, AT(positions), .meaning = "patches of a sequence that were looked at"},
    {"width", RHM_FIELD_U32, AT(width), .meaning = "M; null where the learner fits no regression, as the next ones",
     REGRESSION},
    {"bandwidth", RHM_FIELD_F64, AT(bandwidth), .unit = "distance between embeddings", .meaning = "sigma", REGRESSION},
    {"ridge", RHM_FIELD_F64, AT(ridge), .meaning = "lambda", REGRESSION},
    {"solver", RHM_FIELD_U32, AT(solver), .meaning = "cg, gd, gd-paper or cholesky", .word = solver_name, REGRESSION},
    {"route", RHM_FIELD_U32, AT(route), .meaning = "passes or gram", .word = route_name, REGRESSION},
    {"iterations", RHM_FIELD_U32, AT(iterations), .meaning = "of the last fit", REGRESSION},
    {"residual", RHM_FIELD_F64, AT(residual), .meaning = "||(C + lambda I) W - B|| / ||B||", REGRESSION},
    {"held_out_loss", RHM_FIELD_F64, AT(held_out_loss), .meaning = "mean squared error on held-out samples"},
    {"held_out_accuracy", RHM_FIELD_F64, AT(held_out_accuracy),
     .meaning = "share of held-out samples whose label is the largest output"},
    {"evidence", RHM_FIELD_F64, AT(evidence), .unit = "standard errors",
     .meaning = "by which the loss is below that of predicting the same for all; latent: by which siblings depend"},
    {"converged", RHM_FIELD_BOOL, AT(converged), .meaning = "residual <= 1.1 tolerance", REGRESSION},
    {"symbols", RHM_FIELD_U32, AT(symbols), .meaning = "|V_{l-1}|: clusters that outputs should form"},
    {"clusters", RHM_FIELD_U32, AT(clusters), .meaning = "that they form", TRIED},
    {"cluster_separation", RHM_FIELD_F64, AT(cluster_separation), .meaning = "smallest distance between their centres"},
    {"cluster_radius", RHM_FIELD_F64, AT(cluster_radius),
     .meaning = "99th percentile of the distance to the own centre"},
    {"posterior_error.mean", RHM_FIELD_F64, AT(posterior_error_mean),
     .meaning = "distance to the exact posterior; null without a grammar, as the next ones"},
    {"posterior_error.max", RHM_FIELD_F64, AT(posterior_error_max), .meaning = "the largest"},
    {"posterior_error.floor", RHM_FIELD_F64, AT(posterior_error_floor),
     .meaning = "what the number of samples makes inevitable"},
    {"synonym_accuracy", RHM_FIELD_F64, AT(synonym_accuracy),
     .meaning = "weighted share of patches nearest to their own parent's mean"},
    {"separation", RHM_FIELD_F64, AT(separation),
     .meaning = "smallest distance between mean outputs of different parents"},
    {"radius", RHM_FIELD_F64, AT(radius), .meaning = "largest distance of an output from its parent's mean"},
    {"clamped", RHM_FIELD_U64, AT(clamped), .meaning = "outputs whose coordinate sum was below the floor"},
    {"attempts", RHM_FIELD_U32, AT(attempts), .meaning = "fits, or groupings, tried", TRIED},
    {"search.multiply_adds", RHM_FIELD_F64, AT(work), .unit = "multiply-adds",
     .meaning = "that the search has counted"},
    {"search.foreseen", RHM_FIELD_F64, AT(foreseen_work), .unit = "multiply-adds", .meaning = "without the grammar"},
    {"search.allowed", RHM_FIELD_F64, AT(allowed_work), .unit = "multiply-adds", .meaning = "after which it ends"},
    {"resolved", RHM_FIELD_BOOL, AT(resolved), .meaning = "clusters are apart, and of some meaning for the label",
     TRIED},
    {"limit", RHM_FIELD_TEXT, AT(limit), .count = sizeof((rhm_level_report){0}.limit),
     .meaning = "what stopped an automatic choice short of its target"},
    {"seconds.sample", RHM_FIELD_F64, AT(sample_seconds), .unit = "seconds", .meaning = "drawing and counting"},
    {"seconds.embed", RHM_FIELD_F64, AT(embed_seconds), .unit = "seconds",
     .meaning = "pushing samples through the levels below"},
    {"seconds.bandwidth", RHM_FIELD_F64, AT(bandwidth_seconds), .unit = "seconds", .meaning = "choosing bandwidths"},
    {"seconds.solve", RHM_FIELD_F64, AT(solve_seconds), .unit = "seconds", .meaning = "solving, or grouping"},
    {"seconds.kernels", RHM_FIELD_F64, AT(kernel_seconds), .unit = "seconds",
     .meaning = "of these, in the kernels' loops over patches"},
    {"seconds.total", RHM_FIELD_F64, AT(total_seconds), .unit = "seconds", .meaning = "of the level"},
    {"flops", RHM_FIELD_F64, AT(flops), .meaning = "multiply-adds of the kernels, counted as two"},
};

const rhm_fields rhm_level_report_fields = {fields, sizeof fields / sizeof *fields, sizeof(rhm_level_report)};

rhm_level_report rhm_level_report_unknown(void) {
    return (rhm_level_report){
        .unseen_mass = NAN,
        .bandwidth = NAN,
        .ridge = NAN,
        .residual = NAN,
        .held_out_loss = NAN,
        .held_out_accuracy = NAN,
        .evidence = NAN,
        .cluster_separation = NAN,
        .cluster_radius = NAN,
        .posterior_error_mean = NAN,
        .posterior_error_max = NAN,
        .posterior_error_floor = NAN,
        .synonym_accuracy = NAN,
        .separation = NAN,
        .radius = NAN,
        .work = NAN,
        .foreseen_work = NAN,
        .allowed_work = NAN,
    };
}
