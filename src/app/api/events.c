/* app/api/events.c: the invalidation stream as server-sent events.
 *
 *     GET /v1/events --> STREAM SUBSCRIBE on a link of its own --> pushes --> id: RUN:POSITION / event: KIND / data: {...}
 *
 * Records wait in the connection between the threads while the client does not take what it was sent; the server then keeps its place in its ring, as
 * for any subscriber that is slow. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "base/assert.h"
#include "base/number.h"

enum {
    STREAMS_MAX = 64,
    STREAMS_OF_ONE_MAX = 32, /* of one identity, so that others come to theirs */
    HEARTBEAT_MS = 15000,
    RETRY_MS = 1000,
    RUN_SIZE_MAX = 64,
    TYPES_MAX = 24,
};

struct api_events {
    bool comes_back; /* it said where it was: what it missed follows */
    bool held_back;  /* the client is behind: pushes are not read */
    bool counted;    /* it is one of its identity's, and of all */
    char run[RUN_SIZE_MAX];
    size_t run_size;
    struct slice types[TYPES_MAX]; /* of records that are wanted; none: all */
    uint32_t type_count;
};

/* What says that anything may be old is never left out. */
static bool is_wanted(const struct api_events *events, struct slice kind) {
    static const char *const always[] = {"gap", "lost", "began", "writes-began", NULL};
    bool wanted = events->type_count == 0;
    for (const char *const *at = always; *at; at++)
        wanted |= slice_equal(kind, slice_from_string(*at));
    for (uint32_t i = 0; i < events->type_count; i++)
        wanted |= slice_equal(kind, events->types[i]);
    return wanted;
}

static const struct resp_value *member(const struct resp_value *map, const char *name) {
    for (uint32_t i = 0; i + 1 < map->count; i += 2)
        if (api_is(&map->members[i], name))
            return &map->members[i + 1];
    return NULL;
}

static bool write_id(struct api_call *call, int64_t position) {
    const struct api_events *events = call->events;
    return buf_printf(&call->body, "id: %.*s:%lld\n", (int)events->run_size, events->run, (long long)position) ==
           STATUS_OK;
}

static bool write_record(struct api_call *call, const struct resp_value *record, struct slice kind, int64_t position) {
    struct buf *to = &call->body;
    buf_clear(to);
    if (!write_id(call, position))
        return false;
    if (slice_equal(kind, SLICE("heartbeat")))
        return buf_append_slice(to, SLICE(": heartbeat\n\n")) == STATUS_OK;
    if (!is_wanted(call->events, kind)) /* who comes back goes on behind it all the same */
        return buf_append_slice(to, SLICE("\n")) == STATUS_OK;
    if (buf_printf(to, "event: %.*s\ndata: ", (int)kind.size, (const char *)kind.data) != STATUS_OK)
        return false;
    struct json_out out = json_out(to);
    json_put_reply(&out, record);
    return out.status == STATUS_OK && buf_append_slice(to, SLICE("\n\n")) == STATUS_OK;
}

static void hold_back(struct api_call *call) {
    struct api_events *events = call->events;
    bool behind = http_unsent(call->exchange) > HTTP_UNSENT_MAX;
    if (behind && !events->held_back) {
        events->held_back = true;
        ask_listen(&call->ask, false);
    }
}

static void got_push(struct ask *ask, const struct resp_value *message) {
    struct api_call *call = ask->owner;
    if (message->count < 2 || !api_is(&message->members[0], "stream") || !call->started)
        return;
    const struct resp_value *record = &message->members[1];
    const struct resp_value *kind = member(record, "kind"), *position = member(record, "position");
    const struct resp_value *run = member(record, "run");
    if (run && run->text.size < RUN_SIZE_MAX) {
        memcpy(call->events->run, run->text.data, run->text.size);
        call->events->run_size = run->text.size;
    }
    if (!kind || !position)
        return;
    if (!write_record(call, record, kind->text, position->integer)) {
        api_cut(call); /* without memory: the client comes back, and misses nothing */
        return;
    }
    http_send(call->exchange, buf_slice(&call->body));
    hold_back(call);
}

void api_events_room(struct api_call *call) {
    if (!call->events->held_back)
        return;
    call->events->held_back = false;
    ask_listen(&call->ask, true);
}

void api_events_end(struct api_call *call) {
    if (call->events->counted) {
        call->api->event_streams--;
        call->ask.share->streams--;
    }
    call->events = NULL;
}

/* False: it was answered. */
static bool has_room(struct api_call *call) {
    if (call->ask.share->streams >= STREAMS_OF_ONE_MAX) {
        api_problem(call, 429, "SHARE", "This identity has %d streams of events already, which is its share.",
                    STREAMS_OF_ONE_MAX);
        return false;
    }
    if (call->api->event_streams >= STREAMS_MAX) {
        api_problem(call, 503, "BUSY", "There are %d streams of events already.", STREAMS_MAX);
        return false;
    }
    return true;
}

/* Once it is known that it is who it says: by wrong passwords nobody takes anything. */
static bool take_place(struct api_call *call) {
    if (!has_room(call))
        return false;
    call->events->counted = true;
    call->api->event_streams++;
    call->ask.share->streams++;
    return true;
}

static void subscribed(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    const struct resp_value *run = member(&replies[0], "run"), *position = member(&replies[0], "position");
    if (!run || !position || run->text.size >= RUN_SIZE_MAX) {
        api_problem(call, 500, "ERR", "The server has answered in a way that is not known here.");
        return;
    }
    if (!take_place(call))
        return;
    struct api_events *events = call->events;
    memcpy(events->run, run->text.data, run->text.size);
    events->run_size = run->text.size;
    api_field(call, "content-type", SLICE("text/event-stream"));
    api_field(call, "cache-control", SLICE("no-store"));
    api_field(call, "x-accel-buffering", SLICE("no"));
    api_call_cross_origin(call);
    call->started = true;
    http_start(call->exchange, 200, call->fields, call->field_count);
    buf_clear(&call->body);
    bool good = buf_printf(&call->body, "retry: %d\n", RETRY_MS) == STATUS_OK &&
                (events->comes_back || write_id(call, position->integer)) &&
                buf_append_slice(&call->body, SLICE(": here\n\n")) == STATUS_OK;
    if (good)
        http_send(call->exchange, buf_slice(&call->body));
    else
        api_cut(call);
}

/* "RUN:POSITION" of the last event. False: it was answered. */
static bool put_place(struct api_call *call) {
    struct slice id;
    int64_t position;
    if (!api_field_get(call, "last-event-id", &id) && !api_query_get(call, "after", &id))
        return true;
    if (id.size == 0)
        return true;
    size_t colon = id.size;
    while (colon > 0 && id.data[colon - 1] != ':')
        colon--;
    if (colon < 2 || !number_parse_i64(slice_part(id, colon, SIZE_MAX), &position) || position < 0) {
        api_problem(call, 400, "SYNTAX", "Last-Event-ID is the id of an event, run and position.");
        return false;
    }
    api_word_text(call, "FROM");
    api_word(call, slice_part(id, 0, colon - 1));
    api_word_number(call, position);
    call->events->comes_back = true;
    return true;
}

static void put_filters(struct api_call *call, const char *name, const char *word) {
    for (uint32_t i = 0; i < call->query_count; i++) {
        if (!slice_equal(call->query[i].name, slice_from_string(name)))
            continue;
        api_word_text(call, word);
        api_word(call, call->query[i].value);
    }
}

static void read_types(struct api_call *call, struct api_events *events) {
    struct slice list;
    if (!api_query_get(call, "types", &list))
        return;
    for (size_t at = 0; at <= list.size && events->type_count < TYPES_MAX;) {
        size_t from = at;
        while (at < list.size && list.data[at] != ',')
            at++;
        if (at > from)
            events->types[events->type_count++] = slice_part(list, from, at - from);
        at++;
    }
}

void api_events_get(struct api_call *call) {
    struct api_events *events = arena_take(&call->arena, sizeof *events);
    int64_t heartbeat_ms = HEARTBEAT_MS;
    if (slice_equal(call->request->method, SLICE("HEAD"))) {
        api_answer(call, 200, "text/event-stream", SLICE(""));
        return;
    }
    if (!events || links_know(call->api->links, &call->identity, &call->ask) != STATUS_OK) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    if (!has_room(call)) /* and again when it is known who asks */
        return;
    if (!api_query_number(call, "heartbeat_ms", 100, 3600000, &heartbeat_ms))
        return;
    *events = (struct api_events){0};
    call->events = events;
    read_types(call, events);
    api_word_text(call, "STREAM");
    api_word_text(call, "SUBSCRIBE");
    if (!put_place(call))
        return;
    put_filters(call, "prefix", "PREFIX");
    put_filters(call, "class", "CLASS");
    put_filters(call, "tag", "TAG");
    if (api_query_is(call, "writes"))
        api_word_text(call, "WRITES");
    if (api_query_is(call, "groups"))
        api_word_text(call, "GROUPS");
    api_word_text(call, "HEARTBEAT");
    api_word_number(call, heartbeat_ms);
    api_command_end(call);
    call->ask.holds = call->ask.patient = true;
    call->ask.push = got_push;
    api_go(call, subscribed);
}
