/* app/server/history.h: what became of keys that are no longer there, for all workers of a server.
 *
 * It is told of each removal where it happens, under the lock of the key's shard, so that whoever finds a key gone can ask. There are parts by hash, each with
 * a lock of its own that is held for some dozen instructions. Overwrites are no removals, and nobody is told of them.
 *
 * An entry that dies by a tag is found some time later, when its tag may have been invalidated again. So each invalidation of a tag is remembered
 * with its stamp and that of the one before, and whoever finds the entry goes back from the latest to the first that is not older than it:
 *
 *     tag ----> latest [before 70, own 90] ---> (tag, 70) [before 40, own 70] ---> (tag, 40) ...      an entry with the stamp 50: by the second
 *
 * Each miss asks why: first what stands there still, then the history, then whether the database was emptied; it counts for its worker. The last miss of a key is
 * remembered in a word of a table in which keys push each other out.
 *
 * Threads: any worker.
 * Memory:  `history-max-bytes` from the C library, 256 KiB for the last misses and as much for addresses of clients.
 * Errors:  without memory for it there is no history, and the log says so.
 */
#ifndef STRATA_APP_SERVER_HISTORY_H
#define STRATA_APP_SERVER_HISTORY_H

#include "app/cmd/gone.h"
#include "app/cmd/server_api.h"
#include "app/server/cause.h"

struct server;
struct worker;
struct server_history;

enum { HISTORY_BYTES_MIN = 64 * 1024 };

/* The kinds of changes that it is told of; without room only of misses. */
enum {
    HISTORY_CHANGES = 1 << CACHE_DELETED | 1 << CACHE_EXPIRED | 1 << CACHE_EVICTED | 1 << CACHE_INVALIDATED |
                      1 << CACHE_FLUSHED | 1 << CACHE_TAG_INVALIDATED | 1 << CACHE_TAG_SOFTENED | 1 << CACHE_MISSED |
                      1 << CACHE_BANNED | 1 << CACHE_SWAPPED | 1 << CACHE_SOFTENED | 1 << CACHE_STALE_GONE
};

MUST_CHECK enum status history_start(struct server *server);
void history_stop(struct server *server);
/* The setting is another: what was remembered is forgotten. */
void history_settle(struct server *server);
/* The number is another store's from now on. */
void history_forget_store(struct server *server, uint32_t store);

/* A worker's own: the invalidation by which it has found the last entry dead, and all others of that tag whose stamps lie between. */
struct worker_killer {
    uint64_t tag;                     /* hash; 0: none */
    uint64_t after, until, any, hard; /* `any`: the first one; `hard`: that was not soft, 0: there is none */
    bool any_soft;
};

/* By whoever notes a change, with what it tells; `spec` NULL: no command. */
void history_note(struct worker *worker, enum cache_change kind, uint32_t place, struct slice name,
                  const struct cmd_spec *spec, uint64_t client, const struct cause_told *told);
/* Whose changes are noted: its address is kept for as long as there is room. */
void history_note_client(struct worker *worker, const struct cmd_client *client);
/* A miss of a key in a client's database. Answers why, counted for the worker. */
enum miss_cause history_note_miss(struct worker *worker, uint32_t db, struct slice name);

/* For struct cmd_server_api. */
bool history_api_gone(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone);
bool history_api_tag_gone(struct cmd_server *api, struct slice tag, uint64_t stamp, bool softly,
                          struct cmd_gone *ret_gone);
bool history_api_stale_gone(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone);
bool history_api_swapped(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone,
                         uint32_t *ret_place);
bool history_api_flushed(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_gone *ret_gone);
bool history_api_last_miss(struct cmd_server *api, uint32_t place, struct slice name, struct cmd_miss *ret_miss);

#endif
