/* app/server/server.h: the cache server as a whole.
 *
 *     server_start(&config, &server)   workers run, clients may come
 *     server_wait(server)              until a signal, SHUTDOWN or server_stop
 *     server_free(server)              answers what was received, closes, frees
 *
 * Threads: start, wait and free belong to one thread, which should have no others running before server_start: it
 *          blocks SIGTERM and SIGINT in all threads made after it. server_stop may be called from anywhere.
 * Memory:  one private range for the cache, see config's maxmemory; the rest comes from malloc.
 * Errors:  server_start logs what went wrong and leaves nothing behind.
 */
#ifndef STRATA_APP_SERVER_SERVER_H
#define STRATA_APP_SERVER_SERVER_H

#include "app/config/config.h"
#include "base/status.h"

struct server;

/* STATUS_BUSY: an address is taken by another program. */
MUST_CHECK enum status server_start(const struct config *config, struct server **ret_server);

/* Sleeps until the server is to stop. A second SIGINT ends the process at once. */
void server_wait(struct server *server);

/* Begins an orderly stop; server_wait returns. */
void server_stop(struct server *server);

/* Waits for the workers (at most shutdown-timeout) and frees everything. */
void server_free(struct server *server);

/* Whether certificates and users that are configured can be had, from the present folder; what is wrong is appended to `reason`. */
bool server_check(const struct config *config, struct buf *reason);

/* False: what was kept could not be loaded, and the server has stopped for that. */
bool server_is_whole(const struct server *server);
/* The TCP port that was opened (the kernel's choice for 0), or 0 if there is none. */
uint16_t server_port(const struct server *server);
/* The same for TLS. */
uint16_t server_tls_port(const struct server *server);

/* For those who serve other protocols beside it, from its start to server_free; any thread. */

struct tls_material;
struct cmd_http_counts;
/* Certificates for new connections, if they are others than those of `version`, which then is theirs: a reference. NULL: they are the same, or there are none. */
struct tls_material *server_certificates(struct server *server, uint64_t *version);
/* Without a password only this machine's clients are served. */
bool server_is_guarded(const struct server *server);
/* How long a stop waits for what is under way, as it is set now. */
uint64_t server_stop_ms(const struct server *server);
/* INFO asks there, from any worker's thread; `context` lives until the server is freed. */
void server_count_http(struct server *server, void (*counts)(void *context, struct cmd_http_counts *ret_counts),
                       void *context);

#endif
