#include "core/http/http_text.h"

#include "base/hex.h"

bool http_is_token_byte(uint8_t byte) {
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'))
        return true;
    return byte && strchr("!#$%&'*+-.^_`|~", byte);
}

bool http_is_token(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (!http_is_token_byte(text.data[i]))
            return false;
    return text.size > 0;
}

bool http_is_value(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

struct slice http_trim(struct slice text) {
    size_t from = 0, until = text.size;
    while (from < until && is_blank(text.data[from]))
        from++;
    while (until > from && is_blank(text.data[until - 1]))
        until--;
    return slice_part(text, from, until - from);
}

bool http_percent_decode(struct slice text, bool plus_is_space, uint8_t *ret_bytes, size_t *ret_size) {
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = text.size - i > 2 ? hex_value(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            byte = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        ret_bytes[size++] = byte;
    }
    *ret_size = size;
    return true;
}

/* Takes what stands before the first `mark` off `rest`, and the mark. */
static struct slice take_until(struct slice *rest, uint8_t mark) {
    const uint8_t *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    size_t size = at ? (size_t)(at - rest->data) : rest->size;
    struct slice part = slice_part(*rest, 0, size);
    *rest = slice_part(*rest, size + (at != NULL), SIZE_MAX);
    return part;
}

bool http_query_next(struct slice *query, struct slice *ret_name, struct slice *ret_value) {
    while (query->size) {
        struct slice value = take_until(query, '&');
        if (!value.size)
            continue;
        *ret_name = take_until(&value, '=');
        *ret_value = value;
        return true;
    }
    return false;
}

bool http_list_next(struct slice *list, struct slice *ret_member) {
    while (list->size) {
        struct slice member = http_trim(take_until(list, ','));
        if (!member.size)
            continue;
        *ret_member = member;
        return true;
    }
    return false;
}
