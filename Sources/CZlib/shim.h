// zlib: PNG's compression and its CRC-32 (Debian: zlib1g-dev).
#include <zlib.h>
