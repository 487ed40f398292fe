// Attention of one head, and the transposition that it (and the packing of weights) needs. Part of vector_body.h.

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
