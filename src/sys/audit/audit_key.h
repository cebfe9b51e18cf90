/* sys/audit/audit_key.h: the hashes of audit logs: SHA-256, or with a key HMAC-SHA-256.
 *
 * Threads: constant once it is made.
 * Memory:  a key stays where it is while its hash is used; audit_key_clear overwrites it.
 */
#ifndef STRATA_SYS_AUDIT_AUDIT_KEY_H
#define STRATA_SYS_AUDIT_AUDIT_KEY_H

#include "core/audit/chain.h"

enum { AUDIT_KEY_SIZE_MIN = 32, AUDIT_KEY_SIZE_MAX = 4096, AUDIT_KEY_REASON_SIZE = 256 };

struct audit_key {
    struct audit_hash hash;
    size_t size;
    uint8_t bytes[AUDIT_KEY_SIZE_MAX];
};

void audit_key_none(struct audit_key *key);
/* All bytes of a file, of AUDIT_KEY_SIZE_MIN to AUDIT_KEY_SIZE_MAX. STATUS_IO, STATUS_INVALID: `ret_reason` says what is wrong. */
MUST_CHECK enum status audit_key_load(struct audit_key *key, const char *path, char ret_reason[AUDIT_KEY_REASON_SIZE]);
void audit_key_clear(struct audit_key *key);

#endif
