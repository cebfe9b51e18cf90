/* app/server/kept.c: rules and settings of stores as notes in the log. */
#include "app/server/kept.h"

#include <stdio.h>

#include "app/rules/manifest_diagnose.h"
#include "app/server/kept_inner.h"
#include "app/server/tiering.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/little.h"
#include "core/classes/placement.h"
#include "core/rules/rules.h"
#include "sys/os/log.h"

enum { RULES_LOADED = 1, RULES_THERE = 2, RULES_HEAD = 1 + 8 + 1, STORE_NUMBERS = 5, NOTE_NAME_MAX = 16 };

void kept_init(struct server *server) {
    struct kept *kept = &server->kept;
    pthread_mutex_init(&kept->lock, NULL);
    buf_init(&kept->rules, &memory_libc);
    buf_init(&kept->stores, &memory_libc);
    buf_init(&kept->follow, &memory_libc);
}

void kept_fini(struct server *server) {
    struct kept *kept = &server->kept;
    pthread_mutex_destroy(&kept->lock);
    placement_free(kept->placement);
    buf_fini(&kept->rules);
    buf_fini(&kept->stores);
    buf_fini(&kept->follow);
}

/* ------------------------------------------------------------------------------------------ bytes */

uint64_t kept_take_u64(struct slice *from) {
    uint64_t value = from->size < sizeof value ? 0 : little_u64(from->data);
    *from = slice_part(*from, from->size < 8 ? from->size : 8, SIZE_MAX);
    return value;
}

enum status kept_put_u64(struct buf *to, uint64_t value) {
    uint8_t bytes[8];
    little_put_u64(bytes, value);
    return buf_append(to, bytes, sizeof bytes);
}

/* A name, as in a record: its size in a byte, and its bytes. */
static bool take_name(struct slice *from, struct slice *ret_name) {
    if (from->size == 0 || from->size < 1u + from->data[0])
        return false;
    *ret_name = slice_make(from->data + 1, from->data[0]);
    *from = slice_part(*from, 1u + from->data[0], SIZE_MAX);
    return true;
}

static enum status put_name(struct buf *to, struct slice name) {
    uint8_t size = (uint8_t)name.size;
    TRY(buf_append(to, &size, 1));
    return buf_append_slice(to, name);
}

bool kept_is_wanted(const struct server *server) { return server->persist || server->image.used; }

enum status kept_stage(struct server *server, struct actor *actor, const char *name, struct slice bytes) {
    if (!server->persist)
        return STATUS_OK;
    return cache_journal_note(server->cache, actor, slice_from_string(name), bytes);
}

/* ------------------------------------------------------------------------------------------ rules */

static bool read_rules(struct slice note, struct kept_rules *ret_rules) {
    struct slice source;
    *ret_rules = (struct kept_rules){.text = {NULL, 0}};
    if (note.size < RULES_HEAD)
        return false;
    uint8_t flags = note.data[0];
    note = slice_part(note, 1, SIZE_MAX);
    ret_rules->origin.loaded_at_ms = kept_take_u64(&note);
    if (!take_name(&note, &source))
        return false;
    snprintf(ret_rules->origin.source, sizeof ret_rules->origin.source, "%.*s", (int)source.size,
             (const char *)source.data);
    ret_rules->text = note;
    ret_rules->origin.hash = hash_bytes(note, 0);
    ret_rules->loaded = flags & RULES_LOADED;
    return flags & RULES_THERE;
}

bool kept_rules_now(struct server *server, struct kept_rules *ret_rules) {
    return read_rules(buf_slice(&server->kept.rules), ret_rules);
}

/* Other rules than those under which all entries are. */
static void see_rules(struct kept *kept) {
    struct kept_rules rules;
    if (!read_rules(buf_slice(&kept->rules), &rules) || rules.origin.hash != kept->classed)
        kept->classed = 0;
    placement_free(kept->placement);
    kept->placement = NULL;
}

static enum status write_rules(struct buf *to, struct slice text, bool loaded, const struct cmd_rules_origin *origin) {
    uint8_t flags = (uint8_t)((loaded ? RULES_LOADED : 0) | (origin ? RULES_THERE : 0));
    TRY(buf_append(to, &flags, 1));
    TRY(kept_put_u64(to, origin ? origin->loaded_at_ms : 0));
    TRY(put_name(to, slice_from_string(origin ? origin->source : "")));
    return buf_append_slice(to, text);
}

void kept_rules_change(struct server *server, struct actor *actor, struct slice text, bool loaded,
                       const struct cmd_rules_origin *origin) {
    struct kept *kept = &server->kept;
    struct kept_rules before;
    struct buf note;
    if (!kept_is_wanted(server))
        return;
    if (kept_rules_now(server, &before) == (origin != NULL) && (before.text.data || !origin) &&
        before.loaded == loaded && slice_equal(before.text, text))
        return;
    buf_init(&note, &memory_libc);
    pthread_mutex_lock(&kept->lock);
    enum status status = write_rules(&note, text, loaded, origin);
    if (status == STATUS_OK)
        status = kept_stage(server, actor, KEPT_RULES, buf_slice(&note));
    if (status == STATUS_OK) {
        buf_fini(&kept->rules);
        kept->rules = note;
        see_rules(kept);
    }
    pthread_mutex_unlock(&kept->lock);
    if (status == STATUS_OK)
        return;
    buf_fini(&note);
    log_warning("The rules are in force, but a restart will not know of them: %s", status_text(status));
}

void kept_rules_hold(struct server *server, struct actor *actor, uint64_t hash) {
    struct kept *kept = &server->kept;
    struct buf note;
    if (!kept_is_wanted(server) || kept->classed == hash)
        return;
    buf_init(&note, &memory_libc);
    pthread_mutex_lock(&kept->lock);
    enum status status = kept_put_u64(&note, hash);
    if (status == STATUS_OK)
        status = kept_stage(server, actor, KEPT_CLASSED, buf_slice(&note));
    if (status == STATUS_OK) /* else a restart does it again */
        kept->classed = hash;
    pthread_mutex_unlock(&kept->lock);
    buf_fini(&note);
    /* Until a snapshot has this note every restart would do it again, and empty the tier for it. */
    if (status == STATUS_OK && server->persist && tiering_lasts(server))
        MAYBE(persist_save(server->persist) > 0);
}

/* ------------------------------------------------------------------------------------------ where keys lay */

/* What the rules of the last note say of stores. */
static enum status place(struct kept *kept) {
    struct kept_rules said;
    struct rules *rules;
    struct buf problems;
    if (!read_rules(buf_slice(&kept->rules), &said))
        return STATUS_INVALID;
    buf_init(&problems, &memory_libc);
    enum status status = manifest_diagnose(said.text, "manifest", DIAGNOSTICS_TEXT, &problems, &rules, NULL);
    buf_fini(&problems);
    TRY(status);
    status = placement_new(rules, CACHE_ALLKEYS_LFU, &memory_libc, &kept->placement);
    rules_free(rules);
    for (uint32_t i = 0; status == STATUS_OK && i < placement_store_count(kept->placement); i++)
        placement_store(kept->placement, i)->number = i;
    return status;
}

/* Stores of the configuration are there from the start, and the cache knows better. */
enum status kept_lay_in(void *context, struct slice store, struct slice key, bool *ret_yes) {
    struct kept *kept = &((struct server *)context)->kept;
    struct slice part;
    if (!kept->placement)
        TRY(place(kept));
    if (placement_store_count(kept->placement) < 2)
        return STATUS_INVALID;
    uint32_t number = placement_route(kept->placement, key, &part);
    *ret_yes = slice_equal(slice_from_string(placement_store(kept->placement, number)->name), store);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ stores */

/*  name  hash of what is said of it  five numbers  policy  */
struct setting {
    struct slice name, policy;
    uint64_t described;
    uint64_t
        numbers[STORE_NUMBERS]; /* share_permille, guaranteed_bytes, entries_max, ttl_ms, filter_rate_ppm (0: none) */
};

/* Policy and capacity of the default store are settings of the server, and live as these do. */
static void look_at_store(struct server *server, struct actor *actor, uint32_t number, struct setting *ret_setting) {
    struct cache_store_info info;
    struct cache_filter_info filter;
    cache_store_info(server->cache, number, &info);
    bool filtered = cache_filter_info(server->cache, actor, number, &filter) == STATUS_OK;
    *ret_setting = (struct setting){
        .name = slice_from_string(info.name),
        .policy = slice_from_string(number ? cache_policy_name(info.policy) : ""),
        .numbers = {info.share_permille, info.share_permille ? 0 : info.guaranteed_bytes, number ? info.entries_max : 0,
                    info.ttl_ms, filtered ? filter.wanted_rate_ppm : 0},
    };
}

static uint64_t hash_of(const struct setting *setting) {
    uint64_t hash = hash_bytes(setting->policy, 1);
    return hash_bytes(slice_make((const uint8_t *)setting->numbers, sizeof setting->numbers), hash);
}

static enum status put_setting(struct buf *to, const struct setting *setting) {
    TRY(put_name(to, setting->name));
    TRY(kept_put_u64(to, setting->described));
    for (int i = 0; i < STORE_NUMBERS; i++)
        TRY(kept_put_u64(to, setting->numbers[i]));
    return put_name(to, setting->policy);
}

static bool take_setting(struct slice *from, struct setting *ret_setting) {
    if (!take_name(from, &ret_setting->name) || from->size < 8 * (1 + STORE_NUMBERS))
        return false;
    ret_setting->described = kept_take_u64(from);
    for (int i = 0; i < STORE_NUMBERS; i++)
        ret_setting->numbers[i] = kept_take_u64(from);
    return take_name(from, &ret_setting->policy);
}

/* The stores are as the file and the rules say. `all`: also those that rules do not speak of. */
static void note_described(struct server *server, struct actor *actor, bool all) {
    for (uint32_t i = all ? 0 : 1; i < cache_store_count(server->cache); i++) {
        struct setting setting;
        if (!cache_store_is_there(server->cache, i))
            continue;
        look_at_store(server, actor, i, &setting);
        server->kept.described[i] = hash_of(&setting);
    }
}

static enum status write_stores(struct server *server, struct actor *actor, struct buf *to) {
    for (uint32_t i = 0; i < cache_store_count(server->cache); i++) {
        struct setting setting;
        if (!cache_store_is_there(server->cache, i))
            continue;
        look_at_store(server, actor, i, &setting);
        setting.described = server->kept.described[i];
        if (hash_of(&setting) != setting.described)
            TRY(put_setting(to, &setting));
    }
    return STATUS_OK;
}

void kept_stores_change(struct server *server, struct actor *actor) {
    struct kept *kept = &server->kept;
    struct buf note;
    if (!kept_is_wanted(server))
        return;
    buf_init(&note, &memory_libc);
    pthread_mutex_lock(&kept->lock);
    enum status status = write_stores(server, actor, &note);
    bool same = status == STATUS_OK && slice_equal(buf_slice(&note), buf_slice(&kept->stores));
    if (status == STATUS_OK && !same)
        status = kept_stage(server, actor, KEPT_STORES, buf_slice(&note));
    if (status == STATUS_OK && !same) {
        buf_fini(&kept->stores);
        kept->stores = note;
        buf_init(&note, &memory_libc);
    }
    pthread_mutex_unlock(&kept->lock);
    buf_fini(&note);
    if (status != STATUS_OK)
        log_warning("What was set of the stores holds, but a restart will not know of it: %s", status_text(status));
}

void kept_stores_ruled(struct server *server, struct actor *actor) {
    if (!kept_is_wanted(server))
        return;
    if (!server->has_stores) /* else rules speak of none */
        note_described(server, actor, false);
    kept_stores_change(server, actor);
}

void kept_api_stores(struct cmd_server *api, struct cmd_client *client) {
    kept_stores_change(server_of(api), &((const struct connection *)client->connection)->worker->actor);
}

static bool policy_named(struct slice name, enum cache_policy *ret_policy) {
    for (int i = 0; i < CACHE_POLICY_COUNT; i++)
        if (slice_equal(name, slice_from_string(cache_policy_name((enum cache_policy)i)))) {
            *ret_policy = (enum cache_policy)i;
            return true;
        }
    return false;
}

static enum status set_again(struct server *server, struct actor *actor, uint32_t store,
                             const struct setting *setting) {
    struct cache *cache = server->cache;
    enum cache_policy policy;
    if (setting->numbers[0] > CACHE_SHARE_ALL)
        return STATUS_INVALID;
    enum status status = cache_store_guarantee_set(cache, store, (uint32_t)setting->numbers[0], setting->numbers[1]);
    if (store && policy_named(setting->policy, &policy) && status == STATUS_OK)
        status = cache_store_policy_set(cache, store, policy);
    if (store && status == STATUS_OK)
        status = cache_store_entries_max_set(cache, store, setting->numbers[2]);
    cache_store_ttl_set(cache, store, setting->numbers[3]);
    if (status == STATUS_OK)
        status = cache_filter_set(cache, actor, store, setting->numbers[4] != 0, (uint32_t)setting->numbers[4]);
    return status;
}

/* What the file or the rules say by now counts more than what was set while they said something else. */
static void set_stores(struct server *server, struct actor *actor) {
    struct slice rest = buf_slice(&server->kept.stores);
    struct setting setting;
    while (take_setting(&rest, &setting)) {
        uint32_t store;
        if (!cache_store_find(server->cache, setting.name, &store))
            continue;
        if (server->kept.described[store] != setting.described) {
            log_notice("What was set of the store %.*s is forgotten: it is described otherwise by now",
                       (int)setting.name.size, (const char *)setting.name.data);
            continue;
        }
        enum status status = set_again(server, actor, store, &setting);
        if (status != STATUS_OK)
            log_warning("What was set of the store %.*s does not hold any more: %s", (int)setting.name.size,
                        (const char *)setting.name.data, status_text(status));
    }
}

/* ------------------------------------------------------------------------------------------ log and snapshot */

enum status kept_note(void *context, uint64_t lsn, struct slice name, struct slice bytes,
                      char reason[PERSIST_REASON_SIZE]) {
    struct kept *kept = &((struct server *)context)->kept;
    struct kept_rules rules;
    enum status status = STATUS_OK;
    if (slice_equal(name, SLICE(KEPT_RULES))) {
        buf_clear(&kept->rules);
        status = buf_append_slice(&kept->rules, bytes);
        if (status == STATUS_OK && !read_rules(bytes, &rules) && bytes.size < RULES_HEAD)
            status = STATUS_CORRUPT;
        see_rules(kept);
    } else if (slice_equal(name, SLICE(KEPT_STORES))) {
        buf_clear(&kept->stores);
        status = buf_append_slice(&kept->stores, bytes);
    } else if (slice_equal(name, SLICE(KEPT_CLASSED))) {
        kept->classed = kept_take_u64(&bytes);
        /* What was in the warm tier when that was done had no part in it, and is back: in the tier, or in memory. */
        if (lsn && tiering_lasts(context))
            kept->classed = 0;
    } else if (slice_equal(name, SLICE(KEPT_FOLLOW))) {
        status = kept_follow_begins(kept, lsn, bytes);
    } else if (slice_equal(name, SLICE(KEPT_FOLLOWED))) {
        kept_follow_ends(kept, bytes);
    }
    if (status != STATUS_OK)
        snprintf(reason, PERSIST_REASON_SIZE, "the note '%.*s' of record %llu cannot be read: %s", (int)name.size,
                 (const char *)name.data, (unsigned long long)lsn, status_text(status));
    return status;
}

enum status kept_notes(void *context, enum status (*add)(void *adding, struct slice name, struct slice bytes),
                       void *adding) {
    struct kept *kept = &((struct server *)context)->kept;
    struct buf classed;
    buf_init(&classed, &memory_libc);
    pthread_mutex_lock(&kept->lock);
    enum status status = kept_put_u64(&classed, kept->classed);
    if (status == STATUS_OK && kept->rules.size)
        status = add(adding, SLICE(KEPT_RULES), buf_slice(&kept->rules));
    if (status == STATUS_OK && kept->classed)
        status = add(adding, SLICE(KEPT_CLASSED), buf_slice(&classed));
    if (status == STATUS_OK && kept->stores.size)
        status = add(adding, SLICE(KEPT_STORES), buf_slice(&kept->stores));
    pthread_mutex_unlock(&kept->lock);
    buf_fini(&classed);
    return status;
}

void kept_hold(struct server *server) {
    if (server->kept.follow.size)
        atomic_store(&server->workers[0]->kept.oldest, 1);
}

void kept_start(struct server *server) {
    struct actor *actor = &server->workers[0]->actor;
    if (!kept_is_wanted(server))
        return;
    note_described(server, actor, true);
    set_stores(server, actor);
    kept_stores_change(server, actor);
    kept_follow_all(server);
}
