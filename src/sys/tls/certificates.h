/* sys/tls/certificates.h: certificates for development and tests: an authority, and what it signs.
 *
 * Keys are of the curve P-256. Serial numbers are drawn. Nothing here replaces an authority that people trust.
 *
 * Threads: any.
 * Memory:  PEM texts in the caller's buffers, for tls_pair_free, which wipes the key.
 * Errors:  STATUS_INVALID with a sentence; STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_TLS_CERTIFICATES_H
#define STRATA_SYS_TLS_CERTIFICATES_H

#include "base/buf.h"
#include "sys/tls/tls.h"

enum tls_role { TLS_ROLE_AUTHORITY, TLS_ROLE_SERVER, TLS_ROLE_CLIENT };

struct tls_subject {
    enum tls_role role;
    const char *common_name;  /* at most 64 characters */
    const char *const *names; /* of a server: host names and addresses */
    size_t name_count;
    int64_t begins_s, ends_s; /* Unix time */
};

struct tls_pair {
    struct buf certificate, key; /* PEM */
};

/* `authority` NULL: it signs itself. */
MUST_CHECK enum status tls_pair_make(const struct tls_subject *subject, const struct tls_pair *authority,
                                     struct tls_pair *ret_pair, char ret_reason[TLS_REASON_SIZE]);
void tls_pair_free(struct tls_pair *pair);

#endif
