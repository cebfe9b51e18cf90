/* app/server/users.h: the users of the server, their file, and which connection is whose.
 *
 * Users stand under one lock; a connection has a reference to its own (client.user), which only its worker changes, or somebody who holds that
 * worker's turn. So a request is judged without any lock. Who changes users does it in two steps: under the lock, and then (users_refresh) in
 * every worker's turn, one after the other, all connections get what stands in the table. AUTH takes what stands there in its own turn: it is
 * either seen by that round or comes after it.
 *
 * Threads: any worker; users_start and users_stop while there are none.
 */
#ifndef STRATA_APP_SERVER_USERS_H
#define STRATA_APP_SERVER_USERS_H

#include "app/server/state.h"

enum { USERS_FILE_SIZE_MAX = 64 * 1024 * 1024 };

/* Reads `aclfile`, or `users`; the log says what is wrong. */
MUST_CHECK enum status users_start(struct server *server);
/* Whether users_start would take what is configured; what is wrong is appended. */
bool users_check(const struct config_values *values, struct buf *errors);
void users_stop(struct server *server);

/* What the configuration says of users: length of the log, new users' channels. */
void users_settle(struct server *server);

/* requirepass was set: the user `default` has this password, or needs none if it is empty. It takes the users' lock only; users_refresh is the
 * caller's. */
MUST_CHECK enum status users_set_password(struct server *server, const char *password);

/* A connection begins as the user `default`. */
void users_begin(struct server *server, struct cmd_client *client);

/* It has shown that it is that user, by other means than a password; in its worker's turn. False: there is no such user, or he is off. */
bool users_be(struct server *server, struct cmd_client *client, struct slice name);

/* In each worker's turn: connections get their users as they stand in the table. `self`: the caller's own client, or NULL. */
void users_refresh(struct cmd_server *server, struct cmd_client *self);

/* By the first worker, ten times a second: tokens whose time (Unix time) is over end, and connections that came with them are closed. */
void users_tick(struct server *server, uint64_t now_ms);

struct auth_users *users_api_lock(struct cmd_server *server);
void users_api_unlock(struct cmd_server *server);
bool users_api_load(struct cmd_server *server, struct cmd_client *client, struct buf *errors);
bool users_api_save(struct cmd_server *server, struct buf *errors);
void users_api_denied(struct cmd_server *server, unsigned reason);
void users_api_view(struct cmd_server *server, const struct cmd_client *client, struct cmd_client_view *ret_view);
void users_api_random(struct cmd_server *server, void *ret_bytes, size_t size);

#endif
