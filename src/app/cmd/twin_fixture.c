#include "app/cmd/twin_fixture.h"

#include <stdlib.h>

static struct slice copy_of(struct slice bytes) {
    uint8_t *copy = malloc(bytes.size + 1);
    if (!copy)
        abort();
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_make(copy, bytes.size);
}

static void remove_at(struct twin_entry **at) {
    struct twin_entry *entry = *at;
    *at = entry->next;
    free((void *)entry->name.data);
    free((void *)entry->value.data);
    free(entry);
}

static bool is_dead(const struct twin *twin, const struct twin_entry *entry) {
    return entry->expires_at_ms && entry->expires_at_ms <= twin->now_ms;
}

static void remove_dead(struct twin *twin) {
    for (struct twin_entry **at = &twin->first; *at;) {
        if (is_dead(twin, *at))
            remove_at(at);
        else
            at = &(*at)->next;
    }
}

/* Where the live entry hangs, or the end of the list. */
static struct twin_entry **place_of(struct twin *twin, uint32_t db, struct slice name) {
    remove_dead(twin);
    struct twin_entry **at = &twin->first;
    while (*at && ((*at)->db != db || !slice_equal((*at)->name, name)))
        at = &(*at)->next;
    return at;
}

void twin_init(struct twin *twin, uint64_t now_ms) { *twin = (struct twin){.now_ms = now_ms}; }

void twin_fini(struct twin *twin) { twin_flush_all(twin); }

const struct twin_entry *twin_find(struct twin *twin, uint32_t db, struct slice name) {
    return *place_of(twin, db, name);
}

void twin_set(struct twin *twin, uint32_t db, struct slice name, int type, struct slice value, uint64_t expires_at_ms) {
    struct twin_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        abort();
    *entry = (struct twin_entry){
        .db = db, .name = copy_of(name), .value = copy_of(value), .type = type, .expires_at_ms = expires_at_ms};
    struct twin_entry **at = place_of(twin, db, name);
    if (*at)
        remove_at(at);
    entry->next = twin->first;
    twin->first = entry;
}

void twin_patch(struct twin *twin, uint32_t db, struct slice name, uint64_t offset, struct slice bytes) {
    const struct twin_entry none = {0}, *found = twin_find(twin, db, name), *old = found ? found : &none;
    uint64_t size = offset + bytes.size > old->value.size ? offset + bytes.size : old->value.size;
    uint8_t *value = calloc(size + 1, 1);
    if (!value)
        abort();
    if (old->value.size)
        memcpy(value, old->value.data, old->value.size);
    if (bytes.size)
        memcpy(value + offset, bytes.data, bytes.size);
    twin_set(twin, db, name, old->type, slice_make(value, size), old->expires_at_ms);
    free(value);
}

bool twin_expire(struct twin *twin, uint32_t db, struct slice name, uint64_t expires_at_ms) {
    struct twin_entry *entry = *place_of(twin, db, name);
    if (entry)
        entry->expires_at_ms = expires_at_ms;
    return entry;
}

bool twin_delete(struct twin *twin, uint32_t db, struct slice name) {
    struct twin_entry **at = place_of(twin, db, name);
    bool found = *at;
    if (found)
        remove_at(at);
    return found;
}

bool twin_copy(struct twin *twin, uint32_t db, struct slice name, uint32_t to_db, struct slice to,
               uint64_t expires_at_ms) {
    const struct twin_entry *from = twin_find(twin, db, name);
    if (!from)
        return false;
    struct slice value = copy_of(from->value); /* the copy may replace its original */
    twin_set(twin, to_db, to, from->type, value, expires_at_ms);
    free((void *)value.data);
    return true;
}

void twin_flush(struct twin *twin, uint32_t db) {
    for (struct twin_entry **at = &twin->first; *at;) {
        if ((*at)->db == db)
            remove_at(at);
        else
            at = &(*at)->next;
    }
}

void twin_flush_all(struct twin *twin) {
    while (twin->first)
        remove_at(&twin->first);
}

void twin_swap(struct twin *twin, uint32_t a, uint32_t b) {
    for (struct twin_entry *entry = twin->first; entry; entry = entry->next)
        entry->db = entry->db == a ? b : entry->db == b ? a : entry->db;
}

uint64_t twin_count(struct twin *twin, uint32_t db) {
    uint64_t count = 0;
    remove_dead(twin);
    for (const struct twin_entry *entry = twin->first; entry; entry = entry->next)
        count += entry->db == db;
    return count;
}

uint64_t twin_count_expiring(struct twin *twin, uint32_t db) {
    uint64_t count = 0;
    remove_dead(twin);
    for (const struct twin_entry *entry = twin->first; entry; entry = entry->next)
        count += entry->db == db && entry->expires_at_ms;
    return count;
}
