/* sys/crypto/hmac.h: HMAC-SHA-256, by OpenSSL's libcrypto.
 *
 * Threads: any.
 * Memory:  libcrypto's own, given back before a call ends.
 */
#ifndef STRATA_SYS_CRYPTO_HMAC_H
#define STRATA_SYS_CRYPTO_HMAC_H

#include "sys/crypto/sha256.h"

enum { HMAC_KEY_SIZE_MAX = 4096 };

/* As sha256_digits. A key has up to HMAC_KEY_SIZE_MAX bytes. */
void hmac_sha256_digits(struct slice key, struct slice bytes, char ret_digits[SHA256_DIGITS]);

#endif
