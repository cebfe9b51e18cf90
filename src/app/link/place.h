/* app/link/place.h: where a running server is, and as whom to talk to it.
 *
 * Memory: texts are borrowed.
 */
#ifndef STRATA_APP_LINK_PLACE_H
#define STRATA_APP_LINK_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERVER_PORT = 6379, SERVER_PORT_MAX = 65535, SERVER_DB_MAX = 1 << 20 };

/* Of a connection over TLS. NULL: as a client without settings has it. */
struct server_trust {
    bool used, insecure;                          /* insecure: any certificate will do */
    const char *authorities, *authorities_folder; /* PEM; a folder. Neither: the system's */
    const char *certificate, *key;                /* ours */
    const char *name; /* that the server's certificate has to have. NULL: the host as it is written */
    const char *ciphers, *suites;
};

/* NULL: as a server without settings has it. */
struct server_place {
    const char *host, *socket; /* socket: a path, instead of host and port */
    uint16_t port;             /* 0: 6379 */
    const char *user, *password, *service;
    struct server_trust tls;
    int protocol; /* 2, 3; 0: 2, and nothing is said about it */
    int db;
};

/* "127.0.0.1:6379" or the socket's path. */
void server_place_text(const struct server_place *place, char *ret_text, size_t size);

/* "redis://user:password@host:port/db", or rediss:// for TLS. `text` is changed and holds what the place then points to. False: it is none. */
bool server_place_read_uri(char *text, struct server_place *place);

#endif
