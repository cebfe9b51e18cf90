/* core/auth/auth_fixture.h: a few commands to permit, a hash that can be read, memory that ends. For tests only.
 *
 * Threads: constant data.
 */
#ifndef STRATA_CORE_AUTH_AUTH_FIXTURE_H
#define STRATA_CORE_AUTH_AUTH_FIXTURE_H

#include "core/auth/users.h"

enum {
    FIXTURE_GET,
    FIXTURE_SET,
    FIXTURE_SELECT,
    FIXTURE_CONFIG,
    FIXTURE_CONFIG_GET,
    FIXTURE_CONFIG_SET,
    FIXTURE_PUBLISH
};

static const char *const fixture_categories[] = {"read", "write", "slow", "admin"};
static const struct auth_command fixture_commands[] = {
    {"get", 1, AUTH_NONE, 0},     {"set", 2 | 4, AUTH_NONE, 0},         {"select", 0, AUTH_NONE, 0},
    {"config", 4, AUTH_NONE, 2},  {"config|get", 8, FIXTURE_CONFIG, 0}, {"config|set", 8, FIXTURE_CONFIG, 0},
    {"publish", 0, AUTH_NONE, 0},
};
static const struct auth_commands fixture_table = {fixture_commands, 7, fixture_categories, 4};

/* The first bytes of the password as digits, then zeros: only for passwords of less than 32 bytes. */
static inline void fixture_hash(struct slice password, char ret_hash[AUTH_HASH_SIZE]) {
    memset(ret_hash, '0', AUTH_HASH_SIZE);
    for (size_t i = 0; i < password.size && i < AUTH_HASH_SIZE / 2; i++) {
        ret_hash[2 * i] = "0123456789abcdef"[password.data[i] >> 4];
        ret_hash[2 * i + 1] = "0123456789abcdef"[password.data[i] & 15];
    }
}

static inline struct auth_setting fixture_setting(const struct memory *memory) {
    return (struct auth_setting){.commands = &fixture_table, .memory = memory, .hash = fixture_hash};
}

/* Gives so many allocations, then none. */
struct failing {
    uint32_t left;
};

static inline void *failing_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct failing *failing = context;
    if (size_new && failing->left == 0)
        return NULL;
    failing->left -= size_new != 0;
    return memory_libc.resize(NULL, old, size_old, size_new);
}

#endif
