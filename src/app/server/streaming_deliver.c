/* app/server/streaming_deliver.c: subscribers of the invalidation stream. */
#include "app/cmd/stream_reply.h"
#include "app/server/pubsub_inbox.h"
#include "app/server/streaming.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "sys/os/clock.h"

/* ------------------------------------------------------------------------------------------ coming and going */

/* One allocation: the words, then their texts. */
static enum status copy_filter(const struct stream_filter *from, struct stream_subscriber *to) {
    size_t size = from->count * sizeof *from->words;
    for (uint32_t i = 0; i < from->count; i++)
        size += from->words[i].text.size;
    if (size > STREAMING_FILTER_BYTES_MAX)
        return STATUS_TOO_LARGE;
    struct stream_word *words = size ? memory_take(&memory_libc, size) : NULL;
    if (size && !words)
        return STATUS_NO_MEMORY;
    uint8_t *text = words ? (uint8_t *)(words + from->count) : NULL;
    for (uint32_t i = 0; i < from->count; i++) {
        struct slice word = from->words[i].text;
        if (word.size)
            memcpy(text, word.data, word.size);
        words[i] = (struct stream_word){from->words[i].kind, slice_make(text, word.size)};
        text += word.size;
    }
    memory_give(&memory_libc, to->texts, to->texts_size);
    to->texts = words;
    to->texts_size = size;
    to->filter = *from;
    to->filter.words = words;
    return STATUS_OK;
}

static void subscriber_free(struct stream_subscriber *subscriber) {
    memory_give(&memory_libc, subscriber->texts, subscriber->texts_size);
    memory_give(&memory_libc, subscriber, sizeof *subscriber);
}

/* Under the lock. */
static void count(struct server_streaming *streaming, const struct stream_subscriber *subscriber, bool comes) {
    const uint64_t one = comes ? 1 : UINT64_MAX;
    streaming->counts.subscribers += one;
    streaming->counts.writers += subscriber->filter.writes ? one : 0;
    streaming->counts.ackers += subscriber->acks ? one : 0;
}

static void link_in(struct server_streaming *streaming, struct worker *worker, struct stream_subscriber *subscriber) {
    subscriber->serial = ++streaming->serials;
    subscriber->next = streaming->subscribers;
    if (subscriber->next)
        subscriber->next->previous = subscriber;
    streaming->subscribers = subscriber;
    subscriber->sibling = worker->streaming.first;
    worker->streaming.first = subscriber;
    atomic_fetch_add(&worker->streaming.subscribers, 1);
}

static void take_out(struct server_streaming *streaming, struct worker *worker, struct stream_subscriber *subscriber) {
    struct stream_subscriber **at = &worker->streaming.first;
    if (subscriber->previous)
        subscriber->previous->next = subscriber->next;
    else
        streaming->subscribers = subscriber->next;
    if (subscriber->next)
        subscriber->next->previous = subscriber->previous;
    while (*at != subscriber)
        at = &(*at)->sibling;
    *at = subscriber->sibling;
    atomic_fetch_sub(&worker->streaming.subscribers, 1);
}

/* From where the wish says. Under the lock. */
static void place(const struct server_streaming *streaming, const struct cmd_stream_wish *wish,
                  struct stream_subscriber *subscriber, bool is_new) {
    uint64_t last = streaming->ring.last;
    subscriber->greeting = wish->greeting;
    if (!wish->from && !is_new)
        return;
    subscriber->cursor = (struct stream_cursor){.after = wish->from ? wish->after : last};
    subscriber->elsewhere =
        wish->from && (wish->after > last || !slice_equal(wish->run, slice_from_string(streaming->server->run_id)));
    if (subscriber->elsewhere)
        subscriber->cursor.after = last;
    subscriber->seen = subscriber->told = subscriber->acked = subscriber->cursor.after;
}

/* With what the subscription has already, if it is to have no less. */
static struct cmd_stream_wish wish_of(const struct stream_subscriber *subscriber,
                                      const struct cmd_stream_wish *wished) {
    struct cmd_stream_wish wish = *wished;
    if (subscriber && wish.widens) {
        wish.acks |= subscriber->acks;
        wish.heartbeat_ms = subscriber->heartbeat_ms;
        wish.filter.writes |= subscriber->filter.writes;
    }
    return wish;
}

/* From now on, as the subscription says. */
static enum status set_beat(struct worker *worker, struct stream_subscriber *subscriber) {
    subscriber->sent_ms = worker->now_ms;
    if (subscriber->heartbeat_ms)
        return timers_set(&worker->streaming.beats, &subscriber->beat, worker->now_ms + subscriber->heartbeat_ms);
    timers_clear(&worker->streaming.beats, &subscriber->beat);
    return STATUS_OK;
}

enum status streaming_api_subscribe(struct cmd_server *api, struct cmd_client *client,
                                    const struct cmd_stream_wish *wished, uint64_t *ret_position) {
    struct connection *connection = client->connection;
    struct worker *worker = connection->worker;
    struct stream_subscriber *subscriber = connection->subscriber, *made = NULL;
    struct stream_subscriber next = {.connection = connection};
    const struct cmd_stream_wish all = wish_of(subscriber, wished), *wish = &all;
    uint64_t position;
    TRY(streaming_api_begin(api, client, wish->filter.writes, &position));
    TRY(copy_filter(&wish->filter, &next));
    if (!subscriber && !(made = memory_take(&memory_libc, sizeof *made))) {
        memory_give(&memory_libc, next.texts, next.texts_size);
        return STATUS_NO_MEMORY;
    }
    struct server_streaming *streaming = streaming_enter(server_of(api));
    if (made) {
        subscriber = connection->subscriber = made;
        *made = (struct stream_subscriber){.connection = connection};
        link_in(streaming, worker, made);
    } else {
        if (subscriber->acks && !wish->acks)
            streaming_sync_leave(streaming, subscriber);
        count(streaming, subscriber, false);
    }
    memory_give(&memory_libc, subscriber->texts, subscriber->texts_size);
    subscriber->texts = next.texts;
    subscriber->texts_size = next.texts_size;
    subscriber->filter = next.filter;
    subscriber->acks = wish->acks;
    subscriber->heartbeat_ms = wish->heartbeat_ms;
    subscriber->widened = false;
    place(streaming, wish, subscriber, made != NULL);
    count(streaming, subscriber, true);
    *ret_position = subscriber->cursor.after;
    streaming_leave(streaming);
    client->streams = true;
    atomic_store(&worker->streaming.waiting, true);
    enum status status = set_beat(worker, subscriber);
    if (status != STATUS_OK)
        streaming_api_unsubscribe(api, client);
    return status;
}

void streaming_api_unsubscribe(struct cmd_server *api, struct cmd_client *client) {
    struct connection *connection = client->connection;
    struct stream_subscriber *subscriber = connection->subscriber;
    if (!subscriber)
        return;
    struct server_streaming *streaming = streaming_enter(server_of(api));
    if (subscriber->acks)
        streaming_sync_leave(streaming, subscriber);
    take_out(streaming, connection->worker, subscriber);
    count(streaming, subscriber, false);
    streaming->used_ms = connection->worker->now_ms;
    if (subscriber->filter.writes)
        streaming->writes_used_ms = connection->worker->now_ms;
    streaming_leave(streaming);
    timers_clear(&connection->worker->streaming.beats, &subscriber->beat);
    connection->subscriber = NULL;
    client->streams = false;
    subscriber_free(subscriber);
}

void streaming_api_consumers(struct cmd_server *api, void (*visit)(void *context, const struct cmd_stream_consumer *),
                             void *context) {
    struct server_streaming *streaming = streaming_enter(server_of(api));
    uint64_t last = streaming->ring.last, now_ms = clock_steady_ms();
    for (const struct stream_subscriber *one = streaming->subscribers; one; one = one->next) {
        bool owes = one->acks && one->acked < one->told && now_ms > one->owes_since_ms;
        visit(context, &(struct cmd_stream_consumer){.client = one->connection->client.id,
                                                     .filter = &one->filter,
                                                     .acks = one->acks,
                                                     .heartbeat_ms = one->heartbeat_ms,
                                                     .widened = one->widened,
                                                     .told = one->told,
                                                     .behind = last - one->seen,
                                                     .acknowledged = one->acked,
                                                     .owes_ms = owes ? now_ms - one->owes_since_ms : 0});
    }
    streaming_leave(streaming);
}

/* ------------------------------------------------------------------------------------------ reading */

/* Under the lock. After "anything" there is no use in what is left. */
static void gap(struct server_streaming *streaming, struct stream_cursor *cursor, const struct stream_filter *filter,
                struct stream_unsure *unsure) {
    const struct stream_parts_visit visit = {stream_unsure_note, unsure};
    unsure->from = cursor->after + 1;
    unsure->anything |= !stream_gap(&streaming->ring, cursor, filter, &visit);
    stream_skip(&streaming->ring, cursor);
    if (unsure->anything)
        *cursor = (struct stream_cursor){.after = streaming->ring.last};
    unsure->until = cursor->after;
}

enum stream_result streaming_api_next(struct cmd_server *api, struct stream_cursor *cursor,
                                      const struct stream_filter *filter, size_t size_max, struct buf *out,
                                      struct stream_unsure *unsure) {
    struct server_streaming *streaming = streaming_enter(server_of(api));
    enum stream_result result = stream_take(&streaming->ring, cursor, size_max, out);
    if (result == STREAM_GAP && unsure)
        gap(streaming, cursor, filter, unsure);
    streaming_leave(streaming);
    return result;
}

/* ------------------------------------------------------------------------------------------ handing out */

/* What one look brought. */
struct haul {
    enum stream_result result;
    uint64_t told; /* the last position that the subscriber is told of; 0: none */
    uint64_t records, gaps;
};

static void write_records(struct worker *worker, const struct stream_subscriber *subscriber,
                          const struct stream_filter *filter, struct reply *reply, struct haul *haul) {
    struct stream_record record;
    size_t at = 0;
    while (reply->status == STATUS_OK && stream_decode(buf_slice(&worker->streaming.scratch), &at, &record)) {
        if (!stream_filter_takes(filter, &record))
            continue;
        stream_push_record(reply, &record, subscriber->connection->client.stream_channel);
        haul->told = record.position;
        haul->records++;
    }
}

/* A gap in which nothing concerns the subscriber is none. */
static void write_gap(const struct stream_subscriber *subscriber, struct reply *reply,
                      const struct stream_unsure *unsure, struct haul *haul) {
    if (!unsure->anything && !unsure->count)
        return;
    stream_push_gap(reply, unsure, subscriber->connection->client.stream_channel);
    haul->told = unsure->until;
    haul->gaps++;
}

/* He has been through everything up to his cursor. */
static void note_progress(struct worker *worker, struct stream_subscriber *subscriber, const struct haul *haul) {
    if (haul->told)
        subscriber->sent_ms = worker->now_ms;
    struct server_streaming *streaming = streaming_enter(worker->server);
    subscriber->seen = subscriber->cursor.after;
    if (haul->told && subscriber->acked >= subscriber->told)
        subscriber->owes_since_ms = worker->now_ms;
    subscriber->told = haul->told ? haul->told : subscriber->told;
    streaming->counts.told += haul->records;
    streaming->counts.gaps += haul->gaps;
    if (subscriber->acks)
        streaming_tell_waiters(streaming);
    streaming_leave(streaming);
}

static bool same_classes(const struct rules *before, const struct rules *after) {
    if (!before || rules_class_count(before) != rules_class_count(after))
        return false;
    for (uint32_t i = 0; i < rules_class_count(after); i++)
        if (!slice_equal(rules_class(before, i)->pattern.text, rules_class(after, i)->pattern.text))
            return false;
    return true;
}

static bool names_classes(const struct stream_filter *filter) {
    for (uint32_t i = 0; i < filter->count; i++)
        if (filter->words[i].kind == STREAM_WORD_CLASS)
            return true;
    return false;
}

void streaming_classes_change(struct server *server, const struct rules *before, const struct rules *after) {
    if (same_classes(before, after))
        return;
    struct server_streaming *streaming = streaming_enter(server);
    for (struct stream_subscriber *one = streaming->subscribers; one; one = one->next)
        one->widened |= names_classes(&one->filter);
    streaming_leave(streaming);
}

/* What the subscriber is told of. Under the lock: what is taken there was recorded by the same rules. */
static struct stream_filter filter_of(const struct stream_subscriber *subscriber) {
    struct stream_filter filter = subscriber->filter;
    if (subscriber->widened)
        filter.count = 0;
    return filter;
}

static void begin_reply(struct worker *worker, struct connection *connection, struct reply *reply) {
    if (!connection->out.data)
        connection->out = worker_take_buffer(worker);
    reply_init(reply, &connection->out, &connection->foreign, connection->client.protocol);
}

static void end_reply(struct worker *worker, struct connection *connection, const struct reply *reply, bool told) {
    if (reply->status != STATUS_OK)
        push_cut(connection, "of the stream for which there is no memory");
    else if (told)
        pubsub_send_later(worker, connection);
}

static void greet(struct worker *worker, struct stream_subscriber *subscriber) {
    struct reply reply;
    begin_reply(worker, subscriber->connection, &reply);
    stream_push_greeting(&reply, subscriber->greeting, worker->server->run_id, subscriber->cursor.after);
    subscriber->greeting = NULL;
    subscriber->sent_ms = worker->now_ms;
    end_reply(worker, subscriber->connection, &reply, true);
}

/* Takes some of the ring and writes what concerns the subscriber. */
static struct haul take_once(struct worker *worker, struct stream_subscriber *subscriber) {
    struct connection *connection = subscriber->connection;
    struct haul haul = {.result = STREAM_GAP};
    struct stream_unsure unsure;
    struct reply reply;
    stream_unsure_init(&unsure, &memory_libc);
    buf_clear(&worker->streaming.scratch);
    struct server_streaming *streaming = streaming_enter(worker->server);
    const struct stream_filter filter = filter_of(subscriber);
    if (subscriber->elsewhere)
        unsure = (struct stream_unsure){
            .parts = unsure.parts, .anything = true, .from = 1, .until = subscriber->cursor.after};
    else
        haul.result =
            stream_take(&streaming->ring, &subscriber->cursor, STREAMING_TAKE_BYTES, &worker->streaming.scratch);
    if (haul.result == STREAM_GAP && !subscriber->elsewhere)
        gap(streaming, &subscriber->cursor, &filter, &unsure);
    streaming_leave(streaming);
    subscriber->elsewhere = false;
    if (haul.result == STREAM_END) {
        stream_unsure_fini(&unsure);
        return haul;
    }
    begin_reply(worker, connection, &reply);
    if (haul.result == STREAM_GAP)
        write_gap(subscriber, &reply, &unsure, &haul);
    else
        write_records(worker, subscriber, &filter, &reply, &haul);
    stream_unsure_fini(&unsure);
    end_reply(worker, connection, &reply, haul.told != 0);
    note_progress(worker, subscriber, &haul);
    return haul;
}

static bool may_write_to(const struct connection *connection) {
    return connection->state == CONNECTION_OPEN && !connection->killed &&
           connection_unsent(connection) <= STREAMING_OUTPUT_BYTES;
}

/* True: there is more for him. */
static bool hand_out_to(struct worker *worker, struct stream_subscriber *subscriber, uint32_t *takes) {
    if (subscriber->greeting && may_write_to(subscriber->connection))
        greet(worker, subscriber);
    while (may_write_to(subscriber->connection)) {
        if (*takes == 0)
            return true;
        --*takes;
        /* At the end it is behind only if there was no memory, or if more came meanwhile. */
        if (take_once(worker, subscriber).result == STREAM_END)
            return subscriber->cursor.after < atomic_load(&worker->server->streaming->last);
    }
    return subscriber->connection->state == CONNECTION_OPEN && !subscriber->connection->killed;
}

void streaming_hand_out(struct worker *worker) {
    struct worker_streaming *of = &worker->streaming;
    uint32_t takes = STREAMING_TAKES_PER_TURN;
    bool more = false;
    atomic_store(&of->waiting, false);
    for (struct stream_subscriber *one = of->first; one; one = one->sibling)
        more |= hand_out_to(worker, one, &takes);
    if (more)
        atomic_store(&of->waiting, true);
}

bool streaming_is_ready(const struct worker *worker) {
    const struct worker_streaming *of = &worker->streaming;
    if (!streaming_is_waiting(of))
        return false;
    uint64_t last = atomic_load_explicit(&worker->server->streaming->last, memory_order_acquire);
    for (const struct stream_subscriber *one = of->first; one; one = one->sibling)
        if ((one->elsewhere || one->greeting || one->cursor.after < last) && may_write_to(one->connection))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------ heartbeats */

static void send_beat(struct worker *worker, struct stream_subscriber *subscriber) {
    struct connection *connection = subscriber->connection;
    struct reply reply;
    begin_reply(worker, connection, &reply);
    stream_push_heartbeat(&reply, subscriber->cursor.after, worker->actor.now_ms, connection->client.stream_channel);
    end_reply(worker, connection, &reply, true);
}

/* A heartbeat says that whatever had been recorded when it was due has been sent, so that comes first. Whose output is full gets none: he has something
 * to read. */
static void beat(struct worker *worker, struct stream_subscriber *subscriber) {
    uint64_t due_ms = subscriber->sent_ms + subscriber->heartbeat_ms;
    if (due_ms <= worker->now_ms) {
        uint64_t last = atomic_load_explicit(&worker->server->streaming->last, memory_order_acquire);
        uint32_t takes = STREAMING_TAKES_PER_TURN;
        due_ms = worker->now_ms + subscriber->heartbeat_ms;
        if (subscriber->greeting || subscriber->elsewhere || subscriber->cursor.after < last)
            MAYBE(hand_out_to(worker, subscriber, &takes));
        if (!takes && subscriber->cursor.after < last)
            due_ms = worker->now_ms; /* it comes by again in the next turn, and is further then */
        else if (subscriber->sent_ms < worker->now_ms && may_write_to(subscriber->connection))
            send_beat(worker, subscriber);
    }
    /* It has just left the heap: there is room. */
    enum status status = timers_set(&worker->streaming.beats, &subscriber->beat, due_ms);
    ASSERT(status == STATUS_OK);
}

void streaming_beat(struct worker *worker) {
    struct worker_streaming *of = &worker->streaming;
    for (uint32_t left = of->beats.count < STREAMING_BEATS_PER_TURN ? of->beats.count : STREAMING_BEATS_PER_TURN; left;
         left--) {
        struct timer *due = timers_take_due(&of->beats, worker->now_ms);
        if (!due)
            return;
        beat(worker, (struct stream_subscriber *)(void *)((uint8_t *)due - offsetof(struct stream_subscriber, beat)));
    }
}
