/* sys/crypto/sha256.h: SHA-256, by OpenSSL's libcrypto.
 *
 * Threads: any.
 * Memory:  libcrypto's own, given back before a call ends.
 */
#ifndef STRATA_SYS_CRYPTO_SHA256_H
#define STRATA_SYS_CRYPTO_SHA256_H

#include "base/slice.h"

enum { SHA256_DIGITS = 64 };

/* The hash as 64 lower case hexadecimal digits, without a zero byte behind them. */
void sha256_digits(struct slice bytes, char ret_digits[SHA256_DIGITS]);

#endif
