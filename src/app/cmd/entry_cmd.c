/* app/cmd/entry_cmd.c: ENTRY: all that a client can write of an entry, for whoever copies it. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "app/cmd/tag_cmd.h"

enum { MEMBERS = 5 };

void cmd_entry(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (edit.found) {
        reply_array(call->reply, MEMBERS);
        reply_bulk_string(call->reply, key_call_type_name(edit.type));
        void *value = reply_bulk_reserve(call->reply, edit.size);
        if (value)
            cache_edit_copy_out(&edit, 0, value, edit.size);
        reply_integer(call->reply, edit.expires_at_ms ? (int64_t)edit.expires_at_ms : -1);
        reply_integer(call->reply, (int64_t)edit.row);
        tag_cmd_reply(call, &edit);
    } else {
        reply_null(call->reply);
    }
    cache_edit_end(&edit);
}
