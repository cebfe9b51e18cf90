#include "app/cmd/sentence.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/classes/names.h"

enum { NAME_SHOWN_MAX = 255 };

void sentence_say(struct sentence *sentence, const char *format, ...) {
    va_list arguments;
    size_t room = sizeof sentence->text - sentence->size;
    va_start(arguments, format);
    int size = vsnprintf(sentence->text + sentence->size, room, format, arguments);
    va_end(arguments);
    sentence->size = (size_t)size < room ? sentence->size + (size_t)size : sizeof sentence->text - 1;
}

/* Any bytes, as many as there is room for. */
static void sentence_bytes(struct sentence *sentence, struct slice bytes) {
    size_t room = sizeof sentence->text - 1 - sentence->size, size = bytes.size < room ? bytes.size : room;
    if (size)
        memcpy(sentence->text + sentence->size, bytes.data, size);
    sentence->size += size;
}

void sentence_text(struct sentence *sentence, struct slice text) {
    size_t size = text.size < NAME_SHOWN_MAX ? text.size : NAME_SHOWN_MAX;
    sentence_bytes(sentence, slice_part(text, 0, size));
}

void sentence_span(struct sentence *sentence, uint64_t ms) {
    enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
    if (ms < 10 * SECOND)
        sentence_say(sentence, "%llu ms", (unsigned long long)ms);
    else if (ms < 10 * MINUTE)
        sentence_say(sentence, "%llu s", (unsigned long long)ms / SECOND);
    else if (ms < 10ull * HOUR)
        sentence_say(sentence, "%llu min", (unsigned long long)ms / MINUTE);
    else if (ms < 10ull * DAY)
        sentence_say(sentence, "%llu h", (unsigned long long)ms / HOUR);
    else
        sentence_say(sentence, "%llu days", (unsigned long long)ms / DAY);
}

void sentence_command(struct sentence *sentence, const struct cmd_spec *spec) {
    for (const char *c = spec->name; *c; c++)
        sentence_say(sentence, "%c", *c == '|' ? ' ' : *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
}

void sentence_author(struct sentence *sentence, const struct cmd_gone *gone) {
    if (gone->spec)
        sentence_command(sentence, gone->spec);
    else
        sentence_say(sentence, "the server");
    if (gone->has_cause && gone->cause.trigger != CAUSE_WRITE) {
        sentence_say(sentence, " ");
        sentence_text(sentence, gone->cause.name);
    }
    if (gone->client)
        sentence_say(sentence, " of client %llu", (unsigned long long)gone->client);
    if (gone->client && gone->address[0])
        sentence_say(sentence, " at %s", gone->address);
    if (gone->who.size) {
        sentence_say(sentence, " (");
        sentence_text(sentence, gone->who);
        sentence_say(sentence, ")");
    }
    if (gone->has_cause && gone->cause.path.size) {
        sentence_say(sentence, ", which led to it: ");
        sentence_bytes(sentence, gone->cause.path);
    }
    if (gone->has_cause && gone->cause.reason.size) {
        sentence_say(sentence, ". Reason: ");
        sentence_text(sentence, gone->cause.reason);
    }
}

void sentence_tag(struct sentence *sentence, struct slice tag) {
    uint8_t mark = classes_is_marked(tag) ? tag.data[0] : 0;
    struct slice rest = mark ? slice_part(tag, 1, SIZE_MAX) : tag;
    if (mark == CLASSES_CLASS_MARK) {
        sentence_say(sentence, "the class ");
        sentence_text(sentence, rest);
        return;
    }
    sentence_say(sentence, mark ? "the rule tag " : "the tag ");
    sentence_text(sentence, tag);
    if (!mark)
        return;
    sentence_say(sentence, mark == RULES_BEGINNING_MARK ? " (keys like " : " (what is derived from ");
    sentence_text(sentence, rest);
    sentence_say(sentence, ")");
}
