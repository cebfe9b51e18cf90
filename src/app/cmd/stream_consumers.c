/* app/cmd/stream_consumers.c: STREAM CONSUMERS: who listens to the stream, to what, and how far each has come. */
#include <stdio.h>
#include <stdlib.h>

#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"

enum {
    FILTERS_MAX_MORE = 4, /* WRITES, GROUPS, ACK and HEARTBEAT */
    MEMBERS = 7,
    MEMBERS_OF_ACK = 2,
    ADDRESS_MAX = 64,
    NUMBER_MAX = 24,
};

struct consumer {
    struct cmd_stream_consumer is;
    struct slice *filter; /* as it would be written, in the arena */
    uint32_t filter_count;
    char actor[ADDRESS_MAX], address[ADDRESS_MAX];
};

struct gathering {
    struct cmd_call *call;
    struct buf consumers; /* array of struct consumer */
    enum status status;
};

static struct consumer *consumers_of(struct gathering *gathering, size_t *ret_count) {
    *ret_count = gathering->consumers.size / sizeof(struct consumer);
    return (struct consumer *)(void *)gathering->consumers.data;
}

/* "PREFIX page:" */
static bool write_word(struct cmd_call *call, const struct stream_word *word, struct slice *ret_text) {
    static const char *const words[STREAM_WORDS] = {
        [STREAM_WORD_PREFIX] = "PREFIX ", [STREAM_WORD_CLASS] = "CLASS ", [STREAM_WORD_TAG] = "TAG "};
    size_t head = strlen(words[word->kind]), size = head + word->text.size;
    uint8_t *text = arena_take(call->arena, size);
    if (!text)
        return false;
    memcpy(text, words[word->kind], head);
    if (word->text.size)
        memcpy(text + head, word->text.data, word->text.size);
    *ret_text = slice_make(text, size);
    return true;
}

/* "HEARTBEAT 1000" */
static bool write_heartbeat(struct cmd_call *call, uint32_t every_ms, struct slice *ret_text) {
    const size_t size_max = sizeof "HEARTBEAT " + NUMBER_MAX;
    char *text = arena_take(call->arena, size_max);
    if (text)
        *ret_text = slice_make(text, (size_t)snprintf(text, size_max, "HEARTBEAT %u", every_ms));
    return text != NULL;
}

/* Under the lock of the stream: the filter's texts are copied. */
static void gather(void *context, const struct cmd_stream_consumer *is) {
    struct gathering *gathering = context;
    const struct stream_filter *filter = is->filter;
    struct consumer consumer = {.is = *is};
    consumer.filter = arena_take(gathering->call->arena, (filter->count + FILTERS_MAX_MORE) * sizeof *consumer.filter);
    bool good = consumer.filter != NULL;
    for (uint32_t i = 0; good && i < filter->count; i++)
        good = write_word(gathering->call, &filter->words[i], &consumer.filter[consumer.filter_count++]);
    if (good && filter->writes)
        consumer.filter[consumer.filter_count++] = SLICE("WRITES");
    if (good && filter->groups)
        consumer.filter[consumer.filter_count++] = SLICE("GROUPS");
    if (good && is->acks)
        consumer.filter[consumer.filter_count++] = SLICE("ACK");
    if (good && is->heartbeat_ms)
        good = write_heartbeat(gathering->call, is->heartbeat_ms, &consumer.filter[consumer.filter_count++]);
    if (!good || buf_append(&gathering->consumers, &consumer, sizeof consumer) != STATUS_OK)
        gathering->status = STATUS_NO_MEMORY;
}

static int by_client(const void *a, const void *b) {
    const struct consumer *one = a, *other = b;
    return one->is.client < other->is.client ? -1 : one->is.client > other->is.client;
}

static void name(void *context, const struct cmd_client_view *view) {
    size_t count;
    struct consumer *all = consumers_of(context, &count), wanted = {.is = {.client = view->id}};
    struct consumer *found = count ? bsearch(&wanted, all, count, sizeof *all, by_client) : NULL;
    if (!found)
        return;
    snprintf(found->actor, sizeof found->actor, "%s", *view->service ? view->service : view->name);
    snprintf(found->address, sizeof found->address, "%s", view->address);
}

static void put_number(struct reply *reply, const char *what, uint64_t number) {
    reply_bulk_string(reply, what);
    reply_integer(reply, (int64_t)number);
}

static void reply_consumer(struct reply *reply, const struct consumer *consumer) {
    const struct cmd_stream_consumer *is = &consumer->is;
    reply_map(reply, MEMBERS + (is->acks ? MEMBERS_OF_ACK : 0u));
    put_number(reply, "client", is->client);
    reply_bulk_string(reply, "actor");
    reply_bulk_string(reply, consumer->actor);
    reply_bulk_string(reply, "address");
    reply_bulk_string(reply, consumer->address);
    put_number(reply, "told", is->told);
    put_number(reply, "behind", is->behind);
    if (is->acks) {
        put_number(reply, "acknowledged", is->acknowledged);
        put_number(reply, "owes_ms", is->owes_ms);
    }
    put_number(reply, "widened", is->widened);
    reply_bulk_string(reply, "filter");
    reply_array(reply, consumer->filter_count);
    for (uint32_t i = 0; i < consumer->filter_count; i++)
        reply_bulk(reply, consumer->filter[i]);
}

void cmd_stream_consumers(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct gathering gathering = {.call = call};
    size_t count;
    if (!server) {
        reply_error(call->reply, SLICE("ERR there is no stream here"));
        return;
    }
    buf_init(&gathering.consumers, &memory_libc);
    server->api->stream_consumers(server, gather, &gathering);
    struct consumer *all = consumers_of(&gathering, &count);
    if (gathering.status == STATUS_OK && count) {
        qsort(all, count, sizeof *all, by_client);
        server->api->each_client(server, name, &gathering);
    }
    if (gathering.status == STATUS_OK)
        reply_array(call->reply, count);
    else
        cmd_error_status(call, gathering.status);
    for (size_t i = 0; gathering.status == STATUS_OK && i < count; i++)
        reply_consumer(call->reply, &all[i]);
    buf_fini(&gathering.consumers);
}
