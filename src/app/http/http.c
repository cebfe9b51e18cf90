#include "app/http/http.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/cmd/server_api.h"
#include "app/http/connection.h"
#include "app/server/server.h"
#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/process.h"
#include "sys/os/thread.h"

enum {
    DOORS_MAX = 2 * CONFIG_LIST_MAX,
    HOSTS_MAX = 514,       /* as many as the setting has room for, and two of ours */
    ACCEPTS_PER_TURN = 16, /* a handshake takes up to a millisecond, and others wait */
    ACCEPT_AGAIN_MS = 100,
    TURN_MS = 1000,
    STOP_TURN_MS = 20,
    BACKLOG = 128,
    TRIES_MAX = 16,
};

struct door {
    struct http_source source; /* first */
    struct http *http;
    bool secure;
};

struct http {
    struct http_service service;
    struct server *server;
    struct http_loop *loop;
    struct door doors[DOORS_MAX];
    uint32_t door_count;
    bool watched; /* not while descriptors are short, and at the end */
    struct http_timer accept_again;
    struct thread thread;
    bool runs;
    atomic_bool stop;
    struct tls_context *context;
    uint64_t version; /* of its certificates */
    uint32_t keepalive_s;
    uint16_t port, tls_port;
    char host_name[256];
    char host_names[1024];
    struct slice hosts[HOSTS_MAX];
};

/* ---------------------------------------------------------------------------------------- doors */

static bool watch_doors(struct http *http) {
    for (uint32_t i = 0; i < http->door_count; i++)
        if (http_loop_watch(http->loop, &http->doors[i].source, LOOP_READ) != STATUS_OK)
            return false;
    http->watched = true;
    return true;
}

static void rest_doors(struct http *http) {
    if (!http->watched)
        return;
    for (uint32_t i = 0; i < http->door_count; i++)
        http_loop_forget(http->loop, &http->doors[i].source);
    http->watched = false;
}

static void close_doors(struct http *http) {
    rest_doors(http);
    for (uint32_t i = 0; i < http->door_count; i++)
        close(http->doors[i].source.source.fd);
    http->door_count = 0;
}

static void accept_again(struct http_timer *timer) {
    struct http *http = (struct http *)(void *)((uint8_t *)timer - offsetof(struct http, accept_again));
    if (!http->watched && !http->service.stopping && !watch_doors(http))
        log_warning("A listener of HTTP is lost");
}

/* No descriptors or memory left: looking at the listeners again and again would only burn the processor. */
static void rest(struct http *http) {
    rest_doors(http);
    log_warning("No descriptor or memory left for a new connection of HTTP; trying again in %d ms", ACCEPT_AGAIN_MS);
    if (http_loop_set(http->loop, &http->accept_again, http_loop_now_ms(http->loop) + ACCEPT_AGAIN_MS) != STATUS_OK)
        log_warning("The listeners of HTTP are lost");
}

/* Over TLS nothing can be said before the handshake, which is not worth it. */
static void turn_away(struct http *http, int fd, bool secure, uint16_t status, const char *why) {
    char text[HTTP_PROBLEM_MAX], answer[2 * HTTP_PROBLEM_MAX];
    size_t size = http_problem(status, why, text);
    int all = snprintf(answer, sizeof answer,
                       "HTTP/1.1 %u %s\r\ncontent-type: application/problem+json\r\ncontent-length: %zu\r\n"
                       "retry-after: 1\r\nconnection: close\r\n\r\n%s",
                       status, http_reason(status), size, text);
    if (!secure)
        MAYBE(send(fd, answer, (size_t)all, MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
    close(fd);
    HTTP_COUNT(&http->service, rejected);
}

/* Newer certificates are of no use without memory: those before go on. */
static struct tls_stream *accept_secure(struct http *http, int fd) {
    struct tls_context *context;
    uint64_t version = http->version;
    struct tls_material *material = server_certificates(http->server, &version);
    if (material && tls_context_new(material, &context) == STATUS_OK) {
        tls_context_speak(context, "\x02h2\x08http/1.1");
        tls_context_free(http->context);
        http->context = context;
        http->version = version;
    }
    tls_material_unref(material);
    return http->context ? tls_accept(http->context, fd) : NULL;
}

static void admit(struct http *http, int fd, bool secure) {
    struct http_connection *connection;
    struct tls_stream *stream = NULL;
    HTTP_COUNT(&http->service, received);
    if (server_is_guarded(http->server) && !socket_peer_is_local(fd)) {
        turn_away(http, fd, secure, 403,
                  "Strata is in protected mode and has no password, so it answers this machine only. Set requirepass, "
                  "or switch protected-mode off");
        return;
    }
    if (http->service.count >= http->service.limits.connections_max) {
        turn_away(http, fd, secure, 503, "there are http-max-connections already");
        return;
    }
    socket_tune_tcp(fd, http->keepalive_s);
    if (secure && !(stream = accept_secure(http, fd))) {
        close(fd);
        return;
    }
    MAYBE(http_connection_open(&http->service, fd, stream, &connection) != STATUS_OK);
}

static void on_door(struct http_source *source, uint32_t ready) {
    struct door *door = (struct door *)source;
    struct http *http = door->http;
    (void)ready;
    for (int i = 0; i < ACCEPTS_PER_TURN && http->watched; i++) {
        int fd;
        enum status status = socket_accept(door->source.source.fd, &fd);
        if (status == STATUS_AGAIN)
            return;
        if (status == STATUS_OK)
            admit(http, fd, door->secure);
        else
            rest(http);
    }
}

/* -------------------------------------------------------------------------------------- listening */

static enum status tell_taken(const char *address, uint16_t port, enum status status) {
    fprintf(stderr, "strata: HTTP: cannot listen on %s port %u: %s\n", address, port,
            status == STATUS_BUSY      ? "another program does already"
            : status == STATUS_INVALID ? "not an address"
                                       : strerror(errno));
    return status;
}

/* "-::1": no error if this machine has no such address. */
static enum status open_door(struct http *http, const char *item, uint16_t port, bool secure) {
    bool optional = item[0] == '-';
    const char *address = item + optional;
    uint16_t found;
    int fd;
    enum status status = socket_port_probe(address, port, &found);
    if (status == STATUS_OK)
        status = socket_listen_tcp(address, port, BACKLOG, &fd);
    else if (optional && status != STATUS_BUSY)
        return STATUS_OK;
    if (status != STATUS_OK)
        return tell_taken(address, port, status);
    http->doors[http->door_count++] =
        (struct door){.source = {.source = {.fd = fd}, .ready = on_door}, .http = http, .secure = secure};
    return STATUS_OK;
}

static enum status listen_on(struct http *http, const struct config_list *bind, int64_t port, bool secure) {
    uint32_t before = http->door_count;
    for (uint32_t i = 0; i < bind->count && port; i++)
        TRY(open_door(http, bind->items[i], (uint16_t)port, secure));
    if (!port || http->door_count > before)
        return STATUS_OK;
    fprintf(stderr, "strata: HTTP: none of the addresses exists on this machine\n");
    return STATUS_INVALID;
}

static void note_hosts(struct http *http, const char *hosts) {
    uint32_t count = 0;
    char *rest = NULL;
    snprintf(http->host_names, sizeof http->host_names, "%s", hosts);
    process_host_name(http->host_name, sizeof http->host_name);
    http->hosts[count++] = SLICE("localhost");
    if (http->host_name[0])
        http->hosts[count++] = slice_from_string(http->host_name);
    for (char *name = strtok_r(http->host_names, " ", &rest); name && count < HOSTS_MAX;
         name = strtok_r(NULL, " ", &rest))
        http->hosts[count++] = slice_from_string(name);
    http->service.hosts = http->hosts;
    http->service.host_count = count;
}

static int64_t unix_s(void) { return (int64_t)(clock_unix_ms() / 1000); }

static void settle(struct http *http, const struct config_values *values) {
    uint64_t unread_max = values->client_output_buffer_limit.normal.hard_bytes;
    uint64_t body_max =
        values->http_max_memory_bytes - HTTP_HELD_ALWAYS; /* with its head: more would never have room */
    http->service.memory = &memory_libc;
    http->service.loop = http->loop;
    http->service.unix_s = unix_s;
    http->service.limits = (struct http_limits){
        .body_max = values->http_max_body_bytes < body_max ? values->http_max_body_bytes : body_max,
        .held_max = values->http_max_memory_bytes,
        .unread_max = unread_max ? unread_max : UINT64_MAX / 2,
        .connections_max = (uint32_t)values->http_max_connections,
    };
    http->service.certificates =
        values->tls_auth_clients_user == CONFIG_TLS_AUTH_CLIENTS_USER_OFF  ? HTTP_CERTIFICATE_NOBODY
        : values->tls_auth_clients_user == CONFIG_TLS_AUTH_CLIENTS_USER_CN ? HTTP_CERTIFICATE_COMMON_NAME
                                                                           : HTTP_CERTIFICATE_URI;
    http->keepalive_s = (uint32_t)values->tcp_keepalive_s;
    note_hosts(http, values->http_hosts);
}

enum status http_open(const struct config *config, struct http **ret_http) {
    const struct config_values *values = &config->values;
    *ret_http = NULL;
    if (!values->http_port && !values->http_tls_port)
        return STATUS_OK;
    struct http *http = memory_take(&memory_libc, sizeof *http);
    if (!http)
        return STATUS_NO_MEMORY;
    *http = (struct http){.accept_again = {.due = accept_again}};
    const struct config_list *bind = values->http_bind.count ? &values->http_bind : &values->bind;
    enum status status = http_loop_new(&memory_libc, NULL, &http->loop);
    if (status == STATUS_OK) {
        settle(http, values);
        status = listen_on(http, bind, values->http_port, false);
    }
    if (status == STATUS_OK)
        status = listen_on(http, bind, values->http_tls_port, true);
    if (status != STATUS_OK) {
        http_free(http);
        return status;
    }
    http->port = (uint16_t)values->http_port;
    http->tls_port = (uint16_t)values->http_tls_port;
    *ret_http = http;
    return STATUS_OK;
}

/* --------------------------------------------------------------------------------------- the thread */

static void give_counts(void *context, struct cmd_http_counts *ret_counts) {
    struct http *http = context;
    const struct http_counts *counts = &http->service.counts;
#define COUNT_OF_HTTP(name) .name = atomic_load_explicit(&counts->name, memory_order_relaxed)
    *ret_counts = (struct cmd_http_counts){
        .port = http->port,
        .tls_port = http->tls_port,
        COUNT_OF_HTTP(connections),
        COUNT_OF_HTTP(held_bytes),
        COUNT_OF_HTTP(received),
        COUNT_OF_HTTP(rejected),
        COUNT_OF_HTTP(refused),
        COUNT_OF_HTTP(timed_out),
        COUNT_OF_HTTP(unread),
        COUNT_OF_HTTP(calmed),
        COUNT_OF_HTTP(bytes_in),
        COUNT_OF_HTTP(bytes_out),
        COUNT_OF_HTTP(handshakes),
        COUNT_OF_HTTP(handshakes_failed),
    };
#undef COUNT_OF_HTTP
    for (int i = 0; i < 3; i++)
        ret_counts->requests[i] = atomic_load_explicit(&counts->requests[i], memory_order_relaxed);
}

static void stop_serving(struct http *http) {
    uint64_t until_ms = clock_steady_ms() + server_stop_ms(http->server);
    close_doors(http);
    http_service_stop(&http->service);
    while (http->service.count && clock_steady_ms() < until_ms)
        http_loop_turn(http->loop, STOP_TURN_MS);
    if (http->service.count)
        log_warning("%u connections of HTTP are closed before they were answered", http->service.count);
    http_service_cut(&http->service);
    while (http->service.count)
        http_loop_turn(http->loop, STOP_TURN_MS);
}

static void run(void *context) {
    struct http *http = context;
    while (!atomic_load(&http->stop))
        http_loop_turn(http->loop, TURN_MS);
    stop_serving(http);
}

enum status http_run(struct http *http, struct server *server, const struct http_handler *handler) {
    if (!http)
        return STATUS_OK;
    http->server = server;
    http->service.handler = *handler;
    if (!watch_doors(http))
        return STATUS_NO_MEMORY;
    server_count_http(server, give_counts, http);
    TRY(thread_start(&http->thread, "http", run, http));
    http->runs = true;
    return STATUS_OK;
}

void http_stop(struct http *http) {
    if (!http || !http->runs)
        return;
    atomic_store(&http->stop, true);
    http_loop_wake(http->loop);
    thread_join(&http->thread);
    http->runs = false;
}

void http_free(struct http *http) {
    if (!http)
        return;
    ASSERT(!http->runs);
    close_doors(http);
    tls_context_free(http->context);
    http_loop_free(http->loop);
    memory_give(&memory_libc, http, sizeof *http);
}

struct http_loop *http_loop_of(struct http *http) {
    return http ? http->loop : NULL;
}
uint16_t http_port(const struct http *http) { return http ? http->port : 0; }
uint16_t http_tls_port(const struct http *http) { return http ? http->tls_port : 0; }

/* ---------------------------------------------------------------------------------- the plain handler */

static void plain_begin(void *context, struct http_exchange *exchange, const struct http_request *request) {
    (void)context;
    const struct http_field type = {SLICE("content-type"), SLICE("application/problem+json")};
    const struct http_field text_type = {SLICE("content-type"), SLICE("text/plain")};
    char text[HTTP_PROBLEM_MAX];
    if (slice_equal(request->path, SLICE("/livez")))
        http_respond(exchange, 200, &text_type, 1, SLICE("ok\n"));
    else
        http_respond(exchange, 404, &type, 1, slice_make(text, http_problem(404, "there is nothing here", text)));
}

static void plain_gone(void *context, struct http_exchange *exchange) { (void)context, (void)exchange; }

const struct http_handler http_handler_plain = {.begin = plain_begin, .gone = plain_gone, .room = plain_gone};
