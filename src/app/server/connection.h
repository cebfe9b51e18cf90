/* app/server/connection.h: one client's connection.
 *
 *     OPEN ---- QUIT, protocol error, end of input: replies still go out ----> CLOSING
 *      |                                                                          | all sent
 *      |  kill, limit, broken                                                     v
 *      +------------------------------> DEAD <---- the other side is done --- LINGERING
 *
 * LINGERING: our side has ended its sending; what still comes is read and dropped, because closing with unread input would make the kernel
 * throw away replies on their way.
 *
 * Reading stops while the client's commands are postponed (CLIENT PAUSE), while one of them waits (blocked), and while it does not take
 * its replies (choked).
 *
 * Threads: belongs to one worker.
 * Memory:  nothing beside this struct and a small table while idle; input that is not finished and replies that are not sent are in
 *          buffers of the worker's store or their own.
 */
#ifndef STRATA_APP_SERVER_CONNECTION_H
#define STRATA_APP_SERVER_CONNECTION_H

#include "app/cmd/cmd.h"
#include "app/cmd/server_api.h"
#include "core/proto/resp_request.h"
#include "sys/loop/loop.h"

enum {
    UNAUTHENTICATED_OUTPUT_MAX = 64 * 1024,
    UNAUTHENTICATED_INPUT_MAX = 128 * 1024,
    UPLOAD_SIZE_MIN = 64 * 1024,          /* smaller values are received through buffers */
    OUTPUT_CHOKE_BYTES = 4 * 1024 * 1024, /* so much unsent: no more requests are read, for a while */
    OUTPUT_EARLY_BYTES = 256 * 1024,      /* so much unsent: sent before the next batch of the same input */
    FOREIGN_MESSAGE = 0,                  /* handle[1] of a message that subscribers share; a pin has its size there */
    OUTPUT_STALL_MS =
        1000, /* a choked client that took nothing for so long is read again: it may want to send all first */
    PIN_HOLD_MS_MAX = 60 * 1000, /* then what remains of a pinned value is copied out, or the client is cut */
    AUTHENTICATE_MS_MAX = 30 * 1000,
    LINGER_MS_MAX = 1000,
    CLOSING_STALL_MS_MAX = 60 * 1000, /* a client that ended its sending and takes nothing for so long is cut */
};

enum connection_state { CONNECTION_OPEN, CONNECTION_CLOSING, CONNECTION_LINGERING, CONNECTION_DEAD };

struct worker;
struct lease_wait;
struct stream_subscriber;
struct sync_wait;
struct tier_set;
struct tls_stream;

struct connection {
    struct loop_source source; /* first: events carry it */
    enum connection_state state;
    struct worker *worker;
    struct connection *newer, *older;
    struct connection *dead_next;
    struct connection *resume_next; /* in worker->resume */
    bool resuming;
    bool in_outputs; /* stands in worker->inbox.outputs */
    struct connection *outputs_next;
    struct cmd_client client;
    struct tls_stream *tls;       /* NULL: plain */
    struct connection *more_next; /* in worker->secure.more */
    bool more_listed;

    /* input */
    struct resp_parser parser;
    struct buf in;          /* received and not finished */
    const uint8_t *turn_in; /* this turn's input: `in`, or part of the worker's area; NULL: none */
    size_t turn_in_size;
    size_t rest_at; /* when held: where in turn_in to begin again */
    bool held;      /* the rest of this turn's input is not run now: postponed, or choked */
    bool bulky;     /* the last read filled all the room it was given */
    bool monitoring;
    bool input_ended;
    bool postponed; /* waits for the end of CLIENT PAUSE */
    bool blocked;   /* waits for a lease to end, a disk, ...; its command runs again then */
    bool choked;    /* waits for its replies to be taken */
    bool patient;   /* it was choked for too long: read on until it takes something */
    bool killed;    /* somebody else asked to close it */
    bool touched;   /* stands in batch.touched */
    struct lease_wait *blocked_wait, *push_waits; /* what it waits for (leases.h) */
    struct buf bound_leases;                      /* tokens of leases that end with it; others may be among them */
    struct stream_subscriber *subscriber;         /* to the invalidation stream (streaming.h) */
    struct sync_wait *sync_wait;                  /* until its command has run again */
    /* Of the log: the number up to which it has to be on disk before replies go out (0: none), and of the last write. */
    uint64_t log_lsn, log_written;
    bool log_waits, log_listed;  /* replies are held back; it stands in the worker's list */
    struct connection *log_next; /* there */
    uint64_t log_until,
        log_due_ms; /* of its command, if that waits (persistence.h): turns or a number, and until when; 0: not, for ever */
    struct tier_set *tier;      /* what is read for it from the warm tier (tiering.h); NULL: nothing */
    bool log_saves;             /* it waits for a snapshot */
    struct cache_upload upload; /* a large value that is being received; size 0: none */
    uint64_t upload_discard;    /* bytes of it still to be thrown away, after upload_status */
    enum status upload_status;

    /* output: `out` from out_sent on, with values from `foreign` in between */
    struct buf out, foreign;
    size_t out_sent;
    uint32_t foreign_at;      /* the first of `foreign` that is not sent */
    uint64_t foreign_sent;    /* bytes of it that are */
    uint32_t foreign_counted; /* those included in foreign_bytes */
    uint64_t foreign_bytes;   /* unsent bytes of foreign values */
    uint64_t pushed_bytes;    /* of client-side caching, since nothing was unsent */
    uint64_t foreign_since_ms;
    uint64_t progress_ms; /* when the client last took something */
    uint64_t soft_since_ms;

    uint64_t born_ms, active_ms;
    uint64_t known_ms; /* when it last needed no password, by about WALK_MS; first: born_ms */
    uint64_t bytes_in, bytes_out, commands;
    bool is_unix, inside; /* inside: see inside.h */
    char peer[64], local[64];
};

/* By which door it came. */
enum connection_door { DOOR_TCP, DOOR_UNIX, DOOR_TLS, DOOR_INSIDE };

/* Takes over the descriptor. NULL: no memory; the descriptor is closed. */
struct connection *connection_open(struct worker *worker, int fd, enum connection_door door);

void connection_receive(struct connection *connection);
/* Goes on with input that was left when the connection was postponed or choked. */
void connection_resume(struct connection *connection);
/* End of the connection's part of a batch: puts unfinished input aside and sends. */
void connection_finish_turn(struct connection *connection);
/* Sends as much as goes. */
void connection_send(struct connection *connection);
/* Looks after time limits; once in WALK_MS. */
void connection_look_after(struct connection *connection);
/* At once; the memory goes at the end of the turn. */
void connection_close(struct connection *connection);
/* After what is to be sent is sent. */
void connection_close_after_output(struct connection *connection);
void connection_free_dead(struct worker *worker);

/* The command at `begins_at` and all after it are not run in this turn. */
void connection_hold(struct connection *connection, size_t begins_at);
/* The same, until the end of the pause. */
void connection_postpone(struct connection *connection, size_t begins_at);
/* The same, until what it waits for has happened. */
void connection_block(struct connection *connection, size_t begins_at);
void connection_unblock(struct connection *connection);

/* Writes an error reply of the server itself (not of a command). */
void connection_error(struct connection *connection, const char *text);

/* Ends the upload, whatever it holds. */
void connection_drop_upload(struct connection *connection);

static inline uint64_t connection_unsent(const struct connection *connection) {
    return connection->out.size - connection->out_sent + connection->foreign_bytes;
}
/* As connection_unsent, less the newest value sent from place: one answer may be larger than the limits of output. */
uint64_t connection_waiting(const struct connection *connection);
/* After a command: foreign values it added are accounted. */
void connection_count_foreign(struct connection *connection);

/* What the loop should watch, after any change above. */
void connection_update_interest(struct connection *connection);

void connection_view(const struct connection *connection, struct cmd_client_view *ret_view);

#endif
