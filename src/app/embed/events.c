#include "app/embed/events.h"

#include "app/embed/call.h"
#include "base/bits.h"

struct note {
    uint32_t reason, key_size;
};

static enum strata_reason reason_out(unsigned reason) {
    switch ((enum cache_change)reason) {
        case CACHE_EXPIRED:
            return STRATA_EXPIRED;
        case CACHE_EVICTED:
            return STRATA_EVICTED;
        case CACHE_REPLACED:
            return STRATA_REPLACED;
        case CACHE_DELETED:
        default: /* there are no tags here, and others are not asked for */
            break;
    }
    return STRATA_DELETED;
}

void events_note(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name) {
    struct slot *slot = (struct slot *)(void *)actor; /* its first member */
    struct note note = {(uint32_t)reason_out(reason), (uint32_t)name.size};
    size_t padded = bits_align_up(name.size, sizeof note);
    (void)context, (void)db;
    if (buf_reserve(&slot->events, sizeof note + padded) != STATUS_OK) {
        slot->events_lost++;
        return;
    }
    memcpy(slot->events.data + slot->events.size, &note, sizeof note);
    if (name.size)
        memcpy(slot->events.data + slot->events.size + sizeof note, name.data, name.size);
    slot->events.size += sizeof note + padded;
}

static void tell_all(struct strata_cache *cache, const struct buf *events) {
    for (size_t at = 0; at < events->size;) {
        struct note note;
        memcpy(&note, events->data + at, sizeof note);
        struct strata_event event = {.cache = cache,
                                     .reason = (enum strata_reason)note.reason,
                                     .key = events->data + at + sizeof note,
                                     .key_size = note.key_size};
        cache->on_removed(cache->on_removed_context, &event);
        at += sizeof note + bits_align_up(note.key_size, sizeof note);
    }
}

/* Takes what has been noted; the slot begins a new buffer. */
static struct buf take(struct slot *slot) {
    struct buf events = slot->events;
    buf_init(&slot->events, events.memory);
    return events;
}

/* Keeps the buffer for the next events, if it is not too large and no other has been begun. */
static void keep(struct slot *slot, struct buf *events) {
    enum { KEPT_MAX = 64 * 1024 };
    if (slot->events.data || events->capacity > KEPT_MAX) {
        buf_fini(events);
        return;
    }
    slot->events = *events;
    buf_clear(&slot->events);
}

void events_tell(struct strata_cache *cache, struct slot *slot) {
    if (slot == &cache->slots[SLOT_SHARED]) {
        struct buf events = take(slot);
        call_leave(cache, slot);
        tell_all(cache, &events);
        buf_fini(&events);
        return;
    }
    /* The slot's own members change inside the gate only, so that a fork finds them whole. */
    slot->delivering = true;
    while (slot->events.size) {
        struct buf events = take(slot);
        call_leave(cache, slot);
        tell_all(cache, &events);
        call_enter(cache, slot);
        keep(slot, &events);
    }
    slot->delivering = false;
    call_leave(cache, slot);
}
