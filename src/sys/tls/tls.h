/* sys/tls/tls.h: TLS 1.2 and 1.3 over sockets that do not wait.
 *
 *     files, settings --> material (any thread, shared) --> context (one a thread) --> stream (one a connection)
 *
 * Forward secrecy and authenticated encryption only; no compression, no renegotiation. OpenSSL does the work. A context belongs to one thread because
 * OpenSSL 3.0 takes locks on what contexts share. Tickets of a material's contexts are understood by all of them, so a
 * session is resumed by whatever thread gets the connection; but not when the certificate that its client has shown has ended.
 *
 * Threads: a material may be used and given back by any; a context and its streams belong to one.
 * Memory:  a stream some 10 KB, and 34 KB more while bytes are on their way.
 * Errors:  making something says in one sentence what is wrong, with the file. STATUS_INVALID: a file or setting is of no use; STATUS_IO: a file cannot be read.
 */
#ifndef STRATA_SYS_TLS_TLS_H
#define STRATA_SYS_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/memory.h"
#include "base/status.h"

enum { TLS_REASON_SIZE = 512, TLS_NAME_MAX = 255, TLS_HANDSHAKE_MS_MAX = 10000, TLS_SESSION_S = 3600 };

/* Whether clients show a certificate, signed by one of ours. */
enum tls_clients { TLS_CLIENTS_NOT_ASKED, TLS_CLIENTS_ASKED, TLS_CLIENTS_REQUIRED };

/* Of a client none of the paths is needed. NULL is as good as empty. */
struct tls_options {
    bool client; /* contexts that connect instead of accepting */
    const char *certificate_path,
        *key_path; /* PEM: the chain, ours first; its key. key_path empty: it stands with the certificate */
    const char *key_password;
    const char *authorities_path,
        *authorities_folder; /* PEM; a folder as by `openssl rehash`. A client without both: the system's */
    enum tls_clients clients;
    const char *protocols; /* of "TLSv1.2" and "TLSv1.3"; empty: both */
    const char *ciphers;   /* of TLS 1.2, as OpenSSL writes them; empty: ours */
    const char *suites;    /* of TLS 1.3, the same */
    bool client_chooses;   /* the order of ciphers is the client's */
    bool unverified;       /* a client takes any certificate */
};

struct tls_material;
struct tls_context;
struct tls_stream;

/* Reads the files and tries them. */
MUST_CHECK enum status tls_material_load(const struct tls_options *options, struct tls_material **ret_material,
                                         char ret_reason[TLS_REASON_SIZE]);
struct tls_material *tls_material_ref(struct tls_material *material);
void tls_material_unref(struct tls_material *material);
/* When the certificate ends, in seconds of Unix time; 0: there is none. */
int64_t tls_material_ends_s(const struct tls_material *material);

/* STATUS_NO_MEMORY. Takes a reference. */
MUST_CHECK enum status tls_context_new(struct tls_material *material, struct tls_context **ret_context);
/* Streams that are open live on. */
void tls_context_free(struct tls_context *context);
const struct tls_material *tls_context_material(const struct tls_context *context);
/* What is spoken over its streams, best first, as ALPN lists it (RFC 7301): a size and a name for each, "\x02h2\x08http/1.1". `protocols` outlives the context. A client that
 * lists others only is refused; one that lists nothing is not. */
void tls_context_speak(struct tls_context *context, const char *protocols);

/* The descriptor stays the caller's. NULL: no memory. */
struct tls_stream *tls_accept(struct tls_context *context, int fd);
/* `name`: of the certificate that is expected, a host's name or an address. */
struct tls_stream *tls_connect(struct tls_context *context, int fd, const char *name);
void tls_free(struct tls_stream *stream);

/* As many bytes as there are, at least one. STATUS_AGAIN: none now. STATUS_CLOSED: the other side has ended its sending. STATUS_IO: the connection is of no use any more
 * (tls_reason). Goes on with the handshake. */
enum status tls_read(struct tls_stream *stream, void *room, size_t size, size_t *ret_size);
/* The bytes at the beginning of what is to be sent; how many were taken. STATUS_AGAIN: none. What is not taken has to be
 * handed in again, all of it, with nothing before it. */
enum status tls_write(struct tls_stream *stream, const struct iovec *pieces, int count, size_t *ret_size);
/* Goes on with the handshake, without reading: when the socket takes bytes again. */
void tls_continue(struct tls_stream *stream);
/* Tells the other side that nothing more comes. */
void tls_end(struct tls_stream *stream);

/* Through with the handshake. */
bool tls_is_ready(const struct tls_stream *stream);
/* Bytes have been received that tls_read has not handed out, and the socket says nothing of them. */
bool tls_has_more(const struct tls_stream *stream);
/* It goes on when the socket takes bytes, whether or not the caller has any. */
bool tls_waits_to_write(const struct tls_stream *stream);

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; of a stream that is ready. */
const char *tls_version(const struct tls_stream *stream);
const char *tls_cipher(const struct tls_stream *stream);
bool tls_is_resumed(const struct tls_stream *stream);
/* The name that was agreed on by ALPN; empty: none was. */
#define TLS_PROTOCOL_SIZE 16
const char *tls_protocol(struct tls_stream *stream);
/* What has ended it, in OpenSSL's words; until the next call for a stream of its thread. */
const char *tls_reason(const struct tls_stream *stream);
/* It was a request of HTTP in the clear that came instead of a handshake. Nothing has been sent then. */
bool tls_met_http(const struct tls_stream *stream);

enum tls_name { TLS_NAME_COMMON, TLS_NAME_URI };
/* From the certificate that the other side has shown and that was verified. False: there is none, or it has no such name, more than one, or one that is
 * too long or has a NUL in it. */
bool tls_peer_name(const struct tls_stream *stream, enum tls_name kind, char ret_name[TLS_NAME_MAX + 1]);

#endif
