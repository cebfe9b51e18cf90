/* app/cmd/entry_cmd.c: ENTRY: all that a client can write of an entry, for whoever copies it. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "app/cmd/tag_cmd.h"
#include "app/cmd/value.h"

enum { MEMBERS = 5 };

/* The key is locked, so all of it is of one moment; a large value is sent from where it stands. */
static void reply_found(struct cmd_call *call, const struct cache_key *key, const struct cache_edit *edit) {
    struct value_view view;
    enum status status = value_view_any(call, key, &view);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    reply_array(call->reply, MEMBERS);
    reply_bulk_string(call->reply, key_call_type_name(edit->type));
    value_part_to_reply(call, &view, 0, view.size);
    reply_integer(call->reply, edit->expires_at_ms ? (int64_t)edit->expires_at_ms : -1);
    reply_integer(call->reply, (int64_t)edit->row);
    tag_cmd_reply(call, edit);
}

void cmd_entry(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (edit.found)
        reply_found(call, &key, &edit);
    else
        reply_null(call->reply);
    cache_edit_end(&edit);
}
