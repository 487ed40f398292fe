// OpenSSL's libcrypto, for SHA-256 with the CPU's own instructions (Debian: libssl-dev).
#include <openssl/evp.h>
