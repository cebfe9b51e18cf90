/* app/server/audit.h: the audit log of a server: what is noted, and what happens when it cannot be.
 *
 *     command has run, or was refused ──> is it of a class that is on? ──> a record ──> the queue of sys/audit ──> its thread
 *
 * While the queue is full and `audit-back-pressure` is `wait`, the log holds: requests that would be noted are postponed with the rest of their connection's input,
 * as by CLIENT PAUSE, and so are all requests of users who may not do everything, of which any may be refused; nobody is accepted. Others go on.
 * What has happened already (a connection that ended) finds room beyond the queue.
 *
 * While the log fails and `audit-on-failure` is `refuse`, what would be noted is refused before it begins (CMD_ASK_AUDIT); else it is done, and what finds no
 * room is lost and counted. In neither case anything waits.
 *
 * Who has not said who he is (NOAUTH, wrong passwords, refused at the door, handshakes that fail) gets AUDIT_STRANGERS_PER_S lines a second, all together; how
 * many there would have been more is a line.
 *
 * Without a log, and with classes that are off, a command costs the load that looks for monitors: `observers` of the server has them and this.
 *
 * Threads: as each says. What is noted is read under a lock of its own, by those commands only of which something may be noted.
 * Memory:  one struct, and a buffer of each worker.
 */
#ifndef STRATA_APP_SERVER_AUDIT_H
#define STRATA_APP_SERVER_AUDIT_H

#include "app/cmd/server_api.h"
#include "app/config/config.h"
#include "app/server/connection.h"

struct server;
struct server_audit;

/* In server->observers, above the number of monitors: something is noted; and also what runs in rows (data-read, data-write). */
#define OBSERVED_BY_AUDIT (1u << 30)
#define OBSERVED_ROWS (1u << 31)

struct worker_audit {
    struct buf body;
};

/* ------------------------------------------------------------------ the log */

/* Opens it if there is to be one; `start` is its next line. */
MUST_CHECK enum status audit_start(struct server *server);
/* After everybody else: what waits is written. */
void audit_stop(struct server *server);
/* After a change of the configuration, under its lock. */
void audit_settle(struct server *server);
/* Whether settings are good, as far as that can be said without opening anything; the sentence is in `ret_error`. */
bool audit_try(const struct config_values *values, char *ret_error, size_t error_size);
/* The same for --check-config, the key included. */
bool audit_check(const struct config_values *values, struct buf *reason);

/* Whether connections wait for it. */
bool audit_holds(const struct server *server);
bool audit_refuses(const struct server *server);

bool audit_api_notes(struct cmd_server *api, struct cmd_client *client, const struct cmd_spec *spec);
void audit_api_counts(struct cmd_server *api, struct cmd_audit_counts *ret_counts);
bool audit_api_rotate(struct cmd_server *api);

/* ---------------------------------------------------------- what has happened */

/* In the turn of the worker. A command has run or was refused; its reply begins there; it began at that reading of the ticks. */
void audit_command(struct worker *worker, struct cmd_call *call, size_t reply_begins_at, uint64_t begin_ticks);
/* The same of one that EXEC has run, and how long it took. */
void audit_queued(struct cmd_call *call, size_t reply_begins_at, uint64_t ticks);
/* env.refuse_queued */
void audit_refused_queued(struct cmd_call *call, size_t reply_begins_at);
/* Whether the request has to wait while the log holds. */
bool audit_postpones(const struct worker *worker, const struct cmd_request *item);

/* By the first worker, in each tick: once in a second it says how many lines about who has not said who he is were left out. */
void audit_tick(struct worker *worker);
void audit_opened(struct connection *connection);
void audit_closed(struct connection *connection);
/* Somebody was not let in. `code`: "DENIED", "ERR". */
void audit_turned_away(struct worker *worker, int fd, enum connection_door door, const char *code);
/* The same by any thread, of a client of HTTP. */
void audit_kept_out(struct server *server, const char *address, const char *code);
/* The handshake of TLS has not come about. */
void audit_unshaken(struct connection *connection, const char *reason);
/* The client has shown a certificate with this name, and is that user, or not. */
void audit_certificate(struct connection *connection, struct slice name, bool known);
/* The rules were read again, by a signal or because the file has changed. */
void audit_reloaded(struct worker *worker, bool done);
/* By any thread: a signal stops the server. */
void audit_signal(struct server *server, const char *name);
/* Settings of the log are about to change: noted whatever is on, before they hold. Under the lock of the configuration. */
void audit_settings(struct server *server, const struct cmd_client *client, const struct slice *names,
                    const struct slice *values, uint32_t count);

#endif
