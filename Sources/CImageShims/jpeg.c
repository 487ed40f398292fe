// libjpeg-turbo driven exactly as Pillow's JpegDecode.c does: default DCT (islow), fancy upsampling, a source that
// suspends at the end of the data, warnings ignored, CMYK read with Adobe's inverted polarity.
//
// Invariants: every exit destroys the decompressor; nothing is allocated outside libjpeg, so a longjmp leaks nothing.

#include "CImageShims.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// A progressive file may hold any number of scans, each as costly as the image is large: 65,500 x 2,700 pixels with
// thousands of empty scans would take hours. Encoders write about ten; libjpeg-turbo's own fuzzers stop at 500 too.
enum { SCANS_MAX = 500 };

typedef struct {
    struct jpeg_error_mgr base; // first: libjpeg passes a pointer to it
    jmp_buf escape;
    int result;
    char *message;
} error_state;

static void on_error(j_common_ptr info) {
    error_state *error = (error_state *)info->err;
    error->base.format_message(info, error->message);
    switch (error->base.msg_code) {
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
        error->result = SAED_JPEG_UNSUPPORTED;
        break;
    case JERR_OUT_OF_MEMORY:
        error->result = SAED_JPEG_MEMORY;
        break;
    default:
        error->result = SAED_JPEG_CORRUPT;
    }
    longjmp(error->escape, 1);
}

// Warnings (a corrupt entropy segment, say) leave grey blocks and no error, as in Pillow.
static void ignore_message(j_common_ptr info) { (void)info; }

static void do_nothing(j_decompress_ptr info) { (void)info; }

// All bytes are in the buffer from the start: asking for more means that the file is truncated.
static boolean suspend(j_decompress_ptr info) {
    (void)info;
    return FALSE;
}

static void skip(j_decompress_ptr info, long count) {
    struct jpeg_source_mgr *source = info->src;
    size_t step = count <= 0 ? 0 : (size_t)count;
    if (step > source->bytes_in_buffer) { step = source->bytes_in_buffer; }
    source->next_input_byte += step;
    source->bytes_in_buffer -= step;
}

static void stop_at_scan_limit(j_common_ptr info) {
    j_decompress_ptr decompress = (j_decompress_ptr)info;
    if (decompress->input_scan_number <= SCANS_MAX) { return; }
    error_state *error = (error_state *)info->err;
    snprintf(error->message, SAED_JPEG_MESSAGE_BYTES, "more than %d scans", SCANS_MAX);
    error->result = SAED_JPEG_CORRUPT;
    longjmp(error->escape, 1);
}

static void set_up(struct jpeg_decompress_struct *info, struct jpeg_source_mgr *source,
                   struct jpeg_progress_mgr *progress, const uint8_t *bytes, size_t count) {
    jpeg_create_decompress(info);
    *source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = count,
        .init_source = do_nothing,
        .fill_input_buffer = suspend,
        .skip_input_data = skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = do_nothing,
    };
    info->src = source;
    progress->progress_monitor = stop_at_scan_limit;
    info->progress = progress;
}

static struct jpeg_error_mgr *set_up_errors(error_state *error, char *message) {
    jpeg_std_error(&error->base);
    error->base.error_exit = on_error;
    error->base.output_message = ignore_message;
    error->result = SAED_JPEG_CORRUPT;
    error->message = message;
    message[0] = 0;
    return &error->base;
}

static int read_header(struct jpeg_decompress_struct *info) {
    int found;
    do {
        found = jpeg_read_header(info, FALSE);
    } while (found == JPEG_HEADER_TABLES_ONLY);
    return found == JPEG_SUSPENDED ? SAED_JPEG_TRUNCATED : SAED_JPEG_OK;
}

int saed_jpeg_read_header(const uint8_t *bytes, size_t count, saed_jpeg_header *header, char *message) {
    struct jpeg_decompress_struct info;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    error_state error;

    memset(&info, 0, sizeof info); // jpeg_destroy_decompress reads `mem` even where creation failed
    memset(&progress, 0, sizeof progress);
    info.err = set_up_errors(&error, message);
    if (setjmp(error.escape)) {
        jpeg_destroy_decompress(&info);
        return error.result;
    }
    set_up(&info, &source, &progress, bytes, count);

    int result = read_header(&info);
    if (result == SAED_JPEG_OK) {
        *header = (saed_jpeg_header){
            .width = (int32_t)info.image_width,
            .height = (int32_t)info.image_height,
            .components = info.num_components,
        };
    }
    jpeg_destroy_decompress(&info);
    return result;
}

// round(a * b / 255), as Pillow's MULDIV255.
static inline int multiply_255(int a, int b) {
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

// Pillow's "CMYK;I" unpacker and cmyk2rgb, in place of three passes over the image.
// The row holds inverted ink (255 is no ink), whether or not an Adobe marker says so: Pillow assumes it too.
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t width) {
    for (size_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        int light = cmyk[3];
        for (int c = 0; c < 3; c++) {
            rgb[c] = (uint8_t)(light - multiply_255(255 - cmyk[c], light)); // multiply_255 <= light: never negative
        }
    }
}

int saed_jpeg_decode(const uint8_t *bytes, size_t count, const saed_jpeg_header *header, uint8_t *rgb,
                     int32_t *rows_done, char *message) {
    struct jpeg_decompress_struct info;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    error_state error;

    *rows_done = 0;
    memset(&info, 0, sizeof info);
    memset(&progress, 0, sizeof progress);
    info.err = set_up_errors(&error, message);
    if (setjmp(error.escape)) {
        jpeg_destroy_decompress(&info);
        return error.result;
    }
    set_up(&info, &source, &progress, bytes, count);

    int result = read_header(&info);
    if (result == SAED_JPEG_OK) {
        int cmyk = info.num_components == 4;
        info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
        if (!jpeg_start_decompress(&info)) {
            result = SAED_JPEG_TRUNCATED;
        } else if (info.output_width != (JDIMENSION)header->width || info.output_height != (JDIMENSION)header->height) {
            snprintf(message, SAED_JPEG_MESSAGE_BYTES, "two sizes in one file");
            result = SAED_JPEG_CORRUPT;
        } else {
            size_t width = info.output_width;
            JSAMPARRAY scratch = NULL;
            if (cmyk) {
                // From libjpeg's pool, which jpeg_destroy_decompress frees.
                scratch = info.mem->alloc_sarray((j_common_ptr)&info, JPOOL_IMAGE, (JDIMENSION)(width * 4), 1);
            }
            while (info.output_scanline < info.output_height) {
                JSAMPROW row = rgb + (size_t)info.output_scanline * width * 3;
                if (jpeg_read_scanlines(&info, cmyk ? scratch : &row, 1) != 1) {
                    result = SAED_JPEG_TRUNCATED;
                    break;
                }
                if (cmyk) { cmyk_to_rgb(scratch[0], row, width); }
                *rows_done = (int32_t)info.output_scanline;
            }
            // A file that is cut off behind its last row is whole enough (false, for a suspended source); one in which
            // something contradictory follows is damaged (an error). Pillow draws the line here too.
            if (result == SAED_JPEG_OK) { (void)jpeg_finish_decompress(&info); }
        }
    }
    jpeg_destroy_decompress(&info);
    return result;
}
