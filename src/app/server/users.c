#include "app/server/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cmd/rights.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "core/auth/users.h"
#include "sys/crypto/sha256.h"
#include "sys/os/log.h"
#include "sys/os/random.h"
#include "sys/os/whole_file.h"

enum { PASSWORD_SIZE_MAX = 512 };
_Static_assert(sizeof(((struct config_values *)0)->requirepass) == PASSWORD_SIZE_MAX + 1,
               "as the configuration has it");
_Static_assert((int)SHA256_DIGITS == (int)AUTH_HASH_SIZE, "the hash of a password is a SHA-256");

#define NO_FILE                                                                                                     \
    "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "  \
    "command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store " \
    "users in the Redis configuration."

struct auth_users *users_api_lock(struct cmd_server *api) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->users_lock);
    return &server->users;
}

void users_api_unlock(struct cmd_server *api) { pthread_mutex_unlock(&server_of(api)->users_lock); }

static struct auth_user *default_user(const struct server *server) {
    return auth_users_find(&server->users, SLICE("default"));
}

/* Under the lock. */
static void note_default(struct server *server) {
    const struct auth_user *user = default_user(server);
    atomic_store(&server->settings.password_set, !user->on || !user->nopass);
}

void users_settle(struct server *server) {
    const struct config_values *values = &server->config.values;
    pthread_mutex_lock(&server->users_lock);
    server->users.setting.all_channels = values->acl_pubsub_default == CONFIG_ACL_PUBSUB_DEFAULT_ALLCHANNELS;
    auth_log_limit(&server->users, (uint32_t)values->acllog_max_len);
    pthread_mutex_unlock(&server->users_lock);
}

void users_begin(struct server *server, struct cmd_client *client) {
    pthread_mutex_lock(&server->users_lock);
    const struct auth_user *user = default_user(server);
    rights_bind(client, default_user(server));
    client->authenticated = user->on && user->nopass;
    pthread_mutex_unlock(&server->users_lock);
}

bool users_be(struct server *server, struct cmd_client *client, struct slice name) {
    pthread_mutex_lock(&server->users_lock);
    struct auth_user *user = auth_users_find(&server->users, name);
    bool known = user && user->on;
    if (known) {
        rights_bind(client, user);
        client->authenticated = true;
    }
    pthread_mutex_unlock(&server->users_lock);
    return known;
}

/* ----------------------------------------------------------------- changes */

/* A connection whose user has changed. Closed if it listens to, or waits for, what it may not have any more: a reply that is still due was
 * asked for with the old rights. */
static bool is_cut(const struct connection *connection) {
    const struct cmd_client *client = &connection->client;
    return client->restricted && (connection->blocked_wait || connection->push_waits || !rights_hold_listening(client));
}

/* In its worker's turn. True: it is to be closed. */
static bool refresh(struct server *server, struct cmd_client *client, const struct connection *connection) {
    pthread_mutex_lock(&server->users_lock);
    struct auth_user *user = auth_users_find(&server->users, client->user->name);
    bool gone = !user || user->id != client->user->id, same = user == client->user;
    gone |= client->token && !auth_tokens_find(&server->users.tokens, client->token);
    if (!gone && !same)
        rights_bind(client, user);
    pthread_mutex_unlock(&server->users_lock);
    return gone || (!same && is_cut(connection));
}

void users_refresh(struct cmd_server *api, struct cmd_client *self) {
    struct server *server = server_of(api);
    atomic_fetch_add_explicit(&server->users_version, 1, memory_order_release);
    pthread_mutex_lock(&server->users_lock);
    note_default(server);
    pthread_mutex_unlock(&server->users_lock);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        uint32_t cut = 0;
        worker_visit(worker);
        for (struct connection *connection = worker->first; connection; connection = connection->older) {
            if (!refresh(server, &connection->client, connection) || connection->killed)
                continue;
            if (&connection->client == self) {
                self->close_after_reply = true;
                continue;
            }
            connection->killed = true;
            cut++;
        }
        worker->kills += cut;
        worker_leave(worker);
        if (cut)
            loop_wake(worker->loop);
    }
}

void users_tick(struct server *server, uint64_t now_ms) {
    pthread_mutex_lock(&server->users_lock);
    uint32_t over = auth_tokens_expire(&server->users.tokens, now_ms);
    pthread_mutex_unlock(&server->users_lock);
    if (over)
        users_refresh(&server->api, NULL);
}

static enum status give_password(struct server *server, const char *password) {
    struct auth_user *user = auth_user_copy(default_user(server));
    char rule[PASSWORD_SIZE_MAX + 2];
    int size = snprintf(rule, sizeof rule, ">%s", password);
    enum auth_fault fault = user ? auth_user_apply(user, SLICE("resetpass")) : AUTH_NO_MEMORY;
    if (fault == AUTH_FINE)
        fault = auth_user_apply(user, password[0] ? slice_make(rule, (size_t)size) : SLICE("nopass"));
    enum status status = fault == AUTH_FINE ? auth_users_put(&server->users, user) : STATUS_NO_MEMORY;
    if (status != STATUS_OK)
        auth_user_unref(user);
    return status;
}

enum status users_set_password(struct server *server, const char *password) {
    pthread_mutex_lock(&server->users_lock);
    enum status status = give_password(server, password);
    note_default(server);
    pthread_mutex_unlock(&server->users_lock);
    return status;
}

/* -------------------------------------------------------------------- file */

/* Under the lock. With `requirepass` nobody comes in without a password because a file has forgotten the default user. */
static enum status load(struct server *server, struct slice text, const char *name, const char *password,
                        struct buf *errors) {
    TRY(auth_users_load(&server->users, text, name, errors));
    const struct auth_user *user = default_user(server);
    if (password[0] && user->nopass)
        TRY(give_password(server, password));
    note_default(server);
    return STATUS_OK;
}

/* What is wrong is appended. */
static bool load_file(struct server *server, struct buf *errors) {
    const char *path = server->acl_path;
    char password[PASSWORD_SIZE_MAX + 1];
    struct buf text;
    enum status status;
    buf_init(&text, &memory_libc);
    pthread_mutex_lock(&server->config_lock);
    snprintf(password, sizeof password, "%s", server->config.values.requirepass);
    pthread_mutex_unlock(&server->config_lock);
    if (whole_file_read(path, USERS_FILE_SIZE_MAX, &text)) {
        pthread_mutex_lock(&server->users_lock);
        status = load(server, buf_slice(&text), path, password, errors);
        pthread_mutex_unlock(&server->users_lock);
    } else {
        status = buf_printf(errors, "Error loading ACLs, opening file '%s': %s. ", path, strerror(errno));
        status = status == STATUS_OK ? STATUS_IO : status;
    }
    buf_fini(&text);
    if (status == STATUS_OK)
        return true;
    const char *more = status == STATUS_INVALID || status == STATUS_IO ? "" : status_text(status);
    if (buf_printf(errors,
                   "%s%sWARNING: ACL errors detected, no change to the previously active ACL rules was performed", more,
                   more[0] ? ". " : "") != STATUS_OK)
        buf_clear(errors);
    return false;
}

bool users_api_load(struct cmd_server *api, struct cmd_client *client, struct buf *errors) {
    struct server *server = server_of(api);
    if (!server->acl_path[0]) {
        MAYBE(buf_printf(errors, "%s", NO_FILE) != STATUS_OK);
        return false;
    }
    if (!load_file(server, errors))
        return false;
    users_refresh(api, client);
    return true;
}

bool users_api_save(struct cmd_server *api, struct buf *errors) {
    struct server *server = server_of(api);
    const char *path = server->acl_path;
    struct buf text;
    if (!path[0]) {
        MAYBE(buf_printf(errors, "%s", NO_FILE) != STATUS_OK);
        return false;
    }
    buf_init(&text, &memory_libc);
    pthread_mutex_lock(&server->users_lock);
    enum status status = auth_users_save(&server->users, &text);
    bool done = status == STATUS_OK && whole_file_write(path, buf_slice(&text), 0);
    pthread_mutex_unlock(&server->users_lock);
    buf_fini(&text);
    if (done)
        return true;
    const char *problem = status == STATUS_OK ? strerror(errno) : status_text(status);
    log_event(LOG_WARNING, "acl_save_failed", LOG_FIELDS(log_text("path", path), log_text("problem", problem)),
              "Cannot write the ACL file %s: %s", path, problem);
    MAYBE(buf_printf(errors,
                     "There was an error trying to save the ACLs. Please check the server logs for more "
                     "information") != STATUS_OK);
    return false;
}

static enum status load_first(struct server *server) {
    const struct config_values *values = &server->config.values;
    struct buf errors;
    buf_init(&errors, &memory_libc);
    enum status status = STATUS_OK;
    if (values->aclfile[0])
        status = load_file(server, &errors) ? STATUS_OK : STATUS_INVALID;
    else if (values->users[0])
        status = load(server, slice_from_string(values->users), "users", values->requirepass, &errors);
    else if (values->requirepass[0])
        status = users_set_password(server, values->requirepass);
    if (status != STATUS_OK)
        log_warning("%.*s", (int)errors.size, errors.size ? (const char *)errors.data : "");
    buf_fini(&errors);
    if (values->aclfile[0])
        whole_file_judge(values->aclfile, "aclfile");
    const struct config *config = &server->config;
    if (config->origins[CONFIG_REQUIREPASS].source == CONFIG_FROM_FILE ||
        config->origins[CONFIG_USERS].source == CONFIG_FROM_FILE)
        whole_file_judge(config->file, "a password in the configuration");
    return status;
}

bool users_check(const struct config_values *values, struct buf *errors) {
    const struct auth_setting setting = {.commands = &cmd_rights, .memory = &memory_libc, .hash = sha256_digits};
    struct auth_users users;
    struct buf text;
    if (auth_users_init(&users, &setting) != STATUS_OK)
        return false;
    buf_init(&text, &memory_libc);
    enum status status = STATUS_OK;
    if (values->aclfile[0] && !whole_file_read(values->aclfile, USERS_FILE_SIZE_MAX, &text)) {
        MAYBE(buf_printf(errors, "aclfile: %s: %s", values->aclfile, strerror(errno)) != STATUS_OK);
        status = STATUS_IO;
    } else if (values->aclfile[0]) {
        status = auth_users_load(&users, buf_slice(&text), values->aclfile, errors);
    } else if (values->users[0]) {
        status = auth_users_load(&users, slice_from_string(values->users), "users", errors);
    }
    buf_fini(&text);
    auth_users_fini(&users);
    return status == STATUS_OK;
}

enum status users_start(struct server *server) {
    const struct auth_setting setting = {.commands = &cmd_rights, .memory = &memory_libc, .hash = sha256_digits};
    TRY(auth_users_init(&server->users, &setting));
    users_settle(server);
    return load_first(server);
}

void users_stop(struct server *server) { auth_users_fini(&server->users); }

/* ---------------------------------------------------------- for ACL and LOG */

void users_api_denied(struct cmd_server *api, unsigned reason) {
    atomic_fetch_add_explicit(&server_of(api)->denied[reason], 1, memory_order_relaxed);
}

void users_api_view(struct cmd_server *api, const struct cmd_client *client, struct cmd_client_view *ret_view) {
    (void)api;
    connection_view(client->connection, ret_view);
}

void users_api_random(struct cmd_server *api, void *ret_bytes, size_t size) {
    (void)api;
    random_bytes(ret_bytes, size);
}
