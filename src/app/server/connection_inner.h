/* app/server/connection_inner.h: what the files of a connection share.
 *
 *     connection.c          begin, end, limits, what CLIENT LIST shows
 *     connection_input.c    bytes are read, parsed and put aside; whose turn it is not waits
 *     connection_upload.c   large values, received where they will stay
 *     connection_output.c   replies and what stands between them, sent
 *
 * Threads: the worker's.
 */
#ifndef STRATA_APP_SERVER_CONNECTION_INNER_H
#define STRATA_APP_SERVER_CONNECTION_INNER_H

#include "app/server/worker.h"

static inline bool connection_may_read(const struct connection *connection) {
    return connection->state == CONNECTION_LINGERING ||
           (connection->state == CONNECTION_OPEN && !connection->postponed && !connection->blocked &&
            !connection->choked && !connection->log_waits && !connection->input_ended);
}

/* Everything is sent: ends our side, and lets the other side finish. */
void connection_linger(struct connection *connection);

/* Reads; answers whether bytes came. The end of the input, or an error, is dealt with here. */
bool connection_take(struct connection *connection, void *room, size_t size, size_t *ret_size);
/* At least `size` free bytes of the area that the worker reads into; the batch runs if they have to be made. */
uint8_t *connection_area(struct worker *worker, size_t size);

/* A large bulk string begins. If it is the value of a command that takes one so, its bytes go straight into the cache. */
void connection_begin_upload(struct connection *connection);
/* Receives more of it. True when it is complete. */
bool connection_receive_upload(struct connection *connection);

/* Copies what remains of pinned values, so that the cache gets its memory back. */
void connection_copy_pinned(struct connection *connection);
/* What is unsent never will be: lets go of all values in place. */
void connection_drop_output(struct connection *connection);

#endif
