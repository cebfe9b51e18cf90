/* app/api/link.h: what the HTTP thread asks the workers, as a client does.
 *
 *     exchange -- ask --> pool --> link (a connection of one identity) ==> worker
 *                                   asks in a row, replies in their order
 *
 * A link is a connection from within the process (app/server/inside.h) that has said who it is. Asks of the same identity, from the same machine, share up to
 * LINKS_OF_ONE_MAX of them; an ask is sent as one piece, so asks never mix. One that needs several rounds (WATCH, MULTI, a stream) holds its link: nobody else gets it until
 * it is released, and one identity holds LINKS_HELD_OF_ONE_MAX at most. When users, passwords or rights change, no link is used again that judged a password before: the next ask opens one anew.
 *
 * Threads: that of HTTP.
 * Memory:  an ask belongs to the caller and stays where it is until it is done or dropped; replies live during `done` or `push`.
 * Limits:  LINKS_*, ASK_*.
 */
#ifndef STRATA_APP_API_LINK_H
#define STRATA_APP_API_LINK_H

#include "app/http/http_loop.h"
#include "base/buf.h"
#include "core/proto/resp_reply.h"
#include "sys/crypto/sha256.h"

enum { ASK_WHO_SIZE = 16 };

enum {
    LINKS_MAX = 128,
    LINKS_OF_ONE_MAX = 8, /* of one identity, shared; those that are held count against LINKS_MAX only */
    /* Of one identity, in whichever database and from whichever machine, so that others come to theirs. */
    LINKS_HELD_OF_ONE_MAX = 64,
    ASKS_WAITING_MAX = 4096, /* for a link, when all are held or full */
    LINK_IDLE_MS = 30000,
    ASK_MS_MAX = 30000, /* then nobody waits for the replies any more */
    ASK_REPLY_SIZE_MAX = 640 * 1024 * 1024,
};

struct server;
struct links;
struct link;

/* Who asks. `kind` NOBODY: as a new connection of anybody has it. */
enum link_kind { LINK_NOBODY, LINK_PASSWORD, LINK_TOKEN, LINK_CERTIFICATE };

struct link_identity {
    enum link_kind kind;
    struct slice user, secret; /* of a password; of a token only `secret`; of a certificate only `user` */
    uint32_t db;
    const char *client; /* the address of who is behind it */
};

enum ask_outcome {
    ASK_UNDER_WAY,
    ASK_ANSWERED,
    ASK_REFUSED, /* who asks is not who he says; the only reply is the error */
    ASK_LOST,    /* the connection broke: the server stops, or somebody has killed it */
    ASK_LATE,    /* no answer in ASK_MS_MAX */
    ASK_FULL,    /* no link is free, or too much is being read */
    ASK_FAR,     /* protected mode, and the client is on another machine */
};

struct ask {
    struct buf commands; /* written with resp_request_write; emptied when sent */
    uint32_t expected;   /* replies: one for each command */
    bool holds;          /* the link is this ask's until ask_end */
    bool patient;        /* no ASK_MS_MAX */
    void *owner;
    void (*done)(struct ask *ask, enum ask_outcome outcome, const struct resp_value *replies, uint32_t count);
    /* What comes between replies, to one that holds its link; NULL: it is thrown away. */
    void (*push)(struct ask *ask, const struct resp_value *message);

    struct link *link;       /* the held one; NULL: none */
    char who[ASK_WHO_SIZE];  /* of one that holds: equal for the same identity */
    struct pending *pending; /* under way; NULL: not */

    /* While it waits for a link; whom the identity names lives as long. */
    bool waits;
    struct ask *waits_next;
    struct links *links;
    struct link_identity identity;
    uint64_t waits_until_ms;
};

/* `held_bytes_max`: of replies that are not complete, in all. Beyond it large ones are given up, and their asks end with ASK_FULL. */
MUST_CHECK enum status links_new(struct server *server, struct http_loop *loop, uint64_t held_bytes_max,
                                 struct links **ret_links);
void links_free(struct links *links);

/* ASK_UNDER_WAY: `done` follows, never within the call. Another outcome: it does not. An ask that holds a link goes there. */
MUST_CHECK enum ask_outcome links_ask(struct links *links, const struct link_identity *identity, struct ask *ask);

/* Nobody waits any more, and a held link is given back; `clean`: as it was, so that others may use it. Also for an ask that was never sent. */
void ask_end(struct ask *ask, bool clean);

/* Whether pushes are read; they wait in the connection otherwise. */
void ask_listen(struct ask *ask, bool listens);

uint32_t links_count(const struct links *links);

#endif
