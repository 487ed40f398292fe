// The two passes of Pillow's ImagingResample for 8 bits a channel (Resample.c): integer sums of byte times 22-bit
// fixed-point weight, so that any order of adding and any vector width give the same bytes.
//
// The loops are written once, with vector types that every target can lower, and compiled twice on x86-64: for the
// baseline, which lacks a 32-bit multiply, and for AVX2, chosen at run time (5 times faster).

#include "CImageShims.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { WEIGHT_BITS = 22 }; // Pillow's PRECISION_BITS

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
// Unsigned: sums stay within 31 bits, but wrapping must not be undefined for hostile weights.
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));

INLINE uint8_t rounded(uint32_t sum) {
    int32_t value = (int32_t)(sum + (1u << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

INLINE void columns(const uint8_t *row, uint8_t *out, const saed_resample_axis *axis) {
    const int32_t *weights = axis->weights;
    for (int32_t i = 0; i < axis->count; i++, out += 3, weights += axis->stride) {
        const uint8_t *from = row + (ptrdiff_t)axis->starts[i] * 3;
        u32x8 sum = {0};
        for (int32_t t = 0; t < axis->taps[i]; t += 2, from += 6) {
            u8x8 raw; // R G B R G B and two bytes of the next pixel
            memcpy(&raw, from, sizeof raw);
            u8x8 spread = __builtin_shufflevector(raw, raw, 0, 1, 2, 2, 3, 4, 5, 5);
            uint32_t a = (uint32_t)weights[t], b = (uint32_t)weights[t + 1];
            sum += __builtin_convertvector(spread, u32x8) * (u32x8){a, a, a, a, b, b, b, b};
        }
        out[0] = rounded(sum[0] + sum[4]);
        out[1] = rounded(sum[1] + sum[5]);
        out[2] = rounded(sum[2] + sum[6]);
    }
}

INLINE void rows_sum(const uint8_t *rows, ptrdiff_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
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
        for (int32_t t = 0; t < taps; t++) { sum += rows[(size_t)t * (size_t)stride + x] * (uint32_t)weights[t]; }
        out[x] = rounded(sum);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void columns_avx2(const uint8_t *row, uint8_t *out,
                                                         const saed_resample_axis *axis) {
    columns(row, out, axis);
}

__attribute__((target("avx2"))) static void rows_avx2(const uint8_t *rows, ptrdiff_t stride, size_t bytes, uint8_t *out,
                                                      const int32_t *weights, int32_t taps) {
    rows_sum(rows, stride, bytes, out, weights, taps);
}
#endif

void saed_resample_columns(const uint8_t *row, uint8_t *out, const saed_resample_axis *axis, int portable) {
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx2")) {
        columns_avx2(row, out, axis);
        return;
    }
#endif
    (void)portable;
    columns(row, out, axis);
}

void saed_resample_rows(const uint8_t *rows, ptrdiff_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
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
