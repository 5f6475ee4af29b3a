/*
 * Non-overlapping convolutions over one axis as oneDNN's primitives, a level of a network at a time: forward with bias
 * and ReLU, backward through the ReLU, by data and by weights, sums of biases. Layouts are those that oneDNN asks for;
 * neighbouring levels share theirs. Since filters do not overlap, all sequences lie one behind the other on one axis:
 * oneDNN takes several positions of an axis at a time, but never positions of two sequences.
 *
 * As in matmul.h, calls run on the calling thread alone; a convolution may be used by several threads at once.
 */
#ifndef RHM_KERNELS_ONEDNN_CONVOLUTION_H
#define RHM_KERNELS_ONEDNN_CONVOLUTION_H

#include "kernels/onednn/matmul.h"

typedef struct rhm_convolution_shape {
    int64_t sequences, positions; /* of each sequence, out; taps times as many in */
    int64_t taps, inputs, outputs;
    bool relu;
    bool bias;   /* of each position and channel; y is added to, instead of overwritten */
    bool narrow; /* operands are bfloat16; sums and gradients of weights are floats */
} rhm_convolution_shape;

/* From one layout to another. */
typedef struct rhm_dnnl_copy {
    dnnl_primitive_t primitive;
    rhm_dnnl_desc from, to;
} rhm_dnnl_copy;

/* Descriptions: y and dy are laid out alike, and so are x and dx. */
typedef struct rhm_convolution {
    rhm_convolution_shape shape;
    rhm_dnnl_desc x, y;
    rhm_dnnl_desc w, turned; /* weights as forward and as backward by data want them */
    rhm_dnnl_desc g;         /* their gradient, in floats */
    rhm_dnnl_desc plain;     /* floats (taps, inputs, outputs) */
    rhm_dnnl_desc rows;      /* floats (sequences, positions, outputs): y without a layout */
    dnnl_primitive_t forward, back_relu, back_data, back_weights, sum;
    rhm_dnnl_copy spread, gather; /* rows to y, y to rows */
    rhm_dnnl_desc ones, sums_from, sums_to;
    size_t pad_nbytes; /* working memory of any of them */

    /*
     * Where oneDNN has nothing but its reference code for gradients of x, a thousand times slower (2.6, AVX2), they are
     * the product of dy without a layout and `turned`, a matrix then.
     */
    bool by_product;
    rhm_dnnl_desc matrix_dy, matrix_w, matrix_dx;
    rhm_dnnl_copy place; /* of the product in x */
    size_t room_nbytes;  /* of dy and dx without a layout */
} rhm_convolution;

/* x in the layout `x`, or, where that is NULL, in the one that oneDNN likes best. With `below` gradients of x as well.
 */
rhm_status rhm_convolution_create(rhm_convolution *out, dnnl_engine_t engine, const rhm_convolution_shape *shape,
                                  const rhm_dnnl_desc *x, bool below, rhm_error *error);
void rhm_convolution_destroy(rhm_convolution *c); /* accepts a zeroed one */

rhm_status rhm_convolution_forward(const rhm_convolution *c, dnnl_stream_t stream, void *x, void *w, void *y, void *pad,
                                   rhm_error *error);

/* dy becomes 0 where y is. */
rhm_status rhm_convolution_back_relu(const rhm_convolution *c, dnnl_stream_t stream, void *y, void *dy, void *pad,
                                     rhm_error *error);

/* `room` is needed where gradients are a product. */
rhm_status rhm_convolution_back_data(const rhm_convolution *c, dnnl_stream_t stream, void *dy, void *turned, void *dx,
                                     void *room, void *pad, rhm_error *error);
rhm_status rhm_convolution_back_weights(const rhm_convolution *c, dnnl_stream_t stream, void *x, void *dy, void *g,
                                        void *pad, rhm_error *error);

/* bias (positions, outputs) = sums of dy over the sequences, the product of a row of ones (sequences) with it, which is
 * faster than oneDNN's reduction; `rows` is room for dy. */
rhm_status rhm_convolution_sum(const rhm_convolution *c, dnnl_stream_t stream, void *dy, float *rows, float *ones,
                               float *bias, void *pad, rhm_error *error);

/* Whether this CPU, as oneDNN sees it, multiplies bfloat16. */
bool rhm_dnnl_has_bfloat16(void);

/* Floats with `axes` axes and these strides, for the ends of a copy. */
rhm_status rhm_dnnl_floats(rhm_dnnl_desc *out, int axes, const dnnl_dims_t extent, const dnnl_dims_t stride,
                           rhm_error *error);
bool rhm_dnnl_same_layout(const rhm_dnnl_desc *a, const rhm_dnnl_desc *b);
size_t rhm_dnnl_desc_nbytes(const rhm_dnnl_desc *desc);
void rhm_dnnl_desc_drop(rhm_dnnl_desc *desc);

rhm_status rhm_dnnl_copy_create(rhm_dnnl_copy *out, dnnl_engine_t engine, const rhm_dnnl_desc *from,
                                const rhm_dnnl_desc *to, rhm_error *error);
void rhm_dnnl_copy_destroy(rhm_dnnl_copy *copy);
rhm_status rhm_dnnl_copy_run(const rhm_dnnl_copy *copy, dnnl_stream_t stream, void *from, void *to, rhm_error *error);

#endif
