/* app/server/run.h: from requests to replies.
 *
 * Threads: the worker's.
 */
#ifndef STRATA_APP_SERVER_RUN_H
#define STRATA_APP_SERVER_RUN_H

#include "app/server/worker.h"

/* Adds a parsed request. Runs the batch when it is full, or at once
 * if the request cannot wait (`alone`). */
void batch_add(struct worker *worker, struct connection *connection, const struct resp_request *request, bool alone);
/* The same for requests that are short: as many of them as stand at the connection's place in the input. True when there may be more,
 * for which the batch has no room; else what comes next is for resp_parse. */
bool batch_add_short(struct worker *worker, struct connection *connection, struct slice input,
                     const struct resp_limits *limits);
/* Runs what is there, in order. Nothing is sent. */
void batch_run(struct worker *worker);
/* Runs, then finishes the turn of every touched connection; the read area is free again. */
void batch_finish(struct worker *worker);
/* The connection's input of this turn is parsed as far as it goes. */
void batch_touch(struct worker *worker, struct connection *connection);
/* Keys have other hashes: those of the batch that is being run are hashed again. */
void batch_keys_anew(struct worker *worker);

/* Cuts a client for which more waits than may. */
void run_limit_output(struct worker *worker, struct connection *connection);

/* What runs next is timed by itself. */
void run_close_timed(struct worker *worker);

/* env.run_queued: a command of EXEC. */
void run_queued(struct cmd_call *call);

#endif
