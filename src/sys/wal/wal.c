#include "sys/wal/wal.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/wal/wal_inner.h"

static void stop(struct wal *wal);

static uint64_t steady_ns(void *context) { return clock_steady_ns(); }

uint64_t wal_now_ns(const struct wal *wal) { return wal->options.now_ns(wal->options.now_context); }

uint64_t wal_staged(const struct wal *wal) { return atomic_load(&wal->lanes.next_lsn) - 1; }
uint64_t wal_written(const struct wal *wal) { return atomic_load(&wal->written); }
uint64_t wal_flushed(const struct wal *wal) { return atomic_load(&wal->flushed); }
enum wal_state wal_state(const struct wal *wal) { return (enum wal_state)atomic_load(&wal->state); }
uint64_t wal_cover_needed(const struct wal *wal) { return atomic_load(&wal->cover_needed); }

/* --- opening --- */

static void fill_in(struct wal_options *options) {
    if (!options->memory)
        options->memory = &memory_libc;
    if (!options->interval_ms)
        options->interval_ms = 1000;
    if (!options->lanes)
        options->lanes = 1;
    if (!options->lane_bytes)
        options->lane_bytes = 1 << 20;
    if (!options->file_bytes)
        options->file_bytes = 64 << 20;
    /* Half of it is always there, and the lanes hold at most both of their halves. */
    uint64_t staged_bytes = 2 * (uint64_t)options->lanes * options->lane_bytes;
    if (!options->reserve_bytes)
        options->reserve_bytes = staged_bytes > 2 << 20 ? 2 * staged_bytes : 4 << 20;
    if (!options->kept_bytes)
        options->kept_bytes = 16 << 20;
    if (!options->now_ns)
        options->now_ns = steady_ns;
}

static void wal_fini(struct wal *wal) {
    writer_fini(&wal->writer);
    lanes_fini(&wal->lanes);
    buf_fini(&wal->kept);
    buf_fini(&wal->list);
    pthread_cond_destroy(&wal->progress);
    pthread_cond_destroy(&wal->work);
    pthread_mutex_destroy(&wal->gate);
    pthread_mutex_destroy(&wal->writing);
    memory_give(wal->options.memory, wal, sizeof *wal);
}

static enum status wal_new(const struct files *files, const struct wal_options *options, uint64_t log_id,
                           uint64_t next_lsn, struct wal **ret_wal) {
    struct wal *wal = memory_take(options->memory, sizeof *wal);
    if (!wal)
        return STATUS_NO_MEMORY;
    memset(wal, 0, sizeof *wal);
    wal->options = *options;
    wal->files = files;
    atomic_init(&wal->mode, options->mode);
    atomic_init(&wal->interval_ms, options->interval_ms);
    atomic_init(&wal->written, next_lsn - 1);
    atomic_init(&wal->flushed, next_lsn - 1);
    wal->durable = next_lsn - 1;
    wal->rotate_at_bytes = options->file_bytes;
    pthread_mutex_init(&wal->writing, NULL);
    pthread_mutex_init(&wal->gate, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&wal->work, &steady);
    pthread_cond_init(&wal->progress, &steady);
    pthread_condattr_destroy(&steady);
    buf_init(&wal->kept, options->memory);
    buf_init(&wal->list, options->memory);
    writer_init(&wal->writer, files, options->memory, log_id);
    enum status status = lanes_init(&wal->lanes, options->memory, options->lanes, options->lane_bytes, next_lsn);
    if (status == STATUS_OK)
        *ret_wal = wal;
    else
        wal_fini(wal);
    return status;
}

/* The last file that was read becomes the writer's, to be told that it is followed: behind its last record that was proven. What stands there now will stand in
 * the next file. Best effort, as that word is. */
static void take_last(struct wal *wal, const struct wal_report *report) {
    char name[LOG_NAME_SIZE];
    struct writer *writer = &wal->writer;
    int file;
    format_name(LOG_PREFIX, report->last.number, "", name);
    if (wal->files->open(wal->files->context, name, FILES_WRITE, &file) != STATUS_OK)
        return;
    writer->file = file;
    writer->number = report->last.number;
    writer->offset = report->tail_offset;
    writer->reserved = UINT64_MAX; /* so that closing cuts the file */
}

static enum status note_new(void *context, const char *name) {
    uint64_t number;
    return format_name_parse(name, LOG_PREFIX, FORMAT_NEW_SUFFIX, &number) ? buf_append(context, &number, sizeof number)
                                                                           : STATUS_OK;
}

/* Files that were being made when the power went. */
static enum status remove_new(struct wal *wal) {
    struct buf numbers;
    buf_init(&numbers, wal->options.memory);
    enum status status = wal->files->list(wal->files->context, note_new, &numbers);
    for (size_t at = 0; at < numbers.size && status == STATUS_OK; at += sizeof(uint64_t)) {
        char name[LOG_NAME_SIZE];
        uint64_t number;
        memcpy(&number, numbers.data + at, sizeof number);
        format_name(LOG_PREFIX, number, FORMAT_NEW_SUFFIX, name);
        status = wal->files->remove(wal->files->context, name);
    }
    buf_fini(&numbers);
    return status;
}

/* The header of the file to begin with: behind what has been proven of the last one. If nothing of that has been, in its place. */
static struct log_header next_header(const struct wal *wal, const struct wal_report *report) {
    const struct log_header *last = &report->last;
    if (last->number && report->proven_lsn < last->first_lsn)
        return *last;
    uint64_t proven_lsn = last->number ? report->proven_lsn : report->next_lsn - 1;
    return (struct log_header){wal->writer.log_id, last->number + 1, proven_lsn + 1, proven_lsn};
}

/* Records that were read and are not known to have been flushed are written again, to the new file: after a flush that failed they may be in the kernel's
 * memory only, and no flush of the old file would change that. So nothing is done to the old file before the new one is there, and a second power
 * cut finds what the first had left. */
static enum status begin_file(struct wal *wal, const struct wal_report *report) {
    struct log_header header = next_header(wal, report);
    bool follows = report->last.number && header.number != report->last.number;
    TRY(remove_new(wal));
    TRY(buf_append_slice(&wal->list, buf_slice(&report->list)));
    size_t count = wal_list_count(&wal->list);
    TRY(wal_list_add(wal, header.number, header.first_lsn, count ? wal_list_at(&wal->list, count - 1).bytes : 0));
    if (follows)
        take_last(wal, report);
    TRY(writer_start(&wal->writer, &header, &report->tail, follows));
    if (report->unproven_first) {
        atomic_store(&wal->cover_needed, report->unproven_last + 1);
        atomic_store(&wal->flushed, report->unproven_first - 1);
    }
    uint64_t bytes = wal->options.reserve_bytes;
    enum status status = bytes <= 1 ? STATUS_OK : writer_reserve(&wal->writer, bytes / 2, bytes);
    if (status == STATUS_FULL) {
        atomic_store(&wal->state, WAL_FULL);
        wal->statistics.fulls++;
    }
    return status == STATUS_FULL ? STATUS_OK : status;
}

static void run(void *context) {
    struct wal *wal = context;
    for (;;) {
        uint64_t wait_ns = wal_step(wal), most_ns = (uint64_t)atomic_load(&wal->interval_ms) * 1000000;
        /* Staging wakes nobody, so the lanes are looked into once an interval. */
        uint64_t due_ns = clock_steady_ns() + (wait_ns < most_ns ? wait_ns : most_ns);
        struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000)};
        pthread_mutex_lock(&wal->gate);
        while (!wal->kicked && !wal->stopping && pthread_cond_timedwait(&wal->work, &wal->gate, &due) == 0)
            ;
        wal->kicked = false;
        bool stopping = wal->stopping;
        atomic_store(&wal->kick_seen, false);
        pthread_mutex_unlock(&wal->gate);
        if (stopping)
            return;
    }
}

static enum status begin(struct wal *wal, struct wal_report *report) {
    enum status status = begin_file(wal, report);
    if (status == STATUS_OK && !wal->options.stepped) {
        status = thread_start(&wal->thread, "strata-log", run, wal);
        wal->runs = status == STATUS_OK;
    }
    if (status != STATUS_OK)
        snprintf(report->reason, sizeof report->reason, "the log cannot be continued behind log-%010llu: %s",
                 (unsigned long long)report->last.number,
                 status == STATUS_NO_MEMORY ? status_text(status) : strerror(errno));
    return status;
}

enum status wal_open(const struct files *files, const struct wal_options *options, const struct wal_need *need,
                     const struct wal_visitor *visitor, struct wal_report *ret_report, struct wal **ret_wal) {
    struct wal_options filled = *options;
    fill_in(&filled);
    ASSERT(filled.log_id);
    struct wal_need keeping = *need;
    keeping.keep_tail = true;
    TRY(wal_read(files, filled.memory, &keeping, visitor, ret_report));
    struct wal *wal;
    enum status status =
        wal_new(files, &filled, ret_report->log_id ? ret_report->log_id : filled.log_id, ret_report->next_lsn, &wal);
    if (status != STATUS_OK) {
        snprintf(ret_report->reason, sizeof ret_report->reason, "no memory for the log");
        return status;
    }
    status = begin(wal, ret_report);
    if (status != STATUS_OK) {
        wal_fini(wal);
        return status;
    }
    buf_fini(&ret_report->tail);
    *ret_wal = wal;
    return STATUS_OK;
}

static void stop(struct wal *wal) {
    if (!wal->runs)
        return;
    pthread_mutex_lock(&wal->gate);
    wal->stopping = true;
    pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->gate);
    thread_join(&wal->thread);
    wal->runs = false;
}

void wal_free(struct wal *wal) {
    if (!wal)
        return;
    stop(wal);
    wal_fini(wal);
}

/* The last batch says that nothing is missing behind it. */
static enum status close_in_order(struct wal *wal) {
    uint64_t written = atomic_load(&wal->written);
    struct log_batch last = {.flags = LOG_BATCH_CLOSED, .first_lsn = written + 1, .flushed_lsn = wal->durable};
    TRY(writer_prepare(&wal->writer));
    TRY(writer_write(&wal->writer, &last));
    return writer_sync(&wal->writer, wal->writer.file);
}

enum status wal_close(struct wal *wal) {
    stop(wal);
    enum status status = wal_write_out(wal);
    wal_flush(wal);
    if (wal_state(wal) == WAL_FAILED)
        status = STATUS_IO;
    if (status == STATUS_OK)
        status = close_in_order(wal);
    if (status == STATUS_OK && wal_flushed(wal) != wal_staged(wal))
        status = STATUS_IO;
    if (wal_state(wal) != WAL_FAILED)
        writer_close(&wal->writer);
    wal_fini(wal);
    return status;
}

/* --- staging --- */

bool wal_pressure(const struct wal *wal) {
    uint64_t begun_ns = atomic_load(&wal->flush_begun_ns);
    return begun_ns && atomic_load(&wal->mode) == WAL_INTERVAL &&
           wal_now_ns(wal) - begun_ns > (uint64_t)WAL_PRESSURE_MS * 1000000;
}

enum status wal_admit(struct wal *wal, unsigned lane, size_t size) {
    enum wal_state state = wal_state(wal);
    if (state != WAL_RUNNING)
        return state == WAL_FULL ? STATUS_FULL : STATUS_IO;
    if (wal_pressure(wal))
        return STATUS_AGAIN;
    bool half;
    enum status status = lanes_admit(&wal->lanes, lane, size, &half);
    if (half || status == STATUS_BUSY)
        wal_kick(wal);
    return status == STATUS_BUSY ? STATUS_AGAIN : status;
}

enum status wal_stage(struct wal *wal, unsigned lane, const struct slice *parts, unsigned count, uint64_t *ret_lsn) {
    return lanes_stage(&wal->lanes, lane, parts, count, ret_lsn);
}

enum status wal_stage_anyway(struct wal *wal, unsigned lane, const struct slice *parts, unsigned count,
                             uint64_t *ret_lsn, bool *ret_behind) {
    bool half = false;
    enum status status = lanes_stage_anyway(&wal->lanes, lane, parts, count, ret_lsn, &half);
    if (half)
        wal_kick(wal);
    *ret_behind = half || wal_pressure(wal);
    return status;
}

enum status wal_place_anyway(struct wal *wal, unsigned lane, size_t size_max, uint8_t **ret_to) {
    return lanes_place_anyway(&wal->lanes, lane, size_max, ret_to);
}

void wal_placed(struct wal *wal, unsigned lane, size_t size, uint64_t *ret_lsn, bool *ret_behind) {
    bool half;
    lanes_placed(&wal->lanes, lane, size, ret_lsn, &half);
    if (half)
        wal_kick(wal);
    *ret_behind = half || wal_pressure(wal);
}

uint64_t wal_durable(struct wal *wal) {
    pthread_mutex_lock(&wal->writing);
    uint64_t durable = wal->durable;
    pthread_mutex_unlock(&wal->writing);
    return durable;
}

/* Under `writing`, which it lets go. */
static enum status write_out(struct wal *wal) {
    bool any = wal_commit(wal);
    enum wal_state state = wal_state(wal);
    bool full = wal->writer.offset >= wal->rotate_at_bytes;
    pthread_mutex_unlock(&wal->writing);
    if (full)
        wal_kick(wal); /* which begins the next file */
    bool is_new = wal_state_is_new(wal);
    if (any || is_new)
        wal_tell(wal, is_new);
    return state == WAL_RUNNING ? STATUS_OK : state == WAL_FULL ? STATUS_FULL : STATUS_IO;
}

enum status wal_write_out(struct wal *wal) {
    pthread_mutex_lock(&wal->writing);
    return write_out(wal);
}

bool wal_try_write_out(struct wal *wal) {
    if (pthread_mutex_trylock(&wal->writing) != 0)
        return false;
    enum status status = write_out(wal);
    MAYBE(status != STATUS_OK); /* the state says so */
    return true;
}

/* --- waiting --- */

void wal_kick(struct wal *wal) {
    if (atomic_exchange(&wal->kick_seen, true))
        return;
    pthread_mutex_lock(&wal->gate);
    wal->kicked = true;
    pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->gate);
}

static uint64_t reached(const struct wal *wal, enum wal_point point) {
    return point == WAL_FLUSHED ? wal_flushed(wal) : wal_written(wal);
}

/* Whether one of its wishes is fulfilled; which are gone then. */
static bool is_fulfilled(struct wal *wal, struct wal_watcher *watcher) {
    bool is = atomic_exchange(&watcher->wants_room, false);
    for (enum wal_point point = WAL_WRITTEN; point <= WAL_FLUSHED; point++) {
        uint64_t wished = atomic_load(&watcher->wished[point]);
        while (wished && wished <= reached(wal, point)) {
            if (atomic_compare_exchange_weak(&watcher->wished[point], &wished, 0)) {
                is = true;
                break;
            }
        }
    }
    return is;
}

void wal_tell(struct wal *wal, bool everybody) {
    pthread_mutex_lock(&wal->gate);
    wal->told++;
    if (wal->sleepers)
        pthread_cond_broadcast(&wal->progress);
    for (struct wal_watcher *watcher = wal->watchers; watcher; watcher = watcher->next) {
        if (is_fulfilled(wal, watcher) || everybody)
            watcher->call(watcher->context);
    }
    pthread_mutex_unlock(&wal->gate);
}

/* Sleeps until the next wal_tell after `seen`. False when the time is over. */
static bool sleep_after(struct wal *wal, uint64_t seen, const struct timespec *due) {
    bool in_time = true;
    pthread_mutex_lock(&wal->gate);
    wal->sleepers++;
    while (wal->told == seen && in_time)
        in_time = pthread_cond_timedwait(&wal->progress, &wal->gate, due) == 0;
    wal->sleepers--;
    pthread_mutex_unlock(&wal->gate);
    return in_time;
}

static uint64_t told(struct wal *wal) {
    pthread_mutex_lock(&wal->gate);
    uint64_t seen = wal->told;
    pthread_mutex_unlock(&wal->gate);
    return seen;
}

static struct timespec due_in(uint64_t timeout_ms) {
    uint64_t now_ns = clock_steady_ns(), most_ms = (uint64_t)1 << 40;
    uint64_t due_ns = now_ns + (timeout_ms < most_ms ? timeout_ms : most_ms) * 1000000;
    return (struct timespec){.tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000)};
}

enum status wal_wait(struct wal *wal, enum wal_point point, uint64_t lsn, uint64_t timeout_ms) {
    struct timespec due = due_in(timeout_ms);
    bool kicked = false;
    for (bool in_time = true;;) {
        uint64_t seen = told(wal);
        if (reached(wal, point) >= lsn)
            return STATUS_OK;
        if (wal_state(wal) == WAL_FAILED)
            return STATUS_IO;
        if (!in_time)
            return STATUS_AGAIN;
        /* Once: on a full disk the committer tells at once that nothing has changed, and would be woken for ever. */
        if (!kicked)
            wal_kick(wal);
        kicked = true;
        in_time = sleep_after(wal, seen, &due);
    }
}

enum status wal_admit_wait(struct wal *wal, unsigned lane, size_t size, uint64_t timeout_ms) {
    struct timespec due = due_in(timeout_ms);
    for (bool in_time = true;;) {
        uint64_t seen = told(wal);
        enum status status = wal_admit(wal, lane, size);
        if (status != STATUS_AGAIN || !in_time)
            return status;
        in_time = sleep_after(wal, seen, &due);
    }
}

void wal_watch(struct wal *wal, struct wal_watcher *watcher) {
    ASSERT(watcher->call);
    pthread_mutex_lock(&wal->gate);
    watcher->next = wal->watchers;
    wal->watchers = watcher;
    pthread_mutex_unlock(&wal->gate);
}

void wal_unwatch(struct wal *wal, struct wal_watcher *watcher) {
    pthread_mutex_lock(&wal->gate);
    struct wal_watcher **place = &wal->watchers;
    while (*place && *place != watcher)
        place = &(*place)->next;
    if (*place)
        *place = watcher->next;
    pthread_mutex_unlock(&wal->gate);
}

bool wal_wish(struct wal *wal, struct wal_watcher *watcher, enum wal_point point, uint64_t lsn) {
    ASSERT(lsn > 0);
    if (reached(wal, point) >= lsn)
        return true;
    uint64_t wished = atomic_load(&watcher->wished[point]);
    while ((!wished || wished > lsn) && !atomic_compare_exchange_weak(&watcher->wished[point], &wished, lsn))
        ;
    wal_kick(wal);
    return reached(wal, point) >= lsn;
}

void wal_wish_room(struct wal *wal, struct wal_watcher *watcher) {
    atomic_store(&watcher->wants_room, true);
    wal_kick(wal);
}

/* --- running it --- */

void wal_mode_set(struct wal *wal, enum wal_mode mode, uint32_t interval_ms) {
    atomic_store(&wal->interval_ms, interval_ms ? interval_ms : 1000);
    atomic_store(&wal->mode, mode);
    wal_kick(wal);
}

enum wal_mode wal_mode_now(const struct wal *wal) { return (enum wal_mode)atomic_load(&wal->mode); }

void wal_begin_anew(struct wal *wal) {
    atomic_store(&wal->anew_wanted, true);
    wal_kick(wal);
}

void wal_hurry(struct wal *wal) {
    uint64_t lsn = wal_staged(wal), wanted = atomic_load(&wal->flush_wanted);
    while (wanted < lsn && !atomic_compare_exchange_weak(&wal->flush_wanted, &wanted, lsn))
        ;
    wal_kick(wal);
}

void wal_rotate(struct wal *wal) {
    atomic_store(&wal->rotate_wanted, true);
    wal_kick(wal);
}

/* Takes the oldest file off the list if it holds no record from `from_lsn` on; 0: there is none such. */
static uint64_t take_needless(struct wal *wal, uint64_t from_lsn) {
    uint64_t number = 0;
    pthread_mutex_lock(&wal->writing);
    if (wal_list_count(&wal->list) > 1 && wal_list_at(&wal->list, 1).first_lsn <= from_lsn) {
        number = wal_list_at(&wal->list, 0).number;
        buf_consume(&wal->list, sizeof(struct wal_file));
    }
    pthread_mutex_unlock(&wal->writing);
    return number;
}

/* Back onto the list, for the next time. */
static void put_back(struct wal *wal, uint64_t number) {
    struct wal_file file = {.number = number};
    pthread_mutex_lock(&wal->writing);
    if (buf_reserve(&wal->list, sizeof file) == STATUS_OK) {
        memmove(wal->list.data + sizeof file, wal->list.data, wal->list.size);
        memcpy(wal->list.data, &file, sizeof file);
        wal->list.size += sizeof file;
    }
    pthread_mutex_unlock(&wal->writing);
}

/* A hole that lies before the snapshot's beginning is none any more. */
static void close_hole(struct wal *wal, uint64_t from_lsn) {
    pthread_mutex_lock(&wal->writing);
    uint64_t needed = atomic_load(&wal->cover_needed);
    bool closed = needed && from_lsn >= needed;
    if (closed) {
        atomic_store(&wal->cover_needed, 0);
        atomic_store(&wal->flushed, wal->durable);
    }
    pthread_mutex_unlock(&wal->writing);
    if (closed)
        wal_tell(wal, true);
}

enum status wal_covered(struct wal *wal, uint64_t from_lsn) {
    close_hole(wal, from_lsn);
    uint64_t number;
    while ((number = take_needless(wal, from_lsn)) != 0) {
        char name[LOG_NAME_SIZE];
        format_name(LOG_PREFIX, number, "", name);
        if (wal->files->remove(wal->files->context, name) != STATUS_OK && files_cause(errno) != FILES_ABSENT) {
            int error = errno;
            put_back(wal, number);
            errno = error;
            return STATUS_IO;
        }
    }
    return wal->files->sync_directory(wal->files->context);
}

void wal_statistics(struct wal *wal, struct wal_statistics *ret_statistics) {
    pthread_mutex_lock(&wal->writing);
    *ret_statistics = wal->statistics;
    ret_statistics->log_id = wal->writer.log_id;
    ret_statistics->files = wal_list_count(&wal->list);
    ret_statistics->log_bytes = wal->writer.offset;
    for (size_t at = 0; at + 1 < ret_statistics->files; at++)
        ret_statistics->log_bytes += wal_list_at(&wal->list, at).bytes;
    ret_statistics->file_number = wal->writer.number;
    ret_statistics->file_bytes = wal->writer.offset;
    pthread_mutex_unlock(&wal->writing);
    ret_statistics->state = wal_state(wal);
    ret_statistics->mode = (enum wal_mode)atomic_load(&wal->mode);
    ret_statistics->staged_lsn = wal_staged(wal);
    ret_statistics->written_lsn = wal_written(wal);
    ret_statistics->flushed_lsn = wal_flushed(wal);
}
