/* app/api/tags.c: tags as fields, queries and JSON name them. */
#include "app/api/api_inner.h"
#include "core/http/http_text.h"

static bool refuse_number(struct api_call *call, uint32_t max) {
    api_problem(call, 400, "SYNTAX", "There are more than %u tags.", max);
    return false;
}

static bool add(struct api_call *call, struct slice tag, struct slice *ret_tags, uint32_t max, uint32_t *count) {
    for (uint32_t i = 0; i < *count; i++)
        if (slice_equal(ret_tags[i], tag))
            return true;
    if (*count == max)
        return refuse_number(call, max);
    ret_tags[(*count)++] = tag;
    return true;
}

static bool add_words(struct api_call *call, struct slice text, struct slice *ret_tags, uint32_t max, uint32_t *count) {
    for (size_t at = 0; at < text.size;) {
        size_t from = at;
        while (at < text.size && text.data[at] != ' ')
            at++;
        if (at > from && !add(call, slice_part(text, from, at - from), ret_tags, max, count))
            return false;
        at++;
    }
    return true;
}

static bool add_list(struct api_call *call, struct slice list, struct slice *ret_tags, uint32_t max, uint32_t *count) {
    struct slice member;
    while (http_list_next(&list, &member))
        if (!add(call, member, ret_tags, max, count))
            return false;
    return true;
}

bool api_tags_of_request(struct api_call *call, struct slice *ret_tags, uint32_t max, uint32_t *ret_count) {
    const struct http_request *request = call->request;
    *ret_count = 0;
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        if (slice_equal(field->name, SLICE("surrogate-key")) &&
            !add_words(call, field->value, ret_tags, max, ret_count))
            return false;
        if (slice_equal(field->name, SLICE("cache-tag")) && !add_list(call, field->value, ret_tags, max, ret_count))
            return false;
    }
    for (uint32_t i = 0; i < call->query_count; i++) {
        const struct api_query *query = &call->query[i];
        if (slice_equal(query->name, SLICE("tags")) && !add_list(call, query->value, ret_tags, max, ret_count))
            return false;
        if (slice_equal(query->name, SLICE("tag")) && !add(call, query->value, ret_tags, max, ret_count))
            return false;
    }
    return true;
}

bool api_tags_of_json(struct api_call *call, const json_t *list, const char *name, uint32_t max, struct slice *ret_tags,
                      uint32_t *ret_count) {
    *ret_count = 0;
    if (!list)
        return true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice tag;
        if (!api_json_bytes(call, json_array_get(list, i), &tag))
            break;
        if (!add(call, tag, ret_tags, max, ret_count))
            return false;
        if (i + 1 == json_array_size(list))
            return true;
    }
    if (json_is_array(list) && json_array_size(list) == 0)
        return true;
    api_problem(call, 400, "SYNTAX", "'%s' is an array of texts, or of {\"base64\": \"...\"}.", name);
    return false;
}
