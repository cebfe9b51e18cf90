#include "app/embed/call.h"

#include "app/embed/events.h"
#include "app/embed/filing.h"
#include "app/embed/persistence.h"
#include "base/assert.h"
#include "base/version.h"

/* Writes between two looks for something to clean up. A look walks the table of segments, 64 B each: this many and one for
 * each segment in use make it less than a nanosecond a write. */
enum { WRITES_A_LOOK = 256 };

static struct slot *ready(struct strata_cache *cache, uint32_t number) {
    struct slot *slot = &cache->slots[number];
    if (__builtin_expect(slot->actor.id == 0, 0)) {
        slot->writes_left = WRITES_A_LOOK;
        buf_init(&slot->events, &cache->memory);
        atomic_signal_fence(memory_order_release); /* a fork in between finds a slot that is not ready yet */
        slot->actor.id = number + 1;
    }
    return slot;
}

struct slot *slot_own_take(struct strata_cache *cache) {
    uint32_t number = slot_number_take();
    return number == SLOT_SHARED ? NULL : ready(cache, number);
}

struct slot *call_begin(struct strata_cache *cache) {
    uint32_t number = slot_number_now;
    if (__builtin_expect(number - 1 >= STRATA_THREADS_MAX, 0))
        number = slot_number_take();
    struct slot *slot = &cache->slots[number];
    call_enter(cache, slot);
    ready(cache, number);
    slot->no_memory = false;
    return slot;
}

struct slot *call_begin_writes(struct strata_cache *cache) {
    if (__builtin_expect(cache->persistence != NULL, 0) && !persistence_admits(cache->persistence))
        return NULL;
    return call_begin(cache);
}

void call_end(struct strata_cache *cache, struct slot *slot) {
    ASSERT(slot->actor.promised == 0);
    if (__builtin_expect(slot->events.size != 0, 0) && !slot->delivering)
        events_tell(cache, slot);
    else
        call_leave(cache, slot);
}

/* What the call has staged, for whoever waits until it is on disk; 0: nothing, or nobody does. */
static uint64_t take_staged(const struct strata_cache *cache, struct slot *slot) {
    uint64_t lsn = slot->actor.noted.lsn;
    slot->actor.noted.lsn = 0;
    return cache->persistence && persistence_flushes(cache->persistence) ? lsn : 0;
}

enum strata_status call_end_writes(struct strata_cache *cache, struct slot *slot, uint32_t writes) {
    if (__builtin_expect(atomic_load_explicit(&cache->entries_max, memory_order_relaxed) != 0, 0))
        (void)cache_trim(cache->core, &slot->actor);
    if (__builtin_expect(slot->writes_left <= writes, 0)) {
        struct cache_stats stats;
        call_time_to_write(cache, slot);
        (void)cache_housekeep(cache->core, &slot->actor);
        if (cache->tier)
            (void)filing_maintain(cache, slot);
        cache_stats(cache->core, &stats);
        slot->writes_left = WRITES_A_LOOK + stats.segments_used;
    } else {
        slot->writes_left -= writes;
    }
    uint64_t lsn = take_staged(cache, slot);
    call_end(cache, slot);
    return __builtin_expect(lsn != 0, 0) ? persistence_wait(cache->persistence, lsn) : STRATA_OK;
}

enum strata_status status_out(enum status status) {
    switch (status) {
        case STATUS_OK:
            return STRATA_OK;
        case STATUS_NO_MEMORY:
            return STRATA_NO_MEMORY;
        case STATUS_FULL:
            return STRATA_FULL;
        case STATUS_TOO_LARGE:
            return STRATA_TOO_LARGE;
        default:
            return STRATA_INVALID;
    }
}

void call_say(const struct strata_cache *cache, enum log_level level, const char *text) {
    if (cache->on_message)
        cache->on_message(cache->on_message_context,
                          level == LOG_WARNING ? STRATA_MESSAGE_WARNING : STRATA_MESSAGE_NOTICE, text);
}

const char *strata_status_text(enum strata_status status) {
    switch ((int)status) {
#define CASE(name, number, text) \
    case name:                   \
        return text;
        STRATA_STATUS_TABLE(CASE)
#undef CASE
        default:
            return "no status of this library";
    }
}

const char *strata_version(void) { return STRATA_VERSION; }
