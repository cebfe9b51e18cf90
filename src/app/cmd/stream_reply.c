#include "app/cmd/stream_reply.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/json_text.h"

const char *stream_kind_name(enum stream_kind kind) {
    static const char *const names[STREAM_KINDS] = {[STREAM_DELETED] = "deleted",
                                                    [STREAM_INVALIDATED] = "invalidated",
                                                    [STREAM_EXPIRED] = "expired",
                                                    [STREAM_EVICTED] = "evicted",
                                                    [STREAM_RETAGGED] = "retagged",
                                                    [STREAM_CREATED] = "created",
                                                    [STREAM_REPLACED] = "replaced",
                                                    [STREAM_PATCHED] = "patched",
                                                    [STREAM_TAG] = "tag",
                                                    [STREAM_CLASS] = "class",
                                                    [STREAM_PATTERN] = "pattern",
                                                    [STREAM_FLUSHED] = "flushed",
                                                    [STREAM_SWAPPED] = "swapped",
                                                    [STREAM_RULES] = "rules",
                                                    [STREAM_LOST] = "lost",
                                                    [STREAM_BEGAN] = "began",
                                                    [STREAM_WRITES_BEGAN] = "writes-began"};
    return names[kind];
}

static const char *const part_names[STREAM_PART_KINDS] = {[STREAM_PART_KEYS] = "keys",
                                                          [STREAM_PART_WRITTEN] = "written",
                                                          [STREAM_PART_TAG] = "tag",
                                                          [STREAM_PART_CLASS] = "class",
                                                          [STREAM_PART_PATTERN] = "pattern"};

/* ------------------------------------------------------------------------------------------ gaps */

void stream_unsure_init(struct stream_unsure *unsure, const struct memory *memory) {
    *unsure = (struct stream_unsure){.count = 0};
    buf_init(&unsure->parts, memory);
}

void stream_unsure_fini(struct stream_unsure *unsure) { buf_fini(&unsure->parts); }

void stream_unsure_note(void *context, enum stream_part_kind kind, struct slice text, uint64_t position) {
    struct stream_unsure *unsure = context;
    const uint8_t head[2] = {(uint8_t)kind, (uint8_t)text.size};
    (void)position;
    if (unsure->anything)
        return;
    enum status status = buf_append(&unsure->parts, head, sizeof head);
    if (status == STATUS_OK)
        status = buf_append_slice(&unsure->parts, text);
    unsure->count++;
    if (status != STATUS_OK) {
        unsure->anything = true;
        unsure->count = 0;
    }
}

static struct slice part_at(const struct stream_unsure *unsure, size_t *at, const char **ret_name) {
    const uint8_t *head = unsure->parts.data + *at;
    struct slice text = slice_make(head + 2, head[1]);
    *ret_name = part_names[head[0]];
    *at += 2 + text.size;
    return text;
}

void stream_reply_unsure(struct reply *reply, const struct stream_unsure *unsure) {
    if (unsure->anything) {
        reply_bulk_string(reply, "anything");
        return;
    }
    reply_array(reply, unsure->count);
    size_t at = 0;
    for (uint32_t i = 0; i < unsure->count; i++) {
        const char *name;
        struct slice text = part_at(unsure, &at, &name);
        reply_array(reply, 2);
        reply_bulk_string(reply, name);
        reply_bulk(reply, text);
    }
}

/* ------------------------------------------------------------------------------------------ members */

enum { NUMBERS_MAX = 5, MEMBERS_MAX = NUMBERS_MAX + 1 + STREAM_TEXTS }; /* 1: the kind */

struct member {
    const char *name;
    bool is_text;
    struct slice text;
    uint64_t number;
};

static void add_number(struct member *members, uint32_t *count, const char *name, uint64_t number) {
    members[(*count)++] = (struct member){.name = name, .number = number};
}

static uint32_t members_of(const struct stream_record *record, struct member members[MEMBERS_MAX]) {
    static const char *const names[STREAM_TEXTS] = {
        [STREAM_NAME] = "name",    [STREAM_OF_CLASS] = "class",  [STREAM_COMMAND] = "command",
        [STREAM_ACTOR] = "actor",  [STREAM_TRIGGER] = "trigger", [STREAM_PATH] = "path",
        [STREAM_REASON] = "reason"};
    uint32_t count = 0;
    add_number(members, &count, "position", record->position);
    members[count++] = (struct member){"kind", true, slice_from_string(stream_kind_name(record->kind)), 0};
    if (!stream_is_of_all(record->kind)) /* a name may be empty */
        members[count++] = (struct member){names[STREAM_NAME], true, record->texts[STREAM_NAME], 0};
    if (record->db != STREAM_EVERY_DB)
        add_number(members, &count, "db", record->db);
    if (record->soft)
        add_number(members, &count, "soft", 1);
    add_number(members, &count, "time", record->at_ms);
    if (record->client)
        add_number(members, &count, "client", record->client);
    for (int i = STREAM_NAME + 1; i < STREAM_TEXTS; i++)
        if (record->texts[i].size)
            members[count++] = (struct member){names[i], true, record->texts[i], 0};
    ASSERT(count <= MEMBERS_MAX);
    return count;
}

void stream_reply_record(struct reply *reply, const struct stream_record *record) {
    struct member members[MEMBERS_MAX];
    uint32_t count = members_of(record, members);
    reply_map(reply, count);
    for (uint32_t i = 0; i < count; i++) {
        reply_bulk_string(reply, members[i].name);
        if (members[i].is_text)
            reply_bulk(reply, members[i].text);
        else
            reply_integer(reply, (int64_t)members[i].number);
    }
}

/* ------------------------------------------------------------------------------------------ JSON */

static enum status json_record(struct buf *to, const struct stream_record *record) {
    struct member members[MEMBERS_MAX];
    uint32_t count = members_of(record, members);
    for (uint32_t i = 0; i < count; i++) {
        TRY(buf_printf(to, "%s\"%s\":", i ? "," : "{", members[i].name));
        if (members[i].is_text)
            TRY(json_text_write(to, members[i].text));
        else
            TRY(buf_printf(to, "%llu", (unsigned long long)members[i].number));
    }
    return buf_append_slice(to, SLICE("}"));
}

static enum status json_gap(struct buf *to, const struct stream_unsure *unsure) {
    TRY(buf_printf(to, "{\"position\":%llu,\"kind\":\"gap\",\"from\":%llu,\"unsure\":",
                   (unsigned long long)unsure->until, (unsigned long long)unsure->from));
    if (unsure->anything)
        return buf_append_slice(to, SLICE("\"anything\"}"));
    size_t at = 0;
    TRY(buf_append_slice(to, SLICE("[")));
    for (uint32_t i = 0; i < unsure->count; i++) {
        const char *name;
        struct slice text = part_at(unsure, &at, &name);
        TRY(buf_printf(to, "%s[\"%s\",", i ? "," : "", name));
        TRY(json_text_write(to, text));
        TRY(buf_append_slice(to, SLICE("]")));
    }
    return buf_append_slice(to, SLICE("]}"));
}

/* ------------------------------------------------------------------------------------------ pushes */

static void push_message(struct reply *reply, struct buf *text, enum status status) {
    if (status != STATUS_OK) {
        reply->status = status;
    } else {
        reply_push(reply, 3);
        reply_bulk_string(reply, "message");
        reply_bulk_string(reply, CMD_STREAM_CHANNEL);
        reply_bulk(reply, buf_slice(text));
    }
    buf_fini(text);
}

void stream_push_greeting(struct reply *reply, const char *greeting, const char *run, uint64_t position) {
    struct buf text;
    buf_init(&text, reply->out->memory);
    push_message(reply, &text,
                 buf_printf(&text, "{\"position\":%llu,\"kind\":\"%s\",\"run\":\"%s\"}", (unsigned long long)position,
                            greeting, run));
}

void stream_push_record(struct reply *reply, const struct stream_record *record, bool as_message) {
    if (reply->protocol == 3 && !as_message) {
        reply_push(reply, 2);
        reply_bulk_string(reply, "stream");
        stream_reply_record(reply, record);
        return;
    }
    struct buf text;
    buf_init(&text, reply->out->memory);
    push_message(reply, &text, json_record(&text, record));
}

void stream_push_gap(struct reply *reply, const struct stream_unsure *unsure, bool as_message) {
    if (reply->protocol == 3 && !as_message) {
        reply_push(reply, 2);
        reply_bulk_string(reply, "stream");
        reply_map(reply, 4);
        reply_bulk_string(reply, "position");
        reply_integer(reply, (int64_t)unsure->until);
        reply_bulk_string(reply, "kind");
        reply_bulk_string(reply, "gap");
        reply_bulk_string(reply, "from");
        reply_integer(reply, (int64_t)unsure->from);
        reply_bulk_string(reply, "unsure");
        stream_reply_unsure(reply, unsure);
        return;
    }
    struct buf text;
    buf_init(&text, reply->out->memory);
    push_message(reply, &text, json_gap(&text, unsure));
}

void stream_push_heartbeat(struct reply *reply, uint64_t position, uint64_t at_ms, bool as_message) {
    if (reply->protocol == 3 && !as_message) {
        reply_push(reply, 2);
        reply_bulk_string(reply, "stream");
        reply_map(reply, 3);
        reply_bulk_string(reply, "position");
        reply_integer(reply, (int64_t)position);
        reply_bulk_string(reply, "kind");
        reply_bulk_string(reply, "heartbeat");
        reply_bulk_string(reply, "time");
        reply_integer(reply, (int64_t)at_ms);
        return;
    }
    struct buf text;
    buf_init(&text, reply->out->memory);
    push_message(reply, &text,
                 buf_printf(&text, "{\"position\":%llu,\"kind\":\"heartbeat\",\"time\":%llu}",
                            (unsigned long long)position, (unsigned long long)at_ms));
}
