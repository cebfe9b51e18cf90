/* core/auth/token.h: access tokens, by which programs are a user without knowing his password.
 *
 * A token is shown once, when it is made: "strata_" ID "_" SECRET, digits of 16 and 64 places to the base of sixteen. What is kept is the hash of the
 * secret. It ends at its time, when it is revoked, and with its user.
 *
 * Threads: the caller's lock.
 * Memory:  an array of pointers by id, and each token with its texts behind it.
 * Errors:  STATUS_NO_MEMORY, STATUS_FULL (AUTH_TOKENS_MAX), STATUS_INVALID (there is one with that id): nothing has changed.
 */
#ifndef STRATA_CORE_AUTH_TOKEN_H
#define STRATA_CORE_AUTH_TOKEN_H

#include "core/auth/auth.h"

enum {
    AUTH_TOKENS_MAX = 100000,
    AUTH_TOKEN_ID_SIZE = 16, /* digits */
    AUTH_TOKEN_SECRET_SIZE = 64,
    AUTH_TOKEN_SIZE = 7 + AUTH_TOKEN_ID_SIZE + 1 + AUTH_TOKEN_SECRET_SIZE, /* "strata_" ID "_" SECRET */
    AUTH_TOKEN_NAME_MAX = 128,
    AUTH_TOKEN_WORDS = 7, /* of a line of an ACL file, and one more */
};

struct auth_token {
    uint64_t id; /* never 0 */
    char hash[AUTH_HASH_SIZE];
    uint64_t created_ms, expires_ms; /* Unix time; expires_ms 0: never */
    struct slice user, name;         /* of tokens in a table behind this struct; the name may be empty */
};

struct auth_tokens {
    const struct memory *memory;
    struct auth_token **list; /* by id */
    uint32_t count, capacity;
    uint64_t earliest_ms; /* that one of them ends, or sooner; UINT64_MAX: none does */
};

void auth_tokens_init(struct auth_tokens *tokens, const struct memory *memory);
void auth_tokens_fini(struct auth_tokens *tokens);

/* A copy of it. */
MUST_CHECK enum status auth_tokens_add(struct auth_tokens *tokens, const struct auth_token *token);
/* NULL: there is none. It lives until the table changes. */
const struct auth_token *auth_tokens_find(const struct auth_tokens *tokens, uint64_t id);
bool auth_tokens_remove(struct auth_tokens *tokens, uint64_t id);
void auth_tokens_remove_of(struct auth_tokens *tokens, struct slice user);
/* Removes those whose time is over; answers how many. */
uint32_t auth_tokens_expire(struct auth_tokens *tokens, uint64_t now_ms);

/* Names have no spaces and no control characters. */
bool auth_token_name_is_good(struct slice name);
/* What is shown of it, once. */
void auth_token_write(uint64_t id, const uint8_t secret[AUTH_TOKEN_SECRET_SIZE / 2], char ret_text[AUTH_TOKEN_SIZE]);
void auth_token_write_id(uint64_t id, char ret_text[AUTH_TOKEN_ID_SIZE]);
/* Parts of such a text, without regard to what is known. False: it is none. */
bool auth_token_split(struct slice text, uint64_t *ret_id, struct slice *ret_secret);
bool auth_token_parse_id(struct slice text, uint64_t *ret_id);
/* The token that this text is of, at this time; NULL. Takes as long for an id that there is not. */
const struct auth_token *auth_tokens_check(const struct auth_tokens *tokens, const struct auth_setting *setting,
                                           struct slice text, uint64_t now_ms);

/* "ID USER #HASH CREATED EXPIRES [NAME]", times as Unix time in milliseconds. */
MUST_CHECK enum status auth_token_describe(const struct auth_token *token, struct buf *out);
bool auth_token_parse(const struct slice *words, uint32_t count, struct auth_token *ret_token);

#endif
