/* app/cmd/memory_cmd.c: MEMORY. */
#include <malloc.h>

#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"

enum {
    DOCTOR_SMALL_BYTES = 5 * 1024 * 1024, /* below this nothing can be said */
    DOCTOR_CLIENT_BYTES = 200 * 1024,     /* of buffers a client, on average */
};

static const double DOCTOR_RESIDENT_RATIO = 1.4, DOCTOR_PEAK_RATIO = 1.5;

void cmd_memory_usage(struct cmd_call *call) {
    int64_t samples;
    struct cache_info info;
    for (uint32_t at = 3; at < call->argc; at += 2) {
        if (!cmd_is(call, at, "samples") || at + 1 == call->argc) {
            cmd_error_syntax(call);
            return;
        }
        if (!cmd_integer(call, at + 1, &samples))
            return;
        if (samples < 0) {
            cmd_error_syntax(call);
            return;
        }
    }
    struct cache_key key = cmd_key(call, 2);
    if (cache_find(call->env->cache, call->actor, &key, false, &info))
        reply_integer(call->reply, (int64_t)info.charged_bytes);
    else
        reply_null(call->reply);
}

struct memory_facts {
    struct cache_stats cache;
    struct cmd_server_counts counts;
    struct cmd_process process;
    uint64_t peak_bytes, client_bytes;
};

static void memory_facts(struct cmd_call *call, struct memory_facts *facts) {
    struct cmd_server *server = call->env->server;
    memset(facts, 0, sizeof *facts);
    cache_stats(call->env->cache, &facts->cache);
    server->api->counts(server, &facts->counts);
    server->api->process(server, &facts->process);
    facts->peak_bytes = facts->counts.memory_peak_bytes;
    if (facts->peak_bytes < facts->cache.occupied_bytes)
        facts->peak_bytes = facts->cache.occupied_bytes;
    facts->client_bytes = facts->counts.input_buffers_bytes + facts->counts.output_buffers_bytes;
}

static void stat_integer(struct reply *reply, const char *name, uint64_t value) {
    reply_bulk_string(reply, name);
    reply_integer(reply, (int64_t)value);
}

static void stat_double(struct reply *reply, const char *name, double value) {
    reply_bulk_string(reply, name);
    reply_double(reply, value);
}

static double ratio(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : 0; }

void cmd_memory_stats(struct cmd_call *call) {
    struct memory_facts facts;
    struct reply *reply = call->reply;
    memory_facts(call, &facts);
    const struct cache_stats *cache = &facts.cache;
    uint64_t net = cache->occupied_bytes > cache->table_bytes ? cache->occupied_bytes - cache->table_bytes : 0;
    uint64_t overhead = cache->occupied_bytes > cache->live_bytes ? cache->occupied_bytes - cache->live_bytes : 0;
    reply_map(reply, 22);
    stat_integer(reply, "peak.allocated", facts.peak_bytes);
    stat_integer(reply, "total.allocated", cache->occupied_bytes);
    stat_integer(reply, "startup.allocated", cache->table_bytes);
    stat_integer(reply, "replication.backlog", 0);
    stat_integer(reply, "clients.slaves", 0);
    stat_integer(reply, "clients.normal", facts.client_bytes);
    stat_integer(reply, "cluster.links", 0);
    stat_integer(reply, "aof.buffer", 0);
    stat_integer(reply, "lua.caches", 0);
    stat_integer(reply, "functions.caches", 0);
    stat_integer(reply, "overhead.total", overhead);
    stat_integer(reply, "keys.count", cache->entries);
    stat_integer(reply, "keys.bytes-per-key", cache->entries ? net / cache->entries : 0);
    stat_integer(reply, "dataset.bytes", cache->live_bytes);
    stat_double(reply, "dataset.percentage", ratio(cache->live_bytes, net) * 100);
    stat_double(reply, "peak.percentage", ratio(cache->occupied_bytes, facts.peak_bytes) * 100);
    stat_integer(reply, "index.bytes", cache->index_bytes);
    stat_integer(reply, "tags.bytes", cache->tag_bytes);
    stat_integer(reply, "pinned.bytes", cache->pinned_bytes);
    stat_integer(reply, "resident.bytes", facts.process.resident_bytes);
    stat_double(reply, "fragmentation", ratio(facts.process.resident_bytes, cache->occupied_bytes));
    reply_bulk_string(reply, "fragmentation.bytes");
    reply_integer(reply, (int64_t)(facts.process.resident_bytes - cache->occupied_bytes));
}

static unsigned long long percent(uint64_t part, uint64_t whole) {
    return (unsigned long long)(ratio(part, whole) * 100);
}

/* The machine. */
static enum status doctor_system(const struct memory_facts *facts, struct buf *text) {
    const struct cmd_process *process = &facts->process;
    uint64_t machine = process->system_memory_bytes;
    if (process->swapped_bytes > process->resident_bytes / 100)
        TRY(buf_printf(
            text,
            "- %llu bytes of the process were swapped out, and reading them waits for a disk: lower maxmemory, or "
            "give the machine memory. For a cache, no swap is better than some.\n",
            (unsigned long long)process->swapped_bytes));
    if (machine && facts->cache.limit_bytes > machine / 100 * 90)
        TRY(buf_printf(text,
                       "- maxmemory is over nine tenths of the machine's memory, which leaves too little for "
                       "buffers and the system.\n"));
    else if (machine && process->resident_bytes > machine / 100 * 90)
        TRY(buf_printf(text, "- The process holds over nine tenths of the machine's memory: the kernel may end it.\n"));
    if (process->commits_strictly)
        TRY(buf_printf(
            text,
            "- vm.overcommit_memory is 2: the kernel gives out no address space beyond its limit, so raising "
            "maxmemory may fail later. 0 or 1 is better here.\n"));
    if (process->no_huge_pages)
        TRY(buf_printf(text,
                       "- Huge pages are switched off (transparent_hugepage never): madvise there makes lookups in "
                       "a large cache quicker, and nothing else takes more memory by it.\n"));
    return STATUS_OK;
}

/* What the memory is used for. */
static enum status doctor_uses(const struct memory_facts *facts, struct buf *text) {
    const struct cache_stats *cache = &facts->cache;
    uint64_t used = cache->occupied_bytes;
    if (percent(cache->pinned_bytes, used) >= 10)
        TRY(buf_printf(text,
                       "- %llu %% of the memory are values that were replaced or removed while they are being sent: "
                       "clients read too slowly. CLIENT LIST shows which (omem).\n",
                       percent(cache->pinned_bytes, used)));
    if (percent(cache->tag_bytes, used) >= 25)
        TRY(buf_printf(text,
                       "- Tags take %llu %% of the memory: fewer tags a key, or shorter names of tags, save it.\n",
                       percent(cache->tag_bytes, used)));
    if (percent(cache->log_bytes, used) >= 50 && cache->log_bytes > 3 * cache->live_bytes)
        TRY(buf_printf(
            text,
            "- Less than a third of the segments of entries is alive; the rest is made room of as it is needed. "
            "Where memory is short all the same, keys are replaced more quickly than room is made "
            "(reclaim_copied_bytes in INFO stats).\n"));
    if (cache->entries && percent(cache->dead, cache->entries) >= 25)
        TRY(buf_printf(
            text,
            "- %llu %% of the keys were invalidated by tags and are not removed yet; they go as they are come "
            "across, and when room is needed.\n",
            percent(cache->dead, cache->entries)));
    return STATUS_OK;
}

static enum status doctor_limit(const struct memory_facts *facts, enum cache_policy policy, struct buf *text) {
    const struct cache_stats *cache = &facts->cache;
    if (policy == CACHE_NOEVICTION && cache->occupied_bytes > cache->limit_bytes / 100 * 90)
        return buf_printf(text,
                          "- Nine tenths of maxmemory are used and the policy is noeviction: writes will soon be "
                          "refused.\n");
    if (cache->pressure == CACHE_CRITICAL)
        return buf_printf(text,
                          "- Memory is full, and making room keeps up with trouble: raise maxmemory, or look for what "
                          "grows (INFO stores, STATS CLASS).\n");
    return STATUS_OK;
}

static enum status doctor_write(const struct memory_facts *facts, enum cache_policy policy, struct buf *text) {
    const struct cache_stats *cache = &facts->cache;
    size_t before = text->size;
    if (cache->occupied_bytes < DOCTOR_SMALL_BYTES)
        return buf_printf(text, "There is so little in memory that nothing can be said about it yet.\n");
    if ((double)facts->peak_bytes > DOCTOR_PEAK_RATIO * (double)cache->occupied_bytes)
        TRY(buf_printf(text, "- The peak was much higher than what is used now; memory was given back since.\n"));
    if (ratio(facts->process.resident_bytes, cache->occupied_bytes) > DOCTOR_RESIDENT_RATIO)
        TRY(buf_printf(text,
                       "- The process holds %.2f times the memory in use. Buffers of clients, or pages that were "
                       "freed but not returned yet: MEMORY PURGE returns what it can.\n",
                       ratio(facts->process.resident_bytes, cache->occupied_bytes)));
    if (facts->counts.clients && facts->client_bytes / facts->counts.clients > DOCTOR_CLIENT_BYTES)
        TRY(buf_printf(text,
                       "- Clients have %llu bytes of buffers each on average. CLIENT LIST shows which (qbuf, omem): "
                       "they send large requests, or do not read their replies.\n",
                       (unsigned long long)(facts->client_bytes / facts->counts.clients)));
    TRY(doctor_limit(facts, policy, text));
    TRY(doctor_uses(facts, text));
    TRY(doctor_system(facts, text));
    return text->size == before ? buf_printf(text, "No problem was found.\n") : STATUS_OK;
}

static void memory_reply_text(struct cmd_call *call, enum status status, struct buf *text) {
    if (status == STATUS_OK)
        reply_verbatim(call->reply, "txt", buf_slice(text));
    else
        cmd_error_status(call, status);
    buf_fini(text);
}

void cmd_memory_doctor(struct cmd_call *call) {
    struct memory_facts facts;
    struct buf text;
    buf_init(&text, &memory_libc);
    memory_facts(call, &facts);
    memory_reply_text(call, doctor_write(&facts, cache_policy_now(call->env->cache), &text), &text);
}

static enum status malloc_write(const struct cache_stats *cache, struct buf *text) {
    struct mallinfo2 heap = mallinfo2();
    TRY(buf_printf(text,
                   "entries: %llu segments of %u bytes, %u in use, in %u shards; index %llu bytes, tables %llu "
                   "bytes, pinned %llu bytes\n",
                   (unsigned long long)cache->segments_total, cache->segment_size, cache->segments_used, cache->shards,
                   (unsigned long long)cache->index_bytes, (unsigned long long)cache->table_bytes,
                   (unsigned long long)cache->pinned_bytes));
    return buf_printf(text,
                      "heap (buffers and tables of the server): %zu bytes in use, %zu free, %zu mapped one by one\n",
                      heap.uordblks, heap.fordblks, heap.hblkhd);
}

void cmd_memory_malloc_stats(struct cmd_call *call) {
    struct cache_stats cache;
    struct buf text;
    buf_init(&text, &memory_libc);
    cache_stats(call->env->cache, &cache);
    memory_reply_text(call, malloc_write(&cache, &text), &text);
}

void cmd_memory_purge(struct cmd_call *call) {
    (void)malloc_trim(0);
    reply_ok(call->reply);
}
