/* app/cmd/server_fixture.h: a server that consists of a list of clients and a password. For tests only.
 *
 * Commands see it through struct cmd_server_api like any other; the test fills `views` and reads what was asked.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_CMD_SERVER_FIXTURE_H
#define STRATA_APP_CMD_SERVER_FIXTURE_H

#include "app/cmd/cmd_fixture.h"
#include "app/cmd/server_api.h"

enum { SERVER_FIXTURE_VIEWS_MAX = 8 };

struct server_fixture {
    struct cmd_server server; /* first: commands hand in its address */
    struct cmd_client_view views[SERVER_FIXTURE_VIEWS_MAX];
    uint32_t view_count;
    const char *password; /* NULL: none is set */
    uint32_t auth_failures;
    uint64_t pause_until_ms; /* 0: not paused */
    bool pause_writes_only;
    uint32_t kill_calls;
};

static inline struct server_fixture *server_fixture_of(struct cmd_server *server) {
    return (struct server_fixture *)server;
}

static inline enum cmd_password server_fixture_check(struct cmd_server *server, struct slice password) {
    const char *kept = server_fixture_of(server)->password;
    if (!kept)
        return CMD_PASSWORD_NONE_SET;
    return cmd_password_equal(slice_from_string(kept), password) ? CMD_PASSWORD_RIGHT : CMD_PASSWORD_WRONG;
}

static inline void server_fixture_auth_failed(struct cmd_server *server) { server_fixture_of(server)->auth_failures++; }

static inline void server_fixture_each(struct cmd_server *server,
                                       void (*visit)(void *context, const struct cmd_client_view *), void *context) {
    struct server_fixture *s = server_fixture_of(server);
    for (uint32_t i = 0; i < s->view_count; i++)
        if (!s->views[i].closing)
            visit(context, &s->views[i]);
}

static inline uint32_t server_fixture_kill(struct cmd_server *server, const struct cmd_kill_filter *filter) {
    struct server_fixture *s = server_fixture_of(server);
    uint32_t count = 0;
    s->kill_calls++;
    for (uint32_t i = 0; i < s->view_count; i++) {
        struct cmd_client_view *view = &s->views[i];
        if (view->closing || view->id == filter->skip_id || (filter->id && filter->id != view->id) ||
            (filter->address && strcmp(filter->address, view->address) != 0) ||
            (filter->local_address && strcmp(filter->local_address, view->local_address) != 0) ||
            view->age_s < filter->age_min_s)
            continue;
        view->closing = true;
        count++;
    }
    return count;
}

static inline void server_fixture_pause(struct cmd_server *server, uint64_t until_ms, bool writes_only) {
    server_fixture_of(server)->pause_until_ms = until_ms;
    server_fixture_of(server)->pause_writes_only = writes_only;
}

static inline void server_fixture_unpause(struct cmd_server *server) { server_fixture_of(server)->pause_until_ms = 0; }

/* Opens `f` as well; its client is the first view, number 1. */
static inline void server_fixture_open(struct server_fixture *s, struct cmd_fixture *f) {
    static const struct cmd_server_api api = {
        .check_password = server_fixture_check,
        .auth_failed = server_fixture_auth_failed,
        .each_client = server_fixture_each,
        .kill_clients = server_fixture_kill,
        .pause = server_fixture_pause,
        .unpause = server_fixture_unpause,
    };
    *s = (struct server_fixture){.server = {.api = &api}};
    cmd_fixture_open(f);
    f->env.server = &s->server;
    s->views[s->view_count++] = (struct cmd_client_view){.id = f->client.id,
                                                         .address = "127.0.0.1:5001",
                                                         .local_address = "127.0.0.1:6379",
                                                         .descriptor = 9,
                                                         .age_s = 100,
                                                         .idle_s = 0,
                                                         .protocol = 2,
                                                         .multi = UINT32_MAX,
                                                         .query_bytes = 26,
                                                         .query_free_bytes = 1000,
                                                         .memory_bytes = 2000,
                                                         .bytes_in = 300,
                                                         .bytes_out = 400,
                                                         .commands = 5};
}

static inline struct cmd_client_view *server_fixture_add(struct server_fixture *s, uint64_t id, const char *address,
                                                         uint64_t age_s) {
    assert_true(s->view_count < SERVER_FIXTURE_VIEWS_MAX);
    struct cmd_client_view *view = &s->views[s->view_count++];
    *view = (struct cmd_client_view){
        .id = id, .local_address = "127.0.0.1:6379", .age_s = age_s, .protocol = 3, .multi = UINT32_MAX};
    snprintf(view->address, sizeof view->address, "%s", address);
    return view;
}

#endif
