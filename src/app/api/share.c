#include "app/api/share.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/hex.h"
#include "sys/os/random.h"

void shares_init(struct shares *shares) {
    *shares = (struct shares){0};
    random_bytes(shares->secret, sizeof shares->secret);
}

void shares_fini(struct shares *shares) {
    for (size_t i = 0; i < SHARE_BUCKETS; i++)
        ASSERT(!shares->buckets[i]);
    explicit_bzero(shares->secret, sizeof shares->secret);
}

/* Of the secret of the process and what is said: equal for the same identity, and tells nothing else. */
static enum status digest_of(const struct shares *shares, const struct link_identity *identity,
                             char ret_digest[SHA256_DIGITS]) {
    struct buf text;
    buf_init(&text, &memory_libc);
    enum status status = buf_append(&text, shares->secret, sizeof shares->secret);
    if (status == STATUS_OK)
        status = buf_printf(&text, "%d %zu ", (int)identity->kind, identity->user.size);
    if (status == STATUS_OK)
        status = buf_append_slice(&text, identity->user);
    if (status == STATUS_OK)
        status = buf_append_slice(&text, identity->secret);
    if (status == STATUS_OK)
        sha256_digits(buf_slice(&text), ret_digest);
    if (text.data)
        explicit_bzero(text.data, text.size);
    buf_fini(&text);
    return status;
}

static struct share **bucket_of(struct shares *shares, const char *digest) {
    return &shares->buckets[hex_value((uint8_t)digest[0]) * 16 + hex_value((uint8_t)digest[1])];
}

enum status shares_find(struct shares *shares, const struct link_identity *identity, struct share **ret_share) {
    char digest[SHA256_DIGITS];
    TRY(digest_of(shares, identity, digest));
    struct share **bucket = bucket_of(shares, digest);
    struct share *share = *bucket;
    while (share && memcmp(share->digest, digest, sizeof digest) != 0)
        share = share->next;
    if (!share) {
        share = memory_take(&memory_libc, sizeof *share);
        if (!share)
            return STATUS_NO_MEMORY;
        *share = (struct share){.next = *bucket};
        memcpy(share->digest, digest, sizeof digest);
        *bucket = share;
    }
    *ret_share = share_ref(share);
    return STATUS_OK;
}

void share_unref(struct shares *shares, struct share *share) {
    if (!share || --share->references)
        return;
    ASSERT(!share->links && !share->held && !share->waiting && !share->streams);
    struct share **at = bucket_of(shares, share->digest);
    while (*at != share)
        at = &(*at)->next;
    *at = share->next;
    memory_give(&memory_libc, share, sizeof *share);
}
