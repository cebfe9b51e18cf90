/* app/cmd/server_fixture.h: a server that consists of a list of clients and users. For tests only.
 *
 * Commands see it through struct cmd_server_api like any other; the test fills `views` and reads what was asked.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_CMD_SERVER_FIXTURE_H
#define STRATA_APP_CMD_SERVER_FIXTURE_H

#include "app/cmd/cmd_fixture.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "base/glob.h"
#include "base/hash.h"

enum { SERVER_FIXTURE_VIEWS_MAX = 8, SERVER_FIXTURE_PREFIXES_MAX = 8 };

struct server_fixture {
    struct cmd_server server; /* first: commands hand in its address */
    struct cmd_client_view views[SERVER_FIXTURE_VIEWS_MAX];
    uint32_t view_count;
    struct auth_users users;
    uint64_t denied[4]; /* by enum auth_reason */
    uint32_t waits_ended;
    uint64_t pause_until_ms; /* 0: not paused */
    bool pause_writes_only;
    uint32_t kill_calls;
    struct topics topics[TOPIC_KINDS];
    enum status track_status; /* what CLIENT TRACKING ON gets */
    struct slice prefixes[SERVER_FIXTURE_PREFIXES_MAX];
    uint32_t prefix_count;
    struct buf noted;    /* names of keys that were to be noted, a line each */
    struct buf messages; /* what subscribers were sent: a line `ID KIND TOPIC TEXT` each, KIND a digit */
};

static inline struct server_fixture *server_fixture_of(struct cmd_server *server) {
    return (struct server_fixture *)server;
}

static inline void server_fixture_persistence(struct cmd_server *server, struct cmd_persistence *ret_facts) {
    (void)server;
    *ret_facts = (struct cmd_persistence){0};
}

static inline void server_fixture_tier(struct cmd_server *server, struct cmd_tier_counts *ret_counts) {
    (void)server;
    *ret_counts = (struct cmd_tier_counts){.enabled = false};
}

static inline enum status server_fixture_save(struct cmd_server *server, struct cmd_client *client, bool waits,
                                              bool *ret_done) {
    (void)server, (void)client, (void)waits;
    *ret_done = true;
    return STATUS_CLOSED;
}

/* The first bytes of a password as digits: all different for passwords of up to 32 bytes. */
static inline void server_fixture_hash(struct slice password, char ret_hash[AUTH_HASH_SIZE]) {
    memset(ret_hash, '0', AUTH_HASH_SIZE);
    for (size_t i = 0; i < password.size && i < AUTH_HASH_SIZE / 2; i++) {
        ret_hash[2 * i] = "0123456789abcdef"[password.data[i] >> 4];
        ret_hash[2 * i + 1] = "0123456789abcdef"[password.data[i] & 15];
    }
}

static inline struct auth_users *server_fixture_users(struct cmd_server *server) {
    return &server_fixture_of(server)->users;
}

static inline void server_fixture_nothing(struct cmd_server *server) { (void)server; }

/* Only the client of the fixture goes by users. */
static inline void server_fixture_changed(struct cmd_server *server, struct cmd_client *client) {
    struct auth_user *user =
        client->user ? auth_users_find(&server_fixture_of(server)->users, client->user->name) : NULL;
    if (client->user && (!user || user->id != client->user->id))
        client->close_after_reply = true;
    else if (user)
        rights_bind(client, user);
}

static inline void server_fixture_denied(struct cmd_server *server, unsigned reason) {
    server_fixture_of(server)->denied[reason]++;
}

static inline const struct rules *server_fixture_rules(struct cmd_server *server, struct cmd_client *client,
                                                       struct slice *ret_text) {
    (void)server, (void)client, (void)ret_text;
    return NULL;
}

static inline void server_fixture_view(struct cmd_server *server, const struct cmd_client *client,
                                       struct cmd_client_view *ret_view) {
    (void)client;
    *ret_view = server_fixture_of(server)->views[0];
}

static inline void server_fixture_random(struct cmd_server *server, void *ret_bytes, size_t size) {
    (void)server;
    memset(ret_bytes, 0xa7, size);
}

static inline void server_fixture_tell(struct cmd_server *server, struct cmd_client *client, const char *what) {
    (void)server, (void)client, (void)what;
}

static inline void server_fixture_lease_wait_end(struct cmd_server *server, struct cmd_client *client) {
    (void)client;
    server_fixture_of(server)->waits_ended++;
}

/* The default user has this password. */
static inline void server_fixture_password(struct server_fixture *s, const char *password) {
    struct auth_user *user = auth_user_copy(auth_users_find(&s->users, SLICE("default")));
    char rule[64];
    snprintf(rule, sizeof rule, ">%s", password);
    assert_int_equal(auth_user_apply(user, slice_from_string(rule)), AUTH_FINE);
    assert_int_equal(auth_users_put(&s->users, user), STATUS_OK);
}

static inline void server_fixture_closing(struct cmd_fixture *f) {
    auth_users_fini(&((struct server_fixture *)f->closing_context)->users);
}

static inline void server_fixture_each(struct cmd_server *server,
                                       void (*visit)(void *context, const struct cmd_client_view *), void *context) {
    struct server_fixture *s = server_fixture_of(server);
    for (uint32_t i = 0; i < s->view_count; i++)
        if (!s->views[i].closing)
            visit(context, &s->views[i]);
}

static inline uint32_t server_fixture_kill(struct cmd_server *server,
                                           bool (*matches)(void *context, const struct cmd_client_view *view),
                                           void *context) {
    struct server_fixture *s = server_fixture_of(server);
    uint32_t count = 0;
    s->kill_calls++;
    for (uint32_t i = 0; i < s->view_count; i++) {
        struct cmd_client_view *view = &s->views[i];
        if (view->closing || !matches(context, view))
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

static inline enum status server_fixture_subscribe(struct cmd_server *server, struct cmd_client *client,
                                                   enum topic_kind kind, struct slice name) {
    uint64_t hash = hash_bytes(name, 0);
    if (listener_find(&client->listener, kind, name, hash))
        return STATUS_OK;
    return topics_join(&server_fixture_of(server)->topics[kind], kind, name, hash, 0, 0, &client->listener);
}

static inline void server_fixture_unsubscribe(struct cmd_server *server, struct cmd_client *client,
                                              enum topic_kind kind, struct slice name) {
    struct subscription *found = listener_find(&client->listener, kind, name, hash_bytes(name, 0));
    if (found)
        topics_leave(&server_fixture_of(server)->topics[kind], found);
}

static inline void server_fixture_unsubscribe_all(struct cmd_server *server, struct cmd_client *client) {
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        while (client->listener.first[kind])
            topics_leave(&server_fixture_of(server)->topics[kind], client->listener.first[kind]);
}

static inline uint64_t server_fixture_send(struct server_fixture *s, const struct topic *topic, enum topic_kind kind,
                                           struct slice text) {
    for (const struct topic_part *part = topic->parts; part; part = part->next)
        for (uint32_t i = 0; i < part->count; i++) {
            const struct cmd_client *client =
                (const struct cmd_client *)((char *)part->members[i].listener - offsetof(struct cmd_client, listener));
            assert_int_equal(
                buf_printf(&s->messages, "%u %d %.*s %.*s\n", (unsigned)client->id, (int)kind, (int)topic->name_size,
                           (const char *)topic->name, (int)text.size, (const char *)text.data),
                STATUS_OK);
        }
    return topic->listeners;
}

static inline enum status server_fixture_publish(struct cmd_server *server, enum topic_kind kind, struct slice channel,
                                                 struct slice text, uint64_t *ret_receivers) {
    struct server_fixture *s = server_fixture_of(server);
    const struct topic *topic = topics_find(&s->topics[kind], channel, hash_bytes(channel, 0));
    *ret_receivers = topic ? server_fixture_send(s, topic, kind, text) : 0;
    for (topic = s->topics[TOPIC_PATTERN].oldest; topic && kind == TOPIC_CHANNEL; topic = topic->newer)
        if (glob_matches(topic_name(topic), channel, false))
            *ret_receivers += server_fixture_send(s, topic, TOPIC_PATTERN, text);
    return STATUS_OK;
}

static inline void server_fixture_each_topic(struct cmd_server *server, enum topic_kind kind,
                                             void (*visit)(void *context, struct slice name), void *context) {
    for (const struct topic *topic = server_fixture_of(server)->topics[kind].oldest; topic; topic = topic->newer)
        visit(context, topic_name(topic));
}

static inline uint64_t server_fixture_listeners(struct cmd_server *server, enum topic_kind kind, struct slice name) {
    const struct topic *topic = topics_find(&server_fixture_of(server)->topics[kind], name, hash_bytes(name, 0));
    return topic ? topic->listeners : 0;
}

static inline uint64_t server_fixture_topic_count(struct cmd_server *server, enum topic_kind kind) {
    return server_fixture_of(server)->topics[kind].count;
}

static inline enum status server_fixture_track(struct cmd_server *server, struct cmd_client *client,
                                               const struct cmd_tracking_wish *wish) {
    struct server_fixture *s = server_fixture_of(server);
    if (s->track_status != STATUS_OK)
        return s->track_status;
    client->tracking = CMD_TRACKS | wish->modes;
    client->tracking_redirect = wish->redirect;
    for (uint32_t i = 0; i < wish->prefix_count; i++) {
        assert_true(s->prefix_count < SERVER_FIXTURE_PREFIXES_MAX);
        uint8_t *copy = malloc(wish->prefixes[i].size + 1);
        assert_non_null(copy);
        memcpy(copy, wish->prefixes[i].data, wish->prefixes[i].size);
        s->prefixes[s->prefix_count++] = slice_make(copy, wish->prefixes[i].size);
    }
    return STATUS_OK;
}

static inline void server_fixture_untrack(struct cmd_server *server, struct cmd_client *client) {
    struct server_fixture *s = server_fixture_of(server);
    client->tracking = 0;
    while (s->prefix_count)
        free((void *)(uintptr_t)s->prefixes[--s->prefix_count].data);
}

static inline void server_fixture_each_prefix(struct cmd_server *server, const struct cmd_client *client,
                                              void (*visit)(void *context, struct slice prefix), void *context) {
    const struct server_fixture *s = server_fixture_of(server);
    (void)client;
    for (uint32_t i = 0; i < s->prefix_count; i++)
        visit(context, s->prefixes[i]);
}

static inline bool server_fixture_client_is_there(struct cmd_server *server, uint64_t id) {
    const struct server_fixture *s = server_fixture_of(server);
    for (uint32_t i = 0; i < s->view_count; i++)
        if (s->views[i].id == id)
            return true;
    return false;
}

static inline void server_fixture_note_keys(struct cmd_call *call) {
    struct server_fixture *s = server_fixture_of(call->env->server);
    uint32_t at[8], count = cmd_key_positions(call->spec, call->argv, call->argc, at, 8);
    for (uint32_t i = 0; i < count && i < 8; i++)
        assert_int_equal(
            buf_printf(&s->noted, "%.*s\n", (int)call->argv[at[i]].size, (const char *)call->argv[at[i]].data),
            STATUS_OK);
}

/* Opens `f` as well; its client is the first view, number 1. */
static inline void server_fixture_open(struct server_fixture *s, struct cmd_fixture *f) {
    static const struct cmd_server_api api = {
        .users_lock = server_fixture_users,
        .users_unlock = server_fixture_nothing,
        .users_changed = server_fixture_changed,
        .denied = server_fixture_denied,
        .rules_now = server_fixture_rules,
        .view_client = server_fixture_view,
        .random = server_fixture_random,
        .tell_deed = server_fixture_tell,
        .lease_wait_end = server_fixture_lease_wait_end,
        .tier = server_fixture_tier,
        .each_client = server_fixture_each,
        .kill_clients = server_fixture_kill,
        .pause = server_fixture_pause,
        .unpause = server_fixture_unpause,
        .subscribe = server_fixture_subscribe,
        .unsubscribe = server_fixture_unsubscribe,
        .unsubscribe_all = server_fixture_unsubscribe_all,
        .publish = server_fixture_publish,
        .each_topic = server_fixture_each_topic,
        .topic_listeners = server_fixture_listeners,
        .topic_count = server_fixture_topic_count,
        .track = server_fixture_track,
        .untrack = server_fixture_untrack,
        .each_tracked_prefix = server_fixture_each_prefix,
        .client_is_there = server_fixture_client_is_there,
    };
    *s = (struct server_fixture){.server = {.api = &api}};
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        topics_init(&s->topics[kind], &memory_libc);
    buf_init(&s->messages, &memory_libc);
    buf_init(&s->noted, &memory_libc);
    cmd_fixture_open(f);
    f->env.server = &s->server;
    f->closing = server_fixture_closing;
    f->closing_context = s;
    struct auth_setting setting = {.commands = &cmd_rights, .memory = &memory_libc, .hash = server_fixture_hash};
    assert_int_equal(auth_users_init(&s->users, &setting), STATUS_OK);
    auth_log_limit(&s->users, 16);
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

/* Closes `f` as well. Of use where something was subscribed to; otherwise cmd_fixture_close does. */
static inline void server_fixture_close(struct server_fixture *s, struct cmd_fixture *f) {
    server_fixture_unsubscribe_all(&s->server, &f->client);
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        topics_fini(&s->topics[kind]);
    server_fixture_untrack(&s->server, &f->client);
    buf_fini(&s->messages);
    buf_fini(&s->noted);
    cmd_fixture_close(f);
}

static inline struct cmd_client_view *server_fixture_add(struct server_fixture *s, uint64_t id, const char *address,
                                                         uint64_t age_s) {
    assert_true(s->view_count < SERVER_FIXTURE_VIEWS_MAX);
    struct cmd_client_view *view = &s->views[s->view_count++];
    *view = (struct cmd_client_view){
        .id = id, .local_address = "127.0.0.1:6379", .age_s = age_s, .protocol = 3, .multi = UINT32_MAX};
    snprintf(view->address, sizeof view->address, "%s", address);
    snprintf(view->user, sizeof view->user, "default");
    view->user_id = auth_users_find(&s->users, SLICE("default"))->id;
    return view;
}

#endif
