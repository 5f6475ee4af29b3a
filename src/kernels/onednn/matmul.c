#include "kernels/onednn/matmul.h"

#include <stdbool.h>
#include <stdio.h>

#include "kernels/onednn/api.h"

static dnnl_status_t make_desc(rhm_dnnl_desc *out, const dnnl_dims_t extent, const dnnl_dims_t stride) {
    return rhm_dnnl_strided(out, 2, extent, dnnl_f32, stride);
}

/* ----------------------------------------------------------------------------------------------------- the library */

void rhm_dnnl_name(char name[RHM_DNNL_NAME_NBYTES]) {
    const dnnl_version_t *version = dnnl_version();
    snprintf(name, RHM_DNNL_NAME_NBYTES, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

rhm_status rhm_dnnl_open(dnnl_engine_t *out, rhm_isa isa, rhm_error *error) {
    enum { AVX512_BIT = dnnl_cpu_isa_avx512_core & ~dnnl_cpu_isa_avx2 };
    *out = NULL;
    if (isa == RHM_ISA_SCALAR)
        return rhm_fail(error, RHM_UNSUPPORTED,
                        "the oneDNN backend needs the instruction set avx2 or avx512, but scalar is in use");
    if (isa == RHM_ISA_AVX2) {
        /* Refused once oneDNN has generated code; that matters only if that code may use AVX-512. */
        dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
        if ((int)dnnl_get_effective_cpu_isa() & AVX512_BIT)
            return rhm_fail(error, RHM_UNSUPPORTED,
                            "isa is \"avx2\", but oneDNN already runs with avx512 in this process and keeps to it");
    }
    const int team = rhm_dnnl_begin_alone();
    const dnnl_status_t status = dnnl_engine_create(out, dnnl_cpu, 0);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "start");
}

void rhm_dnnl_close(dnnl_engine_t engine) {
    if (engine)
        dnnl_engine_destroy(engine);
}

rhm_status rhm_dnnl_stream(dnnl_stream_t *out, dnnl_engine_t engine, rhm_error *error) {
    const int team = rhm_dnnl_begin_alone();
    const dnnl_status_t status = dnnl_stream_create(out, engine, dnnl_stream_default_flags);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "create a stream");
}

/* ---------------------------------------------------------------------------------------------------- the products */

/* User mode: working memory is ours, one per thread, instead of being allocated with the primitive and fought over. */
static dnnl_status_t make_attributes(dnnl_primitive_attr_t *out, bool accumulate) {
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && accumulate && (status = dnnl_post_ops_create(&operations)) == dnnl_success &&
        (status = rhm_dnnl_append_sum(operations)) == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*out, operations);
    if (operations)
        dnnl_post_ops_destroy(operations);
    return status;
}

typedef struct product {
    rhm_dnnl_desc a, b, c, pad;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t desc;
} product;

static void drop_product(product *p) {
    rhm_dnnl_drop(&p->a);
    rhm_dnnl_drop(&p->b);
    rhm_dnnl_drop(&p->c);
    rhm_dnnl_drop(&p->pad);
    if (p->attributes)
        dnnl_primitive_attr_destroy(p->attributes);
    if (p->desc)
        dnnl_primitive_desc_destroy(p->desc);
}

/* B as its strides say, or packed, or (without either) for oneDNN to choose. */
static dnnl_status_t describe(product *p, dnnl_engine_t engine, const rhm_matmul_shape *s, const rhm_packing *packing) {
    dnnl_status_t status = make_desc(&p->a, (dnnl_dims_t){s->m, s->k}, (dnnl_dims_t){s->a_row, s->a_column});
    if (status != dnnl_success)
        return status;
    if (packing)
        status = rhm_dnnl_copy_desc(&p->b, &packing->desc);
    else if (s->b_row)
        status = make_desc(&p->b, (dnnl_dims_t){s->k, s->n}, (dnnl_dims_t){s->b_row, s->b_column});
    else
        status = rhm_dnnl_tagged(&p->b, 2, (dnnl_dims_t){s->k, s->n}, dnnl_f32, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = make_desc(&p->c, (dnnl_dims_t){s->m, s->n}, (dnnl_dims_t){s->c_row, 1});
    if (status == dnnl_success)
        status = make_attributes(&p->attributes, s->accumulate != 0);
    if (status == dnnl_success)
        status = rhm_dnnl_describe_matmul(&p->desc, engine, &p->a, &p->b, &p->c, p->attributes);
    return status;
}

static rhm_status refused_product(rhm_error *error, dnnl_status_t status, const rhm_matmul_shape *s) {
    return rhm_fail(error, status == dnnl_out_of_memory ? RHM_NO_MEMORY : RHM_FAILED,
                    "oneDNN could not prepare the product of (%lld, %lld) and (%lld, %lld): %s (status %d)",
                    (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n, rhm_dnnl_text(status),
                    (int)status);
}

static dnnl_status_t create(rhm_matmul *out, dnnl_engine_t engine, product *p) {
    dnnl_status_t status = rhm_dnnl_query(&p->pad, p->desc, dnnl_query_scratchpad_md);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&out->primitive, p->desc);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&out->a, &p->a, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&out->b, &p->b, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&out->c, &p->c, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&out->pad, &p->pad, engine, DNNL_MEMORY_NONE);
    out->pad_nbytes = rhm_dnnl_nbytes(&p->pad);
    return status;
}

rhm_status rhm_matmul_create(rhm_matmul *out, dnnl_engine_t engine, const rhm_matmul_shape *shape,
                             const rhm_packing *packing, rhm_error *error) {
    *out = (rhm_matmul){0};
    product p = {0};
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = describe(&p, engine, shape, packing);
    if (status == dnnl_success)
        status = create(out, engine, &p);
    drop_product(&p);
    rhm_dnnl_end_alone(team);
    if (status == dnnl_success)
        return RHM_OK;
    rhm_matmul_destroy(out);
    return refused_product(error, status, shape);
}

void rhm_matmul_destroy(rhm_matmul *matmul) {
    const dnnl_memory_t memories[] = {matmul->a, matmul->b, matmul->c, matmul->pad};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    if (matmul->primitive)
        dnnl_primitive_destroy(matmul->primitive);
    *matmul = (rhm_matmul){0};
}

/* The inputs are only read, which the type of a oneDNN argument cannot say. */
static dnnl_status_t set_inputs(const rhm_matmul *matmul, const float *a, const float *b) {
    const dnnl_status_t status = dnnl_memory_set_data_handle(matmul->a, (void *)(uintptr_t)a);
    return status == dnnl_success ? dnnl_memory_set_data_handle(matmul->b, (void *)(uintptr_t)b) : status;
}

rhm_status rhm_matmul_run(const rhm_matmul *matmul, dnnl_stream_t stream, const float *a, const float *b, float *c,
                          void *pad, rhm_error *error) {
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, matmul->a},
                                         {DNNL_ARG_WEIGHTS, matmul->b},
                                         {DNNL_ARG_DST, matmul->c},
                                         {DNNL_ARG_SCRATCHPAD, matmul->pad}};
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = set_inputs(matmul, a, b);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->c, c);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->pad, pad);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(matmul->primitive, stream, sizeof arguments / sizeof *arguments, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "multiply");
}

/* ----------------------------------------------------------------------------------------------------- the packing */

rhm_status rhm_packing_choose(rhm_packing *out, dnnl_engine_t engine, int64_t m, int64_t k, int64_t n, int64_t a_row,
                              rhm_error *error) {
    const rhm_matmul_shape shape = {.m = m, .k = k, .n = n, .a_row = a_row, .a_column = 1, .c_row = n};
    *out = (rhm_packing){.k = k, .n = n};
    product p = {0};
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = describe(&p, engine, &shape, NULL);
    if (status == dnnl_success)
        status = rhm_dnnl_query(&out->desc, p.desc, dnnl_query_weights_md);
    if (status == dnnl_success) {
        out->made = true;
        out->nbytes = rhm_dnnl_nbytes(&out->desc);
    }
    drop_product(&p);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : refused_product(error, status, &shape);
}

void rhm_packing_destroy(rhm_packing *packing) {
    if (packing->made)
        rhm_dnnl_drop(&packing->desc);
    *packing = (rhm_packing){0};
}

rhm_status rhm_packing_pack(const rhm_packing *packing, dnnl_engine_t engine, dnnl_stream_t stream, const float *b,
                            int64_t b_row, int64_t b_column, void *out, rhm_error *error) {
    rhm_dnnl_desc plain = {0};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    const int team = rhm_dnnl_begin_alone();
    dnnl_status_t status = make_desc(&plain, (dnnl_dims_t){packing->k, packing->n}, (dnnl_dims_t){b_row, b_column});
    if (status == dnnl_success)
        status = rhm_dnnl_describe_reorder(&desc, engine, &plain, &packing->desc);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&reorder, desc);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&from, &plain, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = rhm_dnnl_memory(&to, &packing->desc, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(from, (void *)(uintptr_t)b);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(to, out);
    if (status == dnnl_success) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        status = dnnl_primitive_execute(reorder, stream, 2, arguments);
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    if (from)
        dnnl_memory_destroy(from);
    if (to)
        dnnl_memory_destroy(to);
    if (reorder)
        dnnl_primitive_destroy(reorder);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    rhm_dnnl_drop(&plain);
    rhm_dnnl_end_alone(team);
    return status == dnnl_success ? RHM_OK : rhm_dnnl_refusal(error, status, "pack a matrix");
}
