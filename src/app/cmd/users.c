#include "app/cmd/users.h"

#include "app/cmd/rights.h"
#include "core/proto/resp_request.h"

/* Nobody can send a longer one before it is known who he is. */
enum { PASSWORD_SIZE_MAX = RESP_BULK_UNAUTHENTICATED_MAX };

bool users_default_is_open(struct cmd_server *server) {
    const struct auth_user *user = auth_users_find(server->api->users_lock(server), SLICE("default"));
    bool open = user->on && user->nopass;
    server->api->users_unlock(server);
    return open;
}

bool users_default_needs_none(struct cmd_server *server) {
    bool none = auth_users_find(server->api->users_lock(server), SLICE("default"))->nopass;
    server->api->users_unlock(server);
    return none;
}

/* A name that nobody has takes as long as one that somebody has: the password is hashed and compared all the same. What is too long for one is not
 * hashed, which could take seconds, under the lock that every new connection takes. */
static bool is_known(const struct auth_users *users, const struct auth_user *user, struct slice password) {
    char hash[AUTH_HASH_SIZE];
    const bool fits = password.size <= PASSWORD_SIZE_MAX;
    users->setting.hash(fits ? password : SLICE(""), hash);
    bool knows = auth_user_knows(user ? user : auth_users_find(users, SLICE("default")), hash);
    return user && user->on && (fits ? knows : user->nopass);
}

static void become(struct cmd_client *client, struct auth_user *user, uint64_t token) {
    rights_bind(client, user);
    client->authenticated = true;
    client->token = token;
}

bool users_authenticate_token(struct cmd_call *call, struct slice text) {
    struct cmd_server *server = call->env->server;
    struct auth_users *users = server->api->users_lock(server);
    const struct auth_token *token = auth_tokens_check(&users->tokens, &users->setting, text, call->actor->now_ms);
    struct auth_user *user = token ? auth_users_find(users, token->user) : NULL;
    bool known = user && user->on;
    if (known)
        become(call->client, user, token->id);
    server->api->users_unlock(server);
    if (known)
        return true;
    rights_denied(call, SLICE("(token)"));
    reply_error(call->reply, SLICE("WRONGPASS invalid token, or its user is disabled."));
    return false;
}

bool users_authenticate(struct cmd_call *call, struct slice name, struct slice password) {
    struct cmd_server *server = call->env->server;
    struct auth_users *users = server->api->users_lock(server);
    struct auth_user *user = auth_users_find(users, name);
    bool known = is_known(users, user, password);
    if (known)
        become(call->client, user, 0);
    server->api->users_unlock(server);
    if (known)
        return true;
    rights_denied(call, name);
    reply_error(call->reply, SLICE("WRONGPASS invalid username-password pair or user is disabled."));
    return false;
}

void users_be_default(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct auth_user *user = auth_users_find(server->api->users_lock(server), SLICE("default"));
    rights_bind(call->client, user);
    call->client->token = 0;
    call->client->authenticated = user->on && user->nopass;
    server->api->users_unlock(server);
}
