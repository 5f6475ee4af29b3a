/*
 * oneDNN's C API as the backend uses it, the same for 2.x and 3.x: descriptions of memory became opaque pointers in 3.0
 * and operations lost their descriptions; here memory descriptions are plain values that are dropped after use, and
 * primitives are described in one call.
 */
#ifndef RHM_KERNELS_ONEDNN_API_H
#define RHM_KERNELS_ONEDNN_API_H

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#include <stdbool.h>

#include "core/fail.h"
#include "kernels/onednn/matmul.h"

static inline const char *rhm_dnnl_text(dnnl_status_t status) {
    switch (status) {
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "not implemented";
    case dnnl_runtime_error: return "run-time error";
    default: return "failure";
    }
}

static inline rhm_status rhm_dnnl_refusal(rhm_error *error, dnnl_status_t status, const char *what) {
    return rhm_fail(error, status == dnnl_out_of_memory ? RHM_NO_MEMORY : RHM_FAILED,
                    "oneDNN could not %s: %s (status %d)", what, rhm_dnnl_text(status), (int)status);
}

/* The number of threads is a variable of the calling task: neither the engine's team nor other callers see the change.
 */
static inline int rhm_dnnl_begin_alone(void) {
    const int team = omp_get_max_threads();
    omp_set_num_threads(1);
    return team;
}

static inline void rhm_dnnl_end_alone(int team) {
    omp_set_num_threads(team);
}

/* A convolution over one axis: descriptions of its operands, and how far its filter moves. */
typedef struct rhm_dnnl_convolution {
    const rhm_dnnl_desc *x, *w, *y;
    int64_t stride;
} rhm_dnnl_convolution;

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t rhm_dnnl_strided(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent,
                                             dnnl_data_type_t type, const dnnl_dims_t stride) {
    return dnnl_memory_desc_create_with_strides(out, axes, extent, type, stride);
}

static inline dnnl_status_t rhm_dnnl_tagged(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent,
                                            dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(out, axes, extent, type, tag);
}

static inline dnnl_status_t rhm_dnnl_copy_desc(rhm_dnnl_desc *out, const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_clone(out, *desc);
}

static inline dnnl_status_t rhm_dnnl_query(rhm_dnnl_desc *out, const_dnnl_primitive_desc_t primitive,
                                           dnnl_query_t what) {
    return dnnl_memory_desc_clone(out, dnnl_primitive_desc_query_md(primitive, what, 0));
}

static inline void rhm_dnnl_drop(rhm_dnnl_desc *desc) {
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}

static inline size_t rhm_dnnl_nbytes(const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_get_size(*desc);
}

static inline bool rhm_dnnl_same(const rhm_dnnl_desc *a, const rhm_dnnl_desc *b) {
    return dnnl_memory_desc_equal(*a, *b);
}

static inline dnnl_status_t rhm_dnnl_memory(dnnl_memory_t *out, const rhm_dnnl_desc *desc, dnnl_engine_t engine,
                                            void *data) {
    return dnnl_memory_create(out, *desc, engine, data);
}

static inline dnnl_status_t rhm_dnnl_append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t rhm_dnnl_append_relu(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0);
}

static inline dnnl_status_t rhm_dnnl_describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                     const rhm_dnnl_desc *a, const rhm_dnnl_desc *b,
                                                     const rhm_dnnl_desc *c, const_dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(out, engine, *a, *b, NULL, *c, attr);
}

static inline dnnl_status_t rhm_dnnl_describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                      const rhm_dnnl_desc *from, const rhm_dnnl_desc *to) {
    return dnnl_reorder_primitive_desc_create(out, *from, engine, *to, engine, NULL);
}

static inline dnnl_status_t rhm_dnnl_describe_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                      const rhm_dnnl_convolution *c, const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training, dnnl_convolution_direct,
                                                          *c->x, *c->w, NULL, *c->y, (dnnl_dims_t){c->stride},
                                                          (dnnl_dims_t){0}, (dnnl_dims_t){0}, (dnnl_dims_t){0}, attr);
}

static inline dnnl_status_t rhm_dnnl_describe_back_data(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                        const rhm_dnnl_convolution *c, const_dnnl_primitive_desc_t hint,
                                                        const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_data_primitive_desc_create(out, engine, dnnl_convolution_direct, *c->x, *c->w,
                                                                *c->y, (dnnl_dims_t){c->stride}, (dnnl_dims_t){0},
                                                                (dnnl_dims_t){0}, (dnnl_dims_t){0}, hint, attr);
}

static inline dnnl_status_t rhm_dnnl_describe_back_weights(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                           const rhm_dnnl_convolution *c,
                                                           const_dnnl_primitive_desc_t hint,
                                                           const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, dnnl_convolution_direct, *c->x, *c->w, NULL, *c->y, (dnnl_dims_t){c->stride}, (dnnl_dims_t){0},
        (dnnl_dims_t){0}, (dnnl_dims_t){0}, hint, attr);
}

/* Of max(0, .), where its result y was not 0; dy is overwritten. */
static inline dnnl_status_t rhm_dnnl_describe_back_relu(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                        const rhm_dnnl_desc *y, const_dnnl_primitive_attr_t attr) {
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = dnnl_eltwise_forward_primitive_desc_create(
        &hint, engine, dnnl_forward_training, dnnl_eltwise_relu_use_dst_for_bwd, *y, *y, 0, 0, NULL);
    if (status == dnnl_success)
        status = dnnl_eltwise_backward_primitive_desc_create(out, engine, dnnl_eltwise_relu_use_dst_for_bwd, *y, *y, *y,
                                                             0, 0, hint, attr);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}

#else

static inline dnnl_status_t rhm_dnnl_strided(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent,
                                             dnnl_data_type_t type, const dnnl_dims_t stride) {
    return dnnl_memory_desc_init_by_strides(out, axes, extent, type, stride);
}

static inline dnnl_status_t rhm_dnnl_tagged(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent,
                                            dnnl_data_type_t type, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(out, axes, extent, type, tag);
}

static inline dnnl_status_t rhm_dnnl_copy_desc(rhm_dnnl_desc *out, const rhm_dnnl_desc *desc) {
    *out = *desc;
    return dnnl_success;
}

static inline dnnl_status_t rhm_dnnl_query(rhm_dnnl_desc *out, const_dnnl_primitive_desc_t primitive,
                                           dnnl_query_t what) {
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(primitive, what, 0);
    if (!desc)
        return dnnl_runtime_error;
    *out = *desc;
    return dnnl_success;
}

static inline void rhm_dnnl_drop(rhm_dnnl_desc *desc) {
    (void)desc;
}

static inline size_t rhm_dnnl_nbytes(const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_get_size(desc);
}

static inline bool rhm_dnnl_same(const rhm_dnnl_desc *a, const rhm_dnnl_desc *b) {
    return dnnl_memory_desc_equal(a, b);
}

static inline dnnl_status_t rhm_dnnl_memory(dnnl_memory_t *out, const rhm_dnnl_desc *desc, dnnl_engine_t engine,
                                            void *data) {
    return dnnl_memory_create(out, desc, engine, data);
}

static inline dnnl_status_t rhm_dnnl_append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1);
}

static inline dnnl_status_t rhm_dnnl_append_relu(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0);
}

static inline dnnl_status_t rhm_dnnl_describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                     const rhm_dnnl_desc *a, const rhm_dnnl_desc *b,
                                                     const rhm_dnnl_desc *c, const_dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t operation;
    const dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &operation, attr, engine, NULL) : status;
}

static inline dnnl_status_t rhm_dnnl_describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                      const rhm_dnnl_desc *from, const rhm_dnnl_desc *to) {
    return dnnl_reorder_primitive_desc_create(out, from, engine, to, engine, NULL);
}

static inline dnnl_status_t rhm_dnnl_describe_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                      const rhm_dnnl_convolution *c, const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t operation;
    const dnnl_status_t status =
        dnnl_convolution_forward_desc_init(&operation, dnnl_forward_training, dnnl_convolution_direct, c->x, c->w, NULL,
                                           c->y, (dnnl_dims_t){c->stride}, (dnnl_dims_t){0}, (dnnl_dims_t){0});
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &operation, attr, engine, NULL) : status;
}

static inline dnnl_status_t rhm_dnnl_describe_back_data(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                        const rhm_dnnl_convolution *c, const_dnnl_primitive_desc_t hint,
                                                        const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t operation;
    const dnnl_status_t status =
        dnnl_convolution_backward_data_desc_init(&operation, dnnl_convolution_direct, c->x, c->w, c->y,
                                                 (dnnl_dims_t){c->stride}, (dnnl_dims_t){0}, (dnnl_dims_t){0});
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &operation, attr, engine, hint) : status;
}

static inline dnnl_status_t rhm_dnnl_describe_back_weights(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                           const rhm_dnnl_convolution *c,
                                                           const_dnnl_primitive_desc_t hint,
                                                           const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t operation;
    const dnnl_status_t status =
        dnnl_convolution_backward_weights_desc_init(&operation, dnnl_convolution_direct, c->x, c->w, NULL, c->y,
                                                    (dnnl_dims_t){c->stride}, (dnnl_dims_t){0}, (dnnl_dims_t){0});
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &operation, attr, engine, hint) : status;
}

/* Of max(0, .), where its result y was not 0; dy is overwritten. */
static inline dnnl_status_t rhm_dnnl_describe_back_relu(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                                        const rhm_dnnl_desc *y, const_dnnl_primitive_attr_t attr) {
    dnnl_eltwise_desc_t operation;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status =
        dnnl_eltwise_forward_desc_init(&operation, dnnl_forward_training, dnnl_eltwise_relu_use_dst_for_bwd, y, 0, 0);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&hint, &operation, NULL, engine, NULL);
    if (status == dnnl_success)
        status = dnnl_eltwise_backward_desc_init(&operation, dnnl_eltwise_relu_use_dst_for_bwd, y, y, 0, 0);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, &operation, attr, engine, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}

#endif
#endif
