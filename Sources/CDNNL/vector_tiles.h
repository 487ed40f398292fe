// The register tile: sums of TILE_ROWS rows by up to three vectors of columns. Part of vector_body.h.

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
