/* app/link/wire.h: bytes to and from a running server, plain or over TLS, by calls that do not wait. What they say is the business of others: server_link.h
 * for requests and replies.
 *
 *     server_wire_trust (once) ── open ── write / read / wait ... ── close
 *
 * Threads: one owner at a time. What server_wire_trust answers belongs to one thread, with all wires that were opened with it.
 * Memory:  none but that of TLS.
 * Errors:  opening says in a sentence what is wrong. Over TLS a write to a connection that is gone raises SIGPIPE, which server_wire_trust makes the
 *          process ignore.
 */
#ifndef STRATA_APP_LINK_WIRE_H
#define STRATA_APP_LINK_WIRE_H

#include "app/link/place.h"
#include "base/slice.h"
#include "sys/tls/tls.h"

enum { SERVER_PROBLEM_SIZE = 768 };

struct server_wire {
    int fd;                 /* -1: closed */
    struct tls_stream *tls; /* NULL: plain */
};

/* Certificates and keys that the place names, read. A place without TLS has none: NULL. The context outlives the wires. */
MUST_CHECK bool server_wire_trust(const struct server_place *place, struct tls_context **ret_context,
                                  char ret_problem[SERVER_PROBLEM_SIZE]);

/* Waits for the connection, and for the handshake of TLS. Of a failure nothing is left to be closed. */
MUST_CHECK bool server_wire_open(struct server_wire *wire, const struct server_place *place,
                                 struct tls_context *context, char ret_problem[SERVER_PROBLEM_SIZE]);
/* Also what is closed. */
void server_wire_close(struct server_wire *wire);

/* As many of the bytes as can go at once. STATUS_AGAIN: none now. STATUS_IO: the connection broke (server_wire_reason). Bytes that did not go have to be the
 * first of the next call, followed by all that were behind them. */
enum status server_wire_write(struct server_wire *wire, struct slice bytes, size_t *ret_size);
/* STATUS_AGAIN: nothing now. STATUS_CLOSED: the server has ended it. STATUS_IO. */
enum status server_wire_read(struct server_wire *wire, void *room, size_t room_size, size_t *ret_size);
/* Why the last call has answered STATUS_IO. */
const char *server_wire_reason(const struct server_wire *wire);

/* What poll is to be asked of `fd` by who has bytes to write, or has not. */
short server_wire_events(const struct server_wire *wire, bool has_bytes);
/* Bytes, or the end, have been received that the socket says nothing of: who polls `fd` himself has to ask this before he waits. */
bool server_wire_has_more(const struct server_wire *wire);
/* Also for what has been received already. False: none of the events came in time (-1: they are waited for without end). */
MUST_CHECK bool server_wire_wait(const struct server_wire *wire, short events, int timeout_ms);

#endif
