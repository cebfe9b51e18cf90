/* app/embed/call.h: entering and leaving the gate with the lock of the shared slot. */
#ifndef STRATA_APP_EMBED_CALL_H
#define STRATA_APP_EMBED_CALL_H

#include "app/embed/gate.h"
#include "sys/os/log.h"

enum { CALL_GROUP = 32 }; /* keys of a batch whose memory is fetched together; they stay in the first-level cache */

static inline struct strata_entry entry_out(struct slice name, const struct cache_info *info) {
    return (struct strata_entry){
        .key = name.data,
        .key_size = name.size,
        .value_size = info->size,
        .expires_at_ms = info->expires_at_ms,
        .charged_bytes = info->charged_bytes,
        .idle_ms = info->idle_ms,
        .use_count = info->use_count,
    };
}

/* Tells the program of what happens in the background, if it wants to know. */
void call_say(const struct strata_cache *cache, enum log_level level, const char *text);

static inline void call_leave(struct strata_cache *cache, struct slot *slot) {
    gate_leave(slot);
    if (__builtin_expect(slot == &cache->slots[SLOT_SHARED], 0))
        pthread_mutex_unlock(&cache->shared);
}

static inline void call_enter(struct strata_cache *cache, struct slot *slot) {
    if (__builtin_expect(slot == &cache->slots[SLOT_SHARED], 0)) {
        /* Nobody waits at the gate with the lock, which a fork takes too. */
        pthread_mutex_lock(&cache->shared);
        while (atomic_store(&slot->inside, 1), atomic_load(&cache->closed)) {
            call_leave(cache, slot);
            gate_wait_open(cache);
            pthread_mutex_lock(&cache->shared);
        }
        return;
    }
    gate_enter(cache, slot);
}

#endif
