#include "kernels/onednn/matmul.h"

#include <omp.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/fail.h"

static const char *text_of(dnnl_status_t status) {
    switch (status) {
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "not implemented";
    case dnnl_runtime_error: return "run-time error";
    default: return "failure";
    }
}

static rhm_status refusal(rhm_error *error, dnnl_status_t status, const char *what) {
    return rhm_fail(error, status == dnnl_out_of_memory ? RHM_NO_MEMORY : RHM_FAILED,
                    "oneDNN could not %s: %s (status %d)", what, text_of(status), (int)status);
}

/* The number of threads is a variable of the calling task: neither the engine's team nor other callers see the change.
 */
static int begin_alone(void) {
    const int team = omp_get_max_threads();
    omp_set_num_threads(1);
    return team;
}

static void end_alone(int team) {
    omp_set_num_threads(team);
}

/* ------------------------------------------------------------------------------------------------- 2.x against 3.x */

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t make_desc(rhm_dnnl_desc *out, const dnnl_dims_t extent, const dnnl_dims_t stride) {
    return dnnl_memory_desc_create_with_strides(out, 2, extent, dnnl_f32, stride);
}

static dnnl_status_t make_free_desc(rhm_dnnl_desc *out, const dnnl_dims_t extent) {
    return dnnl_memory_desc_create_with_tag(out, 2, extent, dnnl_f32, dnnl_format_tag_any);
}

static dnnl_status_t copy_desc(rhm_dnnl_desc *out, const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_clone(out, *desc);
}

static dnnl_status_t query_desc(rhm_dnnl_desc *out, const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
    return dnnl_memory_desc_clone(out, dnnl_primitive_desc_query_md(primitive, what, 0));
}

static void drop_desc(rhm_dnnl_desc *desc) {
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}

static size_t desc_nbytes(const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_get_size(*desc);
}

static dnnl_status_t make_memory(dnnl_memory_t *out, const rhm_dnnl_desc *desc, dnnl_engine_t engine) {
    return dnnl_memory_create(out, *desc, engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
}

static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const rhm_dnnl_desc *a,
                                     const rhm_dnnl_desc *b, const rhm_dnnl_desc *c, const_dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(out, engine, *a, *b, NULL, *c, attr);
}

static dnnl_status_t describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const rhm_dnnl_desc *from,
                                      const rhm_dnnl_desc *to) {
    return dnnl_reorder_primitive_desc_create(out, *from, engine, *to, engine, NULL);
}

#else

static dnnl_status_t make_desc(rhm_dnnl_desc *out, const dnnl_dims_t extent, const dnnl_dims_t stride) {
    return dnnl_memory_desc_init_by_strides(out, 2, extent, dnnl_f32, stride);
}

static dnnl_status_t make_free_desc(rhm_dnnl_desc *out, const dnnl_dims_t extent) {
    return dnnl_memory_desc_init_by_tag(out, 2, extent, dnnl_f32, dnnl_format_tag_any);
}

static dnnl_status_t copy_desc(rhm_dnnl_desc *out, const rhm_dnnl_desc *desc) {
    *out = *desc;
    return dnnl_success;
}

static dnnl_status_t query_desc(rhm_dnnl_desc *out, const_dnnl_primitive_desc_t primitive, dnnl_query_t what) {
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(primitive, what, 0);
    if (!desc)
        return dnnl_runtime_error;
    *out = *desc;
    return dnnl_success;
}

static void drop_desc(rhm_dnnl_desc *desc) {
    (void)desc;
}

static size_t desc_nbytes(const rhm_dnnl_desc *desc) {
    return dnnl_memory_desc_get_size(desc);
}

static dnnl_status_t make_memory(dnnl_memory_t *out, const rhm_dnnl_desc *desc, dnnl_engine_t engine) {
    return dnnl_memory_create(out, desc, engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1);
}

static dnnl_status_t describe_matmul(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const rhm_dnnl_desc *a,
                                     const rhm_dnnl_desc *b, const rhm_dnnl_desc *c, const_dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t operation;
    const dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
    return status == dnnl_success ? dnnl_primitive_desc_create(out, &operation, attr, engine, NULL) : status;
}

static dnnl_status_t describe_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const rhm_dnnl_desc *from,
                                      const rhm_dnnl_desc *to) {
    return dnnl_reorder_primitive_desc_create(out, from, engine, to, engine, NULL);
}

#endif

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
    const int team = begin_alone();
    const dnnl_status_t status = dnnl_engine_create(out, dnnl_cpu, 0);
    end_alone(team);
    return status == dnnl_success ? RHM_OK : refusal(error, status, "start");
}

void rhm_dnnl_close(dnnl_engine_t engine) {
    if (engine)
        dnnl_engine_destroy(engine);
}

rhm_status rhm_dnnl_stream(dnnl_stream_t *out, dnnl_engine_t engine, rhm_error *error) {
    const int team = begin_alone();
    const dnnl_status_t status = dnnl_stream_create(out, engine, dnnl_stream_default_flags);
    end_alone(team);
    return status == dnnl_success ? RHM_OK : refusal(error, status, "create a stream");
}

/* ---------------------------------------------------------------------------------------------------- the products */

/* User mode: working memory is ours, one per thread, instead of being allocated with the primitive and fought over. */
static dnnl_status_t make_attributes(dnnl_primitive_attr_t *out, bool accumulate) {
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && accumulate && (status = dnnl_post_ops_create(&operations)) == dnnl_success &&
        (status = append_sum(operations)) == dnnl_success)
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
    drop_desc(&p->a);
    drop_desc(&p->b);
    drop_desc(&p->c);
    drop_desc(&p->pad);
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
        status = copy_desc(&p->b, &packing->desc);
    else if (s->b_row)
        status = make_desc(&p->b, (dnnl_dims_t){s->k, s->n}, (dnnl_dims_t){s->b_row, s->b_column});
    else
        status = make_free_desc(&p->b, (dnnl_dims_t){s->k, s->n});
    if (status == dnnl_success)
        status = make_desc(&p->c, (dnnl_dims_t){s->m, s->n}, (dnnl_dims_t){s->c_row, 1});
    if (status == dnnl_success)
        status = make_attributes(&p->attributes, s->accumulate != 0);
    if (status == dnnl_success)
        status = describe_matmul(&p->desc, engine, &p->a, &p->b, &p->c, p->attributes);
    return status;
}

static rhm_status refused_product(rhm_error *error, dnnl_status_t status, const rhm_matmul_shape *s) {
    return rhm_fail(error, status == dnnl_out_of_memory ? RHM_NO_MEMORY : RHM_FAILED,
                    "oneDNN could not prepare the product of (%lld, %lld) and (%lld, %lld): %s (status %d)",
                    (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n, text_of(status), (int)status);
}

static dnnl_status_t create(rhm_matmul *out, dnnl_engine_t engine, product *p) {
    dnnl_status_t status = query_desc(&p->pad, p->desc, dnnl_query_scratchpad_md);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&out->primitive, p->desc);
    if (status == dnnl_success)
        status = make_memory(&out->a, &p->a, engine);
    if (status == dnnl_success)
        status = make_memory(&out->b, &p->b, engine);
    if (status == dnnl_success)
        status = make_memory(&out->c, &p->c, engine);
    if (status == dnnl_success)
        status = make_memory(&out->pad, &p->pad, engine);
    out->pad_nbytes = desc_nbytes(&p->pad);
    return status;
}

rhm_status rhm_matmul_create(rhm_matmul *out, dnnl_engine_t engine, const rhm_matmul_shape *shape,
                             const rhm_packing *packing, rhm_error *error) {
    *out = (rhm_matmul){0};
    product p = {0};
    const int team = begin_alone();
    dnnl_status_t status = describe(&p, engine, shape, packing);
    if (status == dnnl_success)
        status = create(out, engine, &p);
    drop_product(&p);
    end_alone(team);
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
    const int team = begin_alone();
    dnnl_status_t status = set_inputs(matmul, a, b);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->c, c);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(matmul->pad, pad);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(matmul->primitive, stream, sizeof arguments / sizeof *arguments, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    end_alone(team);
    return status == dnnl_success ? RHM_OK : refusal(error, status, "multiply");
}

/* ----------------------------------------------------------------------------------------------------- the packing */

rhm_status rhm_packing_choose(rhm_packing *out, dnnl_engine_t engine, int64_t m, int64_t k, int64_t n, int64_t a_row,
                              rhm_error *error) {
    const rhm_matmul_shape shape = {.m = m, .k = k, .n = n, .a_row = a_row, .a_column = 1, .c_row = n};
    *out = (rhm_packing){.k = k, .n = n};
    product p = {0};
    const int team = begin_alone();
    dnnl_status_t status = describe(&p, engine, &shape, NULL);
    if (status == dnnl_success)
        status = query_desc(&out->desc, p.desc, dnnl_query_weights_md);
    if (status == dnnl_success) {
        out->made = true;
        out->nbytes = desc_nbytes(&out->desc);
    }
    drop_product(&p);
    end_alone(team);
    return status == dnnl_success ? RHM_OK : refused_product(error, status, &shape);
}

void rhm_packing_destroy(rhm_packing *packing) {
    if (packing->made)
        drop_desc(&packing->desc);
    *packing = (rhm_packing){0};
}

rhm_status rhm_packing_pack(const rhm_packing *packing, dnnl_engine_t engine, dnnl_stream_t stream, const float *b,
                            int64_t b_row, int64_t b_column, void *out, rhm_error *error) {
    rhm_dnnl_desc plain = {0};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    const int team = begin_alone();
    dnnl_status_t status = make_desc(&plain, (dnnl_dims_t){packing->k, packing->n}, (dnnl_dims_t){b_row, b_column});
    if (status == dnnl_success)
        status = describe_reorder(&desc, engine, &plain, &packing->desc);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&reorder, desc);
    if (status == dnnl_success)
        status = make_memory(&from, &plain, engine);
    if (status == dnnl_success)
        status = make_memory(&to, &packing->desc, engine);
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
    drop_desc(&plain);
    end_alone(team);
    return status == dnnl_success ? RHM_OK : refusal(error, status, "pack a matrix");
}
