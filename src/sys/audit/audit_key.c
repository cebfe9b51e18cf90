#include "sys/audit/audit_key.h"

#include <errno.h>
#include <stdio.h>

#include "sys/crypto/hmac.h"
#include "sys/os/whole_file.h"

_Static_assert((int)AUDIT_HASH_SIZE == (int)SHA256_DIGITS && (int)AUDIT_KEY_SIZE_MAX <= (int)HMAC_KEY_SIZE_MAX,
               "of one size");

static void plain(void *context, struct slice bytes, char ret_digits[AUDIT_HASH_SIZE]) {
    (void)context;
    sha256_digits(bytes, ret_digits);
}

static void keyed(void *context, struct slice bytes, char ret_digits[AUDIT_HASH_SIZE]) {
    const struct audit_key *key = context;
    hmac_sha256_digits(slice_make(key->bytes, key->size), bytes, ret_digits);
}

void audit_key_none(struct audit_key *key) { *key = (struct audit_key){.hash = {.digits = plain}}; }

/* Keys are told apart by what they make of a text that is no line. */
static void name(struct audit_key *key) {
    char digits[AUDIT_HASH_SIZE];
    keyed(key, SLICE("strata audit key"), digits);
    memcpy(key->hash.key_id, digits, AUDIT_KEY_ID_SIZE);
    key->hash.key_id[AUDIT_KEY_ID_SIZE] = 0;
}

enum status audit_key_load(struct audit_key *key, const char *path, char ret_reason[AUDIT_KEY_REASON_SIZE]) {
    struct buf bytes;
    buf_init(&bytes, &memory_libc);
    enum status status = STATUS_OK;
    if (!whole_file_read(path, AUDIT_KEY_SIZE_MAX, &bytes)) {
        snprintf(ret_reason, AUDIT_KEY_REASON_SIZE, "%.160s: %s", path,
                 errno == EFBIG ? "is longer than 4096 bytes" : strerror(errno));
        status = STATUS_IO;
    } else if (bytes.size < AUDIT_KEY_SIZE_MIN) {
        snprintf(ret_reason, AUDIT_KEY_REASON_SIZE, "%.160s: has %zu bytes, and a key has %d at least", path,
                 bytes.size, AUDIT_KEY_SIZE_MIN);
        status = STATUS_INVALID;
    } else {
        *key = (struct audit_key){.hash = {.digits = keyed, .context = key}, .size = bytes.size};
        memcpy(key->bytes, bytes.data, bytes.size);
        name(key);
    }
    if (bytes.size)
        explicit_bzero(bytes.data, bytes.size);
    buf_fini(&bytes);
    return status;
}

void audit_key_clear(struct audit_key *key) { explicit_bzero(key->bytes, sizeof key->bytes); }
