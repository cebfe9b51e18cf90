#include "app/server/secure.h"

#include <errno.h>
#include <stdio.h>

#include "app/server/run.h"
#include "app/server/users.h"
#include "app/server/worker.h"
#include "sys/os/log.h"
#include "sys/os/watch.h"
#include "sys/os/whole_file.h"

enum { WATCHES = 4, LOOK_MS = 1000 };

struct server_secure {
    pthread_mutex_t lock;
    struct tls_material *material; /* under lock */
    _Atomic uint64_t version;      /* how many there were */
    _Atomic uint64_t shaken, failed, resumed, loads, load_failures;
    struct watch watches[WATCHES]; /* under lock */
    uint32_t watch_count;
};

/* ------------------------------------------------------------------------------------------ certificates */

static struct tls_options options_of(const struct config_values *values) {
    return (struct tls_options){
        .certificate_path = values->tls_cert_file,
        .key_path = values->tls_key_file,
        .key_password = values->tls_key_file_pass,
        .authorities_path = values->tls_ca_cert_file,
        .authorities_folder = values->tls_ca_cert_dir,
        .clients = (enum tls_clients)values->tls_auth_clients, /* in the order of their choices */
        .protocols = values->tls_protocols,
        .ciphers = values->tls_ciphers,
        .suites = values->tls_ciphersuites,
        .client_chooses = !values->tls_prefer_server_ciphers,
    };
}

static enum status load(const struct config_values *values, struct tls_material **ret_material,
                        char ret_reason[TLS_REASON_SIZE]) {
    struct tls_options options = options_of(values);
    if (options.clients != TLS_CLIENTS_NOT_ASKED && !values->tls_ca_cert_file[0] && !values->tls_ca_cert_dir[0]) {
        snprintf(ret_reason, TLS_REASON_SIZE,
                 "tls-auth-clients needs tls-ca-cert-file or tls-ca-cert-dir to check certificates of clients with; "
                 "without such certificates set it to no");
        return STATUS_INVALID;
    }
    if (!values->tls_cert_file[0]) {
        snprintf(ret_reason, TLS_REASON_SIZE, "%s needs a certificate: tls-cert-file (`strata cert` makes one)",
                 values->tls_port ? "tls-port" : "http-tls-port");
        return STATUS_INVALID;
    }
    enum status status = tls_material_load(&options, ret_material, ret_reason);
    size_t size = strlen(ret_reason);
    if (status != STATUS_OK && !values->tls_key_file[0])
        snprintf(ret_reason + size, TLS_REASON_SIZE - size,
                 " (tls-key-file is not set, so the key has to be there, too)");
    return status;
}

static void end_watches(struct server_secure *secure) {
    for (uint32_t i = 0; i < secure->watch_count; i++)
        watch_close(&secure->watches[i]);
    secure->watch_count = 0;
}

/* What they were when they were last looked at goes on to count, if they are watched already: what has been read since may be older than what is there now. */
static void begin_watches(struct server_secure *secure, const struct config_values *values) {
    const char *paths[WATCHES] = {values->tls_cert_file, values->tls_key_file, values->tls_ca_cert_file,
                                  values->tls_ca_cert_dir};
    uint32_t same = 0, given = 0;
    for (int i = 0; i < WATCHES; i++) {
        given += paths[i][0] != 0;
        for (uint32_t k = 0; paths[i][0] && k < secure->watch_count; k++)
            same += strcmp(paths[i], secure->watches[k].path) == 0;
    }
    if (same == given && given == secure->watch_count)
        return;
    end_watches(secure);
    for (int i = 0; i < WATCHES; i++) {
        if (!paths[i][0])
            continue;
        if (watch_open(paths[i], &secure->watches[secure->watch_count]) == STATUS_OK)
            secure->watch_count++;
        else
            log_warning("Cannot watch %s for changes: %s", paths[i], strerror(errno));
    }
}

static bool is_wanted(const struct config_values *values) { return values->tls_port || values->http_tls_port; }

bool secure_check(const struct config_values *values, char ret_reason[TLS_REASON_SIZE]) {
    struct tls_material *material;
    if (!is_wanted(values))
        return true;
    if (load(values, &material, ret_reason) != STATUS_OK)
        return false;
    tls_material_unref(material);
    return true;
}

enum status secure_start(struct server *server) {
    const struct config_values *values = &server->config.values;
    char reason[TLS_REASON_SIZE];
    struct tls_material *material;
    if (!is_wanted(values) && values->tls_cert_file[0])
        log_warning("There is a tls-cert-file, but no tls-port and no http-tls-port: nothing is served over TLS");
    if (!is_wanted(values))
        return STATUS_OK;
    struct server_secure *secure = memory_take(&memory_libc, sizeof *secure);
    if (!secure)
        return STATUS_NO_MEMORY;
    *secure = (struct server_secure){0};
    pthread_mutex_init(&secure->lock, NULL);
    server->secure = secure;
    begin_watches(secure, values);
    enum status status = load(values, &material, reason);
    if (status != STATUS_OK) {
        log_warning("Cannot serve TLS: %s", reason);
        return status;
    }
    secure_use(server, values, material);
    whole_file_judge(values->tls_key_file[0] ? values->tls_key_file : values->tls_cert_file, "tls-key-file");
    return STATUS_OK;
}

void secure_stop(struct server *server) {
    struct server_secure *secure = server->secure;
    if (!secure)
        return;
    end_watches(secure);
    tls_material_unref(secure->material);
    pthread_mutex_destroy(&secure->lock);
    memory_give(&memory_libc, secure, sizeof *secure);
    server->secure = NULL;
}

bool secure_try(struct server *server, const struct config *next, struct tls_material **ret_material, char *ret_error,
                size_t error_size) {
    char reason[TLS_REASON_SIZE];
    *ret_material = NULL;
    if (!server->secure || load(&next->values, ret_material, reason) == STATUS_OK)
        return true;
    atomic_fetch_add(&server->secure->load_failures, 1);
    snprintf(ret_error, error_size, "CONFIG SET failed - %s", reason);
    return false;
}

void secure_use(struct server *server, const struct config_values *values, struct tls_material *material) {
    struct server_secure *secure = server->secure;
    pthread_mutex_lock(&secure->lock);
    struct tls_material *before = secure->material;
    secure->material = material;
    begin_watches(secure, values);
    atomic_fetch_add(&secure->version, 1);
    pthread_mutex_unlock(&secure->lock);
    tls_material_unref(before);
    atomic_fetch_add(&secure->loads, 1);
}

struct tls_material *secure_newer(struct server *server, uint64_t *version) {
    struct server_secure *secure = server->secure;
    if (!secure || atomic_load_explicit(&secure->version, memory_order_acquire) == *version)
        return NULL;
    pthread_mutex_lock(&secure->lock);
    *version = atomic_load(&secure->version);
    struct tls_material *material = tls_material_ref(secure->material);
    pthread_mutex_unlock(&secure->lock);
    return material;
}

static void load_again(struct server *server) {
    struct server_secure *secure = server->secure;
    char reason[TLS_REASON_SIZE];
    struct tls_material *material;
    pthread_mutex_lock(&server->config_lock);
    enum status status = load(&server->config.values, &material, reason);
    if (status == STATUS_OK)
        secure_use(server, &server->config.values, material);
    pthread_mutex_unlock(&server->config_lock);
    if (status == STATUS_OK) {
        log_event(LOG_NOTICE, "certificates_loaded", NULL,
                  "Certificates have been read again: new connections are served with them");
    } else {
        atomic_fetch_add(&secure->load_failures, 1);
        log_event(LOG_WARNING, "certificates_refused", LOG_FIELDS(log_text("problem", reason)),
                  "Certificates have changed and are of no use, those from before stay: %s", reason);
    }
}

void secure_look(struct worker *worker) {
    struct server_secure *secure = worker->server->secure;
    if (!secure || worker->now_ms - worker->secure.looked_ms < LOOK_MS)
        return;
    bool changed = false;
    worker->secure.looked_ms = worker->now_ms;
    pthread_mutex_lock(&secure->lock);
    for (uint32_t i = 0; i < secure->watch_count; i++)
        changed |= watch_look(&secure->watches[i]);
    pthread_mutex_unlock(&secure->lock);
    if (changed)
        load_again(worker->server);
}

void secure_counts(struct server *server, struct cmd_secure_counts *ret_counts) {
    struct server_secure *secure = server->secure;
    *ret_counts = (struct cmd_secure_counts){0};
    if (!secure)
        return;
    pthread_mutex_lock(&secure->lock);
    int64_t ends_s = tls_material_ends_s(secure->material);
    pthread_mutex_unlock(&secure->lock);
    *ret_counts = (struct cmd_secure_counts){
        .port = server->tls_port,
        .handshakes = atomic_load(&secure->shaken),
        .failed = atomic_load(&secure->failed),
        .resumed = atomic_load(&secure->resumed),
        .loads = atomic_load(&secure->loads),
        .load_failures = atomic_load(&secure->load_failures),
        .certificate_ends_s = ends_s,
    };
}

/* ------------------------------------------------------------------------------------------ connections */

void secure_worker_ends(struct worker *worker) {
    tls_context_free(worker->secure.context);
    worker->secure.context = NULL;
}

/* What is newer is of no use without memory: the one before goes on. */
static void renew_context(struct worker *worker) {
    struct server_secure *secure = worker->server->secure;
    struct tls_context *context;
    pthread_mutex_lock(&secure->lock);
    uint64_t version = atomic_load(&secure->version);
    struct tls_material *material = tls_material_ref(secure->material);
    pthread_mutex_unlock(&secure->lock);
    if (tls_context_new(material, &context) == STATUS_OK) {
        tls_context_free(worker->secure.context);
        worker->secure.context = context;
        worker->secure.version = version;
    }
    tls_material_unref(material);
}

struct tls_stream *secure_accept(struct worker *worker, int fd) {
    if (worker->secure.version != atomic_load_explicit(&worker->server->secure->version, memory_order_acquire))
        renew_context(worker);
    return worker->secure.context ? tls_accept(worker->secure.context, fd) : NULL;
}

void secure_list(struct connection *connection) {
    if (connection->more_listed)
        return;
    connection->more_listed = true;
    connection->more_next = connection->worker->secure.more;
    connection->worker->secure.more = connection;
}

/* Who has shown a certificate is the user of its name, if that is asked for. */
static void find_user(struct connection *connection) {
    struct server *server = connection->worker->server;
    uint32_t kind = SETTING(server, certificate_names);
    char name[TLS_NAME_MAX + 1];
    if (kind == CONFIG_TLS_AUTH_CLIENTS_USER_OFF ||
        !tls_peer_name(connection->tls, kind == CONFIG_TLS_AUTH_CLIENTS_USER_CN ? TLS_NAME_COMMON : TLS_NAME_URI, name))
        return;
    const bool known = users_be(server, &connection->client, slice_from_string(name));
    audit_certificate(connection, slice_from_string(name), known);
    if (!known)
        log_verbose("The certificate of %s names '%s', and no such user may come in", connection->peer, name);
}

/* After whatever went on: whether the handshake is over, and whether there is more to read. */
static void note(struct connection *connection, bool was_ready) {
    struct server_secure *secure = connection->worker->server->secure;
    if (!was_ready && tls_is_ready(connection->tls)) {
        find_user(connection);
        atomic_fetch_add_explicit(&secure->shaken, 1, memory_order_relaxed);
        if (tls_is_resumed(connection->tls))
            atomic_fetch_add_explicit(&secure->resumed, 1, memory_order_relaxed);
        log_verbose("TLS with %s: %s, %s", connection->peer, tls_version(connection->tls), tls_cipher(connection->tls));
    }
    if (tls_has_more(connection->tls))
        secure_list(connection);
}

ssize_t secure_receive(struct connection *connection, void *room, size_t size) {
    size_t got;
    bool was_ready = tls_is_ready(connection->tls);
    connection->worker->secure.shaken += !was_ready;
    enum status status = tls_read(connection->tls, room, size, &got);
    note(connection, was_ready);
    if (status == STATUS_OK)
        return (ssize_t)got;
    if (status == STATUS_CLOSED)
        return 0;
    if (status == STATUS_AGAIN)
        connection_update_interest(connection);
    errno = status == STATUS_AGAIN ? EAGAIN : EPROTO;
    return -1;
}

ssize_t secure_send(struct connection *connection, const struct iovec *pieces, int count) {
    size_t taken;
    enum status status = tls_write(connection->tls, pieces, count, &taken);
    if (status == STATUS_OK)
        return (ssize_t)taken;
    errno = status == STATUS_AGAIN ? EAGAIN : EPIPE;
    return -1;
}

void secure_continue(struct connection *connection) {
    bool was_ready = tls_is_ready(connection->tls);
    connection->worker->secure.shaken += !was_ready;
    tls_continue(connection->tls);
    note(connection, was_ready);
    connection_update_interest(connection);
}

bool secure_defers(struct connection *connection) {
    return !tls_is_ready(connection->tls) && connection->worker->secure.shaken >= SECURE_HANDSHAKES_PER_TURN;
}

void secure_read_more(struct worker *worker) {
    struct connection *list = worker->secure.more, *next;
    worker->secure.more = NULL;
    for (struct connection *connection = list; connection; connection = next) {
        next = connection->more_next;
        connection->more_listed = false;
        if (connection->state != CONNECTION_DEAD)
            connection_receive(connection);
    }
    if (list)
        batch_finish(worker);
}

void secure_connection_ends(struct connection *connection) {
    if (!connection->tls || tls_is_ready(connection->tls))
        return;
    atomic_fetch_add_explicit(&connection->worker->server->secure->failed, 1, memory_order_relaxed);
    audit_unshaken(connection, tls_reason(connection->tls));
    log_verbose("TLS with %s has not come about: %s", connection->peer, tls_reason(connection->tls));
}
