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

#include "core/proto/resp_reply.h"
#include "sys/tls/tls.h"

enum { SERVER_LINK_PROBLEM_SIZE = 768, SERVER_LINK_PORT = 6379 };

/* Of a connection over TLS. NULL: as a client without settings has it. */
struct server_trust {
    bool used, insecure;                          /* insecure: any certificate will do */
    const char *authorities, *authorities_folder; /* PEM; a folder. Neither: the system's */
    const char *certificate, *key;                /* ours */
    const char *name; /* that the server's certificate has to have. NULL: the host as it is written */
    const char *ciphers, *suites;
};

/* Where the server is, and as whom to talk to it. NULL: as a server without settings has it. */
struct server_place {
    const char *host, *socket; /* socket: a path, instead of host and port */
    uint16_t port;             /* 0: 6379 */
    const char *user, *password, *service;
    struct server_trust tls;
    int protocol; /* 2, 3; 0: 2, and nothing is said about it */
    int db;
};

struct server_link {
    int fd;
    struct tls_context *tls_context;
    struct tls_stream *tls; /* NULL: plain */
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

/* "127.0.0.1:6379" or the socket's path. */
void server_place_text(const struct server_place *place, char *ret_text, size_t size);

#endif
