// What gradients need beside the forward kernels: small products of any size, products with the directions of sparse
// rows, and the derivatives of activations, LayerNorm and softmax. Part of vector_body.h.

// ---- Small products -------------------------------------------------------------------------------------

/// Sums of one tile of rows, each given by its own pointer, with `vectors` vectors of columns; `valid` rows are written.
#define MULTIPLY(vectors)                                                                                        \
    {                                                                                                            \
        V t[TILE_ROWS][vectors];                                                                                 \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++)                                   \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) t[r][j] = (V)0.0f;              \
        const float *from = b + column;                                                                          \
        for (int64_t k = 0, place = 0; k < depth; k++, place += k_step, from += b_stride) {                      \
            V w[vectors];                                                                                        \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++)                                 \
                w[j] = NAME(load)(from + j * LANES);                                                             \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++) {                             \
                const V x = (V)at[r][place];                                                                     \
                _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) t[r][j] += x * w[j];        \
            }                                                                                                    \
        }                                                                                                        \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++) {                                 \
            if (r >= valid) break;                                                                               \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) {                               \
                float *out = c + (row + r) * c_stride + column + j * LANES;                                      \
                NAME(store)(out, accumulate ? t[r][j] + NAME(load)(out) : t[r][j]);                              \
            }                                                                                                    \
        }                                                                                                        \
        column += vectors * LANES;                                                                               \
    }

static void NAME(multiply)(const float *a, int64_t row_step, int64_t k_step, int64_t rows, const float *b, int64_t b_stride,
                           int64_t depth, int64_t columns, int accumulate, float *c, int64_t c_stride) {
    for (int64_t row = 0; row < rows; row += TILE_ROWS) {
        const float *at[TILE_ROWS];
        NAME(tile_rows)(a, row_step, row, rows, at);
        const int64_t valid = rows - row;
        int64_t column = 0;
        while (columns - column >= 3 * LANES) MULTIPLY(3)
        while (columns - column >= LANES) MULTIPLY(1)
        for (; column < columns; column++)
            for (int r = 0; r < TILE_ROWS && r < valid; r++) {
                float sum = 0;
                for (int64_t k = 0; k < depth; k++) sum += at[r][k * k_step] * b[k * b_stride + column];
                float *out = c + (row + r) * c_stride + column;
                *out = accumulate ? *out + sum : sum;
            }
    }
}
#undef MULTIPLY

// ---- Sparse rows by latent ------------------------------------------------------------------------------

/// Lines of a direction that is used some latents later: they lie anywhere in memory.
static inline __attribute__((always_inline)) void NAME(fetch_direction)(const float *direction, int64_t columns) {
    for (int64_t i = 0; i < columns; i += 16) __builtin_prefetch(direction + i, 0, 3);
}

static void NAME(add_directions)(const float *directions, int64_t stride, const uint32_t *latents, const uint32_t *starts,
                                 int64_t count, const uint32_t *rows, const float *values, int64_t columns, float *x,
                                 int64_t x_stride) {
    enum { AHEAD = 12 };
    const int64_t whole = columns - columns % LANES;
    for (int64_t l = 0; l < count; l++) {
        if (l + AHEAD < count) NAME(fetch_direction)(directions + latents[l + AHEAD] * stride, columns);
        const float *direction = directions + latents[l] * stride;
        for (uint32_t e = starts[l]; e < starts[l + 1]; e++) {
            // Rounded after the product too, as a plain loop is: the same bits on every processor.
#pragma clang fp contract(off)
            float *to = x + rows[e] * x_stride;
            const V value = (V)values[e];
            for (int64_t i = 0; i < whole; i += LANES) {
                const V product = value * NAME(load)(direction + i);
                NAME(store)(to + i, NAME(load)(to + i) + product);
            }
            for (int64_t i = whole; i < columns; i++) {
                const float product = values[e] * direction[i];
                to[i] += product;
            }
        }
    }
}

static void NAME(along_directions)(const float *directions, int64_t stride, const uint32_t *latents, const uint32_t *starts,
                                   int64_t count, const uint32_t *rows, int64_t columns, const float *g, int64_t g_stride,
                                   float *products) {
    enum { AHEAD = 2 };
    const int64_t whole = columns - columns % (2 * LANES);
    for (int64_t l = 0; l < count; l++) {
        if (l + AHEAD < count) NAME(fetch_direction)(directions + latents[l + AHEAD] * stride, columns);
        const float *direction = directions + latents[l] * stride;
        for (uint32_t e = starts[l]; e < starts[l + 1]; e++) {
            const float *from = g + rows[e] * g_stride;
            V s0 = (V)0.0f, s1 = (V)0.0f;
            for (int64_t i = 0; i < whole; i += 2 * LANES) {
                s0 += NAME(load)(direction + i) * NAME(load)(from + i);
                s1 += NAME(load)(direction + i + LANES) * NAME(load)(from + i + LANES);
            }
            float sum = NAME(sum)(s0 + s1);
            for (int64_t i = whole; i < columns; i++) sum += direction[i] * from[i];
            products[e] = sum;
        }
    }
}

// ---- Derivatives ----------------------------------------------------------------------------------------

/// The derivative of an activation.
static inline __attribute__((always_inline)) V NAME(slope)(V v, saed_activation activation) {
    switch (activation) {
    case SAED_NONE: return (V)1.0f;
    case SAED_QUICK_GELU: {
        V e = v * -1.702f;
        e = NAME(exp)(NAME(select)(e > 88.0f, (V)88.0f, e));
        const V s = 1.0f / (1.0f + e);
        return s + v * 1.702f * s * (1.0f - s);
    }
    case SAED_GELU: {
        const V square = v * v * -0.5f;
        return NAME(normal_share)(v) + v * 0.39894228040143268f * NAME(exp)(square);
    }
    case SAED_RELU: return NAME(select)(v > 0, (V)1.0f, (V)0.0f);
    }
    return v;
}

/// `y = activation(x)`; y may be x.
static void NAME(activate)(const float *x, float *y, int64_t count, saed_activation activation) {
    for (int64_t i = 0; i < count; i += LANES) {
        const int64_t part = count - i < LANES ? count - i : LANES;
        V v = NAME(activated)(NAME(load_part)(x + i, part, 0), activation);
        memcpy(y + i, &v, (size_t)part * sizeof(float));
    }
}

/// `dy *= activation'(x)`.
static void NAME(activation_gradient)(const float *x, float *dy, int64_t count, saed_activation activation) {
    for (int64_t i = 0; i < count; i += LANES) {
        const int64_t part = count - i < LANES ? count - i : LANES;
        V v = NAME(load_part)(dy + i, part, 0) * NAME(slope)(NAME(load_part)(x + i, part, 0), activation);
        memcpy(dy + i, &v, (size_t)part * sizeof(float));
    }
}

/// `dx += d layer_norm(x) / dx . dy`. With n the normalised row and g = dy weight:
/// `(g - mean(g) - n mean(g n)) / sqrt(variance + epsilon)`.
static void NAME(layer_norm_gradient)(const float *x, const float *dy, float *dx, int64_t rows, int64_t width, const float *weight,
                                      float epsilon) {
    for (int64_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
#define EACH(i, part) for (int64_t i = 0, part; part = width - i < LANES ? width - i : LANES, i < width; i += LANES)
#define PART(p) (part == LANES ? NAME(load)((p) + i) : NAME(load_part)((p) + i, part, 0))
        V s = (V)0.0f;
        EACH(i, part) s += PART(x);
        const float mean = NAME(sum)(s) / (float)width;
        s = (V)0.0f;
        EACH(i, part) {
            const V a = (part == LANES ? NAME(load)(x + i) : NAME(load_part)(x + i, part, mean)) - mean;
            s += a * a;
        }
        const float squares = NAME(sum)(s);
        const float scale = 1.0f / sqrtf(squares / (float)width + epsilon);
        V first = (V)0.0f, second = (V)0.0f;
        EACH(i, part) {
            const V g = PART(dy) * PART(weight);
            first += g;
            second += g * (PART(x) - mean);
        }
        const float own = NAME(sum)(first) / (float)width, along = NAME(sum)(second) * scale * scale / (float)width;
        EACH(i, part) {
            V v = PART(dx) + scale * (PART(dy) * PART(weight) - own - (PART(x) - mean) * along);
            memcpy(dx + i, &v, (size_t)part * sizeof(float));
        }
#undef EACH
#undef PART
    }
}

/// In place, rows `stride` apart: `dp` becomes `scale p (dp - sum(p dp))`, the gradient at the scores of `p = softmax(scores)`.
static void NAME(softmax_gradient)(const float *p, float *dp, int64_t rows, int64_t columns, int64_t stride, float scale) {
    for (int64_t r = 0; r < rows; r++, p += stride, dp += stride) {
        V s = (V)0.0f;
        int64_t i = 0;
        for (; i + LANES <= columns; i += LANES) s += NAME(load)(p + i) * NAME(load)(dp + i);
        float sum = NAME(sum)(s);
        for (; i < columns; i++) sum += p[i] * dp[i];
        for (i = 0; i + LANES <= columns; i += LANES)
            NAME(store)(dp + i, NAME(load)(p + i) * (NAME(load)(dp + i) - sum) * scale);
        for (; i < columns; i++) dp[i] = p[i] * (dp[i] - sum) * scale;
    }
}
