// The two passes of Pillow's ImagingResample for 8 bits a channel (Resample.c): integer sums of byte times 22-bit
// fixed-point weight. Integers wrap and add in any order, so every vector width gives the same bytes.
//
// Rows are written with vector types that any target can lower, compiled twice on x86-64 (the baseline lacks a 32-bit
// multiply) and chosen at run time. Columns have a portable form and one in AVX2, whose 16-bit multiply-add takes two
// pixels at a time: a weight w is split into high * 2^15 + low, both exact in 16 bits.

#include "CImageShims.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#endif

#define INLINE static inline __attribute__((always_inline))

enum { WEIGHT_BITS = 22 }; // Pillow's PRECISION_BITS

typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint32_t u32x16 __attribute__((vector_size(64))); // unsigned: wrapping is defined
typedef int32_t i32x16 __attribute__((vector_size(64)));

INLINE uint8_t rounded(uint32_t sum) {
    int32_t value = (int32_t)(sum + (1u << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void columns_portable(const uint8_t *in, size_t in_stride, size_t row_count, uint8_t *out, size_t out_stride,
                             const saed_resample_axis *axis) {
    for (size_t y = 0; y < row_count; y++) {
        uint8_t *to = out + y * out_stride;
        const int32_t *weights = axis->weights;
        for (int32_t i = 0; i < axis->count; i++, to += 3, weights += axis->stride) {
            const uint8_t *from = in + y * in_stride + (size_t)axis->starts[i] * 3;
            uint32_t red = 0, green = 0, blue = 0;
            for (int32_t t = 0; t < axis->taps[i]; t++, from += 3) {
                uint32_t weight = (uint32_t)weights[t];
                red += from[0] * weight;
                green += from[1] * weight;
                blue += from[2] * weight;
            }
            to[0] = rounded(red);
            to[1] = rounded(green);
            to[2] = rounded(blue);
        }
    }
}

INLINE void rows_sum(const uint8_t *rows, size_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
                     int32_t taps) {
    size_t x = 0;
    for (; x + 16 <= bytes; x += 16) {
        u32x16 sum = (u32x16){0} + (1u << (WEIGHT_BITS - 1));
        const uint8_t *from = rows + x;
        for (int32_t t = 0; t < taps; t++, from += stride) {
            u8x16 raw;
            memcpy(&raw, from, sizeof raw);
            sum += __builtin_convertvector(raw, u32x16) * (uint32_t)weights[t];
        }
        i32x16 value = (i32x16)sum >> WEIGHT_BITS;
        value &= value > 0; // comparisons give all bits set, or none
        i32x16 over = value > 255;
        value = (over & 255) | (~over & value);
        u8x16 result = __builtin_convertvector(value, u8x16);
        memcpy(out + x, &result, sizeof result);
    }
    for (; x < bytes; x++) {
        uint32_t sum = 0;
        for (int32_t t = 0; t < taps; t++) { sum += rows[(size_t)t * stride + x] * (uint32_t)weights[t]; }
        out[x] = rounded(sum);
    }
}

#if defined(__x86_64__)
AVX2 static void rows_avx2(const uint8_t *rows, size_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
                           int32_t taps) {
    rows_sum(rows, stride, bytes, out, weights, taps);
}

/// Four weights as vpmaddwd wants them, for pixels 0, 1 in the lower half and 2, 3 in the upper: a pair for each
/// channel, and a fourth pair that meets zeros.
typedef struct {
    int16_t low[16], high[16];
} weight_group;

static void pack(const saed_resample_axis *axis, weight_group *groups) {
    size_t count = (size_t)axis->count * (size_t)axis->stride / 4;
    for (size_t g = 0; g < count; g++) {
        for (int lane = 0; lane < 16; lane++) {
            int32_t weight = axis->weights[g * 4 + (size_t)(lane / 8 * 2 + lane % 2)];
            groups[g].low[lane] = (int16_t)(weight & 0x7FFF);
            groups[g].high[lane] = (int16_t)(weight >> 15);
        }
    }
}

AVX2 static void columns_avx2(const uint8_t *in, size_t in_stride, size_t row_count, uint8_t *out, size_t out_stride,
                              const saed_resample_axis *axis, const weight_group *groups) {
    // RGBRGB to R.R.G.G.B.B.: the 16-bit pairs of pixels 0 and 1, then of 2 and 3; -1 gives 0.
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
                                           6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m128i half = _mm_set1_epi32(1 << (WEIGHT_BITS - 1));
    size_t groups_each = (size_t)axis->stride / 4;
    for (size_t y = 0; y < row_count; y++) {
        const uint8_t *row = in + y * in_stride;
        uint8_t *to = out + y * out_stride;
        const weight_group *group = groups;
        for (int32_t i = 0; i < axis->count; i++, to += 3, group += groups_each) {
            const uint8_t *from = row + (size_t)axis->starts[i] * 3;
            size_t used = ((size_t)axis->taps[i] + 3) / 4;
            __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
            for (size_t g = 0; g < used; g++, from += 12) {
                __m256i pixels = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from));
                pixels = _mm256_shuffle_epi8(pixels, pairs);
                __m256i low_weights = _mm256_loadu_si256((const __m256i *)group[g].low);
                __m256i high_weights = _mm256_loadu_si256((const __m256i *)group[g].high);
                low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, low_weights));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, high_weights));
            }
            __m256i both = _mm256_add_epi32(low, _mm256_slli_epi32(high, 15));
            __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
            __m128i value = _mm_srai_epi32(_mm_add_epi32(sum, half), WEIGHT_BITS);
            value = _mm_packus_epi16(_mm_packs_epi32(value, value), value); // clips to 0...255
            uint32_t rgb0 = (uint32_t)_mm_cvtsi128_si32(value);
            // Four bytes where the fourth is written again by the next pixel.
            memcpy(to, &rgb0, i + 1 < axis->count ? 4 : 3);
        }
    }
}
#endif

void saed_resample_columns(const uint8_t *in, size_t in_stride, size_t row_count, uint8_t *out, size_t out_stride,
                           const saed_resample_axis *axis, int portable) {
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx2")) {
        size_t groups = (size_t)axis->count * (size_t)axis->stride / 4;
        weight_group *packed = malloc(groups * sizeof *packed);
        if (packed) {
            pack(axis, packed);
            columns_avx2(in, in_stride, row_count, out, out_stride, axis, packed);
            free(packed);
            return;
        }
    }
#endif
    (void)portable;
    columns_portable(in, in_stride, row_count, out, out_stride, axis);
}

void saed_resample_rows(const uint8_t *rows, size_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
                        int32_t taps, int portable) {
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx2")) {
        rows_avx2(rows, stride, bytes, out, weights, taps);
        return;
    }
#endif
    (void)portable;
    rows_sum(rows, stride, bytes, out, weights, taps);
}
