/* app/server/inside.h: connections from within the process, for a thread that serves another protocol.
 *
 *     thread of HTTP  <-- one end of a pair of sockets --   -- the other end --> worker
 *
 * What comes by such a connection is a client's in every way: rights, limits, logs and lists hold for it as for any other, and CLIENT LIST shows
 * it with the address of whoever is behind it and the name that is handed in. It does not count against `maxclients` and has a bound of its own; it is not closed for being idle.
 *
 * Threads: any but a worker's, while the workers run: until server_free is called.
 * Errors:  STATUS_FULL: there are INSIDE_MAX. STATUS_CLOSED: the server stops. STATUS_INVALID: there is no such user, or he is off.
 *          STATUS_BUSY: protected mode, and whoever is behind it is on another machine. STATUS_IO, STATUS_NO_MEMORY.
 */
#ifndef STRATA_APP_SERVER_INSIDE_H
#define STRATA_APP_SERVER_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"

enum { INSIDE_MAX = 128 };

struct server;

struct server_inside {
    const char *address; /* "10.0.0.1:4711": shown as the client's */
    const char *name;    /* as CLIENT SETNAME gives one */
    struct slice user;   /* whom its certificate stands for; data NULL: as a new connection of anybody */
};

/* The descriptor does not wait, and is the caller's to close. */
MUST_CHECK enum status server_open_inside(struct server *server, const struct server_inside *inside, int *ret_fd);

/* Another number after every change of users, their passwords and rights, before whoever changed them is answered. Whoever has judged a password
 * compares the number from before that with the one of now. */
uint64_t server_users_version(const struct server *server);

struct server_health {
    bool loading;     /* what was kept is not there yet */
    bool log_refuses; /* the log cannot be written, and so no data either */
    bool stopping;
    uint32_t clients;
    uint64_t uptime_ms;
};

void server_health(const struct server *server, struct server_health *ret_health);

#endif
