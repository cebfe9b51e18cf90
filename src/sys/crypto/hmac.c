#include "sys/crypto/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"

void hmac_sha256_digits(struct slice key, struct slice bytes, char ret_digits[SHA256_DIGITS]) {
    static const char hex[] = "0123456789abcdef";
    const uint8_t nothing = 0;
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ASSERT(key.size <= HMAC_KEY_SIZE_MAX);
    const uint8_t *done = HMAC(EVP_sha256(), key.size ? key.data : &nothing, (int)key.size,
                               bytes.size ? bytes.data : &nothing, bytes.size, hash, &size);
    ASSERT(done != NULL && size == SHA256_DIGITS / 2);
    for (size_t i = 0; i < size; i++) {
        ret_digits[2 * i] = hex[hash[i] >> 4];
        ret_digits[2 * i + 1] = hex[hash[i] & 15];
    }
}
