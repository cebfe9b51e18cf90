#include "app/cmd/facts.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "core/rules/rules.h"

static struct fact *next(struct facts *facts, const char *name) {
    ASSERT(facts->count < FACTS_MAX);
    struct fact *fact = &facts->items[facts->count++];
    *fact = (struct fact){.name = name};
    return fact;
}

struct slice facts_copy(struct facts *facts, struct slice text) {
    uint8_t *copy = arena_take(facts->call->arena, text.size ? text.size : 1);
    if (!copy) {
        facts->failed = true;
        return slice_make(NULL, 0);
    }
    if (text.size)
        memcpy(copy, text.data, text.size);
    return slice_make(copy, text.size);
}

void facts_text(struct facts *facts, const char *name, struct slice text) { next(facts, name)->text = text; }

void facts_format(struct facts *facts, const char *name, const char *format, ...) {
    char text[FACTS_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t used = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    facts_text(facts, name, facts_copy(facts, slice_make(text, used)));
}

void facts_number(struct facts *facts, const char *name, int64_t number) {
    struct fact *fact = next(facts, name);
    fact->kind = FACT_NUMBER;
    fact->number = number;
}

void facts_list(struct facts *facts, const char *name, const struct slice *list, uint32_t count) {
    struct fact *fact = next(facts, name);
    fact->kind = FACT_LIST;
    fact->list = list;
    fact->list_count = count;
}

static void reply_fact(struct reply *reply, const struct fact *fact) {
    reply_bulk_string(reply, fact->name);
    switch (fact->kind) {
        case FACT_TEXT:
            reply_bulk(reply, fact->text);
            break;
        case FACT_NUMBER:
            reply_integer(reply, fact->number);
            break;
        case FACT_LIST:
            reply_array(reply, fact->list_count);
            for (uint32_t i = 0; i < fact->list_count; i++)
                reply_bulk(reply, fact->list[i]);
            break;
    }
}

void facts_codec(struct facts *facts, const struct rules_class *class) {
    static const char *const names[] = {
        [MANIFEST_CODEC_NONE] = "none", [MANIFEST_CODEC_LZ4] = "lz4", [MANIFEST_CODEC_ZSTD] = "zstd"};
    if (!class->places[MANIFEST_CODEC].line)
        return;
    facts_text(facts, "codec", slice_from_string(names[class->codec]));
    if (class->codec != MANIFEST_CODEC_NONE)
        facts_text(facts, "codec_for", SLICE("clients"));
}

void facts_reply(struct facts *facts) {
    struct reply *reply = facts->call->reply;
    if (facts->failed) {
        cmd_error_status(facts->call, STATUS_NO_MEMORY);
        return;
    }
    reply_map(reply, facts->count);
    for (uint32_t i = 0; i < facts->count; i++)
        reply_fact(reply, &facts->items[i]);
}
