#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/audit/audit_inner.h"
#include "sys/os/clock.h"

/* ------------------------------------------------------------ begin and end */

static void free_log(struct audit_log *log) {
    const struct memory *memory = log->options.memory;
    if (log->file >= 0)
        log->options.files->close(log->options.files->context, log->file);
    buf_fini(&log->queue);
    buf_fini(&log->taken);
    buf_fini(&log->out);
    pthread_cond_destroy(&log->filled);
    pthread_mutex_destroy(&log->lock);
    memory_give(memory, log, sizeof *log);
}

static void publish(struct audit_log *log) {
    pthread_mutex_lock(&log->lock);
    log->facts = (struct audit_log_facts){.lines = log->chain.seq,
                                          .written = log->events,
                                          .bytes = log->bytes,
                                          .failures = log->failures,
                                          .file = log->number,
                                          .file_bytes = audit_file_size(log),
                                          .fails = log->fails,
                                          .error = log->error};
    memcpy(log->facts.last, log->chain.last, AUDIT_HASH_SIZE);
    pthread_mutex_unlock(&log->lock);
}

enum status audit_log_open(const struct audit_log_options *options, struct audit_now now, struct audit_log **ret_log,
                           char ret_reason[AUDIT_REASON_SIZE], char ret_notice[AUDIT_REASON_SIZE]) {
    pthread_condattr_t attributes;
    struct audit_log *log = memory_take(options->memory, sizeof *log);
    ret_notice[0] = 0;
    snprintf(ret_reason, AUDIT_REASON_SIZE, "out of memory");
    if (!log)
        return STATUS_NO_MEMORY;
    *log = (struct audit_log){
        .options = *options, .setting = options->setting, .setting_next = options->setting, .file = -1};
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    buf_init(&log->queue, options->memory);
    buf_init(&log->taken, options->memory);
    buf_init(&log->out, options->memory);
    audit_chain_init(&log->chain, options->hash);
    log->opened_ms = log->flushed_ms = log->anchored_ms = log->looked_ms = now.steady_ms;
    enum status status = audit_files_open(log, now, ret_reason, ret_notice);
    if (status == STATUS_OK)
        status = audit_chain_start(&log->chain, now.unix_us, options->node, options->version, &log->out);
    if (status != STATUS_OK) {
        free_log(log);
        return status;
    }
    log->anchored_seq = log->chain.seq;
    publish(log);
    *ret_log = log;
    return STATUS_OK;
}

/* ------------------------------------------------------------------- queue */

static bool append(struct audit_log *log, struct slice body) {
    if (buf_reserve(&log->queue, body.size + 1) != STATUS_OK)
        return false;
    memcpy(log->queue.data + log->queue.size, body.data, body.size);
    log->queue.size += body.size;
    log->queue.data[log->queue.size++] = '\n';
    return true;
}

/* Under the lock: what waits is written without waiting for more. */
static bool is_urgent(const struct audit_log *log) {
    return log->ends || log->rotate_asked || log->lost_now || log->queue.size >= log->setting_next.queue_bytes / 2;
}

bool audit_log_put(struct audit_log *log, struct slice body, bool must) {
    ASSERT(body.size && body.size + 256 < AUDIT_LINE_SIZE_MAX);
    pthread_mutex_lock(&log->lock);
    const uint64_t queue_bytes = log->setting_next.queue_bytes, size = log->queue.size + body.size + 1;
    /* Behind one that was lost nothing comes before the line that says so. */
    const bool room = must ? size <= queue_bytes * AUDIT_OVERDRAFT : size <= queue_bytes && !log->lost_now;
    const bool done = room && append(log, body);
    log->queued += done;
    log->lost_now += !done;
    log->lost += !done;
    if (!log->full && (!done || log->queue.size >= queue_bytes)) {
        log->full = true;
        if (log->options.user.full)
            log->options.user.full(log->options.user.context, true);
    }
    if (log->sleeps || (log->gathers && is_urgent(log)))
        pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
    return done;
}

bool audit_log_is_full(struct audit_log *log) {
    pthread_mutex_lock(&log->lock);
    const bool full = log->full;
    pthread_mutex_unlock(&log->lock);
    return full;
}

void audit_log_set(struct audit_log *log, const struct audit_log_setting *setting) {
    pthread_mutex_lock(&log->lock);
    log->setting_next = *setting;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
}

void audit_log_rotate(struct audit_log *log) {
    pthread_mutex_lock(&log->lock);
    log->rotate_asked = true;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
}

void audit_log_facts(struct audit_log *log, struct audit_log_facts *ret_facts) {
    pthread_mutex_lock(&log->lock);
    *ret_facts = log->facts;
    ret_facts->lost = log->lost;
    ret_facts->waiting = log->queued - log->facts.written;
    ret_facts->waiting_bytes = log->queue.size;
    ret_facts->full = log->full;
    pthread_mutex_unlock(&log->lock);
}

/* What waits, in exchange for an empty buffer. False: nothing does. */
static bool take(struct audit_log *log) {
    ASSERT(log->taken_at == log->taken.size && !log->taken_lost);
    pthread_mutex_lock(&log->lock);
    const bool any = log->queue.size || log->lost_now;
    if (any) {
        const struct buf empty = log->taken;
        log->taken = log->queue;
        log->queue = empty;
        buf_clear(&log->queue);
        log->taken_at = 0;
        log->taken_lost = log->lost_now;
        log->lost_now = 0;
        if (log->full && log->options.user.full)
            log->options.user.full(log->options.user.context, false);
        log->full = false;
    }
    pthread_mutex_unlock(&log->lock);
    return any;
}

/* ------------------------------------------------------------------- lines */

/* A batch of what was taken becomes lines; fewer if the file is large enough by then. */
static enum status make_lines(struct audit_log *log, struct audit_now now) {
    const size_t until = log->out.size + AUDIT_BATCH_SIZE;
    while (log->taken_at < log->taken.size && log->out.size < until) {
        if (audit_file_size(log) >= log->setting.file_bytes) {
            log->rotates = true;
            return STATUS_OK;
        }
        const uint8_t *from = log->taken.data + log->taken_at;
        const uint8_t *end = memchr(from, '\n', log->taken.size - log->taken_at);
        ASSERT(end);
        TRY(audit_chain_add(&log->chain, slice_make(from, (size_t)(end - from)), &log->out));
        log->taken_at += (size_t)(end - from) + 1;
        log->events++;
    }
    if (log->taken_at == log->taken.size && log->taken_lost) {
        TRY(audit_chain_lost(&log->chain, now.unix_us, log->taken_lost, &log->out));
        log->taken_lost = 0;
    }
    return STATUS_OK;
}

static bool has_taken(const struct audit_log *log) { return log->taken_at < log->taken.size || log->taken_lost; }

static enum status add_anchor(struct audit_log *log, struct audit_now now) {
    const struct audit_log_setting *setting = &log->setting;
    const uint64_t lines = log->chain.seq - log->anchored_seq;
    const bool due = (setting->anchor_lines && lines >= setting->anchor_lines) ||
                     (setting->anchor_ms && lines && now.steady_ms - log->anchored_ms >= setting->anchor_ms);
    if (!due)
        return STATUS_OK;
    TRY(audit_chain_anchor(&log->chain, now.unix_us, &log->out));
    log->anchored_seq = log->anchor_lines = log->chain.seq;
    log->anchored_ms = now.steady_ms;
    memcpy(log->anchor_hash, log->chain.last, AUDIT_HASH_SIZE);
    return STATUS_OK;
}

/* As durable as the setting wants it. */
static enum status put_down(struct audit_log *log, struct audit_now now) {
    const size_t before = log->written;
    TRY(audit_files_write(log));
    log->bytes += log->written - before;
    if (log->setting.sync == AUDIT_NEVER && !log->directory_changed && !log->remove_until) {
        log->base += log->out.size;
        buf_clear(&log->out);
        log->written = 0;
        return STATUS_OK;
    }
    const bool due = log->setting.sync == AUDIT_ALWAYS || log->out.size >= AUDIT_UNFLUSHED_MAX ||
                     log->directory_changed || now.steady_ms - log->flushed_ms >= AUDIT_FLUSH_MS;
    if (!due || log->out.size == 0)
        return STATUS_OK;
    TRY(audit_files_flush(log));
    log->flushed_ms = now.steady_ms;
    return STATUS_OK;
}

static void tell_anchor(struct audit_log *log) {
    if (!log->anchor_lines)
        return;
    if (log->options.user.anchored)
        log->options.user.anchored(log->options.user.context, log->anchor_lines, log->anchor_hash);
    log->anchor_lines = 0;
}

static void look_at_file(struct audit_log *log, struct audit_now now) {
    const struct audit_log_user *user = &log->options.user;
    if (now.steady_ms - log->looked_ms < AUDIT_FLUSH_MS)
        return;
    log->looked_ms = now.steady_ms;
    if (!audit_files_is_taken(log))
        return;
    if (user->taken)
        user->taken(user->context, log->number);
    log->rotates = true;
}

/* All that waits, as far as it goes. */
static enum status work(struct audit_log *log, struct audit_now now) {
    do {
        TRY(put_down(log, now)); /* what a failure has left */
        tell_anchor(log);
        look_at_file(log, now);
        if (log->rotates) {
            TRY(audit_files_next(log, now));
            log->rotates = false;
        }
        TRY(make_lines(log, now));
        if (!has_taken(log))
            TRY(add_anchor(log, now));
        TRY(put_down(log, now));
        tell_anchor(log);
    } while (has_taken(log) || log->rotates || take(log));
    return STATUS_OK;
}

static void note_result(struct audit_log *log, enum status status, struct audit_now now) {
    const struct audit_log_user *user = &log->options.user;
    if (status == STATUS_OK) {
        if (log->fails && user->fails)
            user->fails(user->context, false, 0);
        log->fails = false;
        return;
    }
    log->error = status == STATUS_NO_MEMORY ? ENOMEM : errno ? errno : EIO;
    log->failures++;
    log->retry_ms = now.steady_ms + AUDIT_RETRY_MS;
    if (!log->fails && user->fails)
        user->fails(user->context, true, log->error);
    log->fails = true;
}

static void take_settings(struct audit_log *log, struct audit_now now) {
    pthread_mutex_lock(&log->lock);
    log->setting = log->setting_next;
    log->rotates |= log->rotate_asked;
    log->rotate_asked = false;
    pthread_mutex_unlock(&log->lock);
    const bool old = log->setting.file_ms && now.steady_ms - log->opened_ms >= log->setting.file_ms;
    log->rotates |= old && audit_file_size(log) > 0;
}

static uint64_t until(uint64_t due_ms, uint64_t now_ms) { return due_ms > now_ms ? due_ms - now_ms : 0; }

static uint64_t next_ms(const struct audit_log *log, uint64_t now_ms) {
    const struct audit_log_setting *setting = &log->setting;
    uint64_t most = UINT64_MAX, each;
    if (log->fails)
        return until(log->retry_ms, now_ms);
    if (log->out.size)
        most = until(log->flushed_ms + AUDIT_FLUSH_MS, now_ms);
    if (setting->file_ms && (each = until(log->opened_ms + setting->file_ms, now_ms)) < most)
        most = each;
    if (setting->anchor_ms && log->chain.seq > log->anchored_seq &&
        (each = until(log->anchored_ms + setting->anchor_ms, now_ms)) < most)
        most = each;
    return most;
}

uint64_t audit_log_step(struct audit_log *log, struct audit_now now) {
    take_settings(log, now);
    if (!log->fails || now.steady_ms >= log->retry_ms) {
        note_result(log, work(log, now), now);
        publish(log);
    }
    return next_ms(log, now.steady_ms);
}

enum status audit_log_close(struct audit_log *log, struct audit_now now) {
    if (!log)
        return STATUS_OK;
    take_settings(log, now);
    log->looked_ms = 0;
    enum status status = work(log, now);
    if (status == STATUS_OK)
        status = audit_chain_stop(&log->chain, now.unix_us, &log->out);
    if (status == STATUS_OK)
        status = audit_files_flush(log);
    free_log(log);
    return status;
}

/* ------------------------------------------------------------------ thread */

static struct audit_now now(void) {
    return (struct audit_now){.unix_us = clock_unix_us(), .steady_ms = clock_steady_ms()};
}

static struct timespec after_ms(uint64_t ms) {
    enum { LONGEST_MS = 60 * 1000 };
    const uint64_t ns = clock_steady_ns() + (ms < LONGEST_MS ? ms : LONGEST_MS) * 1000000;
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

/* Under the lock, after a batch. What follows closely becomes one batch: a thousand small ones a second, each with a wake-up, a write and with
 * AUDIT_ALWAYS a flush, would take more of the processor and the disk than all of the requests that they tell of. */
static void gather(struct audit_log *log) {
    const struct timespec due = after_ms(AUDIT_GATHER_MS);
    log->gathers = true;
    while (!is_urgent(log) && pthread_cond_timedwait(&log->filled, &log->lock, &due) == 0)
        ;
    log->gathers = false;
}

void audit_log_run(void *context) {
    struct audit_log *log = context;
    pthread_mutex_lock(&log->lock);
    while (!log->ends) {
        const uint64_t lines_before = log->facts.lines;
        pthread_mutex_unlock(&log->lock);
        const uint64_t wait_ms = audit_log_step(log, now());
        const struct timespec due = after_ms(wait_ms);
        pthread_mutex_lock(&log->lock);
        if (log->facts.lines != lines_before && !log->facts.fails)
            gather(log);
        /* With a disk that fails, what comes meanwhile waits for the next try. */
        const bool idle = log->facts.fails || (!log->queue.size && !log->lost_now && !log->rotate_asked);
        if (log->ends || !idle || wait_ms == 0)
            continue;
        log->sleeps = !log->facts.fails;
        (void)pthread_cond_timedwait(&log->filled, &log->lock, &due);
        log->sleeps = false;
    }
    pthread_mutex_unlock(&log->lock);
}

void audit_log_end(struct audit_log *log) {
    pthread_mutex_lock(&log->lock);
    log->ends = true;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
}
