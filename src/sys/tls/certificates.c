#include "sys/tls/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { SERIAL_SIZE = 16, COMMON_NAME_MAX = 64 };

static enum status explain(char *ret_reason, const char *what, const char *which) {
    ERR_clear_error();
    snprintf(ret_reason, TLS_REASON_SIZE, "%s%.200s", what, which);
    return STATUS_INVALID;
}

static bool add_extension(X509 *certificate, X509 *issuer, int kind, const char *text) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, text);
    bool done = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

/* Made by hand, as names in a text could bring along others. */
static bool add_name(GENERAL_NAMES *names, const char *text) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    ASN1_IA5STRING *host = address ? NULL : ASN1_IA5STRING_new();
    if (!name || (!address && (!host || ASN1_STRING_set(host, text, -1) != 1))) {
        ASN1_IA5STRING_free(host);
        ASN1_OCTET_STRING_free(address);
        GENERAL_NAME_free(name);
        return false;
    }
    ERR_clear_error();
    GENERAL_NAME_set0_value(name, address ? GEN_IPADD : GEN_DNS, address ? address : host);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_names(X509 *certificate, const struct tls_subject *subject) {
    if (!subject->name_count)
        return true;
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool done = names;
    for (size_t i = 0; i < subject->name_count && done; i++)
        done = add_name(names, subject->names[i]);
    done = done && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return done;
}

static bool add_purpose(X509 *certificate, X509 *issuer, const struct tls_subject *subject) {
    bool authority = subject->role == TLS_ROLE_AUTHORITY;
    bool done = add_extension(certificate, issuer, NID_basic_constraints,
                              authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
                add_extension(certificate, issuer, NID_key_usage,
                              authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
                add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
    if (done && !authority)
        done = add_extension(certificate, issuer, NID_ext_key_usage,
                             subject->role == TLS_ROLE_SERVER ? "serverAuth" : "clientAuth");
    return done && add_names(certificate, subject);
}

static bool set_serial(X509 *certificate) {
    unsigned char bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return done;
}

static X509 *describe(const struct tls_subject *subject, EVP_PKEY *key, X509 *authority) {
    X509 *certificate = X509_new();
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    const unsigned char *common = (const unsigned char *)subject->common_name;
    bool done = certificate && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
                ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)subject->begins_s) &&
                ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)subject->ends_s) &&
                X509_set_pubkey(certificate, key) == 1 &&
                X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
                X509_set_issuer_name(certificate, authority ? X509_get_subject_name(authority) : name) == 1 &&
                add_purpose(certificate, authority ? authority : certificate, subject);
    if (done)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool copy_out(BIO *bio, struct buf *ret_bytes) {
    char *text;
    long size = BIO_get_mem_data(bio, &text);
    return size > 0 && buf_append(ret_bytes, text, (size_t)size) == STATUS_OK;
}

static bool write_out(X509 *certificate, EVP_PKEY *key, struct tls_pair *ret_pair) {
    BIO *first = BIO_new(BIO_s_mem()), *second = BIO_new(BIO_s_secmem());
    bool done = first && second && PEM_write_bio_X509(first, certificate) == 1 &&
                PEM_write_bio_PrivateKey(second, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                copy_out(first, &ret_pair->certificate) && copy_out(second, &ret_pair->key);
    BIO_free(first);
    BIO_free(second);
    return done;
}

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static bool read_authority(const struct tls_pair *pair, struct authority *ret_authority) {
    BIO *first = BIO_new_mem_buf(pair->certificate.data, (int)pair->certificate.size);
    BIO *second = BIO_new_mem_buf(pair->key.data, (int)pair->key.size);
    ret_authority->certificate = first ? PEM_read_bio_X509(first, NULL, NULL, NULL) : NULL;
    ret_authority->key = second ? PEM_read_bio_PrivateKey(second, NULL, NULL, NULL) : NULL;
    BIO_free(first);
    BIO_free(second);
    return ret_authority->certificate && ret_authority->key &&
           X509_check_private_key(ret_authority->certificate, ret_authority->key) == 1 &&
           X509_check_ca(ret_authority->certificate) > 0;
}

enum status tls_pair_make(const struct tls_subject *subject, const struct tls_pair *authority,
                          struct tls_pair *ret_pair, char ret_reason[TLS_REASON_SIZE]) {
    struct authority by = {NULL, NULL};
    size_t length = strlen(subject->common_name);
    buf_init(&ret_pair->certificate, &memory_libc);
    buf_init(&ret_pair->key, &memory_libc);
    if (length == 0 || length > COMMON_NAME_MAX)
        return explain(ret_reason, "a name has 1 to 64 characters: ", subject->common_name);
    if (subject->ends_s <= subject->begins_s)
        return explain(ret_reason, "it would end before it begins: ", subject->common_name);
    enum status status = STATUS_OK;
    if (authority && !read_authority(authority, &by))
        status = explain(ret_reason, "not an authority with its key", "");
    EVP_PKEY *key = status == STATUS_OK ? EVP_EC_gen("P-256") : NULL;
    X509 *certificate = key ? describe(subject, key, by.certificate) : NULL;
    if (status == STATUS_OK && (!certificate || X509_sign(certificate, by.key ? by.key : key, EVP_sha256()) == 0 ||
                                !write_out(certificate, key, ret_pair)))
        status = explain(ret_reason, "no certificate can be made for ", subject->common_name);
    X509_free(certificate);
    EVP_PKEY_free(key);
    X509_free(by.certificate);
    EVP_PKEY_free(by.key);
    if (status != STATUS_OK)
        tls_pair_free(ret_pair);
    return status;
}

void tls_pair_free(struct tls_pair *pair) {
    if (pair->key.data)
        OPENSSL_cleanse(pair->key.data, pair->key.size);
    buf_fini(&pair->certificate);
    buf_fini(&pair->key);
}
