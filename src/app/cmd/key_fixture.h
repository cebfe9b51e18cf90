/* app/cmd/key_fixture.h: entries for tests of commands about keys, put there without any command. For tests only.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_CMD_KEY_FIXTURE_H
#define STRATA_APP_CMD_KEY_FIXTURE_H

#include "app/cmd/cmd_fixture.h"

static inline void key_put_slice(struct cmd_fixture *f, uint32_t db, struct slice name, struct slice value,
                                 uint64_t expires_at_ms) {
    struct cache_key key = cache_key(f->cache, db, name);
    assert_int_equal(cache_set(f->cache, &f->actor, &key, value, expires_at_ms), STATUS_OK);
}

static inline void key_put(struct cmd_fixture *f, const char *name, const char *value) {
    key_put_slice(f, f->client.db, slice_from_string(name), slice_from_string(value), 0);
}

/* Ends `ttl_ms` from now. */
static inline void key_put_expiring(struct cmd_fixture *f, const char *name, const char *value, uint64_t ttl_ms) {
    key_put_slice(f, f->client.db, slice_from_string(name), slice_from_string(value), f->actor.now_ms + ttl_ms);
}

/* Runs a line; behind the reply stands a zero byte, for sscanf. */
static inline struct slice key_run_text(struct cmd_fixture *f, const char *line) {
    size_t size = cmd_fixture_run(f, line).size;
    assert_int_equal(buf_append(&f->whole, "", 1), STATUS_OK);
    return slice_make(f->whole.data, size);
}

struct key_value {
    bool found;
    struct cache_info info;
    uint8_t *bytes; /* freed by key_value_free */
};

static inline void *key_value_reserve(void *context, uint64_t size) {
    struct key_value *value = context;
    free(value->bytes);
    return value->bytes = malloc(size + 1);
}

static inline struct key_value key_value_get(struct cmd_fixture *f, uint32_t db, const char *name) {
    struct key_value value = {0};
    struct cache_key key = cache_key(f->cache, db, slice_from_string(name));
    struct cache_read read = {.size_max = UINT64_MAX, .quiet = true, .reserve = key_value_reserve, .context = &value};
    assert_int_equal(cache_get(f->cache, &f->actor, &key, &read, &value.found), STATUS_OK);
    value.info = read.info;
    return value;
}

/* The entry is there with this value and expiry (0: never). */
static inline void key_expect(struct cmd_fixture *f, uint32_t db, const char *name, const char *text,
                              uint64_t expires_at_ms) {
    struct key_value value = key_value_get(f, db, name);
    assert_true(value.found);
    assert_int_equal(value.info.size, strlen(text));
    assert_memory_equal(value.bytes, text, strlen(text));
    assert_true(value.info.expires_at_ms == expires_at_ms);
    free(value.bytes);
}

static inline void key_expect_gone(struct cmd_fixture *f, uint32_t db, const char *name) {
    struct key_value value = key_value_get(f, db, name);
    free(value.bytes);
    assert_false(value.found);
}

#endif
