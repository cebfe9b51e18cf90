#include "app/server/tiering.h"

#include <poll.h>

#include "app/persist/persist.h"
#include "app/server/worker.h"
#include "app/tier/warm_tier.h"
#include "base/assert.h"
#include "sys/os/log.h"
#include "sys/os/random.h"

enum {
    ACTOR_ID = (1 << 30) - 1, /* far from those of workers, loaders and whoever saves */
    READER_DEPTH = 256,       /* reads of one worker at the same time: what an SSD takes */
    KEEP_HOUSE_DRAIN_MS = 10,
};

struct server_tier {
    struct server *server;
    struct warm_tier *file;
    bool lasts; /* what stands there is found again after a restart: snapshots list it */
    bool begun;
    struct persist_tier kept;
    _Atomic uint64_t idle_ms, keep_every_ms;
};

/* ------------------------------------------------------------------------------------------ begin and end */

static void say(void *context, enum log_level level, const char *text) {
    (void)context;
    log_write(level, "%s", text);
}

static enum status open_file(struct server_tier *tier) {
    const struct config_values *values = &tier->server->config.values;
    const struct warm_tier_options options = {
        .path = values->warm_file,
        .size_bytes = values->warm_size_bytes,
        .write_rate_bytes = values->warm_write_rate_bytes,
        .keep_percent = (uint32_t)values->warm_keep_percent,
        .actor = ACTOR_ID,
        .lasts = tier->lasts,
        .seed = tier->server->hash_seed,
        .say = say,
    };
    char reason[WARM_TIER_REASON_SIZE];
    enum status status = warm_tier_open(&options, &tier->file, reason);
    if (status != STATUS_OK)
        log_warning("The warm tier (`warm-file`) does not open: %s", reason);
    return status;
}

static enum status open_readers(struct server_tier *tier) {
    struct server *server = tier->server;
    struct warm_reader_options options = {.depth_max = READER_DEPTH};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        TRY(warm_reader_new(warm_tier_file(tier->file), &options, &worker->tier.reader));
        worker->tier.source =
            (struct loop_source){.fd = warm_reader_descriptor(worker->tier.reader), .kind = SOURCE_TIER};
        TRY(loop_watch(worker->loop, &worker->tier.source, LOOP_READ));
    }
    return STATUS_OK;
}

/* The cache has it before what was kept is loaded, so that what is listed there is found. */
static enum status attach(struct server_tier *tier, struct actor *actor) {
    struct server *server = tier->server;
    enum status status =
        warm_tier_begin(tier->file, server->cache, actor, (uint32_t)server->config.values.warm_promote_hits);
    if (status != STATUS_OK)
        log_warning("The warm tier cannot be used: %s", status_text(status));
    return status;
}

bool tiering_lasts(const struct server *server) {
    return server->config.values.warm_file[0] && server->config.values.appendonly && !server->image.used;
}

uint64_t tiering_seed(const struct config_values *values) {
    uint64_t seed;
    if (values->warm_file[0] && values->appendonly && warm_tier_seed(values->warm_file, &seed))
        return seed;
    return random_u64() | 1;
}

const struct persist_tier *tiering_kept(const struct server *server) {
    return server->tier && server->tier->lasts ? &server->tier->kept : NULL;
}

enum status tiering_open(struct server *server) {
    if (!server->config.values.warm_file[0])
        return STATUS_OK;
    struct server_tier *tier = memory_take(&memory_libc, sizeof *tier);
    if (!tier)
        return STATUS_NO_MEMORY;
    *tier = (struct server_tier){.server = server, .lasts = tiering_lasts(server)};
    server->tier = tier;
    TRY(open_file(tier));
    tier->kept = (struct persist_tier){warm_tier_bring, warm_tier_spare,  warm_tier_loaded,
                                       warm_tier_flush, warm_tier_listed, tier->file};
    if (tier->lasts)
        TRY(attach(tier, &server->workers[0]->actor));
    TRY(open_readers(tier));
    tiering_settle(server);
    struct warm_statistics facts;
    warm_statistics(warm_tier_file(tier->file), &facts);
    log_notice("The warm tier is %s: %llu MiB, read by %s%s", warm_tier_path(tier->file),
               (unsigned long long)facts.segments, warm_reader_kind(server->workers[0]->tier.reader),
               facts.direct ? "" : ", through the page cache");
    return STATUS_OK;
}

enum status tiering_begin(struct server *server, struct actor *actor) {
    struct server_tier *tier = server->tier;
    if (!tier)
        return STATUS_OK;
    if (!tier->lasts)
        TRY(attach(tier, actor));
    tier->begun = true;
    tiering_settle(server);
    server->env.tier = &tiering_calls;
    return STATUS_OK;
}

/* Reads under way end, as the disk does. */
static void end_reader(struct worker *worker) {
    if (!worker->tier.reader)
        return;
    while (worker->tier.reads) {
        struct pollfd ready = {.fd = worker->tier.source.fd, .events = POLLIN};
        tiering_submit(worker);
        MAYBE(poll(&ready, 1, KEEP_HOUSE_DRAIN_MS) < 0);
        tiering_poll(worker);
    }
    tiering_look(worker);
    warm_reader_free(worker->tier.reader);
    worker->tier.reader = NULL;
}

void tiering_end(struct server *server) {
    struct server_tier *tier = server->tier;
    if (!tier)
        return;
    server->env.tier = NULL;
    for (uint32_t i = 0; i < server->worker_count; i++)
        if (server->workers[i])
            end_reader(server->workers[i]);
    warm_tier_end(tier->file, &server->workers[0]->actor);
    memory_give(&memory_libc, tier, sizeof *tier);
    server->tier = NULL;
}

void tiering_settle(struct server *server) {
    struct server_tier *tier = server->tier;
    const struct config_values *values = &server->config.values;
    if (!tier || !tier->file)
        return;
    /* A start writes as much as the disk takes: what it has no room for would be lost. */
    warm_write_rate_set(warm_tier_file(tier->file), tier->lasts && !tier->begun ? 0 : values->warm_write_rate_bytes);
    if (tier->begun)
        cache_tier_promote_hits_set(server->cache, (uint32_t)values->warm_promote_hits);
    atomic_store(&tier->idle_ms, 1000ull * (uint64_t)values->warm_demote_idle_s);
    atomic_store(&tier->keep_every_ms, 1000ull * (uint64_t)values->warm_maintenance_interval_s);
}

bool tiering_keep_house(struct worker *worker) {
    const struct server_tier *tier = worker->server->tier;
    struct worker_tier *of = &worker->tier;
    uint64_t idle_ms = atomic_load_explicit(&tier->idle_ms, memory_order_relaxed);
    if (worker->index != 0 || idle_ms == 0 || !tier->begun)
        return false;
    if (!of->idle_more) {
        if (worker->now_ms - of->kept_ms < atomic_load_explicit(&tier->keep_every_ms, memory_order_relaxed))
            return false;
        of->kept_ms = worker->now_ms;
    }
    of->idle_more = cache_tier_idle(worker->server->cache, &worker->actor, idle_ms);
    return of->idle_more;
}

/* ------------------------------------------------------------------------------------------ figures */

void tiering_api_counts(struct cmd_server *api, struct cmd_tier_counts *ret_counts) {
    struct server *server = server_of(api);
    struct server_tier *tier = server->tier;
    struct cmd_tier_counts counts = {.enabled = tier && tier->begun};
    if (!counts.enabled) {
        *ret_counts = counts;
        return;
    }
    struct warm_statistics facts;
    warm_statistics(warm_tier_file(tier->file), &facts);
    counts.path = warm_tier_path(tier->file);
    counts.reader = warm_reader_kind(server->workers[0]->tier.reader);
    counts.direct = facts.direct;
    counts.size_bytes = facts.segments * WARM_SEGMENT_SIZE_DEFAULT;
    counts.used_bytes = facts.segments_used * WARM_SEGMENT_SIZE_DEFAULT;
    counts.retired_bytes = facts.segments_retired * WARM_SEGMENT_SIZE_DEFAULT;
    counts.written_bytes = facts.written_bytes;
    counts.added_bytes = facts.added_bytes;
    counts.write_failures = facts.write_failures;
    counts.lost = facts.lost;
    counts.kept_bytes = facts.kept_bytes;
    counts.reads = facts.reads_found;
    counts.reads_buffered = facts.reads_buffered;
    counts.reads_stale = facts.reads_stale;
    counts.reads_damaged = facts.reads_damaged;
    counts.reads_failed = facts.reads_failed;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        const struct worker_tier *of = &server->workers[i]->tier;
        counts.waits += of->counts.waits;
        counts.busy += of->counts.busy;
        counts.reading += of->reads;
        worker_leave(server->workers[i]);
    }
    *ret_counts = counts;
}
