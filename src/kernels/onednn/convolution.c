#include "kernels/onednn/convolution.h"

#include <string.h>

#include "kernels/onednn/api.h"

/* ------------------------------------------------------------------------------------------------------ descriptions
 */

rhm_status rhm_dnnl_floats(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent, const dnnl_dims_t stride,
                           rhm_error *error) {
    const dnnl_status_t status = rhm_dnnl_strided(out, axes, extent, dnnl_f32, stride);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "describe an array");
}

size_t rhm_dnnl_desc_nbytes(const rhm_dnnl_desc *desc) {
    return rhm_dnnl_nbytes(desc);
}

void rhm_dnnl_desc_drop(rhm_dnnl_desc *desc) {
    rhm_dnnl_drop(desc);
}

bool rhm_dnnl_same_layout(const rhm_dnnl_desc *a, const rhm_dnnl_desc *b) {
    return rhm_dnnl_same(a, b);
}

bool rhm_dnnl_has_bfloat16(void) {
    return ((int)dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

static dnnl_status_t attributes_of(dnnl_primitive_attr_t *out, const rhm_convolution_shape *fused) {
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && fused) {
        status = dnnl_post_ops_create(&operations);
        if (status == dnnl_success && fused->bias)
            status = rhm_dnnl_append_sum(operations);
        if (status == dnnl_success && fused->relu)
            status = rhm_dnnl_append_relu(operations);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(*out, operations);
    }
    if (operations)
        dnnl_post_ops_destroy(operations);
    return status;
}

/* The primitive, with its working memory counted; the description goes. */
static dnnl_status_t finish(rhm_convolution *c, dnnl_primitive_t *out, dnnl_primitive_desc_t *desc) {
    rhm_dnnl_desc pad = {0};
    dnnl_status_t status = rhm_dnnl_query(&pad, *desc, dnnl_query_scratchpad_md);
    if (status == dnnl_success) {
        const size_t nbytes = rhm_dnnl_nbytes(&pad);
        c->pad_nbytes = nbytes > c->pad_nbytes ? nbytes : c->pad_nbytes;
        status = dnnl_primitive_create(out, *desc);
    }
    rhm_dnnl_drop(&pad);
    dnnl_primitive_desc_destroy(*desc);
    *desc = NULL;
    return status;
}

typedef struct extents {
    dnnl_dims_t x, y, w;
    dnnl_data_type_t type;
} extents;

static extents extents_of(const rhm_convolution_shape *s) {
    const int64_t positions = s->sequences * s->positions;
    return (extents){.x = {1, s->inputs, positions * s->taps},
                     .y = {1, s->outputs, positions},
                     .w = {s->outputs, s->inputs, s->taps},
                     .type = s->narrow ? dnnl_bf16 : dnnl_f32};
}

/* --------------------------------------------------------------------------------------------------------- creation */

/* The forward pass decides on the layouts of x, y and w. */
static dnnl_status_t create_forward(rhm_convolution *c, dnnl_engine_t engine, const extents *e, const rhm_dnnl_desc *x,
                                    dnnl_primitive_desc_t *out) {
    rhm_dnnl_desc any_x = {0}, any_w = {0}, any_y = {0};
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = attributes_of(&attributes, &c->shape);
    if (status == dnnl_success)
        status = x ? rhm_dnnl_copy_desc(&any_x, x) : rhm_dnnl_tagged(&any_x, 3, e->x, e->type, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = rhm_dnnl_tagged(&any_w, 3, e->w, e->type, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = rhm_dnnl_tagged(&any_y, 3, e->y, e->type, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = rhm_dnnl_describe_forward(out, engine, &(rhm_dnnl_convolution){&any_x, &any_w, &any_y, c->shape.taps},
                                           attributes);
    if (status == dnnl_success)
        status = rhm_dnnl_query(&c->x, *out, dnnl_query_src_md);
    if (status == dnnl_success)
        status = rhm_dnnl_query(&c->w, *out, dnnl_query_weights_md);
    if (status == dnnl_success)
        status = rhm_dnnl_query(&c->y, *out, dnnl_query_dst_md);
    rhm_dnnl_drop(&any_x);
    rhm_dnnl_drop(&any_w);
    rhm_dnnl_drop(&any_y);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

static bool is_reference(const_dnnl_primitive_desc_t desc) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name &&
           strstr(name, "ref") != NULL;
}

/* The gradient of x as a product: filters do not overlap, so each row of dy gives `taps` whole rows of it. */
static dnnl_status_t create_back_product(rhm_convolution *c, dnnl_engine_t engine, const extents *e,
                                         dnnl_primitive_attr_t attributes) {
    const rhm_convolution_shape *s = &c->shape;
    const int64_t rows = s->sequences * s->positions, deep = s->taps * s->inputs;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = rhm_dnnl_strided(&c->turned, 3, e->w, dnnl_f32, (dnnl_dims_t){deep, 1, s->inputs});
    if (status == dnnl_success)
        status =
            rhm_dnnl_strided(&c->matrix_dy, 2, (dnnl_dims_t){rows, s->outputs}, dnnl_f32, (dnnl_dims_t){s->outputs, 1});
    if (status == dnnl_success)
        status = rhm_dnnl_strided(&c->matrix_w, 2, (dnnl_dims_t){s->outputs, deep}, dnnl_f32, (dnnl_dims_t){deep, 1});
    if (status == dnnl_success)
        status = rhm_dnnl_strided(&c->matrix_dx, 2, (dnnl_dims_t){rows, deep}, dnnl_f32, (dnnl_dims_t){deep, 1});
    if (status == dnnl_success)
        status = rhm_dnnl_describe_matmul(&desc, engine, &c->matrix_dy, &c->matrix_w, &c->matrix_dx, attributes);
    if (status == dnnl_success)
        status = finish(c, &c->back_data, &desc);
    c->by_product = true;
    c->room_nbytes = sizeof(float) * (size_t)rows * (size_t)(s->outputs + deep);
    return status;
}

static dnnl_status_t create_back_data(rhm_convolution *c, dnnl_engine_t engine, const extents *e,
                                      dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attributes) {
    rhm_dnnl_desc any = {0};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = rhm_dnnl_tagged(&any, 3, e->w, e->type, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = rhm_dnnl_describe_back_data(&desc, engine, &(rhm_dnnl_convolution){&c->x, &any, &c->y, c->shape.taps},
                                             hint, attributes);
    const bool slow = status == dnnl_success && !c->shape.narrow && is_reference(desc);
    if (status == dnnl_success && !slow)
        status = rhm_dnnl_query(&c->turned, desc, dnnl_query_weights_md);
    if (status == dnnl_success && !slow)
        status = finish(c, &c->back_data, &desc);
    rhm_dnnl_drop(&any);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return slow ? create_back_product(c, engine, e, attributes) : status;
}

static dnnl_status_t create_back_weights(rhm_convolution *c, dnnl_engine_t engine, const extents *e,
                                         dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attributes) {
    rhm_dnnl_desc any = {0};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = rhm_dnnl_tagged(&any, 3, e->w, dnnl_f32, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = rhm_dnnl_describe_back_weights(
            &desc, engine, &(rhm_dnnl_convolution){&c->x, &any, &c->y, c->shape.taps}, hint, attributes);
    if (status == dnnl_success)
        status = rhm_dnnl_query(&c->g, desc, dnnl_query_diff_weights_md);
    if (status == dnnl_success)
        status = finish(c, &c->back_weights, &desc);
    rhm_dnnl_drop(&any);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

/* What goes with the convolution: back through the ReLU, sums of biases. */
static dnnl_status_t create_others(rhm_convolution *c, dnnl_engine_t engine, const extents *e,
                                   dnnl_primitive_attr_t attributes) {
    const rhm_convolution_shape *s = &c->shape;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status =
        rhm_dnnl_strided(&c->plain, 3, e->w, dnnl_f32, (dnnl_dims_t){1, s->outputs, s->inputs * s->outputs});
    if (status == dnnl_success && s->relu &&
        (status = rhm_dnnl_describe_back_relu(&desc, engine, &c->y, attributes)) == dnnl_success)
        status = finish(c, &c->back_relu, &desc);
    const int64_t row = s->positions * s->outputs;
    if (status == dnnl_success)
        status = rhm_dnnl_strided(&c->rows, 3, e->y, dnnl_f32, (dnnl_dims_t){s->sequences * row, 1, s->outputs});
    if (status != dnnl_success || !s->bias)
        return status;
    status = rhm_dnnl_strided(&c->ones, 2, (dnnl_dims_t){1, s->sequences}, dnnl_f32, (dnnl_dims_t){s->sequences, 1});
    if (status == dnnl_success)
        status = rhm_dnnl_strided(&c->sums_from, 2, (dnnl_dims_t){s->sequences, row}, dnnl_f32, (dnnl_dims_t){row, 1});
    if (status == dnnl_success)
        status = rhm_dnnl_strided(&c->sums_to, 2, (dnnl_dims_t){1, row}, dnnl_f32, (dnnl_dims_t){row, 1});
    if (status == dnnl_success && (status = rhm_dnnl_describe_matmul(&desc, engine, &c->ones, &c->sums_from,
                                                                     &c->sums_to, attributes)) == dnnl_success)
        status = finish(c, &c->sum, &desc);
    return status;
}

/* From the rows of a product to the layout of x. */
static rhm_status create_place(rhm_convolution *c, dnnl_engine_t engine, rhm_error *error) {
    const int64_t rows = c->shape.sequences * c->shape.positions * c->shape.taps, inputs = c->shape.inputs;
    rhm_dnnl_desc plain = {0};
    rhm_status status =
        rhm_dnnl_floats(&plain, 3, (dnnl_dims_t){1, inputs, rows}, (dnnl_dims_t){rows * inputs, 1, inputs}, error);
    if (status == RHM_OK)
        status = rhm_dnnl_copy_create(&c->place, engine, &plain, &c->x, error);
    rhm_dnnl_drop(&plain);
    return status;
}

rhm_status rhm_convolution_create(rhm_convolution *out, dnnl_engine_t engine, const rhm_convolution_shape *shape,
                                  const rhm_dnnl_desc *x, bool below, rhm_error *error) {
    *out = (rhm_convolution){.shape = *shape};
    const extents e = extents_of(shape);
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = attributes_of(&attributes, NULL);
    if (status == dnnl_success)
        status = create_forward(out, engine, &e, x, &hint);
    if (status == dnnl_success && below)
        status = create_back_data(out, engine, &e, hint, attributes);
    if (status == dnnl_success)
        status = create_back_weights(out, engine, &e, hint, attributes);
    if (status == dnnl_success)
        status = create_others(out, engine, &e, attributes);
    if (status == dnnl_success)
        status = finish(out, &out->forward, &hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    rhm_dnnl_end_alone(team);
    rhm_status result = status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "prepare a convolution");
    if (result == RHM_OK)
        result = rhm_dnnl_copy_create(&out->gather, engine, &out->y, &out->rows, error);
    if (result == RHM_OK)
        result = rhm_dnnl_copy_create(&out->spread, engine, &out->rows, &out->y, error);
    if (result == RHM_OK && out->by_product)
        result = create_place(out, engine, error);
    if (result != RHM_OK)
        rhm_convolution_destroy(out);
    return result;
}

void rhm_convolution_destroy(rhm_convolution *c) {
    const dnnl_primitive_t primitives[] = {c->forward, c->back_relu, c->back_data, c->back_weights, c->sum};
    rhm_dnnl_desc *descs[] = {&c->x,    &c->y,         &c->w,       &c->turned,    &c->g,        &c->plain,    &c->rows,
                              &c->ones, &c->sums_from, &c->sums_to, &c->matrix_dy, &c->matrix_w, &c->matrix_dx};
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
        if (primitives[i])
            dnnl_primitive_destroy(primitives[i]);
    for (size_t i = 0; i < sizeof descs / sizeof *descs; i++)
        rhm_dnnl_drop(descs[i]);
    rhm_dnnl_copy_destroy(&c->spread);
    rhm_dnnl_copy_destroy(&c->gather);
    rhm_dnnl_copy_destroy(&c->place);
    *c = (rhm_convolution){0};
}

/* -------------------------------------------------------------------------------------------------------- execution */

enum { ARGUMENTS = 4 };

typedef struct argument {
    int what;
    const rhm_dnnl_desc *desc;
    void *data;
} argument;

static rhm_status execute(dnnl_primitive_t primitive, dnnl_stream_t stream, size_t count, const argument *arguments,
                          void *pad, const char *what, rhm_error *error) {
    dnnl_exec_arg_t list[ARGUMENTS + 1] = {{0}};
    dnnl_engine_t engine = NULL;
    const_dnnl_primitive_desc_t described = NULL;
    rhm_dnnl_desc pad_desc = {0};
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = dnnl_stream_get_engine(stream, &engine);
    for (size_t i = 0; i < count && status == dnnl_success; i++) {
        list[i].arg = arguments[i].what;
        status = rhm_dnnl_memory(&list[i].memory, arguments[i].desc, engine, arguments[i].data);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_get_primitive_desc(primitive, &described);
    if (status == dnnl_success && pad)
        status = rhm_dnnl_query(&pad_desc, described, dnnl_query_scratchpad_md);
    if (status == dnnl_success && pad) {
        list[count].arg = DNNL_ARG_SCRATCHPAD;
        status = rhm_dnnl_memory(&list[count].memory, &pad_desc, engine, pad);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, (int)count + (pad ? 1 : 0), list);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    for (size_t i = 0; i <= count; i++)
        if (list[i].memory)
            dnnl_memory_destroy(list[i].memory);
    if (pad)
        rhm_dnnl_drop(&pad_desc);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, what);
}

rhm_status rhm_convolution_forward(const rhm_convolution *c, dnnl_stream_t stream, void *x, void *w, void *y, void *pad,
                                   rhm_error *error) {
    const argument list[] = {{DNNL_ARG_SRC, &c->x, x}, {DNNL_ARG_WEIGHTS, &c->w, w}, {DNNL_ARG_DST, &c->y, y}};
    return execute(c->forward, stream, 3, list, pad, "convolve", error);
}

rhm_status rhm_convolution_back_relu(const rhm_convolution *c, dnnl_stream_t stream, void *y, void *dy, void *pad,
                                     rhm_error *error) {
    const argument list[] = {{DNNL_ARG_DST, &c->y, y}, {DNNL_ARG_DIFF_DST, &c->y, dy}, {DNNL_ARG_DIFF_SRC, &c->y, dy}};
    return execute(c->back_relu, stream, 3, list, pad, "go back through a ReLU", error);
}

rhm_status rhm_convolution_back_data(const rhm_convolution *c, dnnl_stream_t stream, void *dy, void *turned, void *dx,
                                     void *room, void *pad, rhm_error *error) {
    if (c->by_product) {
        float *rows = room, *product = rows + c->shape.sequences * c->shape.positions * c->shape.outputs;
        const argument matrices[] = {{DNNL_ARG_SRC, &c->matrix_dy, rows},
                                     {DNNL_ARG_WEIGHTS, &c->matrix_w, turned},
                                     {DNNL_ARG_DST, &c->matrix_dx, product}};
        RHM_TRY(rhm_dnnl_copy_run(&c->gather, stream, dy, rows, error));
        RHM_TRY(execute(c->back_data, stream, 3, matrices, pad, "go back through a convolution", error));
        return rhm_dnnl_copy_run(&c->place, stream, product, dx, error);
    }
    const argument list[] = {
        {DNNL_ARG_DIFF_DST, &c->y, dy}, {DNNL_ARG_WEIGHTS, &c->turned, turned}, {DNNL_ARG_DIFF_SRC, &c->x, dx}};
    return execute(c->back_data, stream, 3, list, pad, "go back through a convolution", error);
}

rhm_status rhm_convolution_back_weights(const rhm_convolution *c, dnnl_stream_t stream, void *x, void *dy, void *g,
                                        void *pad, rhm_error *error) {
    const argument list[] = {
        {DNNL_ARG_SRC, &c->x, x}, {DNNL_ARG_DIFF_DST, &c->y, dy}, {DNNL_ARG_DIFF_WEIGHTS, &c->g, g}};
    return execute(c->back_weights, stream, 3, list, pad, "sum a gradient", error);
}

rhm_status rhm_convolution_sum(const rhm_convolution *c, dnnl_stream_t stream, void *dy, float *rows, float *ones,
                               float *bias, void *pad, rhm_error *error) {
    const argument list[] = {
        {DNNL_ARG_SRC, &c->ones, ones}, {DNNL_ARG_WEIGHTS, &c->sums_from, rows}, {DNNL_ARG_DST, &c->sums_to, bias}};
    RHM_TRY(rhm_dnnl_copy_run(&c->gather, stream, dy, rows, error));
    return execute(c->sum, stream, 3, list, pad, "sum the gradients of biases", error);
}

/* ----------------------------------------------------------------------------------------------------------- copies */

rhm_status rhm_dnnl_copy_create(rhm_dnnl_copy *out, dnnl_engine_t engine, const rhm_dnnl_desc *from,
                                const rhm_dnnl_desc *to, rhm_error *error) {
    *out = (rhm_dnnl_copy){0};
    dnnl_primitive_desc_t desc = NULL;
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = rhm_dnnl_copy_desc(&out->from, from);
    if (status == dnnl_success)
        status = rhm_dnnl_copy_desc(&out->to, to);
    if (status == dnnl_success)
        status = rhm_dnnl_describe_reorder(&desc, engine, from, to);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&out->primitive, desc);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    rhm_dnnl_end_alone(team);
    if (status == dnnl_success)
        return RHM_OK;
    rhm_dnnl_copy_destroy(out);
    return rhm_dnnl_refusal(error, status, "prepare a copy into another layout");
}

void rhm_dnnl_copy_destroy(rhm_dnnl_copy *copy) {
    if (copy->primitive)
        dnnl_primitive_destroy(copy->primitive);
    rhm_dnnl_drop(&copy->from);
    rhm_dnnl_drop(&copy->to);
    *copy = (rhm_dnnl_copy){0};
}

rhm_status rhm_dnnl_copy_run(const rhm_dnnl_copy *copy, dnnl_stream_t stream, void *from, void *to, rhm_error *error) {
    const argument list[] = {{DNNL_ARG_FROM, &copy->from, from}, {DNNL_ARG_TO, &copy->to, to}};
    return execute(copy->primitive, stream, 2, list, NULL, "copy into another layout", error);
}
