/* app/cli/server_link.h: a connection to a running server, for commands of the program that talk to one.
 *
 *     add ── add ── ... ── send ── read ── read ── ...        one reply for each request, in their order
 *
 * Threads: one owner at a time.
 * Memory:  what was added and not sent; one reply, until the next.
 * Errors:  false, and `problem` says in a sentence what is wrong; nothing but close is left then.
 */
#ifndef STRATA_APP_CLI_SERVER_LINK_H
#define STRATA_APP_CLI_SERVER_LINK_H

#include "core/proto/resp_reply.h"

enum { SERVER_LINK_PROBLEM_SIZE = 512 };

/* Where the server is, and as whom to talk to it. NULL: as a server without settings has it. */
struct server_place {
    const char *host, *socket; /* socket: a path, instead of host and port */
    uint16_t port;             /* 0: 6379 */
    const char *user, *password, *service;
};

struct server_link {
    int fd;
    struct buf out, in;
    size_t taken; /* of `in`, by replies that were read */
    struct resp_reply_scanner scanner;
    struct arena arena;
    char problem[SERVER_LINK_PROBLEM_SIZE];
};

MUST_CHECK bool server_link_open(struct server_link *link, const struct server_place *place);
/* Also after a failure. */
void server_link_close(struct server_link *link);

MUST_CHECK bool server_link_add(struct server_link *link, const struct slice *words, size_t count);
MUST_CHECK bool server_link_send(struct server_link *link);
/* Errors of the server are replies as well. The reply lives until the next call. */
MUST_CHECK bool server_link_read(struct server_link *link, struct resp_value *ret_reply);
/* A reply comes within this time. */
bool server_link_is_due(const struct server_link *link, int timeout_ms);

/* One request of words without spaces, and its reply. */
MUST_CHECK bool server_link_ask(struct server_link *link, const char *line, struct resp_value *ret_reply);

#endif
