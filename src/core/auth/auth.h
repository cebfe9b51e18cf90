/* core/auth/auth.h: users and what they may do, as the ACL of Redis 7 says it.
 *
 *     user -- passwords (as hashes)
 *          -- selectors: the first is the user's own, others stand in brackets. A request needs one that permits all of it.
 *                 |-- commands: a bit each, and for some only certain first arguments
 *                 |-- key patterns, each for reading, writing or both
 *                 |-- classes and stores, whose keys are the caller's to know
 *                 |-- channel patterns
 *          -- roles: selectors that users share. They count as the user's own in brackets do
 *          -- a service, as which it writes; what that means is the caller's
 *
 * A user is made, rules are applied to it one by one, and from then on it never changes: who changes a user makes a copy and puts
 * it in the other's place (users.h). So a request is judged without any lock.
 *
 * Commands are numbered by the caller, who says of each its name and categories. What a request touches is the caller's to find out.
 *
 * Threads: a user is one thread's until it is shared with auth_user_ref; then anybody may read it.
 * Memory:  each user has an arena of its own, at most AUTH_USER_SIZE_MAX; judging takes none.
 * Time:    judging is linear in selectors, keys and patterns.
 * Errors:  STATUS-like answers of enum auth_fault. After one the user that rules were applied to is to be dropped.
 */
#ifndef STRATA_CORE_AUTH_AUTH_H
#define STRATA_CORE_AUTH_AUTH_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    AUTH_HASH_SIZE = 64,                  /* SHA-256 in hexadecimal digits */
    AUTH_USER_SIZE_MAX = 4 * 1024 * 1024, /* bytes of one user, all that its rules have taken on the way */
    AUTH_NAME_SIZE_MAX = 1024,
};

#define AUTH_NONE UINT32_MAX

struct auth_command {
    const char *name;    /* lower case; of a subcommand "config|get" */
    uint64_t categories; /* a bit each, by their place in auth_commands.categories */
    uint32_t parent;     /* AUTH_NONE: it is no subcommand */
    uint32_t children;   /* how many subcommands; they have the numbers after it */
};

/* What can be permitted: constant. */
struct auth_commands {
    const struct auth_command *list; /* by number */
    uint32_t count;
    const char *const *categories; /* lower case; at most 64 */
    uint32_t category_count;
};

/* What users are made with; lives longer than they do. */
struct auth_setting {
    const struct auth_commands *commands;
    const struct memory *memory;
    /* SHA-256 of a password in lower case hexadecimal digits. */
    void (*hash)(struct slice password, char ret_hash[AUTH_HASH_SIZE]);
    bool all_channels; /* new users and selectors may use every channel */
};

enum auth_access { AUTH_READ = 1, AUTH_WRITE = 2, AUTH_READ_WRITE = 3 };

/* What keys or channels a pattern permits. Most are a prefix or one name, which is told without looking for stars. */
struct auth_pattern {
    enum { AUTH_EXACT, AUTH_PREFIX, AUTH_GLOB } kind;
    uint32_t access;   /* enum auth_access; of a channel 0 */
    struct slice text; /* as it was given */
    size_t plain;      /* so many bytes of it stand for themselves, with no backslash before them */
};

/* Keys by the class that they fall into, or the store that they are in. */
enum auth_place_kind { AUTH_CLASS, AUTH_STORE };

struct auth_place {
    enum auth_place_kind kind;
    uint32_t access; /* enum auth_access */
    struct slice name;
};

/* Who knows where keys belong; asked only if a user has rights over classes or stores, and no pattern permits the key. */
struct auth_where {
    void *context;
    bool (*is_of)(void *context, struct slice key, const struct auth_place *place);
};

struct auth_list {
    void *items;
    uint32_t count, capacity;
};

struct auth_selector {
    bool all_commands, all_keys, all_channels;
    bool future;               /* commands that are not there yet are permitted too */
    uint64_t *permitted;       /* a bit for each command */
    struct auth_list keys;     /* of struct auth_pattern */
    struct auth_list places;   /* of struct auth_place */
    struct auth_list channels; /* the same */
    struct auth_list rules;    /* of struct slice: "+get", "-@admin", as they describe it */
    struct auth_list firsts;   /* of struct auth_first */
};

/* A command that is permitted with this first argument only. */
struct auth_first {
    uint32_t command;
    struct slice argument;
};

struct auth_role {
    struct slice name;
    struct auth_user *user; /* with the selectors of the role; NULL until the user is put into a table */
};

struct auth_user {
    atomic_uint refs;
    uint64_t id; /* of the name since it was made; its changed copies have the same. 0: it is in no table yet */
    const struct auth_setting *setting;
    struct slice name;
    bool on, nopass;
    /* As it was said last; it is only remembered: what RESTORE is given is checked for everybody. */
    enum { AUTH_SANITIZE_UNSAID, AUTH_SANITIZE, AUTH_SANITIZE_SKIP } sanitize;
    bool free;                  /* the first selector permits everything: nothing has to be judged */
    struct slice service;       /* empty: none */
    struct auth_list roles;     /* of struct auth_role */
    struct auth_list passwords; /* of struct slice, AUTH_HASH_SIZE digits each */
    struct auth_list selectors; /* of struct auth_selector; there is one at least */
    size_t taken_bytes;
    struct arena arena;
};

enum auth_fault {
    AUTH_FINE,
    AUTH_UNKNOWN_COMMAND, /* or category */
    AUTH_SYNTAX,
    AUTH_KEYS_AFTER_ALL,
    AUTH_CHANNELS_AFTER_ALL,
    AUTH_NO_SUCH_PASSWORD,
    AUTH_NO_SUCH_ROLE,
    AUTH_BAD_HASH,
    AUTH_FIRST_OF_SUB,
    AUTH_DUPLICATE,
    AUTH_TOO_LARGE, /* over AUTH_USER_SIZE_MAX */
    AUTH_NO_MEMORY,
};

/* As Redis words it, where Redis has it. */
const char *auth_fault_text(enum auth_fault fault);

/* -------------------------------------------------------------------- users */

/* Off, without password, and without any right. NULL: no memory. */
struct auth_user *auth_user_new(const struct auth_setting *setting, struct slice name);
struct auth_user *auth_user_copy(const struct auth_user *user);
/* Everything is permitted, without a password. */
struct auth_user *auth_user_new_default(const struct auth_setting *setting);

struct auth_user *auth_user_ref(struct auth_user *user);
/* Of nothing too. */
void auth_user_unref(struct auth_user *user);

/* One word of ACL SETUSER; a selector is one word, brackets included. */
enum auth_fault auth_user_apply(struct auth_user *user, struct slice rule);

/* One word of ACL SETROLE: only of what is permitted, and brackets. A role is a user whose other properties mean nothing. */
enum auth_fault auth_role_apply(struct auth_user *role, struct slice rule);

/* A name is not empty, has no spaces and no zero bytes, and is not longer than AUTH_NAME_SIZE_MAX. */
bool auth_name_is_good(struct slice name);

/* Whether `hash` is one of its passwords', in a time that does not depend on how far they are alike; or it needs none. */
bool auth_user_knows(const struct auth_user *user, const char hash[AUTH_HASH_SIZE]);

/* So many bytes stand for themselves before the first one to which a pattern gives a meaning. */
size_t auth_plain_size(struct slice text);

/* The number of a command or subcommand, without case; AUTH_NONE. */
uint32_t auth_command_find(const struct auth_commands *commands, struct slice name);
uint32_t auth_category_find(const struct auth_commands *commands, struct slice name);

/* ------------------------------------------------------------- descriptions */

/* "on nopass ~* &* +@all": all that makes such a user of a new one. */
MUST_CHECK enum status auth_user_describe(const struct auth_user *user, struct buf *out);
MUST_CHECK enum status auth_role_describe(const struct auth_user *role, struct buf *out);
MUST_CHECK enum status auth_describe_commands(const struct auth_selector *selector, struct buf *out);
MUST_CHECK enum status auth_describe_keys(const struct auth_selector *selector, struct buf *out);
MUST_CHECK enum status auth_describe_channels(const struct auth_selector *selector, struct buf *out);

/* ------------------------------------------------------------------ judging */

/* A key that a request touches, or all keys that begin with `name`. */
struct auth_touch {
    struct slice name;
    uint32_t access; /* enum auth_access; 0: asks nothing of the key itself */
    uint32_t at;     /* the argument that says so */
    bool prefix;
    const struct auth_where *where; /* NULL: rights over classes and stores do not count */
};

struct auth_request {
    uint32_t command;
    bool always; /* permitted to everybody, as AUTH is; keys and channels are not looked at then */
    const struct slice *argv;
    uint32_t argc;
    const struct auth_touch *keys;
    uint32_t key_count;
    uint32_t channel_from, channel_until; /* arguments that name channels */
    bool channel_patterns;                /* each is a pattern: it must be permitted as it stands */
};

/* In the order of what is told where no selector permits a request: of the one that came farthest. */
enum auth_verdict { AUTH_PERMITTED, AUTH_NOT_COMMAND, AUTH_NOT_KEY, AUTH_NOT_CHANNEL };

/* `ret_at`: the argument that is not permitted; 0 for the command. */
enum auth_verdict auth_judge(const struct auth_user *user, const struct auth_request *request, uint32_t *ret_at);

/* Whether any selector permits this command with this key, and with this channel. */
bool auth_permits_key(const struct auth_user *user, uint32_t command, struct auth_touch key);
bool auth_permits_channel(const struct auth_user *user, struct slice channel, bool pattern);

/* A prefix with which every key is permitted to this command and access; NULL: there is none that is found at once. For requests in a row, so that
 * most of them take one comparison. */
const struct auth_pattern *auth_gate(const struct auth_user *user, uint32_t command, uint32_t access);

static inline bool auth_gate_passes(const struct auth_pattern *gate, struct slice name) {
    return name.size >= gate->plain && memcmp(name.data, gate->text.data, gate->plain) == 0;
}

static inline struct auth_role *auth_role_at(const struct auth_user *user, uint32_t i) {
    return (struct auth_role *)user->roles.items + i;
}

static inline const struct auth_selector *auth_selector_at(const struct auth_user *user, uint32_t i) {
    return (const struct auth_selector *)user->selectors.items + i;
}

#endif
