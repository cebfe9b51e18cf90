/* app/cmd/tier_cmd.c: TIER. */
#include "app/cmd/tier_cmd.h"

#include "app/cmd/commands.h"
#include "app/cmd/counts.h"
#include "app/cmd/key_call.h"
#include "app/cmd/server_api.h"
#include "core/cache/tier.h"

static bool has_tier(struct cmd_call *call) {
    if (call->env->tier)
        return true;
    reply_error(call->reply, SLICE("ERR there is no warm tier: the server was started without `warm-file`"));
    return false;
}

struct count {
    const char *name;
    uint64_t value;
};

void tier_each_count(struct cmd_call *call, void (*visit)(void *context, const char *name, uint64_t value),
                     void *context) {
    struct cmd_tier_counts file = {.enabled = false};
    struct cache_tier_stats cache = {.records = 0};
    struct cmd_server *server = call->env->server;
    if (server && server->api->tier)
        server->api->tier(server, &file);
    if (file.enabled)
        cache_tier_stats(call->env->cache, &cache);
    const struct count counts[] = {
        {"tier_keys", cache.records},
        {"tier_keys_expiring", cache.expiring},
        {"tier_keys_tagged", cache.tagged},
        {"tier_bytes", cache.bytes},
        {"tier_file_size", file.size_bytes},
        {"tier_file_used", file.used_bytes},
        {"tier_file_retired", file.retired_bytes},
        {"tier_memory_cells", cache.cell_bytes},
        {"tier_memory_cells_max", cache.cell_bytes_max},
        {"tier_memory_tags", cache.tag_bytes},
        {"tier_demoted", cache.demoted},
        {"tier_demoted_bytes", cache.demoted_bytes},
        {"tier_demoted_idle", cache.demoted_idle},
        {"tier_promoted", cache.promoted},
        {"tier_promoted_bytes", cache.promoted_bytes},
        {"tier_hits", cache.hits},
        {"tier_misses", cache.misses},
        {"tier_dead", cache.dead},
        {"tier_not_it", cache.not_it},
        {"tier_overwritten", cache.overwritten},
        {"tier_evicted", cache.evicted},
        {"tier_displaced", cache.displaced},
        {"tier_cleared", cache.cleared},
        {"tier_kept", cache.kept},
        {"tier_taken_over", cache.taken_over},
        {"tier_lost_at_start", cache.lost},
        {"tier_refused_budget", cache.refused_budget},
        {"tier_refused_busy", cache.refused_busy},
        {"tier_refused_large", cache.refused_large},
        {"tier_refused_memory", cache.refused_memory},
        {"tier_written_bytes", file.written_bytes},
        {"tier_written_again_bytes", file.kept_bytes},
        {"tier_write_failures", file.write_failures},
        {"tier_lost", file.lost},
        {"tier_reads", file.reads},
        {"tier_reads_from_buffers", file.reads_buffered},
        {"tier_reads_stale", file.reads_stale},
        {"tier_reads_damaged", file.reads_damaged},
        {"tier_reads_failed", file.reads_failed},
        {"tier_reading", file.reading},
        {"tier_waits", file.waits},
        {"tier_busy", file.busy},
    };
    visit(context, "tier_enabled", file.enabled);
    for (size_t i = 0; file.enabled && i < sizeof counts / sizeof *counts; i++)
        visit(context, counts[i].name, counts[i].value);
}

void cmd_tier_info(struct cmd_call *call) {
    uint32_t count = 0;
    tier_each_count(call, counts_count, &count);
    reply_map(call->reply, count);
    tier_each_count(call, counts_reply, call);
}

/* What stands there was brought into memory before this runs. */
void cmd_tier_promote(struct cmd_call *call) {
    int64_t there = 0;
    if (!has_tier(call))
        return;
    for (uint32_t i = 2; i < call->argc; i++) {
        struct cache_info info;
        struct cache_key key = cmd_key(call, i);
        there += cache_find(call->env->cache, call->actor, &key, false, &info);
    }
    reply_integer(call->reply, there);
}

void cmd_tier_demote(struct cmd_call *call) {
    int64_t gone = 0;
    if (!has_tier(call))
        return;
    for (uint32_t i = 2; i < call->argc; i++) {
        bool done = false;
        struct cache_key key = cmd_key(call, i);
        enum status status = cache_tier_demote(call->env->cache, call->actor, &key, &done);
        if (status != STATUS_OK) {
            cmd_error_status(call, status);
            return;
        }
        gone += done;
    }
    reply_integer(call->reply, gone);
}
