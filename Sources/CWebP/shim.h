// libwebp's decoder, demultiplexer and encoder (Debian: libwebp-dev).
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
