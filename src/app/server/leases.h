/* app/server/leases.h: the server's leases (core/lease), and how whoever waits for one hears of it.
 *
 *     changes of entries, under the shard's lock ──> leases_note ──┐
 *     CGET, CSET, CRELEASE ────────────────────────────────────────┼─> table, under one lock ──> woken, of the waiter's worker
 *     time: worker 0 ──────────────────────────────────────────────┘                                │
 *                                        command runs again (RESP2), or push (RESP3) <── leases_look
 *
 * While no lease is out nobody is told of anything. While some are, those who create or delete entries look at one counter, and take the
 * lock only if a lease of their key may be out.
 *
 * A client of RESP2 is blocked: its command has replied nothing, is put back into its input and runs again when it is woken. A client of
 * RESP3 goes on, and may wait for several keys, unless it asks to be blocked as well.
 *
 * Threads: the lock is taken under shards' locks, and nothing but changes_lock under it. A wait belongs to its connection's worker; only
 *          the lock's holder links it into a table or a worker's list.
 * Memory:  a wait is one allocation; bounded as the table is.
 */
#ifndef STRATA_APP_SERVER_LEASES_H
#define STRATA_APP_SERVER_LEASES_H

#include "app/cmd/server_api.h"
#include "app/server/changes.h"

enum {
    LEASES_BYTES_MAX = 64 * 1024 * 1024, /* of names of keys, leases and waits */
    LEASES_CHANGES = 1 << CACHE_CREATED | 1 << CACHE_DELETED | 1 << CACHE_NOTHING_DELETED | 1 << CACHE_FLUSHED |
                     1 << CACHE_SWAPPED | 1 << CACHE_TAG_GOING | 1 << CACHE_PATTERN_GOING | 1 << CACHE_MATCHER_GOING,
    LEASES_CHANGES_THERE =
        1 << CACHE_REPLACED | 1 << CACHE_PATCHED, /* while there are leases of keys that were there */
};

struct server_leases;
struct server;
struct worker;
struct connection;

struct server_leases *leases_new(struct server *server, uint64_t seed); /* NULL: no memory */
/* After all workers. */
void leases_free(struct server_leases *leases);

/* Something of LEASES_CHANGES or LEASES_CHANGES_THERE has happened, under the lock of the key or of all. */
/* True: a lease of this key has ended by its removal. */
bool leases_note(struct worker *worker, enum cache_change change, uint32_t place, struct slice name);

/* Rules have come into force by which what is loaded will have other tags than those by which it was invalidated. */
void leases_rules_changed(struct worker *worker);
/* Keys have other hashes; all workers are stopped. */
void leases_rerouted(struct worker *worker);

/* Once in a turn: what time ends, and who is woken. */
void leases_look(struct worker *worker);
/* When the worker has to look because of the time; UINT64_MAX: never. */
uint64_t leases_due(struct worker *worker);

/* It is being closed. */
void leases_connection_ends(struct connection *connection);

void leases_counts(struct server *server, struct cmd_lease_counts *ret_counts);
void leases_reset_counts(struct server *server); /* of what has ever been */

/* After its connections are gone. */
void leases_worker_ends(struct worker *worker);

/* Commands (server_api.h). */
enum lease_answer leases_api_ask(struct cmd_server *api, struct cmd_client *client, const struct cmd_lease_ask *ask,
                                 struct cmd_lease_given *ret_given);
enum lease_end leases_api_begin_write(struct cmd_server *api, const struct cache_key *key, uint64_t token,
                                      const struct slice *tags, uint32_t tag_count, uint64_t *ret_stamp,
                                      struct cmd_lease_lost *ret_lost);
void leases_api_end_write(struct cmd_server *api, uint64_t token, bool done);
bool leases_api_look_at(struct cmd_server *api, const struct cache_key *key, struct cmd_lease_view *ret_view);
bool leases_api_release(struct cmd_server *api, const struct cache_key *key, uint64_t token);
void leases_api_woken(struct cmd_server *api, struct cmd_client *client, struct cmd_lease_woken *ret_woken);
void leases_api_wait_end(struct cmd_server *api, struct cmd_client *client);
void leases_api_leave(struct cmd_server *api, struct cmd_client *client);

#endif
