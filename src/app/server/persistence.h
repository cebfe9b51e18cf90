/* app/server/persistence.h: what the server keeps on disk (app/persist), and who waits for the disk.
 *
 *     command ── changes ── staged: number ──> the connection's replies wait for that number, and its input with them
 *     end of the turn ── written, flushed? ── yes: sent ── no: listed, the log wakes the loop ── sent, its input goes on
 *
 * With `appendfsync always` a reply waits for the flush, otherwise until the record is handed to the kernel: a killed process loses nothing that was
 * answered. No worker ever waits itself. Only a client's own writes hold its replies back.
 *
 * Threads: as in worker.h; what the log calls comes from its own threads.
 */
#ifndef STRATA_APP_SERVER_PERSISTENCE_H
#define STRATA_APP_SERVER_PERSISTENCE_H

#include "app/cmd/server_api.h"
#include "app/server/state.h"
#include "sys/wal/wal.h"

struct connection;
struct worker;

struct worker_persistence {
    struct wal_watcher watcher; /* call NULL: none */
    struct connection *first, **last;
};

/* If the configuration says so, takes the directory. */
MUST_CHECK enum status persistence_lock(struct server *server);
/* If there is something to load, or the memory outlives the server, it is loading from here on. Workers are made and do not run; there are no rules yet. */
MUST_CHECK enum status persistence_start(struct server *server);
/* Reads what there is, by a thread of its own, once the workers run. Without a log the first worker does the rest at once. */
MUST_CHECK enum status persistence_load(struct server *server);
/* In the turn of the first worker, when that has come to its end: changes are kept, rules come into force, and everybody is served. */
void persistence_finish(struct worker *worker);
/* After the workers have ended. */
void persistence_end(struct server *server);
void persistence_worker_ends(struct worker *worker);
/* After a change of the configuration. */
void persistence_settle(struct server *server);

/* The command that runs has staged something. */
void persistence_note(struct worker *worker);
/* Whether replies may not go out yet; it is sent again, and its input goes on, when they may. The connection has log_lsn. */
bool persistence_holds(struct connection *connection);
/* Those that have waited long enough. */
void persistence_look(struct worker *worker);
void persistence_connection_ends(struct connection *connection);

/* Flags of commands that wait while the log is behind. */
static inline uint32_t persistence_behind(const struct server *server) {
    return atomic_load_explicit(&server->log_behind, memory_order_relaxed) ? CMD_WRITE | CMD_KEPT : 0;
}

/* Around moving keys to other stores. */
void persistence_stand_still(struct server *server);
void persistence_go_on(struct server *server);

void persistence_api_facts(struct cmd_server *api, struct cmd_persistence *ret_facts);
enum status persistence_api_save(struct cmd_server *api, struct cmd_client *client, bool waits, bool *ret_done);
enum status persistence_api_wait(struct cmd_server *api, struct cmd_client *client, uint64_t wait_ms, bool *ret_done,
                                 bool *ret_flushed);

#endif
