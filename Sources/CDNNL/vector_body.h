// One instruction set's kernels; vector.c includes this file once for each with
//   SUFFIX, ISA, LANES (floats a vector), TILE_ROWS (rows of the register tile),
//   POSITIVE_MASK (optional: bit l set where lane l > 0), COMPRESS (optional: stores the lanes of a mask and their
//   columns, and may write a whole vector of each), HAS_HALF (optional: the compiler turns conversions of
//   _Float16 vectors into instructions).
// The register tile is TILE_ROWS x 3 vectors: 8 x 3 fills AVX-512's and NEON's 32 registers, 4 x 3 AVX2's 16.

#define NAME(x) CONCAT(CONCAT(x, _), SUFFIX)
#define V NAME(vector)
#define I NAME(integers)
#define VECTORS 3

typedef float V __attribute__((ext_vector_type(LANES)));
typedef int32_t I __attribute__((ext_vector_type(LANES)));

static inline __attribute__((always_inline)) V NAME(load)(const float *p) {
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) void NAME(store)(float *p, V v) { memcpy(p, &v, sizeof v); }

static inline __attribute__((always_inline)) V NAME(select)(I mask, V yes, V no) {
    return (V)((mask & (I)yes) | (~mask & (I)no));
}

/// The first `count` floats, the rest `fill`.
static inline V NAME(load_part)(const float *p, int64_t count, float fill) {
    V v = (V)fill;
    memcpy(&v, p, (size_t)count * sizeof(float));
    return v;
}

// Across the lanes by halves: a chain of LANES additions would take longer than the rest of a short row.
#define PARTNER(c, s) ((c) ^ (s))
#define HALVE(s, combine)                                                                                        \
    {                                                                                                            \
        const V other = __builtin_shufflevector(v, v, CONCAT(LIST, LANES)(PARTNER, s));                          \
        v = combine;                                                                                             \
    }
#if LANES == 16
#define ACROSS(combine) HALVE(8, combine) HALVE(4, combine) HALVE(2, combine) HALVE(1, combine)
#elif LANES == 8
#define ACROSS(combine) HALVE(4, combine) HALVE(2, combine) HALVE(1, combine)
#else
#define ACROSS(combine) HALVE(2, combine) HALVE(1, combine)
#endif

static inline __attribute__((always_inline)) float NAME(sum)(V v) {
    ACROSS(v + other)
    return v[0];
}

static inline __attribute__((always_inline)) float NAME(largest)(V v) {
    ACROSS(NAME(select)(other > v, other, v))
    return v[0];
}
#undef PARTNER
#undef HALVE
#undef ACROSS

/// e^x for x <= 88, within 2 units in the last place; below -87.3 the answer is 0, and NaN stays NaN. x = n ln 2 + r, |r| <= ln 2 / 2; e^r by the polynomial of Cephes' expf.
static inline __attribute__((always_inline)) V NAME(exp)(V x) {
    const float limit = -87.33654f;  // ln(FLT_MIN): smaller results would be subnormal
    I vanish = x < limit;
    V clamped = NAME(select)(vanish, (V)limit, x);
    V shifted = clamped * 1.44269504088896341f + 0x1.8p23f;  // the integer part, in the low bits of the fraction
    I n = (I)shifted - (I)((V)0x1.8p23f);
    V whole = shifted - 0x1.8p23f;
    V r = clamped - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    V p = (V)1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;
    p = p + 1.0f;
    V y = (V)((I)p + (n << 23));
    return NAME(select)(vanish, (V)0.0f, y);
}

static void NAME(exponential)(const float *x, float *y, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) {
        int64_t part = count - i < LANES ? count - i : LANES;
        V v = NAME(exp)(NAME(load_part)(x + i, part, 0));
        memcpy(y + i, &v, (size_t)part * sizeof(float));
    }
}

static void NAME(layer_norm)(const float *x, float *y, int64_t rows, int64_t width, const float *weight,
                             const float *bias, float epsilon) {
    const int64_t whole = width - width % LANES;
    for (int64_t r = 0; r < rows; r++, x += width, y += width) {
        V s0 = (V)0.0f, s1 = (V)0.0f;
        int64_t i = 0;
        for (; i + 2 * LANES <= width; i += 2 * LANES) {
            s0 += NAME(load)(x + i);
            s1 += NAME(load)(x + i + LANES);
        }
        for (; i < whole; i += LANES) s0 += NAME(load)(x + i);
        float sum = NAME(sum)(s0 + s1);
        for (; i < width; i++) sum += x[i];
        const float mean = sum / (float)width;
        // The second pass over a row in cache is cheap, and E[x^2] - mean^2 would cancel.
        s0 = s1 = (V)0.0f;
        for (i = 0; i + 2 * LANES <= width; i += 2 * LANES) {
            V a = NAME(load)(x + i) - mean, b = NAME(load)(x + i + LANES) - mean;
            s0 += a * a;
            s1 += b * b;
        }
        for (; i < whole; i += LANES) {
            V a = NAME(load)(x + i) - mean;
            s0 += a * a;
        }
        float squares = NAME(sum)(s0 + s1);
        for (; i < width; i++) squares += (x[i] - mean) * (x[i] - mean);
        const float scale = 1.0f / sqrtf(squares / (float)width + epsilon);
        for (i = 0; i < whole; i += LANES) {
            V normal = (NAME(load)(x + i) - mean) * scale;
            NAME(store)(y + i, normal * NAME(load)(weight + i) + NAME(load)(bias + i));
        }
        for (; i < width; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

/// `exp(x - maximum)` of one row in place, of which `padded >= columns` (a multiple of LANES) may be read and
/// written; what lies past `columns` becomes zeros. Returns what the row is still to be multiplied with.
static inline float NAME(exponentials)(float *x, int64_t columns, int64_t padded) {
    for (int64_t i = columns; i < padded; i++) x[i] = -INFINITY;
    V m = (V)-INFINITY;
    for (int64_t i = 0; i < padded; i += LANES) {
        V v = NAME(load)(x + i);
        m = NAME(select)(v > m, v, m);
    }
    const float top = NAME(largest)(m);
    if (top == -INFINITY) {  // every score -inf, or NaN among them: NaN must show, -inf minus -inf must not make one
        for (int64_t i = 0; i < padded; i++) x[i] = x[i] == x[i] ? 0 : x[i];
        return 1;
    }
    V s = (V)0.0f;
    for (int64_t i = 0; i < padded; i += LANES) {
        V e = NAME(exp)(NAME(load)(x + i) - top);
        NAME(store)(x + i, e);
        s += e;
    }
    return 1.0f / NAME(sum)(s);
}

static void NAME(softmax)(float *x, int64_t rows, int64_t columns, int64_t stride) {
    const int64_t whole = columns - columns % LANES, rest = columns - whole;
    for (int64_t r = 0; r < rows; r++, x += stride) {
        V m = NAME(load_part)(x + whole, rest, -INFINITY);
        for (int64_t i = 0; i < whole; i += LANES) {
            V v = NAME(load)(x + i);
            m = NAME(select)(v > m, v, m);
        }
        const float top = NAME(largest)(m);
        if (top == -INFINITY) {
            for (int64_t i = 0; i < columns; i++) x[i] = x[i] == x[i] ? 0 : x[i];
            continue;
        }
        V tail = NAME(exp)(NAME(load_part)(x + whole, rest, -INFINITY) - top), s = tail;
        for (int64_t i = 0; i < whole; i += LANES) {
            V e = NAME(exp)(NAME(load)(x + i) - top);
            NAME(store)(x + i, e);
            s += e;
        }
        const float scale = 1.0f / NAME(sum)(s);
        for (int64_t i = 0; i < whole; i += LANES) NAME(store)(x + i, NAME(load)(x + i) * scale);
        tail *= scale;
        memcpy(x + whole, &tail, (size_t)rest * sizeof(float));
    }
}

// ---- The register tile ----------------------------------------------------------------------------------

/// `c[r][j] = sum_k a[r * row_step + k * k_step] * b[k * b_stride + j * LANES ...]`, `vectors` wide.
#define TILE(vectors)                                                                                            \
    static inline __attribute__((always_inline)) void NAME(CONCAT(tile, vectors))(                               \
        const float *a, int64_t row_step, int64_t k_step, const float *b, int64_t b_stride, int64_t depth,       \
        V c[TILE_ROWS][vectors]) {                                                                               \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++)                                   \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) c[r][j] = (V)0.0f;              \
        for (int64_t k = 0; k < depth; k++, a += k_step, b += b_stride) {                                        \
            V row[vectors];                                                                                      \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++)                                 \
                row[j] = NAME(load)(b + j * LANES);                                                              \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++) {                             \
                V x = (V)a[r * row_step];                                                                        \
                _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) c[r][j] += x * row[j];      \
            }                                                                                                    \
        }                                                                                                        \
    }
TILE(1)
TILE(2)
TILE(3)
#undef TILE

/// The tile product of any width, in pieces of at most three vectors.
static inline void NAME(strip)(const float *a, int64_t row_step, int64_t k_step, const float *b, int64_t b_stride,
                               int64_t depth, int64_t vectors, float *c, int64_t c_stride) {
#define PIECE(count)                                                                                             \
    {                                                                                                            \
        V t[TILE_ROWS][count];                                                                                   \
        NAME(CONCAT(tile, count))(a, row_step, k_step, b, b_stride, depth, t);                                   \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++)                                   \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < count; j++)                                   \
                NAME(store)(c + r * c_stride + j * LANES, t[r][j]);                                              \
        b += count * LANES;                                                                                      \
        c += count * LANES;                                                                                      \
        vectors -= count;                                                                                        \
    }
    while (vectors >= 5 || vectors == 3) PIECE(3)
    while (vectors >= 2) PIECE(2)  // 4 is 2 + 2: a piece of one vector waits for its own sums
    if (vectors == 1) PIECE(1)
#undef PIECE
}

/// One tile of a product with packed weights: the sums of TILE_ROWS rows, each given by its own pointer, with one
/// panel `[depth][VECTORS * LANES]`. Spread over the work, `lines` cache lines from `fetch` on are brought near: as
/// a burst at the start they would wait for each other.
static inline __attribute__((always_inline)) void NAME(panel_tile)(const float *const rows[TILE_ROWS], const float *panel,
                                                                   int64_t depth, const float *fetch, int64_t lines,
                                                                   V c[TILE_ROWS][VECTORS]) {
    enum { STRETCH = 32 };
    const int64_t stretches = (depth + STRETCH - 1) / STRETCH, burst = (lines + stretches - 1) / stretches;
    _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++)
        _Pragma("clang loop unroll(full)") for (int j = 0; j < VECTORS; j++) c[r][j] = (V)0.0f;
    for (int64_t start = 0; start < depth; start += STRETCH) {
        for (int64_t i = 0; i < burst; i++, fetch += 16) __builtin_prefetch(fetch, 0, 2);
        const int64_t end = start + STRETCH < depth ? start + STRETCH : depth;
        for (int64_t k = start; k < end; k++, panel += VECTORS * LANES) {
            V w[VECTORS];
            _Pragma("clang loop unroll(full)") for (int j = 0; j < VECTORS; j++) w[j] = NAME(load)(panel + j * LANES);
            _Pragma("clang loop unroll(full)") for (int r = 0; r < TILE_ROWS; r++) {
                const V x = (V)rows[r][k];
                _Pragma("clang loop unroll(full)") for (int j = 0; j < VECTORS; j++) c[r][j] += x * w[j];
            }
        }
    }
}

/// The rows of a tile; past the last row that exists, that row again.
static inline void NAME(tile_rows)(const float *x, int64_t stride, int64_t row, int64_t count, const float *rows[TILE_ROWS]) {
    for (int r = 0; r < TILE_ROWS; r++) rows[r] = x + (row + r < count ? row + r : count - 1) * stride;
}

// ---- Transposition --------------------------------------------------------------------------------------

// Of two rows that are `s` apart, the first keeps its columns without bit s and takes those of the second beside
// them; after s = 1, 2, 4 ... the block is transposed.
#define LOW(c, s) ((c) & (s) ? LANES + (c) - (s) : (c))
#define HIGH(c, s) ((c) & (s) ? LANES + (c) : (c) + (s))
#define STEP(s)                                                                                                  \
    _Pragma("clang loop unroll(full)") for (int r = 0; r < LANES; r++) if (!(r & (s))) {                         \
        const V a = v[r], b = v[r + (s)];                                                                        \
        v[r] = __builtin_shufflevector(a, b, CONCAT(LIST, LANES)(LOW, s));                                       \
        v[r + (s)] = __builtin_shufflevector(a, b, CONCAT(LIST, LANES)(HIGH, s));                                \
    }

/// `LANES x LANES` in registers: v[r][c] becomes v[c][r].
static inline __attribute__((always_inline)) void NAME(transpose)(V v[LANES]) {
    STEP(1)
    STEP(2)
#if LANES > 4
    STEP(4)
#endif
#if LANES > 8
    STEP(8)
#endif
}
#undef LOW
#undef HIGH
#undef STEP

/// `to[c][r] = from[r][c] * scale` for `columns` columns; what lies past `rows`, up to `padded`, becomes zeros.
static void NAME(transposed)(const float *from, int64_t from_stride, int64_t rows, int64_t columns, float scale,
                             float *to, int64_t to_stride, int64_t padded) {
    for (int64_t row = 0; row < padded; row += LANES)
        for (int64_t column = 0; column < columns; column += LANES) {
            const int64_t width = columns - column < LANES ? columns - column : LANES;
            V v[LANES];
#pragma clang loop unroll(full)
            for (int r = 0; r < LANES; r++) {
                const float *place = from + (row + r) * from_stride + column;
                v[r] = row + r >= rows ? (V)0.0f : width == LANES ? NAME(load)(place) : NAME(load_part)(place, width, 0);
                v[r] *= scale;
            }
            NAME(transpose)(v);
#pragma clang loop unroll(full)
            for (int c = 0; c < LANES; c++)
                if (c < width) NAME(store)(to + (column + c) * to_stride + row, v[c]);
        }
}

// ---- Attention ------------------------------------------------------------------------------------------

#define ROUND_UP(x) (((x) + LANES - 1) / LANES * LANES)
// Queries are transposed in blocks that hold whole tiles.
#define QUERIES (LANES > TILE_ROWS ? LANES : TILE_ROWS)

static int64_t NAME(attention_scratch)(int64_t tokens, int64_t head_dim) {
    const int64_t padded = ROUND_UP(tokens), depth = ROUND_UP(head_dim);
    // keys and a block of queries transposed, values, the scores and answers of one tile of queries
    return head_dim * padded + head_dim * QUERIES + tokens * depth + TILE_ROWS * padded + TILE_ROWS * depth;
}

/// Scores of one tile of queries stay in the first-level cache, keys and values of one head in the second.
/// Meanwhile `next`, `stride` apart too, is fetched: another head's q, k and v lie `next_step` from each other.
static void NAME(attention)(const float *q, const float *k, const float *v, int64_t stride, int64_t tokens,
                            int64_t head_dim, int causal, int64_t first, int64_t last, float *out, int64_t out_stride,
                            const float *next, int64_t next_step, float *scratch) {
    const int64_t padded = ROUND_UP(tokens), depth = ROUND_UP(head_dim);
    const float scale = 1.0f / sqrtf((float)head_dim);
    float *keys = scratch, *queries = keys + head_dim * padded, *values = queries + head_dim * QUERIES;
    float *scores = values + tokens * depth, *answers = scores + TILE_ROWS * padded;

    NAME(transposed)(k, stride, tokens, head_dim, 1, keys, padded, padded);
    for (int64_t t = 0; t < tokens; t++) {
        memcpy(values + t * depth, v + t * stride, (size_t)head_dim * sizeof(float));
        for (int64_t i = head_dim; i < depth; i++) values[t * depth + i] = 0;
    }

    for (int64_t start = first; start < last; start += TILE_ROWS) {
        const int rows = last - start < TILE_ROWS ? (int)(last - start) : TILE_ROWS;
        const int within = (int)((start - first) % QUERIES);
        if (within == 0) {
            const int64_t rest = last - start;
            NAME(transposed)(q + start * stride, stride, rest < QUERIES ? rest : QUERIES, head_dim, scale, queries, QUERIES,
                             QUERIES);
        }
        if (next)
            for (int r = 0; r < rows; r++)
                for (int part = 0; part < 3; part++)
                    for (int64_t i = 0; i < head_dim; i += 16)
                        __builtin_prefetch(next + (start + r) * stride + part * next_step + i, 0, 2);
        // A causal query sees the keys up to its own; the tile computes those of its last row.
        const int64_t seen = causal ? start + rows : tokens, width = ROUND_UP(seen);
        float rest[TILE_ROWS];
        NAME(strip)(queries + within, 1, QUERIES, keys, padded, head_dim, width / LANES, scores, padded);
        for (int r = 0; r < rows; r++)
            rest[r] = NAME(exponentials)(scores + r * padded, causal ? start + r + 1 : tokens, width);
        NAME(strip)(scores, padded, 1, values, depth, seen, depth / LANES, answers, depth);
        for (int r = 0; r < rows; r++) {
            for (int64_t i = 0; i < depth; i += LANES)
                NAME(store)(answers + r * depth + i, NAME(load)(answers + r * depth + i) * rest[r]);
            memcpy(out + (start + r) * out_stride, answers + r * depth, (size_t)head_dim * sizeof(float));
        }
    }
}

// ---- Products with packed weights -----------------------------------------------------------------------

/// `v * sigmoid(factor v)`.
static inline __attribute__((always_inline)) V NAME(swish)(V v, float factor) {
    V e = v * -factor;
    e = NAME(exp)(NAME(select)(e > 88.0f, (V)88.0f, e));  // e^88 is finite, and v over it as good as zero
    return v / (1.0f + e);
}

/// `v (1 + erf(v / sqrt 2)) / 2`, erf as a quotient of polynomials (Eigen's, for f32), within 3 units in the last place.
static inline __attribute__((always_inline)) V NAME(gelu)(V v) {
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
    return v * 0.5f * (1.0f + x * p / q);
}

static inline __attribute__((always_inline)) V NAME(activated)(V v, saed_activation activation) {
    switch (activation) {
    case SAED_NONE: return v;
    case SAED_QUICK_GELU: return NAME(swish)(v, 1.702f);
    case SAED_GELU: return NAME(gelu)(v);
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

// ---- Half precision -------------------------------------------------------------------------------------

#ifdef HAS_HALF
typedef _Float16 NAME(halves) __attribute__((ext_vector_type(LANES)));
#endif

static void NAME(widen_half)(const uint16_t *from, float *to, int64_t count) {
    int64_t i = 0;
#ifdef HAS_HALF
    for (; i + LANES <= count; i += LANES) {
        NAME(halves) h;
        memcpy(&h, from + i, sizeof h);
        NAME(store)(to + i, __builtin_convertvector(h, V));
    }
#endif
    for (; i < count; i++) to[i] = half_to_float(from[i]);
}

static void NAME(narrow_half)(const float *from, uint16_t *to, int64_t count) {
    int64_t i = 0;
#ifdef HAS_HALF
    for (; i + LANES <= count; i += LANES) {
        NAME(halves) h = __builtin_convertvector(NAME(load)(from + i), NAME(halves));
        memcpy(to + i, &h, sizeof h);
    }
#endif
    for (; i < count; i++) to[i] = float_to_half(from[i]);
}

// ---- The ceiling ----------------------------------------------------------------------------------------

static double NAME(fma_loop)(int64_t iterations) {
    V c[12];
    V a = (V)0.999999f, b = (V)1e-6f;
    for (int i = 0; i < 12; i++) c[i] = (V)(float)i;
    for (int64_t n = 0; n < iterations; n++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 12; i++) {
            c[i] = c[i] * a + b;
            __asm__ volatile("" : "+x"(c[i]));
        }
    }
    V total = (V)0.0f;
    for (int i = 0; i < 12; i++) total += c[i];
    volatile float keep = NAME(sum)(total);
    (void)keep;
    return (double)iterations * 12 * LANES * 2;
}

static const saed_kernels NAME(kernels) = {
    .isa = ISA,
    .lanes = LANES,
    .tile_rows = TILE_ROWS,
    .panel_columns = VECTORS * LANES,
    .layer_norm = NAME(layer_norm),
    .softmax = NAME(softmax),
    .exponential = NAME(exponential),
    .attention_scratch = NAME(attention_scratch),
    .attention = NAME(attention),
    .transposed = NAME(transposed),
    .product = NAME(product),
    .scan_panel = NAME(scan_panel),
    .widen_half = NAME(widen_half),
    .narrow_half = NAME(narrow_half),
};

#undef NAME
#undef V
#undef I
#undef VECTORS
#undef ROUND_UP
#undef QUERIES
#undef SUFFIX
#undef ISA
#undef LANES
#undef TILE_ROWS
#undef POSITIVE_MASK
#undef COMPRESS
#undef HAS_HALF
