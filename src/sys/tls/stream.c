/* sys/tls/stream.c: one connection. */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "sys/tls/tls_inner.h"

enum { RECORD_SIZE = 16384 };

struct tls_stream {
    SSL *ssl;
    bool more;           /* bytes, or an end, that the socket says nothing of */
    bool waits_to_write; /* for a call that is no write */
    bool broken;
    unsigned long error;
    char protocol[TLS_PROTOCOL_SIZE];
};

static struct tls_stream *stream_new(struct tls_context *context, int fd) {
    struct tls_stream *stream = memory_take(&memory_libc, sizeof *stream);
    if (!stream)
        return NULL;
    *stream = (struct tls_stream){.ssl = SSL_new(context->ssl)};
    if (!stream->ssl || SSL_set_fd(stream->ssl, fd) != 1) {
        tls_free(stream);
        return NULL;
    }
    return stream;
}

struct tls_stream *tls_accept(struct tls_context *context, int fd) {
    struct tls_stream *stream = stream_new(context, fd);
    if (stream)
        SSL_set_accept_state(stream->ssl);
    return stream;
}

static bool expect_name(SSL *ssl, const char *name) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1)
        return true;
    ERR_clear_error();
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls_stream *tls_connect(struct tls_context *context, int fd, const char *name) {
    struct tls_stream *stream = stream_new(context, fd);
    if (stream && !expect_name(stream->ssl, name)) {
        tls_free(stream);
        return NULL;
    }
    if (stream)
        SSL_set_connect_state(stream->ssl);
    return stream;
}

void tls_free(struct tls_stream *stream) {
    if (!stream)
        return;
    SSL_free(stream->ssl);
    memory_give(&memory_libc, stream, sizeof *stream);
}

/* What a call of OpenSSL that has done nothing means. */
static enum status judge(struct tls_stream *stream, int result, bool writing) {
    int error = SSL_get_error(stream->ssl, result);
    stream->waits_to_write = error == SSL_ERROR_WANT_WRITE && !writing;
    switch (error) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return STATUS_AGAIN;
        case SSL_ERROR_ZERO_RETURN:
            return STATUS_CLOSED;
        default:
            stream->broken = true;
            if (!stream->error)
                stream->error = ERR_peek_error();
            ERR_clear_error();
            return STATUS_IO;
    }
}

/* The socket has to be empty when the answer is that there is nothing more, as nobody tells of what OpenSSL has taken from it already: so it is read until
 * there is no whole record left, or no room. */
enum status tls_read(struct tls_stream *stream, void *room, size_t size, size_t *ret_size) {
    uint8_t *at = room;
    *ret_size = 0;
    stream->more = false;
    if (stream->broken)
        return STATUS_IO;
    ERR_clear_error();
    while (*ret_size < size) {
        size_t got;
        int result = SSL_read_ex(stream->ssl, at + *ret_size, size - *ret_size, &got);
        if (result != 1) {
            enum status status = judge(stream, result, false);
            stream->more = *ret_size && status != STATUS_AGAIN;
            return *ret_size ? STATUS_OK : status;
        }
        *ret_size += got;
    }
    stream->more = SSL_has_pending(stream->ssl);
    return STATUS_OK;
}

/* Small pieces go as one record: each costs 22 to 29 bytes and a call of the cipher. */
static const uint8_t *gather(const struct iovec *pieces, int count, size_t skip, uint8_t *room, size_t *ret_size) {
    *ret_size = 0;
    for (int i = 0; i < count && *ret_size < RECORD_SIZE; i++) {
        if (skip >= pieces[i].iov_len) {
            skip -= pieces[i].iov_len;
            continue;
        }
        const uint8_t *bytes = (const uint8_t *)pieces[i].iov_base + skip;
        size_t size = pieces[i].iov_len - skip, left = RECORD_SIZE - *ret_size;
        skip = 0;
        if (*ret_size == 0 && (size >= RECORD_SIZE || i == count - 1)) {
            *ret_size = size < RECORD_SIZE ? size : RECORD_SIZE;
            return bytes;
        }
        size = size < left ? size : left;
        memcpy(room + *ret_size, bytes, size);
        *ret_size += size;
    }
    return room;
}

enum status tls_write(struct tls_stream *stream, const struct iovec *pieces, int count, size_t *ret_size) {
    uint8_t room[RECORD_SIZE];
    *ret_size = 0;
    if (stream->broken)
        return STATUS_IO;
    ERR_clear_error();
    for (;;) {
        size_t size, written;
        const uint8_t *bytes = gather(pieces, count, *ret_size, room, &size);
        if (size == 0)
            return STATUS_OK;
        int result = SSL_write_ex(stream->ssl, bytes, size, &written);
        if (result != 1) {
            enum status status = judge(stream, result, true);
            return *ret_size ? STATUS_OK : status;
        }
        *ret_size += written;
    }
}

void tls_continue(struct tls_stream *stream) {
    if (stream->broken)
        return;
    stream->waits_to_write = false;
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result != 1)
        (void)judge(stream, result, false);
    stream->more = SSL_has_pending(stream->ssl) || stream->broken;
}

void tls_end(struct tls_stream *stream) {
    if (stream->broken || !SSL_is_init_finished(stream->ssl))
        return;
    ERR_clear_error();
    if (SSL_shutdown(stream->ssl) < 0)
        ERR_clear_error(); /* it is only a courtesy */
}

bool tls_is_ready(const struct tls_stream *stream) { return SSL_is_init_finished(stream->ssl); }
bool tls_has_more(const struct tls_stream *stream) { return stream->more; }
bool tls_waits_to_write(const struct tls_stream *stream) { return stream->waits_to_write; }
const char *tls_version(const struct tls_stream *stream) { return SSL_get_version(stream->ssl); }
const char *tls_cipher(const struct tls_stream *stream) { return SSL_get_cipher_name(stream->ssl); }

const char *tls_protocol(struct tls_stream *stream) {
    const unsigned char *name;
    unsigned size;
    SSL_get0_alpn_selected(stream->ssl, &name, &size);
    size = size < TLS_PROTOCOL_SIZE ? size : 0;
    if (size)
        memcpy(stream->protocol, name, size);
    stream->protocol[size] = 0;
    return stream->protocol;
}

bool tls_is_resumed(const struct tls_stream *stream) { return SSL_session_reused(stream->ssl) == 1; }

const char *tls_reason(const struct tls_stream *stream) {
    const char *text = stream->error ? ERR_reason_error_string(stream->error) : NULL;
    return text ? text : "the connection is broken";
}

bool tls_met_http(const struct tls_stream *stream) {
    return stream->error && ERR_GET_REASON(stream->error) == SSL_R_HTTP_REQUEST;
}

static bool copy_name(const ASN1_STRING *text, char *ret_name) {
    unsigned char *bytes = NULL;
    int size = text ? ASN1_STRING_to_UTF8(&bytes, text) : -1;
    bool fits = size > 0 && size <= TLS_NAME_MAX && !memchr(bytes, 0, (size_t)size);
    if (fits) {
        memcpy(ret_name, bytes, (size_t)size);
        ret_name[size] = 0;
    }
    OPENSSL_free(bytes);
    return fits;
}

static bool common_name(X509 *certificate, char *ret_name) {
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    return copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), ret_name);
}

static bool uri_name(X509 *certificate, char *ret_name) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const ASN1_STRING *found = NULL;
    int count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        found = name->d.uniformResourceIdentifier;
        count++;
    }
    bool good = count == 1 && copy_name(found, ret_name);
    GENERAL_NAMES_free(names);
    return good;
}

bool tls_peer_name(const struct tls_stream *stream, enum tls_name kind, char ret_name[TLS_NAME_MAX + 1]) {
    X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
    if (!certificate || SSL_get_verify_result(stream->ssl) != X509_V_OK)
        return false;
    bool found = kind == TLS_NAME_COMMON ? common_name(certificate, ret_name) : uri_name(certificate, ret_name);
    ERR_clear_error();
    return found;
}
