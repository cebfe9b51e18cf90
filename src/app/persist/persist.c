#include "app/persist/persist.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/persist/persist_inner.h"
#include "base/assert.h"

/* ------------------------------------------------------------------------------------------ the journal */

/* Whoever starts a command asks first (persist_user.refuses): what has begun is taken, so that it is not done by halves. */
static enum status reserve(void *context, uint64_t bytes) {
    (void)context;
    return bytes > LOG_RECORD_SIZE_MAX / 2 + (uint64_t)LOG_RECORD_SIZE_MAX / 4 ? STATUS_TOO_LARGE : STATUS_OK;
}

static void release(void *context, uint64_t bytes) { (void)context, (void)bytes; }

static void set_behind(struct persist *persist, bool behind) {
    if (atomic_load_explicit(&persist->behind, memory_order_relaxed) == behind ||
        atomic_exchange(&persist->behind, behind) == behind)
        return;
    if (persist->options.user.behind)
        persist->options.user.behind(persist->options.user.context, behind);
}

/* Where the log takes no writes at all, nobody waits for it: who begins is refused. */
static __attribute__((noinline)) void fall_behind(struct persist *persist) {
    if (wal_state(persist->wal) != WAL_RUNNING)
        return;
    set_behind(persist, true);
    wal_wish_room(persist->wal, &persist->watcher);
}

static inline void staged(struct persist *persist, uint32_t actor, uint64_t lsn, bool behind) {
    if (__builtin_expect(behind, 0))
        fall_behind(persist);
    if (persist->options.user.staged)
        persist->options.user.staged(persist->options.user.context, actor, lsn);
}

/* Most often each has a lane of its own. */
static inline uint32_t lane_of(const struct persist *persist, uint32_t actor) {
    return __builtin_expect(actor <= persist->lanes, 1) ? actor - 1 : (actor - 1) % persist->lanes;
}

static void stage(void *context, uint32_t actor, const struct slice *parts, uint32_t count, uint64_t reserved,
                  uint64_t *ret_lsn) {
    struct persist *persist = context;
    (void)reserved;
    ASSERT(actor > 0 && actor <= persist->options.actors + 1);
    bool behind;
    enum status status = wal_stage_anyway(persist->wal, lane_of(persist, actor), parts, count, ret_lsn, &behind);
    /* The change is there. Without its record nothing that follows could be promised: what is on disk is what holds. */
    ASSERT(status == STATUS_OK);
    staged(persist, actor, *ret_lsn, behind);
}

static uint8_t *place(void *context, uint32_t actor, size_t size_max) {
    struct persist *persist = context;
    uint8_t *to;
    ASSERT(actor > 0 && actor <= persist->options.actors + 1);
    enum status status = wal_place_anyway(persist->wal, lane_of(persist, actor), size_max, &to);
    ASSERT(status == STATUS_OK); /* as above */
    return to;
}

static void placed(void *context, uint32_t actor, size_t size, uint64_t reserved, uint64_t *ret_lsn) {
    struct persist *persist = context;
    (void)reserved;
    bool behind;
    wal_placed(persist->wal, lane_of(persist, actor), size, ret_lsn, &behind);
    staged(persist, actor, *ret_lsn, behind);
}

static bool beside(void *context, struct actor *actor, struct slice *ret_name, struct slice *ret_bytes) {
    const struct persist_user *user = &((struct persist *)context)->options.user;
    return user->beside(user->context, actor, ret_name, ret_bytes);
}

static uint64_t position(void *context) { return wal_staged(((struct persist *)context)->wal); }

/* ------------------------------------------------------------------------------------------ what the log tells */

/* By the committer, with each change of the state and when lanes have room again. */
static void look_at_log(void *context) {
    struct persist *persist = context;
    bool refuses = wal_state(persist->wal) != WAL_RUNNING;
    if (atomic_exchange(&persist->refuses, refuses) != refuses && persist->options.user.refuses)
        persist->options.user.refuses(persist->options.user.context, refuses);
    /* Who waits is refused then, and not kept waiting. */
    if (refuses || !wal_pressure(persist->wal))
        set_behind(persist, false);
    else if (atomic_load(&persist->behind))
        atomic_store(&persist->watcher.wants_room, true);
}

/* ------------------------------------------------------------------------------------------ begin and end */

static const struct cache_journal calls = {
    .reserve = reserve, .release = release, .stage = stage, .place = place, .placed = placed, .position = position};

enum status persist_begin(struct persist *persist, struct actor *actor) {
    struct cache_journal journal = calls;
    journal.context = persist;
    journal.beside = persist->options.user.beside ? beside : NULL;
    persist->watcher = (struct wal_watcher){.call = look_at_log, .context = persist};
    wal_watch(persist->wal, &persist->watcher);
    cache_journal_set(persist->options.cache, actor, &journal);
    if (atomic_load(&persist->lost_some))
        persist->asked = 1;
    enum status status = thread_start(&persist->thread, "strata-save", persist_run, persist);
    persist->runs = status == STATUS_OK;
    look_at_log(persist); /* the disk may be full from the start */
    return status;
}

enum status persist_close(struct persist *persist, struct actor *actor) {
    if (!persist)
        return STATUS_OK;
    pthread_mutex_lock(&persist->lock);
    persist->stopping = true;
    pthread_cond_signal(&persist->wake);
    pthread_mutex_unlock(&persist->lock);
    if (persist->runs)
        thread_join(&persist->thread);
    enum status status = STATUS_OK;
    if (persist->wal) {
        if (persist->watcher.call)
            cache_journal_set(persist->options.cache, actor, NULL);
        wal_unwatch(persist->wal, &persist->watcher);
        status = wal_close(persist->wal);
    }
    cache_journal_forget(persist->options.cache, &persist->actor);
    pthread_cond_destroy(&persist->wake);
    pthread_cond_destroy(&persist->over);
    pthread_mutex_destroy(&persist->lock);
    pthread_mutex_destroy(&persist->still);
    memory_give(&memory_libc, persist, sizeof *persist);
    return status;
}

/* ------------------------------------------------------------------------------------------ asked by others */

/* `event` NULL: the sentence alone. */
static void pass_on(const struct persist *persist, enum log_level level, const char *event,
                    const struct log_field *fields, const char *format, va_list arguments) {
    const struct persist_user *user = &persist->options.user;
    char text[LOG_LINE_SIZE_MAX];
    vsnprintf(text, sizeof text, format, arguments);
    if (user->say)
        user->say(user->context, level, text);
    else if (event)
        log_event(level, event, fields, "%s", text);
    else
        log_write(level, "%s", text);
}

void persist_say(const struct persist *persist, enum log_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pass_on(persist, level, NULL, NULL, format, arguments);
    va_end(arguments);
}

void persist_tell(const struct persist *persist, enum log_level level, const char *event,
                  const struct log_field *fields, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pass_on(persist, level, event, fields, format, arguments);
    va_end(arguments);
}

struct wal *persist_log(struct persist *persist) {
    return persist->wal;
}

void persist_mode_set(struct persist *persist, enum wal_mode mode, uint32_t interval_ms) {
    wal_mode_set(persist->wal, mode, interval_ms);
}

void persist_rewrite_set(struct persist *persist, uint64_t min_bytes, uint32_t percent) {
    atomic_store(&persist->rewrite_min_bytes, min_bytes);
    atomic_store(&persist->rewrite_percent, percent);
}

void persist_pace_set(struct persist *persist, const struct persist_pace *pace) {
    pthread_mutex_lock(&persist->lock);
    persist->pace = *pace;
    pthread_mutex_unlock(&persist->lock);
}

void persist_write_out(struct persist *persist) { MAYBE(!wal_try_write_out(persist->wal)); }

void persist_stand_still(struct persist *persist) { pthread_mutex_lock(&persist->still); }
void persist_go_on(struct persist *persist) { pthread_mutex_unlock(&persist->still); }

uint64_t persist_save(struct persist *persist) {
    pthread_mutex_lock(&persist->lock);
    /* One that runs may have passed by what was changed just now. */
    uint64_t turn = persist->facts.turns + 1 + persist->facts.saving;
    if (turn > persist->asked)
        persist->asked = turn;
    pthread_cond_signal(&persist->wake);
    pthread_mutex_unlock(&persist->lock);
    return turn;
}

enum status persist_save_last(struct persist *persist) {
    pthread_mutex_lock(&persist->lock);
    bool changed = wal_staged(persist->wal) > persist->facts.saved_lsn || persist->facts.saving ||
                   atomic_load(&persist->lost_some);
    persist->hurries = true;
    pthread_mutex_unlock(&persist->lock);
    if (!changed)
        return STATUS_OK;
    uint64_t turn = persist_save(persist);
    pthread_mutex_lock(&persist->lock);
    while (persist->facts.turns < turn)
        pthread_cond_wait(&persist->over, &persist->lock);
    enum status status = persist->facts.last_save_failed ? STATUS_IO : STATUS_OK;
    pthread_mutex_unlock(&persist->lock);
    return status;
}

uint64_t persist_turns(const struct persist *persist) { return atomic_load(&persist->turns); }

bool persist_is_settling(const struct persist *persist) {
    return atomic_load(&persist->lost_some) && !persist_turns(persist);
}

void persist_facts(struct persist *persist, struct persist_facts *ret_facts) {
    struct wal_statistics log;
    wal_statistics(persist->wal, &log);
    pthread_mutex_lock(&persist->lock);
    *ret_facts = persist->facts;
    ret_facts->log_bytes = log.bytes - persist->log_bytes_at_begin + persist->log_bytes_loaded;
    pthread_mutex_unlock(&persist->lock);
    ret_facts->log = log;
    ret_facts->refuses = atomic_load(&persist->refuses);
    ret_facts->behind = atomic_load(&persist->behind);
}
