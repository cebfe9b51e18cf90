#include "app/server/tiering.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/server/worker.h"
#include "base/assert.h"
#include "core/cache/tier.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

#define TIER_FILE "strata.warm"

enum {
    ACTOR_ID = (1 << 30) - 1, /* far from those of workers, loaders and whoever saves */
    READER_DEPTH = 256,       /* reads of one worker at the same time: what an SSD takes */
    TROUBLE_EVERY_MS = 10000, /* a kind of trouble is logged at most so often */
    KEEP_HOUSE_DRAIN_MS = 10,
};

struct server_tier {
    struct server *server;
    struct directory directory;
    struct warm *warm;
    struct actor actor; /* of the tier's thread */
    char path[1024 + sizeof TIER_FILE];
    bool begun;
    _Atomic uint64_t told_ms[WARM_INDEX_DAMAGED + 1];
    _Atomic uint64_t idle_ms, keep_every_ms;
};

/* ------------------------------------------------------------------------------------------ what the cache asks of it */

static enum cache_tier_refusal add(void *context, struct actor *actor, const struct cache_tier_record *record,
                                   uint64_t *ret_address) {
    const struct server_tier *tier = context;
    (void)actor;
    struct warm_record in_file = {
        .hash = record->hash,
        .word = record->word,
        .parts = {.meta = record->meta, .key = record->key, .value = {.data = NULL, .size = record->value_size}},
        .pieces = record->pieces,
        .piece_count = record->piece_count,
    };
    switch (warm_add(tier->warm, clock_steady_ns(), &in_file, ret_address)) {
        case STATUS_OK:
            return CACHE_TIER_TAKEN;
        case STATUS_BUSY:
            return CACHE_TIER_BUSY;
        case STATUS_TOO_LARGE:
            return CACHE_TIER_TOO_LARGE;
        default:
            return CACHE_TIER_OVER_BUDGET;
    }
}

static uint64_t generation(void *context, uint64_t address) {
    return warm_generation(((const struct server_tier *)context)->warm, address);
}

/* ------------------------------------------------------------------------------------------ what the file asks of the cache */

static struct actor *actor_now(struct server_tier *tier) {
    tier->actor.now_ms = clock_unix_coarse_ms();
    return &tier->actor;
}

static bool keep(void *context, const struct warm_item *item) {
    struct server_tier *tier = context;
    return cache_tier_keep(tier->server->cache, actor_now(tier), item->hash, item->address);
}

static void moved(void *context, const struct warm_item *item, uint64_t address) {
    struct server_tier *tier = context;
    cache_tier_moved(tier->server->cache, actor_now(tier), item->hash, item->address, address);
}

static void gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    struct server_tier *tier = context;
    (void)cause;
    cache_tier_gone(tier->server->cache, actor_now(tier), item->hash, item->address);
}

struct places {
    uint64_t first, end;
};

static bool is_among(void *context, uint64_t address) {
    const struct places *places = context;
    uint64_t position = warm_address_position(address);
    return position >= places->first && position < places->end;
}

static void gone_all(void *context, uint64_t first, uint64_t end) {
    struct server_tier *tier = context;
    struct places places = {first, end};
    cache_tier_gone_all(tier->server->cache, actor_now(tier), is_among, &places);
}

/* Any thread that has it. */
static void trouble(void *context, const struct warm_trouble *what) {
    static const char *const texts[] = {
        [WARM_WRITE_FAILED] = "could not be written, and what it held is evicted",
        [WARM_READ_FAILED] = "could not be read: a miss",
        [WARM_RECORD_DAMAGED] = "holds a record that is damaged: a miss",
        [WARM_INDEX_DAMAGED] = "has a segment whose index is damaged: all of it is evicted",
    };
    struct server_tier *tier = context;
    uint64_t now_ms = clock_steady_ms(), told_ms = atomic_load(&tier->told_ms[what->kind]);
    if ((told_ms && now_ms - told_ms < TROUBLE_EVERY_MS) ||
        !atomic_compare_exchange_strong(&tier->told_ms[what->kind], &told_ms, now_ms))
        return;
    log_warning("The warm tier %s %s, at byte %llu%s%s", tier->path, texts[what->kind],
                (unsigned long long)what->offset, what->error ? ": " : "", what->error ? strerror(what->error) : "");
}

/* ------------------------------------------------------------------------------------------ begin and end */

/* "path/file", or a directory: the parts of it. */
static void split(const char *path, char *ret_directory, char *ret_name, size_t room) {
    struct stat facts;
    const char *slash = strrchr(path, '/');
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        snprintf(ret_directory, room, "%s", path);
        snprintf(ret_name, room, "%s", TIER_FILE);
    } else if (slash) {
        snprintf(ret_directory, room, "%.*s", (int)(slash == path ? 1 : slash - path), path);
        snprintf(ret_name, room, "%s", slash + 1);
    } else {
        snprintf(ret_directory, room, ".");
        snprintf(ret_name, room, "%s", path);
    }
}

/* Whether both are one: what is kept has its lock already. */
static bool is_kept_directory(const struct server *server, const struct directory *directory) {
    struct stat one, other;
    return server->directory.fd >= 0 && fstat(server->directory.fd, &one) == 0 && fstat(directory->fd, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static enum status take_directory(struct server *server, struct server_tier *tier, const char *path) {
    int owner = 0;
    enum status status = directory_open(path, false, &tier->directory);
    if (status != STATUS_OK) {
        tier->directory.fd = -1;
        log_warning("The directory of the warm tier, %s, cannot be opened: %s", path, strerror(errno));
        return status;
    }
    if (is_kept_directory(server, &tier->directory))
        return STATUS_OK;
    status = directory_lock(&tier->directory, &owner);
    if (status == STATUS_BUSY)
        log_warning("Another server has its warm tier in %s: process %d. Give this one another `warm-file`", path,
                    owner);
    else if (status != STATUS_OK)
        log_warning("The directory of the warm tier, %s, cannot be locked: %s", path, strerror(errno));
    return status;
}

/* What an earlier start has left is of no use. Something else is not touched. */
static enum status remove_old(const struct server_tier *tier, const char *name) {
    const struct files *files = &tier->directory.files;
    uint8_t magic[sizeof WARM_MAGIC - 1];
    size_t size = 0;
    int file;
    enum status status = files->open(files->context, name, FILES_READ, &file);
    if (status != STATUS_OK)
        return files_cause(errno) == FILES_ABSENT ? STATUS_OK : status;
    status = files->read(files->context, file, 0, magic, sizeof magic, &size);
    files->close(files->context, file);
    if (status == STATUS_OK && (size < sizeof magic || memcmp(magic, WARM_MAGIC, sizeof magic) != 0)) {
        log_warning("%s is no file of a warm tier: nothing is written there", tier->path);
        return STATUS_INVALID;
    }
    return status == STATUS_OK ? files->remove(files->context, name) : status;
}

/* A disk that is filled to its last byte before it says no would be full for everybody else, too. */
static bool has_room(const struct server_tier *tier, uint64_t wanted) {
    const struct files *files = &tier->directory.files;
    uint64_t room;
    char wanted_text[32], room_text[32];
    if (files->room(files->context, &room) != STATUS_OK || room >= wanted)
        return true;
    log_warning(
        "The warm tier %s does not open: `warm-size` is %s, all of which is set aside at the start, and there is room "
        "for %s",
        tier->path, config_size_text(wanted, wanted_text, sizeof wanted_text),
        config_size_text(room, room_text, sizeof room_text));
    return false;
}

static enum status open_file(struct server_tier *tier, const char *name) {
    const struct files *files = &tier->directory.files;
    const struct config_values *values = &tier->server->config.values;
    struct warm_report report;
    struct warm_options options = {
        .name = name,
        .size_bytes = values->warm_size_bytes,
        .keep_percent = (uint32_t)values->warm_keep_percent,
        .write_rate_bytes = values->warm_write_rate_bytes,
        .begin_anew = true,
        .hooks = {keep, moved, gone, gone_all, trouble, tier},
    };
    enum status status = remove_old(tier, name);
    if (status == STATUS_INVALID)
        return status;
    if (status == STATUS_OK && !has_room(tier, options.size_bytes))
        return STATUS_FULL;
    report.reason[0] = 0;
    if (status == STATUS_OK)
        status = warm_open(files, &options, clock_steady_ns(), NULL, &report, &tier->warm);
    if (status != STATUS_OK)
        log_warning("The warm tier %s does not open: %s", tier->path,
                    report.reason[0] ? report.reason : strerror(errno));
    if (status == STATUS_FULL) /* as much of it as found room */
        MAYBE(files->remove(files->context, name) != STATUS_OK);
    return status;
}

static enum status open_readers(struct server_tier *tier) {
    struct server *server = tier->server;
    struct warm_reader_options options = {.depth_max = READER_DEPTH};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        TRY(warm_reader_new(tier->warm, &options, &worker->tier.reader));
        worker->tier.source =
            (struct loop_source){.fd = warm_reader_descriptor(worker->tier.reader), .kind = SOURCE_TIER};
        TRY(loop_watch(worker->loop, &worker->tier.source, LOOP_READ));
    }
    return STATUS_OK;
}

enum status tiering_open(struct server *server) {
    char directory[1024], name[1024];
    const char *path = server->config.values.warm_file;
    if (!path[0])
        return STATUS_OK;
    struct server_tier *tier = memory_take(&memory_libc, sizeof *tier);
    if (!tier)
        return STATUS_NO_MEMORY;
    *tier = (struct server_tier){.server = server, .directory = {.fd = -1}};
    tier->actor.id = ACTOR_ID;
    server->tier = tier;
    split(path, directory, name, sizeof name);
    snprintf(tier->path, sizeof tier->path, "%.1000s/%.20s", directory, name);
    if (!name[0] || strlen(name) > WARM_NAME_MAX) {
        log_warning("`warm-file` is neither a file nor a directory that is there: %s", path);
        return STATUS_INVALID;
    }
    TRY(take_directory(server, tier, directory));
    TRY(open_file(tier, name));
    TRY(open_readers(tier));
    tiering_settle(server);
    struct warm_statistics facts;
    warm_statistics(tier->warm, &facts);
    log_notice("The warm tier is %s: %llu MiB, read by %s%s", tier->path, (unsigned long long)facts.segments,
               warm_reader_kind(server->workers[0]->tier.reader), facts.direct ? "" : ", through the page cache");
    return STATUS_OK;
}

enum status tiering_begin(struct server *server, struct actor *actor) {
    struct server_tier *tier = server->tier;
    if (!tier)
        return STATUS_OK;
    struct cache_tier calls = {
        .add = add,
        .generation = generation,
        .context = tier,
        .value_size_max = warm_record_size_max(WARM_SEGMENT_SIZE_DEFAULT) - WARM_RECORD_HEADER_SIZE -
                          CACHE_TIER_META_SIZE_MAX - CACHE_KEY_SIZE_MAX,
        .promote_hits = (uint32_t)server->config.values.warm_promote_hits,
    };
    enum status status = cache_tier_set(server->cache, actor, &calls);
    if (status != STATUS_OK) {
        log_warning("The warm tier cannot be used: %s", status_text(status));
        return status;
    }
    tier->begun = true;
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
    if (tier->warm)
        warm_free(tier->warm); /* and with it the thread that is in the cache, too */
    if (tier->begun)
        MAYBE(cache_tier_set(server->cache, &server->workers[0]->actor, NULL) != STATUS_OK);
    if (tier->directory.fd >= 0)
        directory_close(&tier->directory);
    memory_give(&memory_libc, tier, sizeof *tier);
    server->tier = NULL;
}

void tiering_settle(struct server *server) {
    struct server_tier *tier = server->tier;
    const struct config_values *values = &server->config.values;
    if (!tier || !tier->warm)
        return;
    warm_write_rate_set(tier->warm, values->warm_write_rate_bytes);
    if (tier->begun)
        cache_tier_promote_hits_set(server->cache, (uint32_t)values->warm_promote_hits);
    atomic_store(&tier->idle_ms, 1000ull * (uint64_t)values->warm_demote_idle_s);
    atomic_store(&tier->keep_every_ms, 1000ull * (uint64_t)values->warm_maintenance_interval_s);
}

bool tiering_keep_house(struct worker *worker) {
    const struct server_tier *tier = worker->server->tier;
    struct worker_tier *of = &worker->tier;
    uint64_t idle_ms = atomic_load_explicit(&tier->idle_ms, memory_order_relaxed);
    if (worker->index != 0 || idle_ms == 0)
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
    warm_statistics(tier->warm, &facts);
    counts.path = tier->path;
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
