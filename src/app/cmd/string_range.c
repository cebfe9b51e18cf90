/* Commands on parts of a value: GETRANGE SUBSTR SETRANGE APPEND. */
#include "app/cmd/commands.h"
#include "app/cmd/value.h"

/* Bounds that count from the front need no size: the read clamps them. */
static enum value_result range_from_front(struct cmd_call *call, const struct cache_key *key, int64_t start,
                                          int64_t end) {
    uint64_t size_max = start > end ? 0 : (uint64_t)(end - start) + 1;
    return value_to_reply(call, key, (uint64_t)start, size_max);
}

/* Bounds that count from the end mean something only together with a size, so value and size are read as one. */
static enum value_result range_from_end(struct cmd_call *call, const struct cache_key *key, int64_t start,
                                        int64_t end) {
    struct value_view view;
    enum value_result result = value_view(call, key, false, &view);
    if (result != VALUE_FOUND)
        return result;
    int64_t size = (int64_t)view.size;
    bool empty = start < 0 && end < 0 && start > end;
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= size ? size - 1 : end;
    if (empty || start > end)
        value_part_to_reply(call, &view, 0, 0);
    else
        value_part_to_reply(call, &view, (uint64_t)start, (uint64_t)(end - start) + 1);
    return VALUE_FOUND;
}

void cmd_getrange(struct cmd_call *call) {
    int64_t start, end;
    if (!cmd_integer(call, 2, &start) || !cmd_integer(call, 3, &end))
        return;
    struct cache_key key = cmd_key(call, 1);
    bool from_front = start >= 0 && end >= 0;
    enum value_result result =
        from_front ? range_from_front(call, &key, start, end) : range_from_end(call, &key, start, end);
    if (result == VALUE_MISSING)
        reply_bulk(call->reply, SLICE(""));
    else if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
}

void cmd_substr(struct cmd_call *call) { cmd_getrange(call); }

/* Writes the bytes at `offset` and replies the new size. */
static void patch(struct cmd_call *call, struct cache_edit *edit, uint64_t offset, struct slice bytes) {
    if (!value_size_allowed(call, offset, bytes.size))
        return;
    uint64_t end = offset + bytes.size;
    uint64_t size = edit->found && edit->size > end ? edit->size : end;
    enum status status = cache_edit_patch(edit, offset, bytes);
    if (status == STATUS_OK)
        reply_integer(call->reply, (int64_t)size);
    else
        cmd_error_status(call, status);
}

void cmd_setrange(struct cmd_call *call) {
    int64_t offset;
    if (!cmd_integer(call, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(call->reply, SLICE("ERR offset is out of range"));
        return;
    }
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    uint64_t write_bytes = offset < CACHE_VALUE_SIZE_MAX ? (uint64_t)offset + call->argv[3].size : 0;
    value_edit_begin(call, &key, write_bytes, &edit);
    if (value_is_string(call, &edit)) {
        if (call->argv[3].size == 0)
            reply_integer(call->reply, edit.found ? (int64_t)edit.size : 0);
        else
            patch(call, &edit, (uint64_t)offset, call->argv[3]);
    }
    cache_edit_end(&edit);
}

void cmd_append(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    value_edit_begin(call, &key, call->argv[2].size, &edit);
    if (value_is_string(call, &edit))
        patch(call, &edit, edit.found ? edit.size : 0, call->argv[2]);
    cache_edit_end(&edit);
}
