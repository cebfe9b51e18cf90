/* app/server/streaming.c: what is recorded, and when. */
#include "app/server/streaming.h"

#include <stdio.h>

#include "app/server/worker.h"
#include "base/assert.h"
#include "core/classes/names.h"
#include "sys/os/clock.h"

enum { PATTERN_ARENA_SIZE = 4096, TRIGGER_SIZE = 32 + CAUSE_NAME_MAX };

/* The kinds of changes that are recorded, and those that are if somebody asked for writes. */
enum {
    INVALIDATIONS = 1 << CACHE_DELETED | 1 << CACHE_NOTHING_DELETED | 1 << CACHE_EXPIRED | 1 << CACHE_EVICTED |
                    1 << CACHE_FLUSHED | 1 << CACHE_SWAPPED | 1 << CACHE_TAG_INVALIDATED | 1 << CACHE_PATTERN_GOING |
                    1 << CACHE_RETAGGED | 1 << CACHE_TAG_SOFTENED | 1 << CACHE_INVALIDATED | 1 << CACHE_DEMOTED,
    WRITES = 1 << CACHE_CREATED | 1 << CACHE_REPLACED | 1 << CACHE_PATCHED,
    BY_THEMSELVES = 1 << CACHE_EXPIRED | 1 << CACHE_EVICTED | 1 << CACHE_DEMOTED
};

/* ------------------------------------------------------------------------------------------ begin and end */

struct server_streaming *streaming_new(struct server *server) {
    struct server_streaming *streaming = memory_take(&memory_libc, sizeof *streaming);
    if (!streaming)
        return NULL;
    *streaming = (struct server_streaming){.server = server};
    pthread_mutex_init(&streaming->lock, NULL);
    stream_init(&streaming->ring, &memory_libc, STREAM_CHUNK_SIZE); /* streaming_settle knows better */
    return streaming;
}

void streaming_free(struct server_streaming *streaming) {
    if (!streaming)
        return;
    ASSERT(!streaming->subscribers && !streaming->waits);
    stream_fini(&streaming->ring);
    pthread_mutex_destroy(&streaming->lock);
    memory_give(&memory_libc, streaming, sizeof *streaming);
}

void worker_streaming_init(struct worker_streaming *of) {
    buf_init(&of->scratch, &memory_libc);
    arena_init(&of->arena, &memory_libc, PATTERN_ARENA_SIZE);
    timers_init(&of->beats, &memory_libc);
}

void worker_streaming_fini(struct worker_streaming *of) {
    ASSERT(!of->first);
    buf_fini(&of->scratch);
    arena_fini(&of->arena);
    timers_fini(&of->beats);
}

struct server_streaming *streaming_enter(struct server *server) {
    pthread_mutex_lock(&server->streaming->lock);
    return server->streaming;
}

void streaming_leave(struct server_streaming *streaming) { pthread_mutex_unlock(&streaming->lock); }

void streaming_settle(struct server *server) {
    struct server_streaming *streaming = streaming_enter(server);
    stream_limit(&streaming->ring, server->config.values.stream_max_bytes_bytes);
    streaming_leave(streaming);
}

/* ------------------------------------------------------------------------------------------ recording */

/* Under the lock. */
static uint64_t append(struct server_streaming *streaming, const struct stream_record *record) {
    uint64_t position = stream_append(&streaming->ring, record);
    atomic_store_explicit(&streaming->last, position, memory_order_release);
    return position;
}

/* A record of the stream itself. Under the lock. */
static void append_own(struct server_streaming *streaming, struct worker *worker, enum stream_kind kind) {
    append(streaming, &(struct stream_record){.kind = kind, .at_ms = worker->actor.now_ms, .db = STREAM_EVERY_DB});
    worker->streaming.posted = true;
}

/* What is recorded from now on. Whoever asks passes all locks once, also if it is recorded already: the one that asked before may
 * not have done so yet. Under the lock. */
static void want(struct server_streaming *streaming, struct worker *worker) {
    uint32_t kinds = (streaming->recording ? INVALIDATIONS : 0u) | (streaming->writes ? WRITES : 0u);
    atomic_store_explicit(&streaming->on, streaming->recording, memory_order_release);
    changes_want(worker, CHANGES_TO_STREAM, kinds);
}

/* Under the lock. */
static void begin(struct server_streaming *streaming, struct worker *worker, bool writes) {
    streaming->used_ms = worker->now_ms;
    if (!streaming->recording) {
        streaming->recording = true;
        append_own(streaming, worker, STREAM_BEGAN);
    }
    if (writes) {
        streaming->writes_used_ms = worker->now_ms;
        if (!streaming->writes)
            append_own(streaming, worker, STREAM_WRITES_BEGAN);
        streaming->writes = true;
    }
    want(streaming, worker);
}

void streaming_start(struct server *server) {
    server->streaming->mode = server->config.values.stream;
    if (server->streaming->mode != CONFIG_STREAM_YES)
        return;
    struct server_streaming *streaming = streaming_enter(server);
    begin(streaming, server->workers[0], false);
    streaming_leave(streaming);
}

static struct worker *worker_of(struct cmd_client *client) {
    const struct connection *connection = client->connection;
    return connection->worker;
}

enum status streaming_api_begin(struct cmd_server *api, struct cmd_client *client, bool writes,
                                uint64_t *ret_position) {
    struct server *server = server_of(api);
    if (server->streaming->mode == CONFIG_STREAM_NO)
        return STATUS_CLOSED;
    struct server_streaming *streaming = streaming_enter(server);
    begin(streaming, worker_of(client), writes);
    *ret_position = streaming->ring.last;
    streaming_leave(streaming);
    return STATUS_OK;
}

void streaming_tick(struct worker *worker) {
    struct server *server = worker->server;
    if (!atomic_load_explicit(&server->streaming->on, memory_order_relaxed))
        return;
    uint64_t retention_ms = 1000ull * SETTING(server, stream_retention_s);
    struct server_streaming *streaming = streaming_enter(server);
    const struct cmd_stream_counts *counts = &streaming->counts;
    if (counts->subscribers)
        streaming->used_ms = worker->now_ms;
    if (counts->writers)
        streaming->writes_used_ms = worker->now_ms;
    bool always = streaming->mode == CONFIG_STREAM_YES;
    bool stops = !always && worker->now_ms > streaming->used_ms + retention_ms;
    bool writes_stop = streaming->writes && (stops || worker->now_ms > streaming->writes_used_ms + retention_ms);
    if (stops) {
        /* What was recorded is of no use once there is a hole behind it. */
        stream_forget(&streaming->ring);
        streaming->recording = false;
    }
    streaming->writes &= !writes_stop;
    if (stops || writes_stop)
        want(streaming, worker);
    streaming_leave(streaming);
}

/* ------------------------------------------------------------------------------------------ changes */

static enum stream_kind kind_of(enum cache_change change) {
    switch (change) {
        case CACHE_DELETED:
        case CACHE_NOTHING_DELETED:
            return STREAM_DELETED;
        case CACHE_EXPIRED:
            return STREAM_EXPIRED;
        case CACHE_EVICTED:
        case CACHE_DEMOTED: /* who keeps a copy is not told of what becomes of it there */
            return STREAM_EVICTED;
        case CACHE_INVALIDATED:
            return STREAM_INVALIDATED;
        case CACHE_RETAGGED:
            return STREAM_RETAGGED;
        case CACHE_CREATED:
            return STREAM_CREATED;
        case CACHE_REPLACED:
            return STREAM_REPLACED;
        case CACHE_PATCHED:
            return STREAM_PATCHED;
        case CACHE_TAG_INVALIDATED:
        case CACHE_TAG_SOFTENED:
            return STREAM_TAG;
        case CACHE_PATTERN_GOING:
            return STREAM_PATTERN;
        case CACHE_FLUSHED:
            return STREAM_FLUSHED;
        case CACHE_SWAPPED:
            return STREAM_SWAPPED;
        default:
            return STREAM_KINDS; /* not recorded */
    }
}

static void record(struct worker *worker, const struct stream_record *what) {
    struct server_streaming *streaming = streaming_enter(worker->server);
    /* It may have ended since this was noted. */
    if (streaming->recording && (streaming->writes || !stream_is_write(what->kind))) {
        worker->streaming.recorded = append(streaming, what);
        worker->streaming.posted = true;
    }
    streaming_leave(streaming);
}

/* What is told of as deleted by a soft one has gone. */
static bool is_soft(const struct change *change) {
    return change->kind == CACHE_TAG_SOFTENED ||
           ((change->kind == CACHE_NOTHING_DELETED || change->kind == CACHE_PATTERN_GOING) && change->cause &&
            change->cause->soft);
}

/* Keys that are about to be told of as deleted, one by one, went by this pattern. */
static void note_pattern(struct worker_streaming *of, const struct change *change) {
    struct rules_pattern_problem problem;
    arena_reset(&of->arena);
    of->pattern_place = change->place;
    of->pattern_soft = is_soft(change);
    of->pattern_covers =
        rules_pattern_parse(change->name, RULES_SYNTAX_GLOB, &of->arena, &of->pattern, &problem) == STATUS_OK;
}

static bool is_covered(const struct worker_streaming *of, const struct change *change) {
    enum { GOES = 1 << CACHE_INVALIDATED | 1 << CACHE_NOTHING_DELETED };
    /* By a soft one some may go all the same: where nothing is stale, or for want of room. */
    uint32_t goes = GOES | (of->pattern_soft ? 0u : 1u << CACHE_DELETED);
    return of->pattern_covers && goes >> change->kind & 1 && change->planned && change->place == of->pattern_place &&
           rules_pattern_matches(&of->pattern, change->name, NULL);
}

/* The rules' own tags are names that nobody outside knows: they are told as what they stand for. */
static bool record_classes_with(struct worker *worker, struct stream_record *what, struct slice tag) {
    const struct rules *rules = worker->rules.plan.rules;
    bool any = false;
    for (uint32_t i = 0; rules && i < rules_class_count(rules); i++) {
        const struct rules_class *class = rules_class(rules, i);
        bool bears = false;
        for (uint32_t t = 0; t < class->tag_count && !bears; t++)
            bears = class->tags[t].implicit && rules_pattern_matches(&class->tags[t].form, tag, NULL);
        if (!bears)
            continue;
        what->kind = STREAM_CLASS;
        what->texts[STREAM_NAME] = class->pattern.text;
        record(worker, what);
        any = true;
    }
    return any;
}

static bool record_class(struct worker *worker, struct stream_record *what, struct slice tag) {
    const struct rules *rules = worker->rules.plan.rules;
    for (uint32_t i = 0; rules && i < rules_class_count(rules); i++) {
        uint8_t bytes[CACHE_TAG_NAME_MAX];
        const struct rules_class *class = rules_class(rules, i);
        if (!slice_equal(classes_class_tag(class, cache_tag_name_max(worker->server->cache), bytes), tag))
            continue;
        what->kind = STREAM_CLASS;
        what->texts[STREAM_NAME] = class->pattern.text;
        record(worker, what);
        return true;
    }
    return false;
}

/* ~feed:7:* is the pattern feed:7:*, in which nothing but its end is special. */
static bool record_beginning(struct worker *worker, struct stream_record *what, struct slice tag) {
    uint8_t pattern[2 * CACHE_TAG_NAME_MAX];
    size_t size = 0;
    if (tag.data[tag.size - 1] != '*')
        return false;
    for (size_t i = 1; i + 1 < tag.size; i++) {
        if (memchr("*?[]\\", tag.data[i], 5))
            pattern[size++] = '\\';
        pattern[size++] = tag.data[i];
    }
    pattern[size++] = '*';
    what->kind = STREAM_PATTERN;
    what->texts[STREAM_NAME] = slice_make(pattern, size);
    record(worker, what);
    return true;
}

static void record_tag(struct worker *worker, struct stream_record *what, struct slice tag) {
    bool told = !classes_is_marked(tag);
    if (told)
        record(worker, what);
    else if (tag.data[0] == RULES_BEGINNING_MARK)
        told = record_beginning(worker, what, tag);
    else
        told = record_class(worker, what, tag) || record_classes_with(worker, what, tag);
    if (told)
        return;
    /* A long name of which there is only the hash, or one of rules that are not in force any more. */
    what->kind = STREAM_LOST;
    what->texts[STREAM_NAME] = slice_make(NULL, 0);
    record(worker, what);
}

/* Who did it, and what for. `room` lives as long as the record. */
static void fill_cause(const struct change *change, struct stream_record *what, char room[TRIGGER_SIZE]) {
    if (BY_THEMSELVES >> change->kind & 1)
        return;
    what->client = change->client;
    what->texts[STREAM_ACTOR] = change->who;
    if (change->spec)
        what->texts[STREAM_COMMAND] = slice_from_string(change->spec->name);
    if (!change->cause)
        return;
    const struct cause *cause = change->cause;
    what->texts[STREAM_PATH] = cause->path;
    what->texts[STREAM_REASON] = cause->reason;
    if (cause->trigger == CAUSE_NONE)
        return;
    int size = snprintf(room, TRIGGER_SIZE, "%s ", cause_trigger_word(cause->trigger));
    size_t name_size = cause->name.size < CAUSE_NAME_MAX ? cause->name.size : CAUSE_NAME_MAX;
    if (name_size)
        memcpy(room + size, cause->name.data, name_size);
    what->texts[STREAM_TRIGGER] = slice_make(room, (size_t)size + name_size);
}

static struct slice class_of(const struct worker *worker, struct slice name) {
    const struct rules *rules = worker->rules.plan.rules;
    struct rules_fields fields;
    uint32_t class = rules ? rules_match(rules, name, &fields) : RULES_NONE;
    return class == RULES_NONE ? slice_make(NULL, 0) : rules_class(rules, class)->pattern.text;
}

/* A load of rules gives tags to all entries: it is told of as a whole. */
static bool is_of_load(const struct change *change) {
    return change->kind == CACHE_RETAGGED && (!change->spec || strcmp(change->spec->name, "rules|load") == 0);
}

/* An entry that is found dead was told of when its tag was invalidated. One that is invalidated softly by its name is told of twice, the second time
 * as not found, with the cause. */
static bool is_told_otherwise(const struct change *change) { return change->kind == CACHE_INVALIDATED; }

/* The pattern is only one around the expression: what goes is told key by key. */
static bool is_of_expression(const struct change *change) {
    return change->kind == CACHE_PATTERN_GOING && change->cause && change->cause->trigger == CAUSE_EXPRESSION;
}

void streaming_change(struct worker *worker, const struct change *change) {
    char trigger[TRIGGER_SIZE];
    if (!atomic_load_explicit(&worker->server->streaming->on, memory_order_relaxed))
        return;
    struct stream_record what = {.kind = change->lost ? STREAM_LOST : kind_of(change->kind),
                                 .at_ms = worker->actor.now_ms,
                                 .db = change->db < CACHE_DATABASES && !change->lost ? change->db : STREAM_EVERY_DB};
    what.soft = is_soft(change);
    if (what.kind == STREAM_KINDS || is_of_expression(change) || is_told_otherwise(change) || is_of_load(change) ||
        is_covered(&worker->streaming, change))
        return;
    fill_cause(change, &what, trigger);
    what.texts[STREAM_NAME] = what.kind == STREAM_FLUSHED ? slice_make(NULL, 0) : change->name;
    if (what.kind == STREAM_DELETED && (what.soft || change->cause)) /* no command has named it as what it deletes */
        what.kind = STREAM_INVALIDATED;
    if (stream_is_of_key(what.kind))
        what.texts[STREAM_OF_CLASS] = class_of(worker, change->name);
    if (what.kind == STREAM_PATTERN)
        note_pattern(&worker->streaming, change);
    if (what.kind == STREAM_TAG)
        record_tag(worker, &what, change->name);
    else
        record(worker, &what);
}

void streaming_rules_changed(struct worker *worker) {
    record(worker, &(struct stream_record){.kind = STREAM_RULES, .at_ms = worker->actor.now_ms, .db = STREAM_EVERY_DB});
    streaming_post(worker);
}

void streaming_post(struct worker *worker) {
    struct worker_streaming *of = &worker->streaming;
    /* What happens from now on may happen after somebody has read that record. */
    of->pattern_covers = false;
    if (!of->posted)
        return;
    of->posted = false;
    for (uint32_t i = 0; i < worker->server->worker_count; i++) {
        struct worker *other = worker->server->workers[i];
        if (!atomic_load_explicit(&other->streaming.subscribers, memory_order_acquire))
            continue;
        if (!atomic_exchange(&other->streaming.waiting, true) && other != worker)
            loop_wake(other->loop);
    }
}

/* ------------------------------------------------------------------------------------------ figures */

void streaming_counts(struct server *server, struct cmd_stream_counts *ret_counts) {
    struct server_streaming *streaming = streaming_enter(server);
    *ret_counts = streaming->counts;
    ret_counts->recording = streaming->recording;
    ret_counts->writes = streaming->writes;
    ret_counts->position = streaming->ring.last;
    ret_counts->floor = streaming->ring.floor;
    ret_counts->bytes = streaming->ring.bytes;
    streaming_leave(streaming);
}

void streaming_api_counts(struct cmd_server *api, struct cmd_stream_counts *ret_counts) {
    streaming_counts(server_of(api), ret_counts);
}

void streaming_reset_counts(struct server *server) {
    struct server_streaming *streaming = streaming_enter(server);
    struct cmd_stream_counts *counts = &streaming->counts;
    counts->told = counts->gaps = counts->synced = counts->unacknowledged = 0;
    streaming_leave(streaming);
}
