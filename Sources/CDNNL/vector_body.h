// One instruction set's kernels; vector.c includes this file once for each with
//   SUFFIX, ISA, LANES (floats a vector), TILE_ROWS (rows of the register tile),
//   POSITIVE_MASK (optional: bit l set where lane l > 0), COMPRESS (optional: stores the lanes of a mask and their
//   columns, and may write a whole vector of each), HAS_HALF (optional: the compiler turns conversions of
//   _Float16 vectors into instructions).
// Parts of it are in vector_tiles.h, vector_attention.h, vector_products.h and vector_gradients.h.
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

#include "vector_tiles.h"
#include "vector_attention.h"
#include "vector_products.h"
#include "vector_gradients.h"

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
    .multiply = NAME(multiply),
    .add_directions = NAME(add_directions),
    .along_directions = NAME(along_directions),
    .activate = NAME(activate),
    .activation_gradient = NAME(activation_gradient),
    .layer_norm_gradient = NAME(layer_norm_gradient),
    .softmax_gradient = NAME(softmax_gradient),
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
