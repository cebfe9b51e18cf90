#include "app/embed/persistence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/embed/call.h"
#include "app/embed/image.h"
#include "app/persist/persist.h"
#include "app/tier/warm_tier.h"
#include "base/assert.h"
#include "sys/os/futex.h"

enum {
    LANES = 8, /* two threads of a hundred meet in one now and then, for one copy */
    REWRITE_PERCENT = 100,
    REWRITE_MIN_BYTES = 64 << 20,
    OPENER = SLOT_COUNT + 1, /* an actor: the one of who saves, while he does not run */
    WAIT_MS = 500,           /* for the log, before it is asked whether the disk is full */
};

struct persistence {
    struct directory directory;
    struct persist *persist;
    struct persist_tier tier; /* where there is a file as well */
    bool flushes;
    _Atomic uint32_t behind; /* 1: writers wait */
    atomic_bool refuses;
    struct strata_cache *cache;
};

/* ------------------------------------------------------------------------------------------ what the log tells */

static void on_behind(void *context, bool waits) {
    struct persistence *persistence = context;
    atomic_store(&persistence->behind, waits);
    if (!waits)
        futex_wake(NULL, &persistence->behind);
}

static void on_refuses(void *context, bool refuses) {
    struct persistence *persistence = context;
    atomic_store(&persistence->refuses, refuses);
}

static void on_say(void *context, enum log_level level, const char *text) {
    call_say(((const struct persistence *)context)->cache, level, text);
}

/* ------------------------------------------------------------------------------------------ opening */

static enum strata_status explain_directory(enum status status, const char *path, const char *what, int owner,
                                            char *problem) {
    if (status == STATUS_BUSY) {
        snprintf(problem, STRATA_ERROR_TEXT_SIZE, "process %d keeps a cache in '%.100s'", owner, path);
        return STRATA_BUSY;
    }
    snprintf(problem, STRATA_ERROR_TEXT_SIZE, "the directory '%.100s' cannot be %s: %s", path, what, strerror(errno));
    return STRATA_IO;
}

static enum strata_status explain_load(enum status status, const char *reason, char *problem) {
    snprintf(problem, STRATA_ERROR_TEXT_SIZE, "%.*s", (int)STRATA_ERROR_TEXT_SIZE - 1, reason);
    switch (status) {
        case STATUS_NO_MEMORY:
            return STRATA_NO_MEMORY;
        case STATUS_IO:
        case STATUS_FULL:
            return STRATA_IO;
        default:
            return STRATA_CORRUPT;
    }
}

static enum strata_status load(struct strata_cache *cache, const struct strata_options *options, char *problem) {
    struct persistence *persistence = cache->persistence;
    struct actor actor = {.id = OPENER, .now_ms = clock_unix_ms()};
    persistence->tier = (struct persist_tier){warm_tier_bring, warm_tier_spare,  warm_tier_loaded,
                                              warm_tier_flush, warm_tier_listed, cache->tier};
    const struct persist_options kept = {
        .files = &persistence->directory.files,
        .cache = cache->core,
        .actor = &actor,
        .actors = SLOT_COUNT,
        .lanes = LANES,
        .mode = options->fsync == STRATA_FSYNC_ALWAYS ? WAL_ALWAYS
                : options->fsync == STRATA_FSYNC_NO   ? WAL_NO
                                                      : WAL_INTERVAL,
        .rewrite_min_bytes = REWRITE_MIN_BYTES,
        .rewrite_percent = REWRITE_PERCENT,
        .tier = cache->tier ? &persistence->tier : NULL,
        .image = image_log(cache),
        .user = {.behind = on_behind, .refuses = on_refuses, .say = on_say, .context = persistence},
    };
    char reason[PERSIST_REASON_SIZE];
    enum status status = persist_open(&kept, &persistence->persist, reason);
    cache_journal_forget(cache->core, &actor);
    /* What found no room is to be gone before anybody could delete it; if that fails it is tried again later. */
    if (status == STATUS_OK && persist_is_settling(persistence->persist))
        MAYBE(persist_save_last(persistence->persist) != STATUS_OK);
    return status == STATUS_OK ? STRATA_OK : explain_load(status, reason, problem);
}

static enum strata_status open_directory(struct persistence *persistence, const char *path, char *problem) {
    int owner = 0;
    enum status status = directory_open(path, true, &persistence->directory);
    if (status != STATUS_OK) {
        persistence->directory.fd = -1;
        return explain_directory(status, path, "opened", 0, problem);
    }
    status = directory_lock(&persistence->directory, &owner);
    return status == STATUS_OK ? STRATA_OK : explain_directory(status, path, "locked", owner, problem);
}

enum strata_status persistence_lock(struct strata_cache *cache, const struct strata_options *options, char *problem) {
    if (!options->directory)
        return STRATA_OK;
    struct persistence *persistence = memory_take(&cache->memory, sizeof *persistence);
    if (!persistence) {
        snprintf(problem, STRATA_ERROR_TEXT_SIZE, "the allocator gave no memory");
        return STRATA_NO_MEMORY;
    }
    *persistence = (struct persistence){.flushes = options->fsync == STRATA_FSYNC_ALWAYS, .cache = cache};
    cache->persistence = persistence;
    return open_directory(persistence, options->directory, problem);
}

const struct files *persistence_files(const struct strata_cache *cache) {
    return cache->persistence ? &cache->persistence->directory.files : NULL;
}

enum strata_status persistence_open(struct strata_cache *cache, const struct strata_options *options, char *problem) {
    if (!cache->persistence)
        return STRATA_OK;
    image_load_begins(cache);
    enum strata_status answer = load(cache, options, problem);
    if (answer != STRATA_OK)
        return answer;
    image_load_ended(cache);
    atomic_store(&cache->expiring, cache_count_expiring(cache->core, 0) != 0);
    return STRATA_OK;
}

void persistence_close(struct strata_cache *cache) {
    struct persistence *persistence = cache->persistence;
    if (!persistence)
        return;
    struct actor actor = {.id = OPENER, .now_ms = clock_unix_ms()};
    image_mark(cache, persistence->persist, &actor);
    image_log_closed(cache, persist_close(persistence->persist, &actor));
    for (uint32_t number = 0; number < SLOT_COUNT; number++)
        if (cache->slots[number].actor.noted.room)
            cache_journal_forget(cache->core, &cache->slots[number].actor);
    if (persistence->directory.fd >= 0)
        directory_close(&persistence->directory);
    memory_give(&cache->memory, persistence, sizeof *persistence);
    cache->persistence = NULL;
}

/* ------------------------------------------------------------------------------------------ writing */

bool persistence_admits(struct persistence *persistence) {
    while (__builtin_expect(atomic_load(&persistence->behind), 0) && !atomic_load(&persistence->refuses))
        futex_wait(NULL, &persistence->behind, 1);
    return !atomic_load(&persistence->refuses);
}

bool persistence_flushes(const struct persistence *persistence) { return persistence->flushes; }

enum strata_status persistence_wait(struct persistence *persistence, uint64_t lsn) {
    struct wal *log = persist_log(persistence->persist);
    enum status status = STATUS_AGAIN;
    while (status == STATUS_AGAIN) {
        status = wal_wait(log, WAL_FLUSHED, lsn, WAIT_MS);
        if (status == STATUS_AGAIN && atomic_load(&persistence->refuses))
            return STRATA_IO;
    }
    return status == STATUS_OK ? STRATA_OK : STRATA_IO;
}

enum strata_status strata_sync(struct strata_cache *cache) {
    if (!cache)
        return STRATA_INVALID;
    if (!cache->persistence)
        return STRATA_OK;
    struct wal *log = persist_log(cache->persistence->persist);
    uint64_t lsn = wal_staged(log);
    wal_hurry(log);
    return persistence_wait(cache->persistence, lsn);
}

enum strata_status strata_snapshot(struct strata_cache *cache) {
    if (!cache || !cache->persistence)
        return STRATA_INVALID;
    return persist_save_last(cache->persistence->persist) == STATUS_OK ? STRATA_OK : STRATA_IO;
}

void persistence_statistics(struct persistence *persistence, struct strata_statistics *statistics) {
    struct persist_facts facts;
    persist_facts(persistence->persist, &facts);
    statistics->log_refuses = facts.refuses;
    statistics->log_bytes = facts.log_bytes;
    statistics->log_records = wal_staged(persist_log(persistence->persist));
    statistics->log_flushes = facts.log.flushes;
    statistics->snapshot_bytes = facts.snapshot_bytes;
    statistics->snapshots = facts.saves;
    statistics->snapshot_failures = facts.save_failures;
    statistics->loaded_ms = facts.loaded_ms;
    statistics->loaded_records = facts.loaded_records;
    statistics->loaded_lost = facts.loaded_entries_lost;
    statistics->cut_bytes = facts.cut_bytes;
}

/* ------------------------------------------------------------------------------------------ forks */

void persistence_fork_prepare(struct strata_cache *cache) {
    if (cache->persistence)
        persist_stand_still(cache->persistence->persist);
}

void persistence_fork_parent(struct strata_cache *cache) {
    if (cache->persistence)
        persist_go_on(cache->persistence->persist);
}

/* The log's threads are the parent's, and may have held anything: what they work on is never touched again. */
void persistence_fork_child(struct strata_cache *cache) {
    struct persistence *persistence = cache->persistence;
    if (!persistence)
        return;
    struct actor actor = {.id = OPENER, .now_ms = clock_unix_ms()};
    cache->persistence = NULL;
    if (!cache->image) /* its memory is the parent's */
        cache_journal_set(cache->core, &actor, NULL);
    directory_close(&persistence->directory);
}
