/* app/cmd/token_cmd.c: TOKEN: access tokens, by which programs are a user. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/users.h"
#include "app/cmd/words.h"
#include "core/auth/users.h"

#define EXPIRY_MAX_S (100LL * 366 * 86400)

static struct auth_users *lock(struct cmd_call *call) { return call->env->server->api->users_lock(call->env->server); }

static void unlock(struct cmd_call *call) { call->env->server->api->users_unlock(call->env->server); }

void cmd_token_auth(struct cmd_call *call) {
    if (users_authenticate_token(call, call->argv[2]))
        reply_ok(call->reply);
}

/* ------------------------------------------------------------------ CREATE */

/* False: the error is written. */
static bool take_option(struct cmd_call *call, uint32_t at, struct auth_token *token) {
    int64_t seconds;
    bool names = cmd_is(call, at, "name");
    if ((!names && !cmd_is(call, at, "ex")) || at + 1 == call->argc)
        return words_refuse(call, at, "NAME name or EX seconds");
    if (names) {
        token->name = call->argv[at + 1];
        return true;
    }
    if (!cmd_integer(call, at + 1, &seconds))
        return false;
    if (seconds <= 0 || seconds > EXPIRY_MAX_S) {
        reply_error(call->reply, SLICE("ERR invalid expire time in 'token|create' command"));
        return false;
    }
    token->expires_ms = token->created_ms + (uint64_t)seconds * 1000;
    return true;
}

static void draw(struct cmd_call *call, void *ret_bytes, size_t size) {
    call->env->server->api->random(call->env->server, ret_bytes, size);
}

static void tell(struct cmd_call *call, const char *what, uint64_t id) {
    char text[64], digits[AUTH_TOKEN_ID_SIZE];
    auth_token_write_id(id, digits);
    snprintf(text, sizeof text, "%s %.*s", what, AUTH_TOKEN_ID_SIZE, digits);
    call->env->server->api->tell_deed(call->env->server, call->client, text);
}

/* STATUS_CLOSED: there is no such user. */
static enum status create(struct cmd_call *call, struct auth_token *token, char ret_text[AUTH_TOKEN_SIZE]) {
    uint8_t secret[AUTH_TOKEN_SECRET_SIZE / 2];
    draw(call, &token->id, sizeof token->id);
    draw(call, secret, sizeof secret);
    token->id |= token->id == 0;
    auth_token_write(token->id, secret, ret_text);
    struct auth_users *users = lock(call);
    const char *digits = ret_text + AUTH_TOKEN_SIZE - AUTH_TOKEN_SECRET_SIZE;
    users->setting.hash(slice_make(digits, AUTH_TOKEN_SECRET_SIZE), token->hash);
    enum status status = auth_users_find(users, token->user) ? auth_tokens_add(&users->tokens, token) : STATUS_CLOSED;
    unlock(call);
    return status;
}

/* Of a map: five fields. */
static void reply_token(struct cmd_call *call, const struct auth_token *token) {
    struct reply *reply = call->reply;
    char id[AUTH_TOKEN_ID_SIZE];
    auth_token_write_id(token->id, id);
    reply_bulk_string(reply, "id");
    reply_bulk(reply, slice_make(id, sizeof id));
    reply_bulk_string(reply, "user");
    reply_bulk(reply, token->user);
    reply_bulk_string(reply, "name");
    reply_bulk(reply, token->name);
    reply_bulk_string(reply, "created-at");
    reply_integer(reply, (int64_t)(token->created_ms / 1000));
    reply_bulk_string(reply, "expires-at");
    reply_integer(reply, token->expires_ms ? (int64_t)(token->expires_ms / 1000) : -1);
}

void cmd_token_create(struct cmd_call *call) {
    struct auth_token token = {.user = call->argv[2], .name = SLICE(""), .created_ms = call->actor->now_ms};
    char text[AUTH_TOKEN_SIZE];
    for (uint32_t at = 3; at < call->argc; at += 2)
        if (!take_option(call, at, &token))
            return;
    if (!auth_token_name_is_good(token.name)) {
        reply_errorf(call->reply, "ERR names of tokens have at most %d bytes, and no spaces", AUTH_TOKEN_NAME_MAX);
        return;
    }
    enum status status = create(call, &token, text);
    if (status == STATUS_OK) {
        tell(call, "TOKEN CREATE", token.id);
        reply_map(call->reply, 6);
        reply_bulk_string(call->reply, "token");
        reply_bulk(call->reply, slice_make(text, sizeof text));
        reply_token(call, &token);
    } else if (status == STATUS_CLOSED) {
        reply_errorf(call->reply, "ERR User '%.*s' not found", (int)slice_part(token.user, 0, 1024).size,
                     token.user.size ? (const char *)token.user.data : "");
    } else if (status == STATUS_FULL) {
        reply_errorf(call->reply, "ERR there are %d tokens, and there may be no more", AUTH_TOKENS_MAX);
    } else {
        cmd_error_status(call, status);
    }
}

/* --------------------------------------------------------- LIST and REVOKE */

void cmd_token_list(struct cmd_call *call) {
    if (call->argc > 3) {
        (void)words_refuse(call, 3, "nothing more");
        return;
    }
    const struct auth_tokens *tokens = &lock(call)->tokens;
    uint32_t count = 0;
    for (uint32_t i = 0; i < tokens->count; i++)
        count += call->argc == 2 || slice_equal(tokens->list[i]->user, call->argv[2]);
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < tokens->count; i++) {
        if (call->argc == 3 && !slice_equal(tokens->list[i]->user, call->argv[2]))
            continue;
        reply_map(call->reply, 5);
        reply_token(call, tokens->list[i]);
    }
    unlock(call);
}

void cmd_token_revoke(struct cmd_call *call) {
    uint32_t count = 0;
    uint64_t id, last = 0;
    for (uint32_t at = 2; at < call->argc; at++) {
        if (!auth_token_parse_id(call->argv[at], &id)) {
            reply_errorf(call->reply, "ERR an id of a token has %d digits (0-9, a-f), and nothing has changed",
                         AUTH_TOKEN_ID_SIZE);
            return;
        }
    }
    struct auth_users *users = lock(call);
    for (uint32_t at = 2; at < call->argc; at++) {
        bool gone = auth_token_parse_id(call->argv[at], &id) && auth_tokens_remove(&users->tokens, id);
        count += gone;
        last = gone ? id : last;
    }
    unlock(call);
    if (count) {
        call->env->server->api->users_changed(call->env->server, call->client);
        tell(call, "TOKEN REVOKE", last);
    }
    reply_integer(call->reply, count);
}
