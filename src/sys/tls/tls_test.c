#include "sys/tls/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "sys/tls/certificates.h"
#include "sys/tls/tls_inner.h"
#include "unit.h"

enum { DAY_S = 86400, BULK_SIZE = 3 << 20, ENDED_S = 20 };

/* A folder with an authority, a server's pair, a client's, and the pair of a stranger's authority. */
static struct {
    char folder[64];
    char ca[96], server[96], server_key[96], client[96], client_key[96], stranger[96], stranger_key[96],
        stranger_ca[96], empty[96], ended[96], ended_key[96];
} files;

static void put_file(char path[96], const char *name, const struct buf *bytes) {
    snprintf(path, 96, "%s/%s", files.folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    assert_int_equal(fclose(file), 0);
}

static struct tls_pair pair_until(enum tls_role role, const char *name, const struct tls_pair *authority,
                                  int64_t ends_s) {
    static const char *const names[] = {"localhost", "127.0.0.1"};
    char reason[TLS_REASON_SIZE];
    struct tls_pair pair;
    struct tls_subject subject = {.role = role,
                                  .common_name = name,
                                  .names = names,
                                  .name_count = role == TLS_ROLE_SERVER ? 2 : 0,
                                  .begins_s = time(NULL) - 60,
                                  .ends_s = ends_s};
    assert_int_equal(tls_pair_make(&subject, authority, &pair, reason), STATUS_OK);
    return pair;
}

static struct tls_pair pair_of(enum tls_role role, const char *name, const struct tls_pair *authority) {
    return pair_until(role, name, authority, time(NULL) + DAY_S);
}

static int make_files(void **state) {
    snprintf(files.folder, sizeof files.folder, "%s", "/tmp/strata-tls-XXXXXX");
    assert_non_null(mkdtemp(files.folder));
    struct tls_pair ca = pair_of(TLS_ROLE_AUTHORITY, "ca", NULL), other = pair_of(TLS_ROLE_AUTHORITY, "other", NULL);
    struct tls_pair server = pair_of(TLS_ROLE_SERVER, "server", &ca);
    struct tls_pair client = pair_of(TLS_ROLE_CLIENT, "alice", &ca);
    struct tls_pair stranger = pair_of(TLS_ROLE_CLIENT, "alice", &other);
    struct tls_pair ended = pair_until(TLS_ROLE_CLIENT, "alice", &ca, time(NULL) - ENDED_S);
    put_file(files.ended, "ended.crt", &ended.certificate);
    put_file(files.ended_key, "ended.key", &ended.key);
    put_file(files.ca, "ca.crt", &ca.certificate);
    put_file(files.server, "server.crt", &server.certificate);
    put_file(files.server_key, "server.key", &server.key);
    put_file(files.client, "alice.crt", &client.certificate);
    put_file(files.client_key, "alice.key", &client.key);
    put_file(files.stranger, "stranger.crt", &stranger.certificate);
    put_file(files.stranger_key, "stranger.key", &stranger.key);
    put_file(files.stranger_ca, "other.crt", &other.certificate);
    put_file(files.empty, "empty", &(struct buf){0});
    struct tls_pair *all[] = {&ca, &other, &server, &client, &stranger, &ended};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tls_pair_free(all[i]);
    return 0;
}

static int remove_files(void **state) {
    const char *all[] = {files.ca,         files.server,   files.server_key,   files.client,
                         files.client_key, files.stranger, files.stranger_key, files.stranger_ca,
                         files.empty,      files.ended,    files.ended_key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        unlink(all[i]);
    return rmdir(files.folder);
}

static struct tls_options server_options(void) {
    return (struct tls_options){
        .certificate_path = files.server, .key_path = files.server_key, .authorities_path = files.ca};
}

static struct tls_options client_options(void) {
    return (struct tls_options){.client = true, .authorities_path = files.ca};
}

static struct tls_context *context_of(const struct tls_options *options) {
    struct tls_material *material;
    struct tls_context *context;
    char reason[TLS_REASON_SIZE];
    if (tls_material_load(options, &material, reason) != STATUS_OK)
        fail_msg("%s", reason);
    assert_int_equal(tls_context_new(material, &context), STATUS_OK);
    tls_material_unref(material);
    return context;
}

struct two {
    struct tls_context *contexts[2];
    struct tls_stream *ends[2]; /* the server, the client */
    int fds[2];
};

static void two_open(struct two *two, const struct tls_options *server, const struct tls_options *client,
                     const char *name) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two->fds), 0);
    two->contexts[0] = context_of(server);
    two->contexts[1] = context_of(client);
    two->ends[0] = tls_accept(two->contexts[0], two->fds[0]);
    two->ends[1] = tls_connect(two->contexts[1], two->fds[1], name);
    assert_non_null(two->ends[0]);
    assert_non_null(two->ends[1]);
}

static void two_close(struct two *two) {
    for (int i = 0; i < 2; i++) {
        tls_free(two->ends[i]);
        tls_context_free(two->contexts[i]);
        close(two->fds[i]);
    }
}

/* Both go on until both are through, or one has failed; answers whether they are. */
static bool shake(struct two *two) {
    char byte;
    size_t size;
    for (int i = 0; i < 20 && !(tls_is_ready(two->ends[0]) && tls_is_ready(two->ends[1])); i++) {
        enum status status = tls_read(two->ends[i % 2], &byte, 1, &size);
        if (status == STATUS_IO) /* the other side gets to know */
            return tls_read(two->ends[1 - i % 2], &byte, 1, &size) == STATUS_OK;
    }
    return tls_is_ready(two->ends[0]) && tls_is_ready(two->ends[1]);
}

static bool agree(const struct tls_options *server, const struct tls_options *client, const char *name) {
    struct two two;
    two_open(&two, server, client, name);
    char byte = 'x';
    size_t size;
    struct iovec piece = {&byte, 1};
    /* In TLS 1.3 a client is through before the server has looked at its certificate. */
    bool good = shake(&two) && tls_write(two.ends[0], &piece, 1, &size) == STATUS_OK &&
                tls_read(two.ends[1], &byte, 1, &size) == STATUS_OK &&
                tls_read(two.ends[0], &byte, 1, &size) == STATUS_AGAIN;
    two_close(&two);
    return good;
}

/* Random pieces into a socket that takes little at a time, read in random portions: `more` has to be set whenever bytes are left of which the socket says nothing. */
static void bytes_come_as_they_were_written(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct tls_options server = server_options(), client = client_options();
    uint8_t *sent = malloc(BULK_SIZE), *got = malloc(BULK_SIZE);
    assert_true(sent && got);
    for (size_t i = 0; i < BULK_SIZE; i++)
        sent[i] = (uint8_t)rng_next(&rng);
    for (int from = 0; from < 2; from++) {
        struct two two;
        two_open(&two, &server, &client, "localhost");
        assert_true(shake(&two));
        size_t written = 0, end = 0, read = 0, size;
        bool empty = false;
        while (read < BULK_SIZE) {
            /* What is not taken is handed in again, with more behind it now and then. */
            if (end < written + 100000 && end < BULK_SIZE) {
                size_t length = 1 + rng_below(&rng, rng_below(&rng, 4) ? 300 : 100000);
                end += length < BULK_SIZE - end ? length : BULK_SIZE - end;
            }
            struct iovec pieces[3];
            size_t at = written;
            int count = 0;
            for (; count < 3 && at < end; count++) {
                size_t length = count == 2 ? end - at : 1 + rng_below(&rng, end - at);
                pieces[count] = (struct iovec){sent + at, length};
                at += length;
            }
            enum status status = tls_write(two.ends[from], pieces, count, &size);
            assert_true(status == STATUS_OK || status == STATUS_AGAIN);
            written += size;
            for (unsigned turns = (unsigned)rng_below(&rng, 3); turns || empty; turns -= turns > 0) {
                size_t room = 1 + rng_below(&rng, 40000);
                room = room < BULK_SIZE - read ? room : BULK_SIZE - read;
                status = tls_read(two.ends[1 - from], got + read, room, &size);
                assert_true(status == STATUS_OK || (status == STATUS_AGAIN && !empty) || room == 0);
                read += size;
                empty = tls_has_more(two.ends[1 - from]);
                char byte; /* a socket that has nothing tells nobody: then there is nothing, or `more` is said */
                bool silent = recv(two.fds[1 - from], &byte, 1, MSG_PEEK) < 0;
                if (silent && !empty && status == STATUS_OK) {
                    uint8_t none;
                    assert_int_equal(tls_read(two.ends[1 - from], &none, 1, &size), STATUS_AGAIN);
                }
                if (read == BULK_SIZE)
                    break;
            }
        }
        assert_memory_equal(sent, got, BULK_SIZE);
        tls_end(two.ends[from]);
        assert_int_equal(tls_read(two.ends[1 - from], got, 1, &size), STATUS_CLOSED);
        two_close(&two);
    }
    free(sent);
    free(got);
}

/* A record and the end behind it are taken from the socket together. */
static void end_behind_bytes_is_told(void **state) {
    struct tls_options server = server_options(), client = client_options();
    struct two two;
    char room[100];
    size_t size;
    struct iovec piece = {(char[]){"abc"}, 3};
    two_open(&two, &server, &client, "localhost");
    assert_true(shake(&two));
    assert_int_equal(tls_write(two.ends[1], &piece, 1, &size), STATUS_OK);
    tls_end(two.ends[1]);
    assert_int_equal(tls_read(two.ends[0], room, sizeof room, &size), STATUS_OK);
    assert_int_equal(size, 3);
    assert_true(tls_has_more(two.ends[0]));
    assert_int_equal(tls_read(two.ends[0], room, sizeof room, &size), STATUS_CLOSED);
    two_close(&two);
}

static void versions_and_ciphers_are_the_strong_ones(void **state) {
    struct tls_options server = server_options(), client = client_options();
    struct two two;
    two_open(&two, &server, &client, "localhost");
    assert_true(shake(&two));
    assert_string_equal(tls_version(two.ends[0]), "TLSv1.3");
    two_close(&two);
    client.protocols = "TLSv1.2";
    two_open(&two, &server, &client, "localhost");
    assert_true(shake(&two));
    assert_string_equal(tls_version(two.ends[0]), "TLSv1.2");
    assert_string_equal(tls_cipher(two.ends[0]), "ECDHE-ECDSA-AES256-GCM-SHA384");
    two_close(&two);
    server.protocols = "TLSv1.3";
    assert_false(agree(&server, &client, "localhost"));
    client.protocols = "TLSv1.3";
    assert_true(agree(&server, &client, "localhost"));
}

static void the_order_of_ciphers_is_the_servers_unless_told(void **state) {
    struct tls_options server = server_options(), client = client_options();
    client.protocols = "TLSv1.2";
    client.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
    for (int client_chooses = 0; client_chooses < 2; client_chooses++) {
        struct two two;
        server.client_chooses = client_chooses;
        two_open(&two, &server, &client, "localhost");
        assert_true(shake(&two));
        assert_string_equal(tls_cipher(two.ends[0]),
                            client_chooses ? "ECDHE-ECDSA-AES128-GCM-SHA256" : "ECDHE-ECDSA-AES256-GCM-SHA384");
        two_close(&two);
    }
}

static void who_is_who_is_checked(void **state) {
    struct tls_options server = server_options(), client = client_options();
    assert_true(agree(&server, &client, "localhost"));
    assert_true(agree(&server, &client, "127.0.0.1"));
    assert_false(agree(&server, &client, "example.com"));
    client.authorities_path = files.stranger_ca;
    assert_false(agree(&server, &client, "localhost"));
    client.unverified = true;
    assert_true(agree(&server, &client, "localhost"));
    client = client_options();
    server.clients = TLS_CLIENTS_REQUIRED;
    assert_false(agree(&server, &client, "localhost"));
    server.clients = TLS_CLIENTS_ASKED;
    assert_true(agree(&server, &client, "localhost"));
    client.certificate_path = files.stranger;
    client.key_path = files.stranger_key;
    assert_false(agree(&server, &client, "localhost"));
    client.certificate_path = files.client;
    client.key_path = files.client_key;
    server.clients = TLS_CLIENTS_REQUIRED;
    assert_true(agree(&server, &client, "localhost"));
}

static void names_come_from_verified_certificates(void **state) {
    struct tls_options server = server_options(), client = client_options();
    char name[TLS_NAME_MAX + 1];
    struct two two;
    server.clients = TLS_CLIENTS_REQUIRED;
    client.certificate_path = files.client;
    client.key_path = files.client_key;
    two_open(&two, &server, &client, "localhost");
    assert_true(shake(&two));
    assert_true(tls_peer_name(two.ends[0], TLS_NAME_COMMON, name));
    assert_string_equal(name, "alice");
    assert_false(tls_peer_name(two.ends[0], TLS_NAME_URI, name));
    two_close(&two);
    server.clients = TLS_CLIENTS_NOT_ASKED;
    two_open(&two, &server, &client, "localhost");
    assert_true(shake(&two));
    assert_false(tls_peer_name(two.ends[0], TLS_NAME_COMMON, name));
    two_close(&two);
}

/* A client that resumes `*session`, if there is one, and keeps that of this connection in its place. Answers whether they have come together. */
static bool meet(struct tls_context *server, struct tls_context *client, SSL_SESSION **session, bool *ret_resumed) {
    int fds[2];
    char byte = 'x';
    size_t size;
    struct iovec piece = {&byte, 1};
    bool good = false, failed = false;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct tls_stream *near = tls_accept(server, fds[0]);
    SSL *far = SSL_new(client->ssl);
    assert_true(near && far && SSL_set_fd(far, fds[1]) == 1);
    SSL_set_connect_state(far);
    SSL_set_quiet_shutdown(far, 1);
    if (*session)
        assert_int_equal(SSL_set_session(far, *session), 1);
    for (int i = 0; i < 20 && !good && !failed; i++) {
        (void)SSL_do_handshake(far);
        failed = tls_read(near, &byte, 1, &size) == STATUS_IO;
        good = !failed && tls_is_ready(near) && SSL_is_init_finished(far);
    }
    if (good) { /* a ticket of TLS 1.3 comes before the first bytes */
        assert_int_equal(tls_write(near, &piece, 1, &size), STATUS_OK);
        assert_int_equal(SSL_read_ex(far, &byte, 1, &size), 1);
        SSL_SESSION_free(*session);
        *session = SSL_get1_session(far);
    }
    *ret_resumed = tls_is_resumed(near);
    (void)SSL_shutdown(far); /* or else the session is of no use any more */
    SSL_free(far);
    tls_free(near);
    close(fds[0]);
    close(fds[1]);
    return good;
}

/* A server twice: as it was a while ago, and now. Their tickets are the same. */
static void expect_resumed(const char *protocol, const char *certificate, const char *key, bool wanted) {
    struct tls_options server = server_options(), client = client_options();
    struct tls_context *before, *now;
    struct tls_material *material;
    char reason[TLS_REASON_SIZE];
    SSL_SESSION *session = NULL;
    bool resumed;
    server.clients = TLS_CLIENTS_REQUIRED;
    client.protocols = protocol;
    client.certificate_path = certificate;
    client.key_path = key;
    assert_int_equal(tls_material_load(&server, &material, reason), STATUS_OK);
    assert_int_equal(tls_context_new(material, &before), STATUS_OK);
    assert_int_equal(tls_context_new(material, &now), STATUS_OK);
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(before->ssl), time(NULL) - ENDED_S - 10);
    struct tls_context *far = context_of(&client);
    assert_true(meet(before, far, &session, &resumed));
    assert_false(resumed);
    assert_int_equal(meet(now, far, &session, &resumed), wanted);
    assert_int_equal(resumed, wanted);
    SSL_SESSION_free(session);
    tls_context_free(far);
    tls_context_free(before);
    tls_context_free(now);
    tls_material_unref(material);
}

static void a_session_ends_with_its_certificate(void **state) {
    (void)state;
    static const char *const protocols[] = {"TLSv1.2", "TLSv1.3"};
    for (int i = 0; i < 2; i++) {
        expect_resumed(protocols[i], files.client, files.client_key, true);
        expect_resumed(protocols[i], files.ended, files.ended_key, false);
    }
}

static void wrong_settings_are_explained(void **state) {
    static const struct {
        size_t at;
        const char *value, *says;
    } wrong[] = {
        {offsetof(struct tls_options, certificate_path), "", "a server needs a certificate"},
        {offsetof(struct tls_options, certificate_path), "/nowhere/a.crt", "/nowhere/a.crt: No such file"},
        {offsetof(struct tls_options, certificate_path), files.empty, "no certificate: "},
        {offsetof(struct tls_options, key_path), files.empty, "no key that can be used: "},
        {offsetof(struct tls_options, key_path), files.client_key, "no key that can be used: "},
        {offsetof(struct tls_options, authorities_path), "/dev/zero", "/dev/zero: Invalid argument"},
        {offsetof(struct tls_options, protocols), "TLSv1.1 TLSv1.2",
         "a protocol is TLSv1.2 or TLSv1.3, and not TLSv1.1"},
        {offsetof(struct tls_options, protocols), " ", "no protocol is left"},
        {offsetof(struct tls_options, ciphers), "nothing", "no such ciphers of TLS 1.2: nothing"},
        {offsetof(struct tls_options, ciphers), "AES128-GCM-SHA256", "without forward secrecy"},
        {offsetof(struct tls_options, ciphers), "ECDHE-RSA-AES128-SHA", "without forward secrecy or authenticated"},
        {offsetof(struct tls_options, ciphers), "aNULL:@SECLEVEL=0", "without forward secrecy or authenticated"},
        {offsetof(struct tls_options, suites), "TLS_NOTHING", "no such ciphers of TLS 1.3: TLS_NOTHING"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tls_options options = server_options();
        struct tls_material *material = NULL;
        char reason[TLS_REASON_SIZE];
        memcpy((uint8_t *)&options + wrong[i].at, &wrong[i].value, sizeof wrong[i].value);
        if (tls_material_load(&options, &material, reason) == STATUS_OK)
            fail_msg("%zu is taken: %s", i, wrong[i].value);
        assert_null(material);
        if (strncmp(reason, wrong[i].says, strlen(wrong[i].says)) != 0)
            fail_msg("\"%s\" and not \"%s\"", reason, wrong[i].says);
    }
    struct tls_options options = server_options();
    struct tls_material *material;
    char reason[TLS_REASON_SIZE];
    options.authorities_path = "";
    options.clients = TLS_CLIENTS_ASKED;
    assert_int_equal(tls_material_load(&options, &material, reason), STATUS_INVALID);
}

/* Bytes that are no TLS, and TLS with a byte changed, end a connection and nothing else. */
static void hostile_bytes_end_the_connection(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct tls_options server = server_options(), client = client_options();
    struct tls_context *context = context_of(&server), *other = context_of(&client);
    unsigned broken = 0;
    for (int round = 0; round < 300; round++) {
        int fds[2], far[2];
        uint8_t bytes[4096], room[100];
        size_t size, length = 1 + rng_below(&rng, 600);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, far), 0);
        struct tls_stream *stream = tls_accept(context, fds[0]), *real = tls_connect(other, far[0], "localhost");
        assert_true(stream && real);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        if (round % 2) { /* the first flight of a real client, with a byte of another value */
            assert_int_equal(tls_read(real, room, 1, &size), STATUS_AGAIN);
            ssize_t got = recv(far[1], bytes, sizeof bytes, 0);
            assert_true(got > 100);
            length = (size_t)got;
            bytes[rng_below(&rng, length)] ^= (uint8_t)(1 + rng_below(&rng, 255));
        }
        assert_int_equal(send(fds[1], bytes, length, 0), length);
        shutdown(fds[1], SHUT_WR);
        enum status status = tls_read(stream, room, sizeof room, &size);
        if (status == STATUS_AGAIN) /* it has answered, and waits for what does not come */
            status = tls_read(stream, room, sizeof room, &size);
        assert_true(status == STATUS_IO || status == STATUS_CLOSED);
        assert_false(tls_is_ready(stream));
        broken += status == STATUS_IO;
        tls_free(stream);
        tls_free(real);
        for (int i = 0; i < 2; i++) {
            close(fds[i]);
            close(far[i]);
        }
    }
    assert_true(broken > 100);
    tls_context_free(context);
    tls_context_free(other);
}

/* The client here speaks as OpenSSL's own does: it offers what it is told to in the context of its stream. */
static void expect_spoken(const char *ours, const char *theirs, const char *wanted) {
    struct tls_options server = server_options(), client = client_options();
    struct two two;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two.fds), 0);
    two.contexts[0] = context_of(&server);
    two.contexts[1] = context_of(&client);
    if (ours)
        tls_context_speak(two.contexts[0], ours);
    if (theirs)
        assert_int_equal(
            SSL_CTX_set_alpn_protos(two.contexts[1]->ssl, (const uint8_t *)theirs, (unsigned)strlen(theirs)), 0);
    two.ends[0] = tls_accept(two.contexts[0], two.fds[0]);
    two.ends[1] = tls_connect(two.contexts[1], two.fds[1], "localhost");
    bool agreed = shake(&two);
    assert_int_equal(agreed, wanted != NULL);
    if (wanted) {
        assert_string_equal(tls_protocol(two.ends[0]), wanted);
        assert_string_equal(tls_protocol(two.ends[1]), wanted);
    }
    two_close(&two);
}

static void what_is_spoken_is_agreed_on(void **state) {
    (void)state;
    expect_spoken("\x02h2\x08http/1.1", "\x08http/1.1\x02h2", "h2");
    expect_spoken("\x02h2\x08http/1.1", "\x06spdy/3\x08http/1.1", "http/1.1");
    expect_spoken("\x02h2\x08http/1.1", NULL, "");
    expect_spoken("\x02h2\x08http/1.1", "\x05redis", NULL);
    expect_spoken(NULL, "\x02h2", "");
}

#define WITH_FILES(function) cmocka_unit_test_setup_teardown(function, make_files, remove_files)

UNIT_TESTS(tls, WITH_FILES(bytes_come_as_they_were_written), WITH_FILES(end_behind_bytes_is_told),
           WITH_FILES(versions_and_ciphers_are_the_strong_ones),
           WITH_FILES(the_order_of_ciphers_is_the_servers_unless_told), WITH_FILES(who_is_who_is_checked),
           WITH_FILES(names_come_from_verified_certificates), WITH_FILES(a_session_ends_with_its_certificate),
           WITH_FILES(wrong_settings_are_explained), WITH_FILES(hostile_bytes_end_the_connection),
           WITH_FILES(what_is_spoken_is_agreed_on));
