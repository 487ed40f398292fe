// Products with packed weights: activations, the linear layer, the SAE encoder's scan. Part of vector_body.h.

/// `v * sigmoid(factor v)`.
static inline __attribute__((always_inline)) V NAME(swish)(V v, float factor) {
    V e = v * -factor;
    e = NAME(exp)(NAME(select)(e > 88.0f, (V)88.0f, e));  // e^88 is finite, and v over it as good as zero
    return v / (1.0f + e);
}

/// The normal distribution's share below v, `(1 + erf(v / sqrt 2)) / 2`, erf as a quotient of polynomials (Eigen's, for f32),
/// within 3 units in the last place.
static inline __attribute__((always_inline)) V NAME(normal_share)(V v) {
    V x = v * 0.70710678118654752f;
    x = NAME(select)(x > 4.0f, (V)4.0f, x);  // there erf is 1 to the last bit
    x = NAME(select)(x < -4.0f, (V)-4.0f, x);
    const V s = x * x;
    V p = (V)-2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s + -2.10102402082508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    V q = (V)-1.45660718464996e-05f;
    q = q * s + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return 0.5f * (1.0f + x * p / q);
}

static inline __attribute__((always_inline)) V NAME(activated)(V v, saed_activation activation) {
    switch (activation) {
    case SAED_NONE: return v;
    case SAED_QUICK_GELU: return NAME(swish)(v, 1.702f);
    case SAED_GELU: return v * NAME(normal_share)(v);
    case SAED_RELU: return NAME(select)(v < 0, (V)0.0f, v);
    }
    return v;
}

static inline __attribute__((always_inline)) void NAME(product_of)(
    const float *x, int64_t x_stride, int64_t rows, int64_t inputs, const float *panels, int64_t outputs, const float *bias,
    saed_activation activation, int accumulate, float *y, int64_t y_stride) {
    const int64_t panel_floats = inputs * VECTORS * LANES, count = (outputs + VECTORS * LANES - 1) / (VECTORS * LANES);
    const int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, lines = (panel_floats / 16 + tiles - 1) / tiles;
    for (int64_t p = 0; p < count; p++) {
        const float *panel = panels + p * panel_floats;
        const int64_t column = p * VECTORS * LANES, width = outputs - column;
        for (int64_t tile = 0; tile < tiles; tile++) {
            const float *at[TILE_ROWS];
            V c[TILE_ROWS][VECTORS];
            NAME(tile_rows)(x, x_stride, tile * TILE_ROWS, rows, at);
            NAME(panel_tile)(at, panel, inputs, panel + panel_floats + tile * lines * 16, p + 1 < count ? lines : 0, c);
            const int64_t valid = rows - tile * TILE_ROWS;
            float *out = y + tile * TILE_ROWS * y_stride + column;
            _Pragma("clang loop unroll(full)") for (int j = 0; j < VECTORS; j++) {
                const V b = NAME(load)(bias + column + j * LANES);
                const int64_t part = width - j * LANES < LANES ? width - j * LANES : LANES;
                if (part <= 0) break;
                _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++) {
                    if (r >= valid) break;
                    V v = NAME(activated)(c[r][j] + b, activation);
                    float *place = out + r * y_stride + j * LANES;
                    if (accumulate) v += part == LANES ? NAME(load)(place) : NAME(load_part)(place, part, 0);
                    if (part == LANES)
                        NAME(store)(place, v);
                    else
                        memcpy(place, &v, (size_t)part * sizeof(float));
                }
            }
        }
    }
}

static void NAME(product)(const float *x, int64_t x_stride, int64_t rows, int64_t inputs, const float *panels, int64_t outputs,
                          const float *bias, saed_activation activation, int accumulate, float *y, int64_t y_stride) {
    // One copy each, without a branch on the activation inside.
    switch (activation) {
#define CASE(name)                                                                                                \
    case name: NAME(product_of)(x, x_stride, rows, inputs, panels, outputs, bias, name, accumulate, y, y_stride); break;
        CASE(SAED_NONE)
        CASE(SAED_QUICK_GELU)
        CASE(SAED_GELU)
        CASE(SAED_RELU)
#undef CASE
    }
}

/// The lanes of a tile's row above zero, appended; returns how many.
static inline __attribute__((always_inline)) size_t NAME(collect)(const V z[VECTORS], const uint32_t mask[VECTORS],
                                                                  uint32_t first_column, float *values,
                                                                  uint32_t *columns) {
    size_t count = 0;
#pragma clang loop unroll(full)
    for (int j = 0; j < VECTORS; j++) {
#ifdef COMPRESS
        COMPRESS(mask[j], z[j], first_column + (uint32_t)(j * LANES), values + count, columns + count);
        count += (size_t)__builtin_popcount(mask[j]);
#else
        float lane[LANES];
        NAME(store)(lane, z[j]);
        for (uint32_t rest = mask[j]; rest; rest &= rest - 1, count++) {
            const int l = __builtin_ctz(rest);
            values[count] = lane[l];
            columns[count] = first_column + (uint32_t)(j * LANES + l);
        }
#endif
    }
    return count;
}

/// The pre-activations of a tile never leave the registers unless one of its row is above zero.
static int NAME(scan_panel)(const float *x, int64_t rows, int64_t width, const float *panel, const float *bias,
                            uint32_t first_column, const float *next, saed_hits *hits, uint8_t *row_counts) {
    const int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, lines = (width * VECTORS * LANES / 16 + tiles - 1) / tiles;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const float *at[TILE_ROWS];
        V c[TILE_ROWS][VECTORS];
        const int64_t row = tile * TILE_ROWS;
        NAME(tile_rows)(x, width, row, rows, at);
        NAME(panel_tile)(at, panel, width, next ? next + tile * lines * 16 : panel, next ? lines : 0, c);
        if (hits_reserve(hits, TILE_ROWS * VECTORS * LANES)) return -1;
        size_t count = hits->count;
#pragma clang loop unroll(full)
        for (int r = 0; r < TILE_ROWS; r++) {
            uint32_t mask[VECTORS], any = 0;
#pragma clang loop unroll(full)
            for (int j = 0; j < VECTORS; j++) {
                c[r][j] += NAME(load)(bias + j * LANES);
#ifdef POSITIVE_MASK
                mask[j] = POSITIVE_MASK(c[r][j]);
#else
                mask[j] = 0;
                for (int l = 0; l < LANES; l++) mask[j] |= (uint32_t)(c[r][j][l] > 0) << l;
#endif
                any |= mask[j];
            }
            if (row + r >= rows) break;
            // One branch a row: where some per cent are active, one for every vector is guessed wrong too often.
            const size_t found = any ? NAME(collect)(c[r], mask, first_column, hits->values + count, hits->columns + count) : 0;
            row_counts[row + r] = (uint8_t)found;
            count += found;
        }
        hits->count = count;
    }
    return 0;
}
