/* app/link/server_link.h: a connection to a running server, for commands of the program that talk to one, plain or over TLS.
 *
 *     add ── add ── ... ── send ── read ── read ── ...        one reply for each request, in their order
 *                           push / pull ── take ── take        the same without waiting, for those who watch other things too
 *
 * Threads: one owner at a time.
 * Memory:  what was added and not sent; one reply, until the next.
 * Errors:  false, and `problem` says in a sentence what is wrong; nothing but close is left then. Over TLS a write to a connection that is gone raises
 *          SIGPIPE, which open makes the process ignore.
 */
#ifndef STRATA_APP_LINK_SERVER_LINK_H
#define STRATA_APP_LINK_SERVER_LINK_H

#include "app/link/wire.h"
#include "core/proto/resp_reply.h"

struct server_link {
    struct server_wire wire;
    struct tls_context *tls_context; /* of this link alone; NULL: it has none, or one of others */
    struct buf out, in;
    size_t taken; /* of `in`, by replies that were read */
    struct resp_reply_scanner scanner;
    struct arena arena;
    char problem[SERVER_PROBLEM_SIZE];
    bool refused; /* there is a server, and it did not let in whom it was told of: asking again is of no use */
};

MUST_CHECK bool server_link_open(struct server_link *link, const struct server_place *place);
/* The same with what server_wire_trust has answered, which outlives the link: many links share it. */
MUST_CHECK bool server_link_open_with(struct server_link *link, const struct server_place *place,
                                      struct tls_context *context);
/* The connection of a link that was opened with a context of others and has nothing under way. The link is then good for closing only. */
struct server_wire server_link_take_wire(struct server_link *link);
/* Also after a failure. */
void server_link_close(struct server_link *link);

MUST_CHECK bool server_link_add(struct server_link *link, const struct slice *words, size_t count);
MUST_CHECK bool server_link_send(struct server_link *link);
/* Errors of the server are replies as well. The reply lives until the next call. */
MUST_CHECK bool server_link_read(struct server_link *link, struct resp_value *ret_reply);
/* A reply comes within this time. */
bool server_link_is_due(const struct server_link *link, int timeout_ms);

/* Sends as many of the bytes as can go at once. Those that did not have to come first in the next call. */
MUST_CHECK bool server_link_push(struct server_link *link, struct slice bytes, size_t *ret_size);
/* Receives what is there. */
MUST_CHECK bool server_link_pull(struct server_link *link);
/* A reply, if a whole one has been received; lives until the next call. */
MUST_CHECK bool server_link_take(struct server_link *link, struct resp_value *ret_reply, bool *ret_there);
/* What poll is to be asked of `fd` by who has bytes to push, or has not. */
short server_link_events(const struct server_link *link, bool has_bytes);

/* One request of words without spaces, and its reply. */
MUST_CHECK bool server_link_ask(struct server_link *link, const char *line, struct resp_value *ret_reply);

#endif
