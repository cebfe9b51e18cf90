#include "sys/crypto/sha256.h"

#include <openssl/sha.h>

#include "base/assert.h"

void sha256_digits(struct slice bytes, char ret_digits[SHA256_DIGITS]) {
    static const char hex[] = "0123456789abcdef";
    uint8_t hash[SHA256_DIGEST_LENGTH];
    const uint8_t nothing = 0;
    const uint8_t *done = SHA256(bytes.size ? bytes.data : &nothing, bytes.size, hash);
    ASSERT(done != NULL);
    for (size_t i = 0; i < sizeof hash; i++) {
        ret_digits[2 * i] = hex[hash[i] >> 4];
        ret_digits[2 * i + 1] = hex[hash[i] & 15];
    }
}
