// C that Imaging can't do in Swift: libjpeg reports errors by longjmp, which may not cross a Swift frame,
// and the resampling kernels are compiled once a CPU generation and chosen when the program runs.
//
// Nothing here keeps state between calls; every function may be called from several threads at once.

#ifndef SAED_IMAGE_SHIMS_H
#define SAED_IMAGE_SHIMS_H

#include <stddef.h>
#include <stdint.h>

enum {
    SAED_JPEG_OK = 0,
    SAED_JPEG_TRUNCATED = 1,   // the file ends before the last row
    SAED_JPEG_CORRUPT = 2,     // libjpeg's own words are in `message`
    SAED_JPEG_UNSUPPORTED = 3, // a valid kind of JPEG that libjpeg or Pillow doesn't decode
    SAED_JPEG_MEMORY = 4,
};

enum { SAED_JPEG_MESSAGE_BYTES = 200 }; // JMSG_LENGTH_MAX

typedef struct {
    int32_t width, height;
    int32_t components; // 1 grey, 3 colour, 4 CMYK or YCCK
} saed_jpeg_header;

/// Reads the header only; allocates a few kilobytes. `message` has room for SAED_JPEG_MESSAGE_BYTES.
int saed_jpeg_read_header(const uint8_t *bytes, size_t count, saed_jpeg_header *header, char *message);

/// Decodes to RGB, row-major, `header->width * header->height * 3` bytes.
/// `rows_done` says how many rows were written, also where the result isn't SAED_JPEG_OK.
int saed_jpeg_decode(const uint8_t *bytes, size_t count, const saed_jpeg_header *header, uint8_t *rgb,
                     int32_t *rows_done, char *message);

/// Bytes that saed_resample_columns may read beyond the last pixel of a row.
enum { SAED_RESAMPLE_SLACK_BYTES = 16 };

/// The fixed-point weights of one axis: output `i` is the sum over `t < taps[i]` of `weights[i * stride + t]` times
/// source `starts[i] + t`. Weights have 22 fractional bits, lie between -2^30 and 2^30, and are 0 from `taps[i]` up to
/// `stride`, a multiple of 4.
typedef struct {
    const int32_t *starts;
    const int32_t *taps;
    const int32_t *weights;
    int32_t stride;
    int32_t count;
} saed_resample_axis;

/// Resamples the columns of `row_count` rows of RGB, `in_stride` bytes apart, to rows of `axis->count` pixels,
/// `out_stride` bytes apart. Each row must be readable up to SAED_RESAMPLE_SLACK_BYTES beyond its last pixel.
/// `portable` not 0 forbids CPU-specific code; the result is the same.
void saed_resample_columns(const uint8_t *in, size_t in_stride, size_t row_count, uint8_t *out, size_t out_stride,
                           const saed_resample_axis *axis, int portable);

/// One output row as the weighted sum of `taps` rows of `bytes` bytes, `stride` bytes apart. Reads nothing beyond.
void saed_resample_rows(const uint8_t *rows, size_t stride, size_t bytes, uint8_t *out, const int32_t *weights,
                        int32_t taps, int portable);

#endif
