/* core/auth/users.h: all users of a server, their roles and tokens, and what was refused to them.
 *
 * Users are ordered by name. One that changes is replaced by its changed copy, which has the same id; one that is made anew under an
 * old name has another. The user `default` is always there. When a role changes, all users that have it are replaced by copies that have it as
 * it is now.
 *
 * Threads: all calls need the caller's lock. A user that was found may be kept with auth_user_ref and read without it.
 * Memory:  an array of pointers, and what the users take; the log holds up to `log_max` entries of about 1.5 KiB at most.
 * Errors:  STATUS_NO_MEMORY, STATUS_FULL (AUTH_USERS_MAX, AUTH_ROLES_MAX) and STATUS_INVALID change nothing.
 */
#ifndef STRATA_CORE_AUTH_USERS_H
#define STRATA_CORE_AUTH_USERS_H

#include "core/auth/auth.h"
#include "core/auth/token.h"

enum {
    AUTH_USERS_MAX = 100000,
    AUTH_ROLES_MAX = 1000,
    AUTH_LINE_SIZE_MAX = 1024 * 1024, /* bytes of a line of an ACL file */
    AUTH_LOG_OBJECT_MAX = 1024,       /* bytes of what was refused that the log keeps */
    AUTH_LOG_CLIENT_MAX = 512,        /* and of who asked */
    AUTH_LOG_GROUP_MS = 60 * 1000,    /* refusals that are alike count as one for so long */
    AUTH_LOG_GROUP_AMONG = 10,        /* looked for among so many of the newest */
};

enum auth_reason { AUTH_REASON_COMMAND, AUTH_REASON_KEY, AUTH_REASON_CHANNEL, AUTH_REASON_AUTH };
enum auth_context { AUTH_CONTEXT_TOP, AUTH_CONTEXT_MULTI };

struct auth_refusal {
    struct auth_refusal *newer, *older;
    enum auth_reason reason;
    enum auth_context context;
    uint64_t id, count, first_ms, last_ms; /* times as Unix time */
    struct slice object, user, client;     /* behind this struct */
    size_t size;                           /* of the whole */
};

struct auth_table {
    struct auth_user **list; /* by name */
    uint32_t count, capacity;
};

struct auth_users {
    struct auth_setting setting;
    struct auth_table users, roles;
    struct auth_tokens tokens;
    uint64_t id_last; /* of users and roles */
    struct auth_refusal *newest, *oldest;
    uint32_t log_count, log_max;
    uint64_t log_id_next;
};

/* With the user `default`. `commands` and `memory` of the setting live longer. */
MUST_CHECK enum status auth_users_init(struct auth_users *users, const struct auth_setting *setting);
void auth_users_fini(struct auth_users *users);

/* NULL: there is none. */
struct auth_user *auth_users_find(const struct auth_users *users, struct slice name);

/* Takes the user over, in the place of the one with its name if there is one. On failure it is still the caller's. STATUS_INVALID: it has a role
 * that there is not. */
MUST_CHECK enum status auth_users_put(struct auth_users *users, struct auth_user *user);
/* With its tokens. False: there is none. */
bool auth_users_remove(struct auth_users *users, struct slice name);
/* Whether all its roles are there; if not, the name of one that is not. */
bool auth_users_know_roles(const struct auth_users *users, const struct auth_user *user, struct slice *ret_missing);

/* NULL: there is none. */
const struct auth_user *auth_roles_find(const struct auth_users *users, struct slice name);
/* As auth_users_put; takes time linear in the users. */
MUST_CHECK enum status auth_roles_put(struct auth_users *users, struct auth_user *role);
/* How many users have it. */
uint32_t auth_roles_holders(const struct auth_users *users, struct slice name);
/* Nobody has it. False: there is none. */
bool auth_roles_remove(struct auth_users *users, struct slice name);

/* Everything that a text in the form of an ACL file says, in place of all users, roles and tokens: `user NAME RULE ...` a line, or `role NAME RULE ...`
 * before the users that have it, or `token ...` (token.h) behind its user; empty lines and lines that begin with # aside. The default user is as new if it is not named. STATUS_INVALID: nothing has changed, and `ret_error` says what is
 * wrong, "FILE:LINE: ..." first, which ends each sentence; several errors stand behind each other. */
MUST_CHECK enum status auth_users_load(struct auth_users *users, struct slice text, const char *file,
                                       struct buf *errors);
/* The same as such a text. */
MUST_CHECK enum status auth_users_save(const struct auth_users *users, struct buf *out);

/* For these: the user `default` as new; and everything of `loaded` in place of what there is, which takes it over. */
MUST_CHECK enum status auth_users_add_default(struct auth_users *users);
void auth_users_replace(struct auth_users *users, struct auth_users *loaded);

/* Notes that something was refused. What there is no memory for is not noted. */
void auth_log_note(struct auth_users *users, enum auth_reason reason, enum auth_context context, struct slice object,
                   struct slice user, struct slice client, uint64_t now_ms);
/* Keeps so many of the newest. */
void auth_log_limit(struct auth_users *users, uint32_t max);
void auth_log_clear(struct auth_users *users);

#endif
