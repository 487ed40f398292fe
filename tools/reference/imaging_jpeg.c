// Writes the JPEG kinds that Pillow can't: any sampling factors, CMYK and YCCK with or without Adobe's marker, RGB
// stored as RGB, arithmetic coding, restart markers. Compiled and used by imaging.py; raw samples in, a file out.
//
//     imaging_jpeg WIDTH HEIGHT IN_COMPONENTS SPACE H V QUALITY FLAGS < raw > file.jpg
//
// SPACE: grey, ycc, rgb, cmyk, ycck. FLAGS: any of p (progressive), a (arithmetic), r (restart every row), n (no
// Adobe or JFIF marker), - (none).

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

int main(int count, char **arguments) {
    if (count != 9) { return 2; }
    int width = atoi(arguments[1]), height = atoi(arguments[2]), components = atoi(arguments[3]);
    const char *space = arguments[4], *flags = arguments[8];

    struct jpeg_compress_struct info;
    struct jpeg_error_mgr error;
    info.err = jpeg_std_error(&error);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, stdout);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = components;
    info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_colorspace(&info, !strcmp(space, "grey") ? JCS_GRAYSCALE
                               : !strcmp(space, "ycc") ? JCS_YCbCr
                               : !strcmp(space, "rgb") ? JCS_RGB
                               : !strcmp(space, "cmyk") ? JCS_CMYK
                                                        : JCS_YCCK);
    jpeg_set_quality(&info, atoi(arguments[7]), TRUE);
    info.comp_info[0].h_samp_factor = atoi(arguments[5]);
    info.comp_info[0].v_samp_factor = atoi(arguments[6]);
    if (!strcmp(space, "ycck")) { // black as sharp as luminance
        info.comp_info[3].h_samp_factor = atoi(arguments[5]);
        info.comp_info[3].v_samp_factor = atoi(arguments[6]);
    }
    if (strchr(flags, 'p')) { jpeg_simple_progression(&info); }
    if (strchr(flags, 'a')) { info.arith_code = TRUE; }
    if (strchr(flags, 'r')) { info.restart_in_rows = 1; }
    if (strchr(flags, 'n')) { info.write_Adobe_marker = info.write_JFIF_header = FALSE; }

    jpeg_start_compress(&info, TRUE);
    JSAMPROW row = malloc((size_t)width * (size_t)components);
    while (info.next_scanline < info.image_height) {
        if (fread(row, (size_t)components, (size_t)width, stdin) != (size_t)width) { return 1; }
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    return 0;
}
