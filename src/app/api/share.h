/* app/api/share.h: what each identity has of what all share: links, places to wait for one, streams of events.
 *
 *     identity -- digest --> share {links, held, waiting, streams}
 *
 * A share is there as long as somebody refers to it, a link or a request. Counts are changed by whoever takes or gives back what they count.
 *
 * Threads: that of HTTP.
 * Memory:  one allocation a share, given back with the last reference.
 */
#ifndef STRATA_APP_API_SHARE_H
#define STRATA_APP_API_SHARE_H

#include "base/slice.h"
#include "base/status.h"
#include "sys/crypto/sha256.h"

/* `kind` NOBODY: as a new connection of anybody has it. */
enum link_kind { LINK_NOBODY, LINK_PASSWORD, LINK_TOKEN, LINK_CERTIFICATE };

/* Who asks. */
struct link_identity {
    enum link_kind kind;
    struct slice user, secret; /* of a password; of a token only `secret`; of a certificate only `user` */
    uint32_t db;
    const char *client; /* the address of who is behind it */
};

struct share {
    struct share *next;
    uint32_t references;
    uint32_t links, held; /* `held` ones are of `links` */
    uint32_t waiting;     /* requests that wait for a link */
    uint32_t streams;     /* of events */
    char digest[SHA256_DIGITS];
};

enum { SHARE_BUCKETS = 256, SHARE_SECRET_SIZE = 32 };

struct shares { /* visible because links embed it; only the calls below touch it */
    struct share *buckets[SHARE_BUCKETS];
    uint8_t secret[SHARE_SECRET_SIZE]; /* of the process: digests of passwords mean nothing elsewhere */
};

void shares_init(struct shares *shares);
/* When nobody refers to any. */
void shares_fini(struct shares *shares);

/* The share of this user with this password, token or certificate, in whichever database and from whichever machine, with a reference for the caller. */
MUST_CHECK enum status shares_find(struct shares *shares, const struct link_identity *identity,
                                   struct share **ret_share);
static inline struct share *share_ref(struct share *share) {
    share->references++;
    return share;
}
/* NULL: nothing. */
void share_unref(struct shares *shares, struct share *share);

#endif
