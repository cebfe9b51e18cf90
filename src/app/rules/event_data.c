#include "app/rules/event_data.h"

#include <jansson.h>
#include <stdio.h>

/* Texts and numbers as they are written in keys. */
static bool text_of(struct event_data *event, const json_t *value, struct slice *ret_text) {
    char number[32];
    int size;
    struct slice text;
    if (json_is_string(value)) {
        *ret_text = slice_make((const uint8_t *)json_string_value(value), json_string_length(value));
        return true;
    }
    if (json_is_integer(value))
        size = snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        size = snprintf(number, sizeof number, "%.17g", json_real_value(value));
    else
        return false;
    if (!arena_copy(event->arena, slice_make((const uint8_t *)number, (size_t)size), &text)) {
        event->no_memory = true;
        return false;
    }
    *ret_text = text;
    return true;
}

static const json_t *member(const json_t *object, struct slice name) {
    return json_is_object(object) ? json_object_getn(object, (const char *)name.data, name.size) : NULL;
}

static bool lookup(void *context, struct slice path, uint32_t index, struct slice *ret_text) {
    struct event_data *event = context;
    const json_t *value = event->root;
    while (value && path.size) {
        const uint8_t *dot = memchr(path.data, '.', path.size);
        size_t size = dot ? (size_t)(dot - path.data) : path.size;
        value = member(value, slice_part(path, 0, size));
        path = slice_part(path, dot ? size + 1 : size, path.size);
    }
    if (json_is_array(value)) /* as one value it is nothing: the others would be left out */
        value = index == RULES_DATA_SINGLE ? NULL : json_array_get(value, index);
    else if (index && index != RULES_DATA_SINGLE)
        value = NULL; /* one value is a list of one */
    return value && text_of(event, value, ret_text);
}

enum status event_data_open(struct event_data *event, struct slice text, struct arena *arena,
                            char ret_problem[EVENT_DATA_PROBLEM_MAX]) {
    *event = (struct event_data){.arena = arena};
    event->data = (struct rules_data){lookup, event};
    if (text.size == 0)
        return STATUS_OK;
    if (text.size > EVENT_DATA_MAX) {
        snprintf(ret_problem, EVENT_DATA_PROBLEM_MAX, "the data have more than %d bytes", EVENT_DATA_MAX);
        return STATUS_INVALID;
    }
    json_error_t error;
    event->root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!event->root) {
        snprintf(ret_problem, EVENT_DATA_PROBLEM_MAX, "the data are no JSON: %.120s (byte %d)", error.text,
                 error.position);
        return STATUS_INVALID;
    }
    if (!json_is_object((const json_t *)event->root)) {
        snprintf(ret_problem, EVENT_DATA_PROBLEM_MAX, "the data have to be one JSON object");
        event_data_close(event);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

void event_data_close(struct event_data *event) {
    json_decref(event->root);
    event->root = NULL;
}
