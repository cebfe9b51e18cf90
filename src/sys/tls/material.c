/* sys/tls/material.c: certificates, keys and settings, read once; and contexts made of them. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sys/os/whole_file.h"
#include "sys/tls/tls_inner.h"

enum { FILE_SIZE_MAX = 1 << 20 };

static const char ciphers_ours[] =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";

static bool is_given(const char *text) { return text && text[0]; }

static enum status explain(char *ret_reason, const char *what, const char *which) {
    char library[160] = "";
    unsigned long error = ERR_peek_last_error();
    if (error)
        snprintf(library, sizeof library, ": %s", ERR_reason_error_string(error) ? ERR_reason_error_string(error) : "");
    ERR_clear_error();
    snprintf(ret_reason, TLS_REASON_SIZE, "%.*s%.250s%s", 80, which ? what : "", which ? which : what, library);
    return STATUS_INVALID;
}

/* ------------------------------------------------------------------------------------------ files */

static enum status read_file(const char *path, struct buf *ret_bytes, char *ret_reason) {
    buf_init(ret_bytes, &memory_libc);
    if (whole_file_read(path, FILE_SIZE_MAX, ret_bytes))
        return STATUS_OK;
    bool large = errno == EFBIG;
    if (large)
        snprintf(ret_reason, TLS_REASON_SIZE, "%.300s: more than %d bytes", path, FILE_SIZE_MAX);
    else
        snprintf(ret_reason, TLS_REASON_SIZE, "%.300s: %s", path, strerror(errno));
    return large ? STATUS_INVALID : errno == ENOMEM ? STATUS_NO_MEMORY : STATUS_IO;
}

static int give_password(char *ret_text, int size, int writing, void *context) {
    const struct tls_material *material = context;
    int length = (int)strlen(material->key_password);
    if (writing || length == 0 || length > size)
        return 0;
    memcpy(ret_text, material->key_password, (size_t)length);
    return length;
}

/* ------------------------------------------------------------------------------------------ one context */

static BIO *open_bytes(const struct buf *bytes) { return BIO_new_mem_buf(bytes->data, (int)bytes->size); }

static bool use_chain(SSL_CTX *ssl, struct tls_material *material) {
    BIO *bio = open_bytes(&material->chain);
    X509 *own = bio ? PEM_read_bio_X509_AUX(bio, NULL, give_password, material) : NULL, *next;
    bool good = own && SSL_CTX_use_certificate(ssl, own) == 1;
    while (good && (next = PEM_read_bio_X509(bio, NULL, give_password, material))) {
        good = SSL_CTX_add0_chain_cert(ssl, next) == 1;
        if (!good)
            X509_free(next);
    }
    if (good) /* the end of the file is told of as an error */
        ERR_clear_error();
    X509_free(own);
    BIO_free(bio);
    return good;
}

static bool use_key(SSL_CTX *ssl, struct tls_material *material) {
    BIO *bio = open_bytes(&material->key);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, material) : NULL;
    bool good = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

static bool use_authorities(SSL_CTX *ssl, struct tls_material *material) {
    BIO *bio = open_bytes(&material->authorities);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    unsigned count = 0;
    bool good = bio;
    X509 *one;
    while (good && (one = PEM_read_bio_X509(bio, NULL, give_password, material))) {
        good = X509_STORE_add_cert(store, one) == 1 && (material->client || SSL_CTX_add_client_CA(ssl, one) == 1);
        count += good;
        X509_free(one);
    }
    if (good && count)
        ERR_clear_error();
    BIO_free(bio);
    return good && count > 0;
}

/* Keys that were drawn for one connection and thrown away: what was recorded cannot be read with the certificate's key later. */
static bool has_secrecy(const SSL_CIPHER *cipher) {
    int kind = SSL_CIPHER_get_kx_nid(cipher);
    bool drawn = kind == NID_kx_any || kind == NID_kx_ecdhe || kind == NID_kx_dhe;
    return drawn && SSL_CIPHER_is_aead(cipher) == 1 && SSL_CIPHER_get_auth_nid(cipher) != NID_auth_null;
}

static enum status set_ciphers(SSL_CTX *ssl, const struct tls_material *material, char *ret_reason) {
    const char *ciphers = is_given(material->ciphers) ? material->ciphers : ciphers_ours;
    if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
        return explain(ret_reason, "no such ciphers of TLS 1.2: ", ciphers);
    if (is_given(material->suites) && SSL_CTX_set_ciphersuites(ssl, material->suites) != 1)
        return explain(ret_reason, "no such ciphers of TLS 1.3: ", material->suites);
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ssl);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
        if (!has_secrecy(sk_SSL_CIPHER_value(all, i)))
            return explain(ret_reason, "without forward secrecy or authenticated encryption: ",
                           SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)));
    return STATUS_OK;
}

static enum status set_protocols(SSL_CTX *ssl, const char *protocols, char *ret_reason) {
    bool two = !is_given(protocols), three = two;
    char text[64];
    snprintf(text, sizeof text, "%s", is_given(protocols) ? protocols : "");
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (strcasecmp(word, "TLSv1.2") == 0)
            two = true;
        else if (strcasecmp(word, "TLSv1.3") == 0)
            three = true;
        else
            return explain(ret_reason, "a protocol is TLSv1.2 or TLSv1.3, and not ", word);
    }
    bool done = SSL_CTX_set_min_proto_version(ssl, two ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ssl, three ? TLS1_3_VERSION : TLS1_2_VERSION) == 1;
    return done && (two || three) ? STATUS_OK : explain(ret_reason, "no protocol is left", NULL);
}

static enum status set_certificates(SSL_CTX *ssl, struct tls_material *material, char *ret_reason) {
    bool chain = material->paths[TLS_FILE_CHAIN][0];
    if (chain && !use_chain(ssl, material))
        return explain(ret_reason, "no certificate: ", material->paths[TLS_FILE_CHAIN]);
    if (chain && !use_key(ssl, material))
        return explain(ret_reason, "no key that can be used: ", material->paths[TLS_FILE_KEY]);
    if (chain && SSL_CTX_check_private_key(ssl) != 1)
        return explain(ret_reason, "the key is not that of the certificate: ", material->paths[TLS_FILE_KEY]);
    if (material->paths[TLS_FILE_AUTHORITIES][0] && !use_authorities(ssl, material))
        return explain(ret_reason, "no certificates: ", material->paths[TLS_FILE_AUTHORITIES]);
    if (is_given(material->authorities_folder) && SSL_CTX_load_verify_dir(ssl, material->authorities_folder) != 1)
        return explain(ret_reason, "no folder of certificates: ", material->authorities_folder);
    bool system =
        material->client && !material->paths[TLS_FILE_AUTHORITIES][0] && !is_given(material->authorities_folder);
    if (system && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return explain(ret_reason, "the system's certificates cannot be found", NULL);
    return STATUS_OK;
}

static void set_habits(SSL_CTX *ssl, const struct tls_material *material) {
    static const unsigned char about[] = "strata";
    uint64_t options =
        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_ECDH_USE;
    SSL_CTX_set_options(ssl, options | (material->client_chooses ? 0 : SSL_OP_CIPHER_SERVER_PREFERENCE));
    SSL_CTX_set_mode(ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* tickets do it, which all threads understand */
    SSL_CTX_set_timeout(ssl, TLS_SESSION_S);
    SSL_CTX_set_session_id_context(ssl, about, sizeof about - 1);
    int verify = SSL_VERIFY_NONE;
    if (material->client)
        verify = material->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    else if (material->clients != TLS_CLIENTS_NOT_ASKED)
        verify = SSL_VERIFY_PEER | (material->clients == TLS_CLIENTS_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(ssl, verify, NULL);
}

/* A ticket stands for a certificate that was looked at when the session began, and whoever resumes a session gets a new ticket: a certificate
 * that has ended would be good for as long as its owner comes back. So it is looked at again, and without it there is a whole handshake. */
static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_size,
                                      SSL_TICKET_STATUS status, void *context) {
    (void)ssl, (void)name, (void)name_size, (void)context;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    const X509 *peer = SSL_SESSION_get0_peer(session);
    if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static bool set_tickets(SSL_CTX *ssl, struct tls_material *material) {
    return SSL_CTX_set_tlsext_ticket_keys(ssl, material->tickets, sizeof material->tickets) == 1 &&
           SSL_CTX_set_session_ticket_cb(ssl, NULL, judge_ticket, NULL) == 1;
}

static enum status make(struct tls_material *material, SSL_CTX **ret_ssl, char *ret_reason) {
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(material->client ? TLS_client_method() : TLS_server_method());
    if (!ssl)
        return STATUS_NO_MEMORY;
    set_habits(ssl, material);
    enum status status = set_protocols(ssl, material->protocols, ret_reason);
    if (status == STATUS_OK)
        status = set_ciphers(ssl, material, ret_reason);
    if (status == STATUS_OK)
        status = set_certificates(ssl, material, ret_reason);
    if (status == STATUS_OK && !material->client && !set_tickets(ssl, material))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        *ret_ssl = ssl;
    else
        SSL_CTX_free(ssl);
    return status;
}

/* ------------------------------------------------------------------------------------------ material */

static char *copy_text(const char *text) { return strdup(text ? text : ""); }

static bool copy_options(struct tls_material *material, const struct tls_options *options) {
    material->client = options->client;
    material->clients = options->clients;
    material->client_chooses = options->client_chooses;
    material->unverified = options->unverified;
    const char *key = is_given(options->key_path) ? options->key_path : options->certificate_path;
    material->paths[TLS_FILE_CHAIN] = copy_text(options->certificate_path);
    material->paths[TLS_FILE_KEY] = copy_text(key);
    material->paths[TLS_FILE_AUTHORITIES] = copy_text(options->authorities_path);
    material->authorities_folder = copy_text(options->authorities_folder);
    material->key_password = copy_text(options->key_password);
    material->protocols = copy_text(options->protocols);
    material->ciphers = copy_text(options->ciphers);
    material->suites = copy_text(options->suites);
    return material->paths[0] && material->paths[1] && material->paths[2] && material->authorities_folder &&
           material->key_password && material->protocols && material->ciphers && material->suites;
}

static enum status check(const struct tls_options *options, char *ret_reason) {
    bool roots = is_given(options->authorities_path) || is_given(options->authorities_folder);
    if (!options->client && !is_given(options->certificate_path))
        return explain(ret_reason, "a server needs a certificate", NULL);
    if (!options->client && options->clients != TLS_CLIENTS_NOT_ASKED && !roots)
        return explain(ret_reason, "certificates of clients cannot be checked without those of who signs them", NULL);
    return STATUS_OK;
}

static enum status fill(struct tls_material *material, const struct tls_options *options, char *ret_reason) {
    TRY(check(options, ret_reason));
    if (!copy_options(material, options))
        return STATUS_NO_MEMORY;
    struct buf *files[TLS_FILES] = {&material->chain, &material->key, &material->authorities};
    for (int i = 0; i < TLS_FILES; i++)
        if (material->paths[i][0])
            TRY(read_file(material->paths[i], files[i], ret_reason));
    if (RAND_bytes(material->tickets, sizeof material->tickets) != 1)
        return explain(ret_reason, "no random numbers", NULL);
    SSL_CTX *tried;
    TRY(make(material, &tried, ret_reason));
    X509 *own = SSL_CTX_get0_certificate(tried);
    struct tm ends;
    if (own && ASN1_TIME_to_tm(X509_get0_notAfter(own), &ends) == 1)
        material->ends_s = timegm(&ends);
    SSL_CTX_free(tried);
    return STATUS_OK;
}

enum status tls_material_load(const struct tls_options *options, struct tls_material **ret_material,
                              char ret_reason[TLS_REASON_SIZE]) {
    struct tls_material *material = memory_take(&memory_libc, sizeof *material);
    snprintf(ret_reason, TLS_REASON_SIZE, "no memory");
    if (!material)
        return STATUS_NO_MEMORY;
    *material = (struct tls_material){.references = 1};
    enum status status = fill(material, options, ret_reason);
    if (status == STATUS_OK)
        *ret_material = material;
    else
        tls_material_unref(material);
    return status;
}

struct tls_material *tls_material_ref(struct tls_material *material) {
    atomic_fetch_add(&material->references, 1);
    return material;
}

static void wipe(struct buf *bytes) {
    if (bytes->data)
        OPENSSL_cleanse(bytes->data, bytes->size);
    if (bytes->memory)
        buf_fini(bytes);
}

void tls_material_unref(struct tls_material *material) {
    if (!material || atomic_fetch_sub(&material->references, 1) != 1)
        return;
    wipe(&material->chain);
    wipe(&material->key);
    wipe(&material->authorities);
    if (material->key_password)
        OPENSSL_cleanse(material->key_password, strlen(material->key_password));
    char *texts[] = {material->paths[0],     material->paths[1],  material->paths[2], material->authorities_folder,
                     material->key_password, material->protocols, material->ciphers,  material->suites};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    OPENSSL_cleanse(material->tickets, sizeof material->tickets);
    memory_give(&memory_libc, material, sizeof *material);
}

int64_t tls_material_ends_s(const struct tls_material *material) { return material->ends_s; }

/* ------------------------------------------------------------------------------------------ contexts */

enum status tls_context_new(struct tls_material *material, struct tls_context **ret_context) {
    char reason[TLS_REASON_SIZE];
    struct tls_context *context = memory_take(&memory_libc, sizeof *context);
    if (!context)
        return STATUS_NO_MEMORY;
    *context = (struct tls_context){.material = material};
    if (make(material, &context->ssl, reason) != STATUS_OK) { /* it was possible when the material was loaded */
        memory_give(&memory_libc, context, sizeof *context);
        return STATUS_NO_MEMORY;
    }
    context->material = tls_material_ref(material);
    *ret_context = context;
    return STATUS_OK;
}

void tls_context_free(struct tls_context *context) {
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    tls_material_unref(context->material);
    memory_give(&memory_libc, context, sizeof *context);
}

const struct tls_material *tls_context_material(const struct tls_context *context) { return context->material; }

/* Who asks for nothing that is spoken here is told so: a page that was meant for another server is not read as one of ours. */
static int choose(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size, const unsigned char *theirs,
                  unsigned theirs_size, void *context) {
    (void)ssl;
    const char *ours = context;
    unsigned char *name;
    int found = SSL_select_next_proto(&name, ret_size, (const unsigned char *)ours, (unsigned)strlen(ours), theirs,
                                      theirs_size);
    if (found != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

void tls_context_speak(struct tls_context *context, const char *protocols) {
    SSL_CTX_set_alpn_select_cb(context->ssl, choose, (void *)(uintptr_t)protocols);
}
