/* app/cmd/config_cmd.c: CONFIG. */
#include "app/cmd/commands.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "base/glob.h"

enum { CONFIG_MATCHES_MAX = 256 }; /* names of settings; more than there are */

struct config_search {
    struct cmd_call *call;
    bool shows_secrets;
    uint32_t count;
    struct slice pairs[CONFIG_MATCHES_MAX][2];
};

static bool is_pattern(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '*' || text.data[i] == '?' || text.data[i] == '[')
            return true;
    }
    return false;
}

/* The name to answer with: as it was asked, or the setting's own if a pattern found it. */
static bool config_asked(const struct cmd_call *call, struct slice key, struct slice *ret_name) {
    for (uint32_t at = 2; at < call->argc; at++) {
        bool pattern = is_pattern(call->argv[at]);
        if (pattern ? glob_matches(call->argv[at], key, true) : slice_equal_nocase(call->argv[at], key)) {
            *ret_name = pattern ? key : call->argv[at];
            return true;
        }
    }
    return false;
}

static void config_match(void *context, const char *name, const char *value, bool secret) {
    struct config_search *search = context;
    struct cmd_call *call = search->call;
    struct slice shown;
    if (search->count == CONFIG_MATCHES_MAX || !config_asked(call, slice_from_string(name), &shown))
        return;
    struct slice *pair = search->pairs[search->count];
    if (secret && value[0] && !search->shows_secrets)
        value = "(hidden)";
    if (arena_copy(call->arena, shown, &pair[0]) && arena_copy(call->arena, slice_from_string(value), &pair[1]))
        search->count++;
    else
        call->reply->status = STATUS_NO_MEMORY;
}

/* Who may look at settings is not by that who may be everybody: a password is shown to those who could set another. */
static bool may_see_secrets(struct cmd_call *call) {
    const struct slice words[] = {SLICE("config"), SLICE("set"), SLICE("requirepass"), SLICE("")};
    const struct cmd_spec *spec = cmd_lookup_sub(cmd_lookup(words[0]), words[1]);
    enum auth_verdict verdict;
    uint32_t at;
    return !call->client->restricted ||
           (rights_judge(call, call->client->user, spec, words, 4, &verdict, &at) == STATUS_OK &&
            verdict == AUTH_PERMITTED);
}

/* The visited texts live during the visit only and a map's head says how many pairs follow: hence the copies. */
void cmd_config_get(struct cmd_call *call) {
    struct config_search *search = arena_take(call->arena, sizeof *search);
    if (!search) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    search->call = call;
    search->shows_secrets = may_see_secrets(call);
    search->count = 0;
    call->env->server->api->each_config(call->env->server, config_match, search);
    reply_map(call->reply, search->count);
    for (uint32_t i = 0; i < search->count; i++) {
        reply_bulk(call->reply, search->pairs[i][0]);
        reply_bulk(call->reply, search->pairs[i][1]);
    }
}

void cmd_config_set(struct cmd_call *call) {
    uint32_t count = (call->argc - 2) / 2;
    char error[512] = "";
    if (call->argc % 2 != 0) {
        reply_error(call->reply, SLICE("ERR wrong number of arguments for 'config|set' command"));
        return;
    }
    struct slice *names = arena_take(call->arena, count * sizeof *names);
    struct slice *values = arena_take(call->arena, count * sizeof *values);
    if (!names || !values) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = call->argv[2 + 2 * i];
        values[i] = call->argv[3 + 2 * i];
    }
    if (call->env->server->api->config_set(call->env->server, names, values, count, error, sizeof error))
        reply_ok(call->reply);
    else
        reply_errorf(call->reply, "ERR %s", error);
}

void cmd_config_resetstat(struct cmd_call *call) {
    call->env->server->api->reset_counts(call->env->server);
    reply_ok(call->reply);
}

void cmd_config_rewrite(struct cmd_call *call) {
    char error[512] = "";
    if (call->env->server->api->config_rewrite(call->env->server, error, sizeof error))
        reply_ok(call->reply);
    else
        reply_errorf(call->reply, "ERR %s", error);
}
