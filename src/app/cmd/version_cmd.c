/* app/cmd/version_cmd.c: CVERSION: what IFVERSION compares. */
#include "app/cmd/cmd.h"
#include "app/cmd/commands.h"
#include "app/cmd/version.h"

enum status version_of(struct cache_edit *edit, int64_t *ret_version) {
    *ret_version = 0;
    if (!edit->found)
        return STATUS_OK;
    if (!edit->row && !edit->version)
        TRY(cache_edit_version(edit));
    *ret_version = version_shown(edit->row, edit->version);
    return STATUS_OK;
}

void cmd_cversion(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    int64_t version;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    enum status status = version_of(&edit, &version);
    cache_edit_end(&edit);
    if (status == STATUS_OK)
        reply_integer(call->reply, version);
    else
        cmd_error_status(call, status);
}
