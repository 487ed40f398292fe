// oneDNN's matmul with weights in the layout that oneDNN itself prefers.
//
// oneDNN 2.x describes an operation first and makes memory descriptors by value; 3.x drops the description and
// hides the descriptors. Everything that differs is in the block below; the rest is common.

#include "CDNNL.h"

#include <dnnl.h>
#include <stdatomic.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t md_owned;
typedef const_dnnl_memory_desc_t md_view;
#define VIEW(md) (md)

static dnnl_status_t md_strided(md_owned *md, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
    const dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_create_with_strides(md, 2, dims, dnnl_f32, strides);
}
static dnnl_status_t md_any(md_owned *md, int64_t rows, int64_t columns) {
    const dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_create_with_tag(md, 2, dims, dnnl_f32, dnnl_format_tag_any);
}
static dnnl_status_t md_copy(md_owned *md, md_view other) { return dnnl_memory_desc_clone(md, other); }
static void md_free(md_owned *md) {
    if (*md) dnnl_memory_desc_destroy(*md);
    *md = NULL;
}
static dnnl_status_t matmul_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, md_view x, md_view w, md_view bias,
                                   md_view y, const_dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(pd, engine, x, w, bias, y, attr);
}
static dnnl_status_t append_activation(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_f32); }
#else
typedef dnnl_memory_desc_t md_owned;
typedef const dnnl_memory_desc_t *md_view;
#define VIEW(md) (&(md))

static dnnl_status_t md_strided(md_owned *md, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
    const dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return dnnl_memory_desc_init_by_strides(md, 2, dims, dnnl_f32, strides);
}
static dnnl_status_t md_any(md_owned *md, int64_t rows, int64_t columns) {
    const dnnl_dims_t dims = {rows, columns};
    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_f32, dnnl_format_tag_any);
}
static dnnl_status_t md_copy(md_owned *md, md_view other) {
    *md = *other;
    return dnnl_success;
}
static void md_free(md_owned *md) { (void)md; }
static dnnl_status_t matmul_create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, md_view x, md_view w, md_view bias,
                                   md_view y, const_dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, x, w, bias, y);
    return status ? status : dnnl_primitive_desc_create(pd, &operation, attr, engine, NULL);
}
static dnnl_status_t append_activation(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f);
}
static dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1.0f); }
#endif

struct saed_packing {
    int64_t k, n;
    md_owned weights;
};

struct saed_product {
    dnnl_primitive_t primitive;
    dnnl_primitive_desc_t description;
    const char *name;
    size_t scratch_bytes;
    int has_bias;
};

// oneDNN would use a team of OpenMP's; ours divides the work (team.c). The number is the calling thread's own.
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);
static void stay_on_this_thread(void) {
    if (omp_get_max_threads() != 1) omp_set_num_threads(1);
}

// One engine for the process; it has no state besides its kind. Losing the race below leaks one once.
static dnnl_status_t shared_engine(dnnl_engine_t *engine) {
    static _Atomic(dnnl_engine_t) shared;
    *engine = atomic_load(&shared);
    if (*engine) return dnnl_success;
    dnnl_engine_t made = NULL, none = NULL;
    dnnl_status_t status = dnnl_engine_create(&made, dnnl_cpu, 0);
    if (status) return status;
    if (!atomic_compare_exchange_strong(&shared, &none, made)) {
        dnnl_engine_destroy(made);
        made = none;
    }
    *engine = made;
    return dnnl_success;
}

static dnnl_status_t matmul_describe(dnnl_primitive_desc_t *pd, md_view weights, int64_t rows, int64_t k, int64_t n,
                                     saed_activation activation, int accumulate, int has_bias) {
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    md_owned x = {0}, y = {0}, bias = {0};
    dnnl_status_t status;
    if ((status = shared_engine(&engine))) goto end;
    if ((status = md_strided(&x, rows, k, k, 1))) goto end;
    if ((status = md_strided(&y, rows, n, n, 1))) goto end;
    if (has_bias && (status = md_strided(&bias, 1, n, n, 1))) goto end;
    if ((status = dnnl_primitive_attr_create(&attr))) goto end;
    // The caller lends the scratch: primitives stay stateless, threads may share them, idle ones hold nothing.
    if ((status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user))) goto end;
    if ((status = dnnl_post_ops_create(&ops))) goto end;
    switch (activation) {
    case SAED_NONE: break;
    case SAED_QUICK_GELU: status = append_activation(ops, dnnl_eltwise_swish, 1.702f); break;
    case SAED_GELU: status = append_activation(ops, dnnl_eltwise_gelu_erf, 0.0f); break;
    case SAED_RELU: status = append_activation(ops, dnnl_eltwise_relu, 0.0f); break;
    }
    if (status) goto end;
    if (accumulate && (status = append_sum(ops))) goto end;
    if ((status = dnnl_primitive_attr_set_post_ops(attr, ops))) goto end;
    status = matmul_create(pd, engine, VIEW(x), weights, has_bias ? VIEW(bias) : NULL, VIEW(y), attr);
end:
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    md_free(&x);
    md_free(&y);
    md_free(&bias);
    return status;
}

saed_packing *saed_packing_create(int64_t k, int64_t n, int64_t typical_rows, int *status_out) {
    dnnl_status_t status;
    dnnl_primitive_desc_t pd = NULL;
    md_owned any = {0};
    stay_on_this_thread();
    saed_packing *packing = calloc(1, sizeof *packing);
    if (!packing) {
        *status_out = dnnl_out_of_memory;
        return NULL;
    }
    packing->k = k;
    packing->n = n;
    if (!(status = md_any(&any, k, n)) &&
        !(status = matmul_describe(&pd, VIEW(any), typical_rows, k, n, SAED_NONE, 0, 1)))
        status = md_copy(&packing->weights, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (pd) dnnl_primitive_desc_destroy(pd);
    md_free(&any);
    *status_out = status;
    if (status) {
        saed_packing_free(packing);
        return NULL;
    }
    return packing;
}

void saed_packing_free(saed_packing *packing) {
    if (!packing) return;
    md_free(&packing->weights);
    free(packing);
}

size_t saed_packing_bytes(const saed_packing *packing) { return dnnl_memory_desc_get_size(VIEW(packing->weights)); }

/// Weights in `layout` into the packed ones, or back.
static int packing_reorder(const saed_packing *packing, saed_weight_layout layout, float *weights, float *packed, int back) {
    dnnl_engine_t engine;
    dnnl_stream_t stream = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    md_owned plain = {0};
    int64_t k = packing->k, n = packing->n;
    dnnl_status_t status;
    stay_on_this_thread();
    if ((status = shared_engine(&engine))) goto end;
    if ((status = layout == SAED_IN_OUT ? md_strided(&plain, k, n, n, 1) : md_strided(&plain, k, n, 1, k))) goto end;
    md_view source = back ? VIEW(packing->weights) : VIEW(plain), target = back ? VIEW(plain) : VIEW(packing->weights);
    if ((status = dnnl_reorder_primitive_desc_create(&pd, source, engine, target, engine, NULL))) goto end;
    if ((status = dnnl_primitive_create(&reorder, pd))) goto end;
    if ((status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags))) goto end;
    if ((status = dnnl_memory_create(&from, source, engine, back ? packed : weights))) goto end;
    if ((status = dnnl_memory_create(&to, target, engine, back ? weights : packed))) goto end;
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if ((status = dnnl_primitive_execute(reorder, stream, 2, arguments))) goto end;
    status = dnnl_stream_wait(stream);
end:
    if (from) dnnl_memory_destroy(from);
    if (to) dnnl_memory_destroy(to);
    if (stream) dnnl_stream_destroy(stream);
    if (reorder) dnnl_primitive_destroy(reorder);
    if (pd) dnnl_primitive_desc_destroy(pd);
    md_free(&plain);
    return status;
}

int saed_packing_pack(const saed_packing *packing, saed_weight_layout layout, const float *weights, float *packed) {
    return packing_reorder(packing, layout, (float *)weights, packed, 0);
}

int saed_packing_unpack(const saed_packing *packing, saed_weight_layout layout, const float *packed, float *weights) {
    return packing_reorder(packing, layout, weights, (float *)packed, 1);
}

saed_product *saed_product_create(const saed_packing *packing, int64_t rows, saed_activation activation, int accumulate,
                                  int has_bias, int *status_out) {
    dnnl_status_t status;
    stay_on_this_thread();
    saed_product *product = calloc(1, sizeof *product);
    if (!product) {
        *status_out = dnnl_out_of_memory;
        return NULL;
    }
    product->has_bias = has_bias;
    if (!(status = matmul_describe(&product->description, VIEW(packing->weights), rows, packing->k, packing->n,
                                   activation, accumulate, has_bias)) &&
        !(status = dnnl_primitive_create(&product->primitive, product->description))) {
        md_view scratch = dnnl_primitive_desc_query_md(product->description, dnnl_query_scratchpad_md, 0);
        product->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
        dnnl_primitive_desc_query(product->description, dnnl_query_impl_info_str, 0, (void *)&product->name);
    }
    *status_out = status;
    if (status) {
        saed_product_free(product);
        return NULL;
    }
    return product;
}

void saed_product_free(saed_product *product) {
    if (!product) return;
    if (product->primitive) dnnl_primitive_destroy(product->primitive);
    if (product->description) dnnl_primitive_desc_destroy(product->description);
    free(product);
}

size_t saed_product_scratch_bytes(const saed_product *product) { return product->scratch_bytes; }

const char *saed_product_name(const saed_product *product) { return product->name ? product->name : ""; }

int saed_product_run(const saed_product *product, const float *x, const float *packed, const float *bias, float *y,
                     void *scratch) {
    // Handles are made anew for every call (a few hundred nanoseconds beside a product of milliseconds), because
    // a memory object holds one pointer and threads share the primitive.
    const struct {
        int argument;
        dnnl_query_t query;
        const void *pointer;
    } operands[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, x},
        {DNNL_ARG_DST, dnnl_query_dst_md, y},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, packed},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, scratch},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, bias},
    };
    const int total = product->has_bias ? 5 : 4;
    dnnl_exec_arg_t arguments[5];
    dnnl_engine_t engine;
    dnnl_stream_t stream = NULL;
    int made = 0;
    dnnl_status_t status;
    stay_on_this_thread();
    if ((status = shared_engine(&engine))) return status;
    if ((status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags))) return status;
    for (; made < total; made++) {
        md_view md = dnnl_primitive_desc_query_md(product->description, operands[made].query,
                                                  operands[made].argument == DNNL_ARG_BIAS ? 1 : 0);
        arguments[made].arg = operands[made].argument;
        status = dnnl_memory_create(&arguments[made].memory, md, engine, (void *)operands[made].pointer);
        if (status) goto end;
    }
    if ((status = dnnl_primitive_execute(product->primitive, stream, total, arguments))) goto end;
    status = dnnl_stream_wait(stream);
end:
    while (made--) dnnl_memory_destroy(arguments[made].memory);
    dnnl_stream_destroy(stream);
    return status;
}

void saed_dnnl_version(int *major, int *minor, int *patch) {
    const dnnl_version_t *version = dnnl_version();
    *major = version->major;
    *minor = version->minor;
    *patch = version->patch;
}
