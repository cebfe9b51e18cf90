/* app/server/secure.h: connections over TLS, and the certificates that they are served with.
 *
 *     files, settings --> material of a version --> a context of each worker, made when it meets a newer version --> streams
 *
 * Other files, or settings, are tried as a whole before they count; connections that are open go on with what they began with. The files are looked at
 * once a second. While what is new is of no use (a key that comes after its certificate), what was stays.
 *
 * OpenSSL takes whole records out of the socket, so a connection may have more to read of which the loop does not know: it stands in the
 * worker's list and is read again when others have had their turn.
 *
 * Threads: as each says.
 */
#ifndef STRATA_APP_SERVER_SECURE_H
#define STRATA_APP_SERVER_SECURE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "app/cmd/server_api.h"
#include "app/config/config.h"
#include "sys/tls/tls.h"

enum { SECURE_HANDSHAKES_PER_TURN = 8 }; /* a signature takes up to a millisecond, and others wait */

struct server;
struct worker;
struct connection;

struct worker_secure {
    struct tls_context *context;
    uint64_t version;
    struct connection *more; /* have more to read */
    uint32_t shaken;         /* steps of handshakes in this turn */
    uint64_t looked_ms;      /* at the files */
};

/* Whether secure_start would find all it needs; `ret_reason` says what not. */
bool secure_check(const struct config_values *values, char ret_reason[TLS_REASON_SIZE]);
/* Before the workers are made: reads what is configured. No port: nothing. Says in the log what is wrong. */
MUST_CHECK enum status secure_start(struct server *server);
/* After the workers have ended. */
void secure_stop(struct server *server);
void secure_worker_ends(struct worker *worker);

/* CONFIG SET, under config_lock: reads what `next` asks for; NULL in `ret_material`: there is no port. False: an error as CONFIG SET answers it. */
bool secure_try(struct server *server, const struct config *next, struct tls_material **ret_material, char *ret_error,
                size_t error_size);
/* From here on it counts, for new connections, and these files are looked at. Takes over the material. */
void secure_use(struct server *server, const struct config_values *values, struct tls_material *material);
/* A reference to what counts now, if that is of another version, which it then is. NULL: it is not, or there is none. Any thread. */
struct tls_material *secure_newer(struct server *server, uint64_t *version);
/* By the first worker: about once a second it looks whether files have changed. */
void secure_look(struct worker *worker);
void secure_counts(struct server *server, struct cmd_secure_counts *ret_counts);

/* The rest: by the worker's thread. */

/* NULL: no memory. */
struct tls_stream *secure_accept(struct worker *worker, int fd);
/* As recv and sendmsg, without waiting. */
ssize_t secure_receive(struct connection *connection, void *room, size_t size);
ssize_t secure_send(struct connection *connection, const struct iovec *pieces, int count);
/* The socket takes bytes again. */
void secure_continue(struct connection *connection);
/* Whether its handshake has to wait for the next turn, as others had theirs in this one. */
bool secure_defers(struct connection *connection);
/* It may be read again. */
void secure_list(struct connection *connection);
/* Reads those in the list. */
void secure_read_more(struct worker *worker);
/* It is closed. */
void secure_connection_ends(struct connection *connection);

#endif
