// The C beneath Kernels: oneDNN's matrix product (oneDNN 2.x and 3.x behind one face), the thread team, and vector
// kernels that choose their instruction set at run time.
//
// Sizes are in elements unless the name says bytes. Nothing here keeps a pointer that it is given.

#ifndef SAED_CDNNL_H
#define SAED_CDNNL_H

#include <stddef.h>
#include <stdint.h>

// ---- oneDNN ---------------------------------------------------------------------------------------------

/// How the weights of `y = x W + b` lie in memory before packing.
typedef enum { SAED_IN_OUT = 0, SAED_OUT_IN = 1 } saed_weight_layout;

typedef enum { SAED_NONE = 0, SAED_QUICK_GELU = 1, SAED_GELU = 2, SAED_RELU = 3 } saed_activation;

/// The layout that oneDNN prefers for weights `[k, n]`.
typedef struct saed_packing saed_packing;

/// One product for one row count: read-only once made, so that threads may share it.
typedef struct saed_product saed_product;

/// NULL when oneDNN refuses; `status` then says why (a dnnl_status_t).
saed_packing *saed_packing_create(int64_t k, int64_t n, int64_t typical_rows, int *status);
void saed_packing_free(saed_packing *packing);
size_t saed_packing_bytes(const saed_packing *packing);

/// Reorders `weights` (in `layout`) into `packed`, `saed_packing_bytes` long and 64-byte aligned. 0 on success.
int saed_packing_pack(const saed_packing *packing, saed_weight_layout layout, const float *weights, float *packed);

/// The reverse: `weights`, in `layout`, from `packed`. 0 on success.
int saed_packing_unpack(const saed_packing *packing, saed_weight_layout layout, const float *packed, float *weights);

/// `y = activation(x W + b)`, plus the old y where `accumulate`, of rows that lie one after the other (with gaps
/// between them oneDNN 2.6 falls back to its reference loops, a hundred times slower).
saed_product *saed_product_create(const saed_packing *packing, int64_t rows, saed_activation activation, int accumulate,
                                  int has_bias, int *status);
void saed_product_free(saed_product *product);
size_t saed_product_scratch_bytes(const saed_product *product);
/// oneDNN's name of the implementation, for tests and the benchmark.
const char *saed_product_name(const saed_product *product);

/// On the calling thread alone. 0 on success. `scratch` has `saed_product_scratch_bytes` and is 64-byte aligned.
int saed_product_run(const saed_product *product, const float *x, const float *packed, const float *bias, float *y,
                     void *scratch);

// ---- The team -------------------------------------------------------------------------------------------

/// OMP_NUM_THREADS, or else the processors that this process may use.
int saed_team_default(void);

/// `body(i, context)` for every i in `0..<count`, each once, in order of i, on the calling thread and at most
/// `threads - 1` helpers; returns when all are done. Inside a body it runs on the calling thread alone.
void saed_team_for(int64_t count, int threads, void *context, void (*body)(int64_t i, void *context));

// ---- Vector kernels -------------------------------------------------------------------------------------

typedef enum { SAED_PORTABLE = 0, SAED_AVX2 = 1, SAED_AVX512 = 2 } saed_isa;

/// Entries found above zero, `count` of them: `values[e]` at `columns[e]`. Which row each belongs to is told by
/// counts beside (see scan_panel).
typedef struct {
    float *values;
    uint32_t *columns;
    size_t count, capacity;
} saed_hits;

/// Kernels of one instruction set. `lanes` floats a vector; products run on `tile_rows` rows at a time
/// against panels of `panel_columns` columns.
typedef struct {
    saed_isa isa;
    int lanes, tile_rows, panel_columns;

    /// Rows of `width`: `(x - mean) / sqrt(variance + epsilon) * weight + bias`. x may be y.
    void (*layer_norm)(const float *x, float *y, int64_t rows, int64_t width, const float *weight, const float *bias,
                       float epsilon);
    /// In place, rows `stride` apart. A row of nothing but -inf becomes zeros.
    void (*softmax)(float *x, int64_t rows, int64_t columns, int64_t stride);
    /// The softmax's own exp of values up to 88, for tests.
    void (*exponential)(const float *x, float *y, int64_t count);

    /// Floats of scratch that one head of attention needs.
    int64_t (*attention_scratch)(int64_t tokens, int64_t head_dim);
    /// One head: q, k, v are rows `stride` apart, `out` rows `out_stride` apart. Queries `first..<last`.
    /// `next` (may be NULL) is the q of another head, its k and v `next_step` further each: fetched meanwhile.
    void (*attention)(const float *q, const float *k, const float *v, int64_t stride, int64_t tokens,
                      int64_t head_dim, int causal, int64_t first, int64_t last, float *out, int64_t out_stride,
                      const float *next, int64_t next_step, float *scratch);

    /// `to[c][r] = from[r][c] * scale` for `columns` columns; past `rows`, up to `padded` (a multiple of `lanes`),
    /// zeros.
    void (*transposed)(const float *from, int64_t from_stride, int64_t rows, int64_t columns, float scale, float *to,
                       int64_t to_stride, int64_t padded);
    /// `y = activation(x W + bias)`, plus the old y where `accumulate`. W lies in panels `[inputs][panel_columns]`,
    /// one after the other, and bias is as long as they are wide; only `outputs` columns of y are touched.
    void (*product)(const float *x, int64_t x_stride, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                    const float *bias, saed_activation activation, int accumulate, float *y, int64_t y_stride);
    /// All entries above zero of `x panel + bias` (x is `[rows][width]`), appended to `hits` row by row, columns
    /// ascending; `row_counts[r]` becomes the number of those in row r. `next` (may be NULL) is the panel that comes
    /// next, fetched into cache meanwhile. Returns 0, or -1 when memory ran out.
    int (*scan_panel)(const float *x, int64_t rows, int64_t width, const float *panel, const float *bias,
                      uint32_t first_column, const float *next, saed_hits *hits, uint8_t *row_counts);

    /// `c[r][j] = sum_k a[r * row_step + k * k_step] * b[k * b_stride + j]`, plus the old c where `accumulate`, of any
    /// size: for operands that are used once and not worth packing. c overlaps neither.
    void (*multiply)(const float *a, int64_t row_step, int64_t k_step, int64_t rows, const float *b, int64_t b_stride,
                     int64_t depth, int64_t columns, int accumulate, float *c, int64_t c_stride);
    /// `x[rows[e]] += values[e] * directions[latents[l]]` for the entries `e` in `starts[l]..<starts[l + 1]` of each of
    /// `count` latents, `columns` wide; directions are `stride` apart, rows of x `x_stride`.
    void (*add_directions)(const float *directions, int64_t stride, const uint32_t *latents, const uint32_t *starts,
                           int64_t count, const uint32_t *rows, const float *values, int64_t columns, float *x, int64_t x_stride);
    /// `products[e] = directions[latents[l]] . g[rows[e]]`, entries as before.
    void (*along_directions)(const float *directions, int64_t stride, const uint32_t *latents, const uint32_t *starts,
                             int64_t count, const uint32_t *rows, int64_t columns, const float *g, int64_t g_stride,
                             float *products);
    /// `y = activation(x)`; y may be x.
    void (*activate)(const float *x, float *y, int64_t count, saed_activation activation);
    /// `dy *= activation'(x)`.
    void (*activation_gradient)(const float *x, float *dy, int64_t count, saed_activation activation);
    /// Adds to dx the gradient at layer_norm's x, where dy is that at its output.
    void (*layer_norm_gradient)(const float *x, const float *dy, float *dx, int64_t rows, int64_t width, const float *weight,
                                float epsilon);
    /// Of `p`, softmax's output, and `dp`, the gradient there, rows `stride` apart: dp becomes `scale` times the gradient at
    /// the scores.
    void (*softmax_gradient)(const float *p, float *dp, int64_t rows, int64_t columns, int64_t stride, float scale);

    void (*widen_half)(const uint16_t *from, float *to, int64_t count);
    /// Rounds to nearest even; too large becomes infinity.
    void (*narrow_half)(const float *from, uint16_t *to, int64_t count);
} saed_kernels;

/// The kernels of an instruction set, or NULL where this processor lacks it.
const saed_kernels *saed_kernels_of(saed_isa isa);
/// The widest that this processor runs.
const saed_kernels *saed_kernels_best(void);

void saed_hits_free(saed_hits *hits);

/// A register-only loop of fused multiply-adds on the calling thread; returns the operations done (2 a
/// multiply-add). The benchmark's ceiling.
double saed_fma_loop(const saed_kernels *kernels, int64_t iterations);

/// Of the library that runs: three numbers.
void saed_dnnl_version(int *major, int *minor, int *patch);

#endif
