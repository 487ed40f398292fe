// libwebp's decoder and demultiplexer (Debian: libwebp-dev).
#include <webp/decode.h>
#include <webp/demux.h>
