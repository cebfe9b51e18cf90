/* app/api/link.h: what the HTTP thread asks the workers, as a client does.
 *
 *     exchange -- ask --> pool --> link (a connection of one identity) ==> worker
 *                                   asks in a row, replies in their order
 *
 * A link is a connection from within the process (app/server/inside.h) that has said who it is. Asks of the same identity, from the same machine and to the same database, share
 * up to LINKS_ALIKE_MAX of them; an ask is sent as one piece, so asks never mix. One that needs several rounds (WATCH, MULTI, a stream) holds its link: nobody else gets it until
 * it is released. When users, passwords or rights change, no link is used again that judged a password before: the next ask opens one anew.
 *
 * No identity comes to more than its share (share.h) of links and of places to wait for one, and who waits for more than that keeps nobody waiting behind it.
 *
 * Threads: that of HTTP.
 * Memory:  an ask belongs to the caller and stays where it is until it is done or dropped; replies live during `done` or `push`.
 * Limits:  LINKS_*, ASK_*.
 */
#ifndef STRATA_APP_API_LINK_H
#define STRATA_APP_API_LINK_H

#include "app/api/share.h"
#include "app/http/http_loop.h"
#include "base/buf.h"
#include "core/proto/resp_reply.h"

enum {
    LINKS_MAX = 128,
    LINKS_ALIKE_MAX = 8, /* shared ones of one identity, database and machine */
    /* Of one identity, in whichever databases and from whichever machines, so that others come to theirs. */
    LINKS_OF_ONE_MAX = 64,
    LINKS_HELD_OF_ONE_MAX = 56, /* of these: what needs no link of its own finds one */
    ASKS_WAITING_MAX = 4096,    /* for a link, when all are held or full */
    ASKS_WAITING_OF_ONE_MAX = 1024,
    LINK_IDLE_MS = 30000,
    ASK_MS_MAX = 30000, /* then nobody waits for the replies any more */
    ASK_REPLY_SIZE_MAX = 640 * 1024 * 1024,
};

struct server;
struct links;
struct link;

enum ask_outcome {
    ASK_UNDER_WAY,
    ASK_ANSWERED,
    ASK_REFUSED, /* who asks is not who he says; the only reply is the error */
    ASK_LOST,    /* the connection broke: the server stops, or somebody has killed it */
    ASK_CUT,     /* the same, and users have changed since it was opened: that may be why */
    ASK_LATE,    /* no answer in ASK_MS_MAX */
    ASK_FULL,    /* no link is free, or too much is being read */
    ASK_SHARE,   /* so many asks of the same identity wait for a link that no more may */
    ASK_LARGE,   /* the replies are larger than may ever be read */
    ASK_FAR,     /* protected mode, and the client is on another machine */
};

struct ask {
    struct buf commands; /* written with resp_request_write; emptied when sent */
    uint32_t expected;   /* replies: one for each command */
    bool holds;          /* the link is this ask's until ask_end */
    bool patient;        /* no ASK_MS_MAX */
    uint32_t grace_ms;   /* more than ASK_MS_MAX, of a command that says how long it waits */
    void *owner;
    void (*done)(struct ask *ask, enum ask_outcome outcome, const struct resp_value *replies, uint32_t count);
    /* What comes between replies, to one that holds its link; NULL: it is thrown away. */
    void (*push)(struct ask *ask, const struct resp_value *message);

    struct link *link;       /* the held one; NULL: none */
    struct pending *pending; /* under way; NULL: not */

    /* Whom the identity names lives as long as the ask. */
    struct links *links; /* NULL: it is not known to any */
    struct share *share;
    struct link_identity identity;

    /* While it waits for a link. */
    bool waits;
    struct ask *waits_next, *waits_previous;
    uint64_t waits_until_ms;
};

/* `held_bytes_max`: of replies that are not complete, in all. Beyond it large ones are given up, and their asks end with ASK_FULL; with ASK_LARGE if one alone is beyond it. */
MUST_CHECK enum status links_new(struct server *server, struct http_loop *loop, uint64_t held_bytes_max,
                                 struct links **ret_links);
void links_free(struct links *links);

/* Who asks by this ask, from here to ask_end; links_ask does it where nobody has. Fills `ask->share`. */
MUST_CHECK enum status links_know(struct links *links, const struct link_identity *identity, struct ask *ask);
/* ASK_UNDER_WAY: `done` follows, never within the call. Another outcome: it does not. An ask that holds a link goes there. */
MUST_CHECK enum ask_outcome links_ask(struct links *links, const struct link_identity *identity, struct ask *ask);

/* Nobody waits any more, and a held link is given back; `clean`: as it was, so that others may use it. Also for an ask that was never sent. The ask may be used again. */
void ask_end(struct ask *ask, bool clean);

/* Whether pushes are read; they wait in the connection otherwise. */
void ask_listen(struct ask *ask, bool listens);

uint32_t links_count(const struct links *links);

#endif
