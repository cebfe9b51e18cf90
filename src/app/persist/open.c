/* app/persist/open.c: the cache is made again of the newest snapshot and the log behind it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "app/persist/loaders.h"
#include "app/persist/persist_inner.h"
#include "base/assert.h"
#include "base/little.h"
#include "core/cache/replay.h"
#include "core/cache/tier.h"
#include "sys/os/clock.h"
#include "sys/os/random.h"
#include "sys/os/thread.h"
#include "sys/wal/lanes.h"
#include "sys/wal/snapshot.h"

struct opening {
    struct persist *persist;
    struct cache_replay replay;
    struct wal_need need;
    bool only_looks;
    char *reason;
};

static enum status note(void *context, uint64_t lsn, struct slice name, struct slice bytes) {
    struct opening *opening = context;
    const struct persist_user *user = &opening->persist->options.user;
    if (slice_equal(name, SLICE(PERSIST_NOTE_FROM)) && bytes.size == sizeof(uint64_t))
        opening->replay.from = little_u64(bytes.data);
    else if (user->note)
        return user->note(user->context, lsn, name, bytes, opening->reason);
    return STATUS_OK;
}

static enum status lay_in(void *context, struct slice store, struct slice key, bool *ret_yes) {
    const struct persist_user *user = &((struct opening *)context)->persist->options.user;
    return user->lay_in(user->context, store, key, ret_yes);
}

static enum status refuse(struct opening *opening, enum status status, const char *what, uint64_t number) {
    if (!opening->reason[0])
        snprintf(opening->reason, PERSIST_REASON_SIZE, "%s %" PRIu64 " cannot be applied: %s at byte %zu of it", what,
                 number, opening->replay.problem ? opening->replay.problem : status_text(status),
                 opening->replay.problem_at);
    return status;
}

/* ------------------------------------------------------------------------------------------ the snapshot */

/* A record is loaded. STATUS_CLOSED: that is to end. */
static enum status go_on(const struct opening *opening, struct slice record) {
    struct persist_progress *progress = opening->persist->options.progress;
    if (!progress)
        return STATUS_OK;
    uint64_t loaded = atomic_load_explicit(&progress->loaded_bytes, memory_order_relaxed); /* nobody else writes it */
    atomic_store_explicit(&progress->loaded_bytes, loaded + sizeof(uint32_t) + record.size, memory_order_relaxed);
    return atomic_load_explicit(&progress->ends, memory_order_relaxed) ? STATUS_CLOSED : STATUS_OK;
}

struct counting {
    const struct files *files;
    uint64_t bytes;
    struct slice snapshot; /* the newest one's name */
    char name[FILES_NAME_MAX + 1];
};

static enum status add_size(void *visitor, const char *name) {
    struct counting *counting = visitor;
    int file;
    uint64_t size = 0;
    bool is_log = slice_starts_with(slice_from_string(name), SLICE("log-"));
    if (!is_log && strcmp(name, counting->name) != 0)
        return STATUS_OK;
    if (counting->files->open(counting->files->context, name, FILES_READ, &file) != STATUS_OK)
        return STATUS_OK;
    if (counting->files->size(counting->files->context, file, &size) == STATUS_OK)
        counting->bytes += size;
    counting->files->close(counting->files->context, file);
    return STATUS_OK;
}

/* What there is to read, about. */
static void count_bytes(const struct opening *opening, uint64_t snapshot) {
    struct persist_progress *progress = opening->persist->options.progress;
    struct counting counting = {.files = opening->persist->options.files};
    if (!progress)
        return;
    snprintf(counting.name, sizeof counting.name, "snapshot-%010" PRIu64, snapshot);
    MAYBE(counting.files->list(counting.files->context, add_size, &counting) != STATUS_OK);
    atomic_store(&progress->total_bytes, counting.bytes ? counting.bytes : 1);
}

static enum status read_records(struct opening *opening, struct snapshot_reader *reader) {
    for (uint64_t number = 1;; number++) {
        struct slice record;
        enum status status = snapshot_next(reader, &record, opening->reason);
        if (status == STATUS_CLOSED)
            return STATUS_OK;
        TRY(status);
        status = cache_replay_dump(&opening->replay, record);
        if (status != STATUS_OK)
            return refuse(opening, status, "the snapshot's record", number);
        TRY(go_on(opening, record));
    }
}

static enum status read_snapshot(struct opening *opening, uint64_t number) {
    struct persist *persist = opening->persist;
    struct snapshot_reader *reader;
    struct snapshot_facts facts;
    TRY(snapshot_open(persist->options.files, &memory_libc, number, &reader, &facts, opening->reason));
    opening->replay.tags_from = opening->replay.from = facts.start_lsn - 1;
    enum status status = read_records(opening, reader);
    snapshot_close(reader);
    opening->need = (struct wal_need){.log_id = facts.log_id, .from_lsn = facts.start_lsn, .to_lsn = facts.end_lsn};
    persist->number = number;
    persist->facts.saved_lsn = opening->replay.from;
    persist->facts.saved_at_ms = facts.created_ms;
    persist->facts.snapshot_bytes = facts.file_bytes;
    return status;
}

/* The number of the newest snapshot, 0: there is none. */
static enum status find_newest(struct opening *opening, uint64_t *ret_number) {
    struct buf numbers;
    *ret_number = 0;
    buf_init(&numbers, &memory_libc);
    enum status status = snapshot_list(opening->persist->options.files, &numbers);
    if (status != STATUS_OK)
        snprintf(opening->reason, PERSIST_REASON_SIZE, "the directory cannot be read: %s", strerror(errno));
    else if (numbers.size)
        memcpy(ret_number, numbers.data + numbers.size - sizeof *ret_number, sizeof *ret_number);
    buf_fini(&numbers);
    return status;
}

static enum status read_newest(struct opening *opening) {
    uint64_t number;
    enum status status = find_newest(opening, &number);
    count_bytes(opening, number);
    opening->need.from_lsn = 1; /* without a snapshot the log has to be there from its beginning */
    return status == STATUS_OK && number ? read_snapshot(opening, number) : status;
}

/* ------------------------------------------------------------------------------------------ the log */

static enum status apply(void *context, uint64_t lsn, struct slice record) {
    struct opening *opening = context;
    ASSERT(!opening->persist->options.image.lsn || opening->persist->options.image.behind);
    enum status status = cache_replay_apply(&opening->replay, lsn, record);
    return status == STATUS_OK ? go_on(opening, record) : refuse(opening, status, "the log's record", lsn);
}

static enum status missing(void *context, uint64_t first_lsn, uint64_t last_lsn) {
    const struct opening *opening = context;
    persist_tell(opening->persist, LOG_WARNING, "log_records_missing",
                 LOG_FIELDS(log_number("first", first_lsn), log_number("last", last_lsn)),
                 "Records %" PRIu64 " to %" PRIu64
                 " of the log are missing: they were lost when a flush failed, and not flushed before",
                 first_lsn, last_lsn);
    return STATUS_OK;
}

static enum status read_log(struct opening *opening) {
    struct persist *persist = opening->persist;
    const struct persist_options *options = &persist->options;
    const struct wal_options log = {.mode = options->mode,
                                    .interval_ms = options->interval_ms,
                                    .lanes = persist->lanes,
                                    .lane_bytes = PERSIST_LANE_SIZE,
                                    .log_id = random_u64() | 1};
    const struct wal_visitor visitor = {.record = apply, .missing = missing, .context = opening};
    struct wal_report report;
    opening->reason[0] = 0;
    enum status status = opening->only_looks
                             ? wal_read(options->files, &memory_libc, &opening->need, &visitor, &report)
                             : wal_open(options->files, &log, &opening->need, &visitor, &report, &persist->wal);
    if (status != STATUS_OK && !opening->reason[0])
        snprintf(opening->reason, PERSIST_REASON_SIZE, "%s", report.reason);
    if (status == STATUS_OK && report.cut_bytes)
        persist_tell(persist, LOG_WARNING, "log_cut",
                     LOG_FIELDS(log_number("bytes", report.cut_bytes), log_number("number", report.last.number),
                                log_number("offset", report.cut_offset)),
                     "The log ended in %" PRIu64 " bytes that were not written to their end (log-%010" PRIu64
                     ", offset %" PRIu64 "): cut off",
                     report.cut_bytes, report.last.number, report.cut_offset);
    persist->facts.cut_bytes = report.cut_bytes;
    persist->facts.missing = report.missing;
    persist->log_bytes_loaded = report.bytes;
    wal_report_fini(&report);
    return status;
}

/* ------------------------------------------------------------------------------------------ a cache that is there already */

/* What is known of the newest snapshot, without reading it: the next one has the number after it. */
static enum status look_at_newest(struct opening *opening) {
    struct persist *persist = opening->persist;
    struct snapshot_reader *reader;
    struct snapshot_facts facts;
    TRY(find_newest(opening, &persist->number));
    if (!persist->number)
        return STATUS_OK;
    char reason[WAL_REASON_SIZE];
    if (snapshot_open(persist->options.files, &memory_libc, persist->number, &reader, &facts, reason) != STATUS_OK) {
        persist_say(persist, LOG_WARNING, "%s: it is not needed now, and another one will be taken", reason);
        persist->asked = 1;
        return STATUS_OK;
    }
    snapshot_close(reader);
    persist->facts.saved_lsn = facts.start_lsn - 1;
    persist->facts.saved_at_ms = facts.created_ms;
    persist->facts.snapshot_bytes = facts.file_bytes;
    return STATUS_OK;
}

/* The log up to there is in the cache. It is all of it that counts when it is asked whether it has become too long. */
static enum status read_behind(struct opening *opening) {
    const struct persist_image *image = &opening->persist->options.image;
    struct persist_progress *progress = opening->persist->options.progress, counted = {.total_bytes = 0};
    TRY(look_at_newest(opening));
    opening->replay.tags_from = opening->replay.from = image->lsn;
    opening->need = (struct wal_need){.from_lsn = image->lsn + 1, .to_lsn = image->lsn};
    opening->persist->options.progress = progress ? progress : &counted;
    count_bytes(opening, 0);
    uint64_t log_bytes = atomic_load(&opening->persist->options.progress->total_bytes);
    opening->persist->options.progress = progress;
    if (image->behind)
        cache_replay_begin(&opening->replay);
    enum status status = read_log(opening);
    if (image->behind)
        cache_replay_end(&opening->replay);
    opening->persist->log_bytes_loaded = log_bytes;
    return status;
}

/* ------------------------------------------------------------------------------------------ opening */

/* With a thread for each processor that applies what this one reads. Ids behind that of whoever saves are free. */
static enum status read_all(struct opening *opening) {
    const struct persist_options *options = &opening->persist->options;
    unsigned lanes = options->loaders ? options->loaders : thread_cores();
    struct loaders *loaders;
    TRY(loaders_begin(&opening->replay, lanes < LOADERS_MAX ? lanes : LOADERS_MAX, options->actors + 2, &loaders));
    enum status status = read_newest(opening);
    if (status == STATUS_OK)
        status = read_log(opening);
    enum status ended = loaders_end(loaders);
    if (status != STATUS_OK || ended == STATUS_OK)
        return status;
    snprintf(opening->reason, PERSIST_REASON_SIZE, "what was read cannot be applied: %s", status_text(ended));
    return ended;
}

/* What the snapshot has listed of the tier. What is another file's could come back when that one is there again: so it is as if it had found no room. */
static void finish_tier(struct opening *opening) {
    struct persist *persist = opening->persist;
    const struct persist_tier *tier = persist->options.tier;
    struct persist_facts *facts = &persist->facts;
    struct cache_tier_stats stats;
    cache_tier_stats(persist->options.cache, &stats);
    facts->loaded_below = stats.taken_over;
    facts->loaded_below_lost = stats.lost ? stats.lost : opening->replay.below_lost;
    if (opening->replay.below_lost)
        atomic_store(&persist->lost_some, true);
    if (tier)
        tier->loaded(tier->context);
}

static enum status load(struct persist *persist, bool only_looks, char *reason) {
    struct opening opening = {.persist = persist,
                              .only_looks = only_looks,
                              .replay = {.cache = persist->options.cache, .actor = persist->options.actor},
                              .reason = reason};
    uint64_t begun_ms = clock_steady_ms(), evicted = persist->options.actor->counts.evicted;
    reason[0] = 0;
    opening.replay.note = note;
    opening.replay.lay_in = persist->options.user.lay_in ? lay_in : NULL;
    opening.replay.context = &opening;
    if (persist->options.tier) {
        opening.replay.bring = persist->options.tier->bring;
        opening.replay.spare = persist->options.tier->spare;
        opening.replay.tier_context = persist->options.tier->context;
    }
    enum status status = STATUS_OK;
    if (persist->options.image.lsn) {
        status = read_behind(&opening);
    } else {
        cache_replay_begin(&opening.replay);
        status = read_all(&opening);
        cache_replay_end(&opening.replay);
    }
    persist->facts.loaded_records = opening.replay.records;
    persist->facts.loaded_entries_lost = opening.replay.lost + persist->options.actor->counts.evicted - evicted;
    atomic_store(&persist->lost_some, persist->facts.loaded_entries_lost != 0);
    finish_tier(&opening);
    persist->facts.loaded_ms = clock_steady_ms() - begun_ms;
    return status;
}

static struct persist *make(const struct persist_options *options) {
    struct persist *persist = memory_take(&memory_libc, sizeof *persist);
    if (!persist)
        return NULL;
    memset(persist, 0, sizeof *persist);
    persist->options = *options;
    persist->actor.id = options->actors + 1;
    persist->lanes = options->lanes ? options->lanes : options->actors + 1;
    persist->pace = options->pace;
    atomic_init(&persist->rewrite_min_bytes, options->rewrite_min_bytes);
    atomic_init(&persist->rewrite_percent, options->rewrite_percent);
    pthread_mutex_init(&persist->still, NULL);
    pthread_mutex_init(&persist->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&persist->wake, &steady);
    pthread_cond_init(&persist->over, &steady);
    pthread_condattr_destroy(&steady);
    return persist;
}

enum status persist_load(const struct persist_options *options, struct persist **ret_persist,
                         char ret_reason[PERSIST_REASON_SIZE]) {
    snprintf(ret_reason, PERSIST_REASON_SIZE, "no memory");
    ASSERT(options->actors > 0 && (options->lanes ? options->lanes <= LANES_MAX : options->actors < LANES_MAX));
    struct persist *persist = make(options);
    if (!persist)
        return STATUS_NO_MEMORY;
    enum status status = load(persist, false, ret_reason);
    if (status != STATUS_OK) {
        MAYBE(persist_close(persist, options->actor) != STATUS_OK);
        return status;
    }
    *ret_persist = persist;
    return STATUS_OK;
}

enum status persist_read(const struct persist_options *options, struct persist_facts *ret_facts,
                         char ret_reason[PERSIST_REASON_SIZE]) {
    snprintf(ret_reason, PERSIST_REASON_SIZE, "no memory");
    struct persist *persist = make(options);
    if (!persist)
        return STATUS_NO_MEMORY;
    enum status status = load(persist, true, ret_reason);
    *ret_facts = persist->facts;
    MAYBE(persist_close(persist, options->actor) != STATUS_OK);
    return status;
}

enum status persist_open(const struct persist_options *options, struct persist **ret_persist,
                         char ret_reason[PERSIST_REASON_SIZE]) {
    struct persist *persist;
    TRY(persist_load(options, &persist, ret_reason));
    enum status status = persist_begin(persist, options->actor);
    if (status != STATUS_OK) {
        MAYBE(persist_close(persist, options->actor) != STATUS_OK);
        return status;
    }
    *ret_persist = persist;
    return STATUS_OK;
}
