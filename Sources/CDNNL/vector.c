// The vector kernels, compiled once for each instruction set from one body, and the choice among them.

#include "CDNNL.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// Room for `more`, and for a vector stored beyond them.
static int hits_reserve(saed_hits *hits, size_t more) {
    more += 16;
    if (hits->count + more <= hits->capacity) return 0;
    size_t capacity = hits->capacity + hits->capacity / 2;
    if (capacity < hits->count + more) capacity = hits->count + more;
    if (capacity < 4096) capacity = 4096;
    float *values = realloc(hits->values, capacity * sizeof *values);
    if (values) hits->values = values;
    uint32_t *columns = realloc(hits->columns, capacity * sizeof *columns);
    if (columns) hits->columns = columns;
    if (!values || !columns) return -1;
    hits->capacity = capacity;
    return 0;
}

void saed_hits_free(saed_hits *hits) {
    free(hits->values);
    free(hits->columns);
    *hits = (saed_hits){0};
}

// binary16 by integers, exact: where the processor has no instruction for it.
static inline float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
    float value;
    if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
        value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    } else if (exponent == 31) {  // a NaN comes out quiet, as from the instruction
        bits = sign | 0x7F800000 | fraction << 13 | (fraction ? 0x00400000 : 0);
    } else {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    }
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint16_t float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00);  // 65520 and above round to infinity
    if (magnitude < 0x38800000) {  // below 2^-14: a multiple of 2^-24, rounded to even by adding 0.5 = 2^-1 ulp 2^-24
        float value, shift = 0.5f;
        uint32_t sum;
        memcpy(&value, &magnitude, 4);
        value += shift;
        memcpy(&sum, &value, 4);
        return (uint16_t)(sign | (sum - 0x3F000000));
    }
    magnitude += 0xC8000FFF + ((magnitude >> 13) & 1);  // rebias the exponent by -112, round to nearest even
    return (uint16_t)(sign | magnitude >> 13);
}

// Lists of a value for each lane, by the number of lanes.
#define LIST4(m, s) m(0, s), m(1, s), m(2, s), m(3, s)
#define LIST8(m, s) LIST4(m, s), m(4, s), m(5, s), m(6, s), m(7, s)
#define LIST16(m, s) LIST8(m, s), m(8, s), m(9, s), m(10, s), m(11, s), m(12, s), m(13, s), m(14, s), m(15, s)

#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

#define SUFFIX portable
#define ISA SAED_PORTABLE
#define LANES 4
#if defined(__aarch64__)
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif
#include "vector_body.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define SUFFIX avx2
#define ISA SAED_AVX2
#define LANES 8
#define TILE_ROWS 4
#define POSITIVE_MASK(v) ((uint32_t)_mm256_movemask_ps((__m256)((v) > 0)))
#define HAS_HALF 1
#include "vector_body.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define SUFFIX avx512
#define ISA SAED_AVX512
#define LANES 16
#define TILE_ROWS 8
#define POSITIVE_MASK(v) ((uint32_t)_mm512_cmp_ps_mask((__m512)(v), _mm512_setzero_ps(), _CMP_GT_OQ))
#define COMPRESS(mask, z, first, values, columns)                                                                \
    {                                                                                                            \
        const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);            \
        const __m512i own = _mm512_add_epi32(lane, _mm512_set1_epi32((int)(first)));                             \
        _mm512_storeu_ps(values, _mm512_maskz_compress_ps((__mmask16)(mask), (__m512)(z)));                      \
        _mm512_storeu_si512(columns, _mm512_maskz_compress_epi32((__mmask16)(mask), own));                       \
    }
#define HAS_HALF 1
#include "vector_body.h"
#pragma clang attribute pop
#endif

const saed_kernels *saed_kernels_of(saed_isa isa) {
    switch (isa) {
    case SAED_PORTABLE: return &kernels_portable;
#if defined(__x86_64__)
    case SAED_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")
                   ? &kernels_avx2
                   : NULL;
    case SAED_AVX512:
        return saed_kernels_of(SAED_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                   ? &kernels_avx512
                   : NULL;
#endif
    default: return NULL;
    }
}

const saed_kernels *saed_kernels_best(void) {
    const saed_kernels *best;
    const char *asked = getenv("SAED_ISA");
    if (asked && !strcmp(asked, "portable")) return &kernels_portable;
    if (asked && !strcmp(asked, "avx2") && (best = saed_kernels_of(SAED_AVX2))) return best;
    if ((best = saed_kernels_of(SAED_AVX512))) return best;
    if ((best = saed_kernels_of(SAED_AVX2))) return best;
    return &kernels_portable;
}

double saed_fma_loop(const saed_kernels *kernels, int64_t iterations) {
    switch (kernels->isa) {
#if defined(__x86_64__)
    case SAED_AVX512: return fma_loop_avx512(iterations);
    case SAED_AVX2: return fma_loop_avx2(iterations);
#endif
    default: return fma_loop_portable(iterations);
    }
}
