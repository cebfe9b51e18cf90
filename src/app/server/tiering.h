/* app/server/tiering.h: the warm tier (sys/warm, core/cache/tier.h): its file, and the commands that wait for it.
 *
 *     command ── cmd_run: fetch ── nothing may be there: it runs
 *                     │
 *                     └─ reads begin, the connection waits (CMD_WAITS) ── all have ended: tiering_look ── the command runs again:
 *                        fetch: what it needs in memory is promoted; what it is only shown stays (show)
 *
 * What was read for a connection stays until its command, and those behind it that were read ahead, have run. What it is, is decided each time it is
 * looked at: a record that was overwritten or invalidated while its bytes were on their way is none.
 *
 * Threads: a worker reads for its own connections. The tier's thread calls the cache with an actor of its own.
 * Memory:  bytes of what was read; TIER_READS_MAX reads of one worker, TIER_HELD_BYTES_MAX of one connection.
 * Time:    nobody waits longer than the disk takes: what fails, is damaged or finds no place is a miss.
 */
#ifndef STRATA_APP_SERVER_TIERING_H
#define STRATA_APP_SERVER_TIERING_H

#include "app/cmd/server_api.h"
#include "app/cmd/tier.h"
#include "sys/loop/loop.h"
#include "sys/warm/reader.h"

enum {
    TIER_READS_MAX = 64 * 1024,             /* of one worker, those that wait for a place in its reader included */
    TIER_HELD_BYTES_MAX = 32 * 1024 * 1024, /* of records, for one command; what is beyond is read in a next round */
    TIER_ROUNDS_MAX = 64,                   /* in which a command's keys are read: they may go down again meanwhile */
    TIER_AGAIN_MAX = 2,                     /* rounds behind the run of a command that only reads */
    TIER_AHEAD_BYTES_MAX = 4 * 1024 * 1024, /* of records for requests behind the one that waits */
};

struct config_values;
struct connection;
struct persist_tier;
struct server;
struct server_tier;
struct tier_set;
struct worker;

struct tier_list {
    struct tier_set *first, *last;
};

struct worker_tier {
    struct warm_reader *reader; /* NULL: there is no tier */
    struct loop_source source;  /* of what it has read */
    struct tier_list queued;    /* with reads for which the reader had no place */
    struct tier_list ready;     /* whose reads have ended */
    uint64_t reads;             /* that have not ended */
    bool begun;                 /* some since the last submit */
    uint64_t waited_ticks;      /* of the command that runs; 0: it has not */
    struct cmd_tier_counts counts;
    uint64_t kept_ms; /* when idle entries were last looked for */
    bool idle_more;
};

/* The seed of the cache's hash: that of the file if what stands there is to be found again, else by chance. */
uint64_t tiering_seed(const struct config_values *values);
/* Whether what stands in the file is found again after a restart: there is a log, and the memory is not left to the next server. */
bool tiering_lasts(const struct server *server);
/* For persist_options; NULL: it does not last. */
const struct persist_tier *tiering_kept(const struct server *server);
/* Opens the file and takes its directory, if the configuration names one. Workers are made and do not run. */
MUST_CHECK enum status tiering_open(struct server *server);
/* The cache has it from here on; nobody else is in the cache. */
MUST_CHECK enum status tiering_begin(struct server *server, struct actor *actor);
/* After the workers and whoever keeps the cache on disk have ended, before the workers are freed. */
void tiering_end(struct server *server);
/* After a change of the configuration. */
void tiering_settle(struct server *server);

/* What was read is here. */
void tiering_poll(struct worker *worker);
/* Commands whose reads have ended run again. */
void tiering_look(struct worker *worker);
/* At the end of a turn. */
void tiering_submit(struct worker *worker);
/* At the end of the server: all that is waited for, for a second at most. */
void tiering_wait(struct worker *worker);
/* A slice of looking for idle entries, if it is time; answers whether there is more to do. */
bool tiering_keep_house(struct worker *worker);

/* Whether its command waits for the tier. */
bool tiering_waits(const struct connection *connection);
void tiering_connection_ends(struct connection *connection);
/* Its input of this turn is through, and its command does not wait. */
void tiering_forget(struct connection *connection);
/* A value is about to be received in place for a command that has to know what stands there: then it cannot. */
bool tiering_refuses_upload(struct connection *connection, const struct cmd_spec *spec, const struct slice *argv,
                            uint32_t argc);

void tiering_api_counts(struct cmd_server *api, struct cmd_tier_counts *ret_counts);

extern const struct cmd_tier tiering_calls;

#endif
