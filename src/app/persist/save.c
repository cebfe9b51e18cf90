/* app/persist/save.c: snapshots, by a thread of their own; and a log that has failed is begun anew. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "app/persist/persist_inner.h"
#include "base/assert.h"
#include "base/little.h"
#include "core/cache/dump.h"
#include "core/record/record.h"
#include "sys/os/clock.h"
#include "sys/os/random.h"
#include "sys/os/thread.h"
#include "sys/wal/snapshot.h"

enum {
    LOOK_MS = 100,     /* how often it looks whether something is to be done */
    FLUSH_MS = 10,     /* and whether the log has been flushed */
    FLUSH_TRIES = 500, /* as often; then the snapshot is given up */
    DUMP_TRIES = 5,    /* keys that change their stores end a dump */
    MEMORY_TRIES = 100,
    PERCENT = 100,
    NS_PER_MS = 1000000,
    YIELD_NS = 50000,           /* so long it works until it lets others run, */
    YIELD_TIMES = 9,            /* for so many times as long as it works itself, */
    YIELD_SPAN_NS = 1000000000, /* reckoned over about so much of its work */
};

struct saving {
    struct persist *persist;
    struct cache_dump dump;
    struct snapshot_writer *writer;
    struct snapshot_facts facts;
    struct buf record;
    uint64_t log_bytes;                     /* when it was begun */
    uint64_t since_ns, work_ns, yielded_ns; /* it works since; it has worked, and has let others run */
};

/* Sleeps, unless everything ends. */
static bool rest(struct persist *persist, uint32_t ms, bool for_turns) {
    uint64_t due_ns = clock_steady_ns() + (uint64_t)ms * 1000000;
    struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000)};
    pthread_mutex_lock(&persist->lock);
    int over = 0;
    while (!persist->stopping && !over && !(for_turns && persist->asked > persist->facts.turns))
        over = pthread_cond_timedwait(&persist->wake, &persist->lock, &due);
    bool goes_on = !persist->stopping;
    pthread_mutex_unlock(&persist->lock);
    return goes_on;
}

static bool is_stopping(struct persist *persist) {
    pthread_mutex_lock(&persist->lock);
    bool stopping = persist->stopping;
    pthread_mutex_unlock(&persist->lock);
    return stopping;
}

/* ------------------------------------------------------------------------------------------ one snapshot */

static enum status next_slice(struct saving *saving) {
    struct persist *persist = saving->persist;
    enum status status = STATUS_NO_MEMORY;
    for (int i = 0; status == STATUS_NO_MEMORY && i < MEMORY_TRIES; i++) {
        if (i && !rest(persist, FLUSH_MS, false))
            return STATUS_CLOSED;
        pthread_mutex_lock(&persist->still);
        persist->actor.now_ms = clock_unix_ms();
        status = cache_dump_next(&saving->dump, &persist->actor, &saving->record);
        pthread_mutex_unlock(&persist->still);
    }
    pthread_mutex_lock(&persist->lock);
    persist->facts.saving_done = saving->dump.done;
    persist->facts.saving_total = saving->dump.total;
    struct snapshot_facts written;
    snapshot_progress(saving->writer, &written);
    persist->facts.saving_bytes = written.file_bytes;
    pthread_mutex_unlock(&persist->lock);
    return status;
}

static enum status add_note(void *context, struct slice name, struct slice value) {
    struct saving *saving = context;
    uint8_t bytes[RECORD_HEAD_SIZE + RECORD_FIELDS_MAX + RECORD_NAME_MAX];
    struct record_part part = {.kind = RECORD_NOTE, .name = name, .value = value};
    record_head_write(saving->facts.created_ms, bytes);
    size_t size = RECORD_HEAD_SIZE + record_part_write(&part, bytes + RECORD_HEAD_SIZE);
    const struct slice parts[] = {slice_make(bytes, size), part.value};
    return snapshot_add(saving->writer, parts, 2);
}

/* Where the log is to be read from in full, which the file's header does not say; and what holds beside entries. That may be younger than where the log begins: what has
 * changed it since is told there again. */
static enum status add_notes(struct saving *saving) {
    const struct persist_user *user = &saving->persist->options.user;
    uint8_t from[sizeof(uint64_t)];
    little_put_u64(from, saving->dump.from);
    TRY(add_note(saving, SLICE(PERSIST_NOTE_FROM), slice_make(from, sizeof from)));
    return user->notes ? user->notes(user->context, add_note, saving) : STATUS_OK;
}

/* Not more bytes a second than there may be. */
static void keep_pace(struct saving *saving) {
    struct persist *persist = saving->persist;
    uint64_t wait_ns = 1;
    while (wait_ns) {
        pthread_mutex_lock(&persist->lock);
        uint64_t rate = persist->hurries || persist_is_settling(persist) ? 0 : persist->pace.bytes_per_second;
        pthread_mutex_unlock(&persist->lock);
        wait_ns = snapshot_wait_ns(saving->writer, clock_steady_ns(), rate);
        uint64_t wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
        /* Piecewise, as the rate may be changed. */
        if (wait_ns && !rest(persist, (uint32_t)(wait_ms < LOOK_MS ? wait_ms : LOOK_MS), false))
            return;
    }
}

/* Where it shares a processor with a worker, a request that comes would wait until the kernel takes the processor away from here: 3 to 4 ms, as long as a hundred
 * requests take. So it is offered often; but a tenth of the time is its own, however busy the others are. */
static void give_way(struct saving *saving) {
    uint64_t now_ns = clock_steady_ns();
    if (now_ns - saving->since_ns < YIELD_NS)
        return;
    saving->work_ns += now_ns - saving->since_ns;
    saving->since_ns = now_ns;
    if (saving->yielded_ns < YIELD_TIMES * saving->work_ns) {
        thread_yield();
        saving->since_ns = clock_steady_ns();
        saving->yielded_ns += saving->since_ns - now_ns;
    }
    if (saving->work_ns > YIELD_SPAN_NS) {
        saving->work_ns /= 2;
        saving->yielded_ns /= 2;
    }
}

static enum status write_all(struct saving *saving) {
    struct persist *persist = saving->persist;
    enum status status = add_notes(saving);
    while (status == STATUS_OK) {
        status = next_slice(saving);
        if (status == STATUS_OK) {
            const struct slice record = buf_slice(&saving->record);
            status = snapshot_add(saving->writer, &record, 1);
            keep_pace(saving);
            give_way(saving);
        }
        if (status == STATUS_OK && is_stopping(persist))
            return STATUS_AGAIN;
    }
    return status == STATUS_CLOSED ? STATUS_OK : status;
}

/* What is listed has to be there. A file that cannot be flushed may be lost by a power cut, but without the snapshot the log would grow for ever. */
static void flush_tier(const struct saving *saving) {
    const struct persist_tier *tier = saving->persist->options.tier;
    if (!tier || !saving->dump.below || tier->flush(tier->context) == STATUS_OK)
        return;
    persist_say(saving->persist, LOG_WARNING,
                "The warm tier cannot be flushed: %s. %llu entries may be lost if the power fails", strerror(errno),
                (unsigned long long)saving->dump.below);
}

/* The log has to hold everything that the snapshot may hold. */
static enum status finish(struct saving *saving) {
    struct persist *persist = saving->persist;
    const struct persist_user *user = &persist->options.user;
    while (user->settled && !user->settled(user->context, saving->dump.from))
        if (!rest(persist, FLUSH_MS, false))
            return STATUS_AGAIN;
    uint64_t end_lsn = wal_staged(persist->wal);
    for (int i = 0; wal_durable(persist->wal) < end_lsn; i++) {
        if (i == FLUSH_TRIES || wal_state(persist->wal) != WAL_RUNNING || !rest(persist, FLUSH_MS, false))
            return STATUS_AGAIN;
        if (i % PERCENT == 0)
            wal_rotate(persist->wal); /* which flushes, whatever the mode is */
    }
    flush_tier(saving);
    snapshot_progress(saving->writer, &saving->facts);
    TRY(snapshot_finish(saving->writer, end_lsn, wal_durable(persist->wal)));
    saving->writer = NULL;
    if (persist->options.tier && saving->dump.generation)
        persist->options.tier->listed(persist->options.tier->context, saving->dump.generation - 1);
    persist->number = saving->facts.number;
    enum status status = snapshot_remove_before(persist->options.files, &memory_libc, saving->facts.number);
    if (status == STATUS_OK)
        status = wal_covered(persist->wal, saving->facts.start_lsn);
    if (status != STATUS_OK)
        persist_say(persist, LOG_WARNING, "Old files of the log and snapshots cannot be removed: %s", strerror(errno));
    return STATUS_OK;
}

static enum status save_once(struct saving *saving) {
    struct persist *persist = saving->persist;
    struct wal_statistics log;
    wal_rotate(persist->wal); /* so that the files before it are needless afterwards */
    wal_statistics(persist->wal, &log);
    saving->log_bytes = log.bytes;
    pthread_mutex_lock(&persist->still);
    persist->actor.now_ms = clock_unix_ms();
    cache_dump_begin(persist->options.cache, &persist->actor, &saving->dump);
    pthread_mutex_unlock(&persist->still);
    saving->facts = (struct snapshot_facts){.number = persist->number + 1,
                                            .id = random_u64() | 1,
                                            .log_id = log.log_id,
                                            .start_lsn = saving->dump.tags_from + 1,
                                            .created_ms = clock_unix_ms()};
    enum status status = snapshot_begin(persist->options.files, &memory_libc, &saving->facts, &saving->writer);
    if (status == STATUS_OK)
        status = write_all(saving);
    cache_dump_end(&saving->dump, &persist->actor);
    if (status == STATUS_OK)
        status = finish(saving);
    snapshot_cancel(saving->writer);
    saving->writer = NULL;
    return status;
}

static void note_end(struct persist *persist, const struct saving *saving, enum status status, uint64_t took_ms) {
    pthread_mutex_lock(&persist->lock);
    struct persist_facts *facts = &persist->facts;
    facts->saving = false;
    facts->saving_bytes = 0;
    persist->saved_steady_ms = clock_steady_ms();
    facts->turns++;
    atomic_store(&persist->turns, facts->turns);
    facts->last_save_failed = status != STATUS_OK;
    facts->save_ms_last = took_ms;
    if (status == STATUS_OK) {
        facts->saves++;
        facts->saved_lsn = saving->dump.from;
        facts->saved_at_ms = clock_unix_ms();
        facts->snapshot_bytes = saving->facts.file_bytes;
        facts->left_out = saving->dump.left_out;
        facts->below = saving->dump.below;
        facts->below_left_out = saving->dump.below_left_out;
        persist->log_bytes_at_begin = saving->log_bytes;
        persist->log_bytes_loaded = 0;
        atomic_store(&persist->lost_some, false);
    } else {
        facts->save_failures++;
    }
    pthread_cond_broadcast(&persist->over);
    pthread_mutex_unlock(&persist->lock);
    if (persist->options.user.saved)
        persist->options.user.saved(persist->options.user.context);
}

static void tell_failed(const struct persist *persist, const char *problem) {
    persist_tell(persist, LOG_WARNING, "snapshot_failed", LOG_FIELDS(log_text("problem", problem)),
                 "A snapshot has failed: %s", problem);
}

static void save(struct persist *persist) {
    struct saving saving = {.persist = persist};
    uint64_t begun_ms = clock_steady_ms();
    pthread_mutex_lock(&persist->lock);
    persist->facts.saving = true;
    persist->facts.saving_since_ms = clock_unix_ms();
    pthread_mutex_unlock(&persist->lock);
    buf_init(&saving.record, &memory_libc);
    enum status status = STATUS_INVALID;
    for (int i = 0; status == STATUS_INVALID && i < DUMP_TRIES; i++)
        status = save_once(&saving);
    int error = errno;
    buf_fini(&saving.record);
    uint64_t took_ms = clock_steady_ms() - begun_ms;
    if (status == STATUS_OK)
        persist_tell(persist, LOG_NOTICE, "snapshot_taken",
                     LOG_FIELDS(log_number("number", saving.facts.number), log_number("entries", saving.dump.done),
                                log_number("bytes", saving.facts.file_bytes), log_number("ms", took_ms)),
                     "Snapshot %llu: %llu entries, %llu bytes, %llu ms", (unsigned long long)saving.facts.number,
                     (unsigned long long)saving.dump.done, (unsigned long long)saving.facts.file_bytes,
                     (unsigned long long)took_ms);
    if (status == STATUS_OK && saving.dump.below_left_out)
        persist_say(persist, LOG_WARNING, "The snapshot has nothing of %llu entries in the warm tier",
                    (unsigned long long)saving.dump.below_left_out);
    else if (status != STATUS_OK && !is_stopping(persist))
        tell_failed(persist, status == STATUS_IO || status == STATUS_FULL ? strerror(error) : status_text(status));
    note_end(persist, &saving, status, took_ms);
}

/* ------------------------------------------------------------------------------------------ the thread */

/* A log that has failed is left alone; another is begun, as often as it takes. */
static void look_at_failure(struct persist *persist) {
    uint64_t now_ms = clock_steady_ms();
    if (wal_state(persist->wal) != WAL_FAILED || now_ms < persist->anew_at_ms)
        return;
    struct wal_statistics log;
    wal_statistics(persist->wal, &log);
    persist_tell(persist, LOG_WARNING, "log_failed", LOG_FIELDS(log_text("problem", log.error_text)),
                 "The log has failed: %s. Writes are refused; another file is begun", log.error_text);
    persist->anew_at_ms = now_ms + PERSIST_RETRY_MS;
    wal_begin_anew(persist->wal);
}

/* The log is longer than what it is to be read behind. */
static bool is_long(struct persist *persist) {
    uint64_t percent = atomic_load(&persist->rewrite_percent), least = atomic_load(&persist->rewrite_min_bytes);
    struct persist_facts facts;
    persist_facts(persist, &facts);
    return percent && facts.log_bytes >= least &&
           (double)facts.log_bytes * PERCENT >= (double)facts.snapshot_bytes * (double)percent;
}

/* So old, and so much has changed. What was loaded counts from the start on. */
static bool is_old(struct persist *persist, uint64_t now_ms) {
    uint64_t staged = wal_staged(persist->wal);
    bool due = false;
    pthread_mutex_lock(&persist->lock);
    uint64_t changes = staged - persist->facts.saved_lsn;
    for (uint32_t i = 0; i < persist->pace.count && changes; i++)
        due |= now_ms >= persist->saved_steady_ms + persist->pace.points[i].seconds * 1000 &&
               changes >= persist->pace.points[i].changes;
    pthread_mutex_unlock(&persist->lock);
    return due;
}

static bool is_due(struct persist *persist) {
    pthread_mutex_lock(&persist->lock);
    bool asked = persist->asked > persist->facts.turns, failed = persist->facts.last_save_failed;
    pthread_mutex_unlock(&persist->lock);
    if (asked)
        return true;
    if (wal_state(persist->wal) != WAL_RUNNING)
        return false;
    /* One that has failed is not tried over and over. */
    uint64_t now_ms = clock_steady_ms();
    if (failed && now_ms < persist->anew_at_ms)
        return false;
    bool due = wal_cover_needed(persist->wal) != 0 || atomic_load(&persist->lost_some) || is_long(persist) ||
               is_old(persist, now_ms);
    if (due)
        persist->anew_at_ms = now_ms + PERSIST_RETRY_MS;
    return due;
}

void persist_run(void *context) {
    struct persist *persist = context;
    persist->saved_steady_ms = clock_steady_ms();
    do {
        look_at_failure(persist);
        if (is_due(persist))
            save(persist);
        backup_look(persist);
    } while (rest(persist, LOOK_MS, true));
}
