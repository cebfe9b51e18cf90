/* sys/tls/tls_inner.h: what the files of this folder share. */
#ifndef STRATA_SYS_TLS_TLS_INNER_H
#define STRATA_SYS_TLS_TLS_INNER_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "sys/tls/tls.h"

enum tls_file { TLS_FILE_CHAIN, TLS_FILE_KEY, TLS_FILE_AUTHORITIES, TLS_FILES };

enum { TLS_TICKET_KEYS_SIZE = 80 };

struct tls_material {
    _Atomic uint32_t references;
    bool client, client_chooses, unverified;
    enum tls_clients clients;
    char *paths[TLS_FILES];
    struct buf chain, key, authorities;
    char *authorities_folder, *key_password, *protocols, *ciphers, *suites;
    uint8_t tickets[TLS_TICKET_KEYS_SIZE];
    int64_t ends_s;
};

struct tls_context {
    struct tls_material *material;
    SSL_CTX *ssl;
};

#endif
