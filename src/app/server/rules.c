#include "app/server/rules.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "app/cmd/owner.h"
#include "app/rules/manifest_diagnose.h"
#include "app/rules/manifest_file.h"
#include "app/server/clients.h"
#include "app/server/kept.h"
#include "app/server/leases.h"
#include "app/server/placing.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/hash.h"
#include "core/cache/tier.h"
#include "core/classes/cascade.h"
#include "core/classes/terms.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

enum { RECLASS_SCAN_COUNT = 128, RECLASS_TRIES_MAX = 4 };

enum { RULES_WAIT_MS_MAX = 5000 }; /* so long an invalidation waits for rules that are being loaded */

/* Changes of a key that fire edges. What expires or is evicted has not changed. */
enum {
    RULES_CHANGES =
        1 << CACHE_CREATED | 1 << CACHE_REPLACED | 1 << CACHE_PATCHED | 1 << CACHE_DELETED | 1 << CACHE_NOTHING_DELETED
};

struct rules_in_force {
    struct rules *rules;
    struct buf text; /* as it was loaded */
    struct cmd_rules_origin origin;
    struct rules_in_force *next;              /* of those that are in force no more, */
    uint64_t unseen[SERVER_WORKERS_MAX / 64]; /* and the workers that may still look at this one */
};

/* Rules on their way into force. */
struct coming {
    struct server *server;
    const struct rules_in_force *set;
    bool loaded; /* by a command, and not from a file */
};

static void free_set(struct rules_in_force *set) {
    if (!set)
        return;
    rules_free(set->rules);
    buf_fini(&set->text);
    memory_give(&memory_libc, set, sizeof *set);
}

/* Others are in force for every worker; but one that sleeps in the middle of a command may have begun it with these. */
static void retire(struct server *server, struct rules_in_force *set) {
    if (!set)
        return;
    for (uint32_t i = 0; i < server->worker_count; i++)
        set->unseen[i / 64] |= 1ull << i % 64;
    pthread_mutex_lock(&server->rules_loads_lock);
    set->next = server->rules_retired;
    server->rules_retired = set;
    pthread_mutex_unlock(&server->rules_loads_lock);
}

/* Every worker has been seen between two commands since. */
static bool nobody_looks_at(const struct server *server, struct rules_in_force *set) {
    bool any = false;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if ((set->unseen[i / 64] >> i % 64 & 1) && worker_is_between(server->workers[i]))
            set->unseen[i / 64] &= ~(1ull << i % 64);
        any |= set->unseen[i / 64] >> i % 64 & 1;
    }
    return !any;
}

void rules_tick(struct server *server) {
    pthread_mutex_lock(&server->rules_loads_lock);
    struct rules_in_force *all = server->rules_retired;
    server->rules_retired = NULL;
    pthread_mutex_unlock(&server->rules_loads_lock);
    while (all) {
        struct rules_in_force *set = all;
        all = set->next;
        if (nobody_looks_at(server, set)) {
            free_set(set);
            continue;
        }
        pthread_mutex_lock(&server->rules_loads_lock);
        set->next = server->rules_retired;
        server->rules_retired = set;
        pthread_mutex_unlock(&server->rules_loads_lock);
    }
}

/* ------------------------------------------------------------------------------------------ reading */

static void note_origin(struct rules_in_force *set, const char *name, const struct cmd_client *client) {
    struct cmd_rules_origin *origin = &set->origin;
    char who[CLIENT_SHOWN_MAX];
    if (client) {
        clients_describe(client, who, sizeof who);
        snprintf(origin->source, sizeof origin->source, "RULES LOAD of %s", who);
    } else {
        snprintf(origin->source, sizeof origin->source, "file %s", name);
    }
    origin->hash = hash_bytes(buf_slice(&set->text), 0);
    origin->loaded_at_ms = clock_unix_ms();
}

/* Compiles; what is wrong is appended to `problems`. `client`: who gave the text; NULL: it is that of the file `name`. */
static enum status make_set(struct slice text, const char *name, const struct cmd_client *client, struct buf *problems,
                            struct rules_in_force **ret_set) {
    struct rules_in_force *set = memory_take(&memory_libc, sizeof *set);
    if (!set)
        return STATUS_NO_MEMORY;
    *set = (struct rules_in_force){0};
    buf_init(&set->text, &memory_libc);
    enum status status = buf_append_slice(&set->text, text);
    if (status == STATUS_OK)
        status = manifest_diagnose(text, name, DIAGNOSTICS_TEXT, problems, &set->rules, NULL);
    note_origin(set, name, client);
    if (status == STATUS_OK)
        *ret_set = set;
    else
        free_set(set);
    return status;
}

static void log_problems(const struct buf *problems) {
    if (!problems->size)
        return;
    const char *at = (const char *)problems->data, *end = at + problems->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        log_warning("%.*s", (int)(line_end - at), at);
        at = line_end + 1;
    }
}

/* Says in the log what is wrong. */
static enum status set_from_file(const char *path, struct rules_in_force **ret_set) {
    struct buf text, problems;
    buf_init(&text, &memory_libc);
    buf_init(&problems, &memory_libc);
    enum status status = manifest_file_read(path, &text) ? STATUS_OK : STATUS_IO;
    if (status != STATUS_OK)
        log_warning("Cannot read the rules in %s: %s", path, strerror(errno));
    if (status == STATUS_OK)
        status = make_set(buf_slice(&text), path, NULL, &problems, ret_set);
    log_problems(&problems);
    buf_fini(&problems);
    buf_fini(&text);
    return status;
}

/* ------------------------------------------------------------------------------------------ coming into force */

static bool has_edges(const struct rules *rules) {
    for (uint32_t i = 0; i < rules_class_count(rules); i++)
        if (rules_class(rules, i)->edge_count)
            return true;
    return false;
}

static void put_into(struct worker *worker, const struct rules_in_force *set) {
    class_stats_rules(worker, worker->rules.set ? worker->rules.set->rules : NULL, set ? set->rules : NULL);
    rules_plan_fini(&worker->rules.plan);
    worker->rules.set = set;
    rules_plan_init(&worker->rules.plan, set ? set->rules : NULL, &memory_libc, 0, 0);
}

/* Brings what is there under the rules. */
struct reclassing {
    struct worker *worker;
    struct cache *cache;
    uint32_t place;
    uint64_t lost; /* entries for whose tags there is no room */
};

/* Before that: what it would take. */
struct foreseeing {
    struct cache *cache;
    struct actor *actor;
    const struct rules *rules;
    struct cache_forecast *forecast;
    uint32_t place;
};

static void reclass(void *context, struct slice name, const struct cache_info *info) {
    struct reclassing *reclassing = context;
    struct actor *actor = &reclassing->worker->actor;
    enum status status = STATUS_FULL;
    (void)info;
    for (int i = 0; status == STATUS_FULL && i < RECLASS_TRIES_MAX; i++) {
        struct cache_edit edit;
        cache_edit_begin_place(reclassing->cache, actor, reclassing->place, name, name.size + 1, &edit);
        status = edit.found ? cache_edit_reclass(&edit) : STATUS_OK;
        /* Without its tags it could outlive an invalidation. That there is nothing, or what is stale, can be asked for again, but need not
         * if it has them. */
        if (((edit.nothing || edit.stale) && !cache_edit_is_classed(&edit)) ||
            (status != STATUS_OK && (status != STATUS_FULL || i + 1 == RECLASS_TRIES_MAX)))
            cache_edit_delete(&edit);
        cache_edit_end(&edit);
    }
    reclassing->lost += status != STATUS_OK;
}

/* Nothing that is taken away here has changed outside: no edge follows from it. */
static void reclass_all(struct worker *worker) {
    struct reclassing reclassing = {.worker = worker, .cache = worker->server->cache};
    worker->rules.planned = true;
    cache_tier_clear(reclassing.cache, &worker->actor); /* which bears the tags of other rules */
    for (; reclassing.place < CACHE_DATABASES; reclassing.place++) {
        uint64_t cursor = 0;
        if (cache_count_place(reclassing.cache, reclassing.place) == 0)
            continue;
        do
            cursor = cache_scan_place(reclassing.cache, &worker->actor, reclassing.place, cursor, RECLASS_SCAN_COUNT,
                                      reclass, &reclassing);
        while (cursor && cursor != CACHE_SCAN_FAILED);
        if (cursor == CACHE_SCAN_FAILED) { /* without their tags they could outlive an invalidation */
            reclassing.lost += cache_count(reclassing.cache, cache_db_of(reclassing.cache, reclassing.place));
            cache_flush(reclassing.cache, &worker->actor, cache_db_of(reclassing.cache, reclassing.place));
        }
    }
    cache_tier_clear(reclassing.cache, &worker->actor); /* what went there before it had its turn */
    worker->rules.planned = false;
    atomic_fetch_add_explicit(&worker->server->env.lost_to_rules, reclassing.lost, memory_order_relaxed);
    if (reclassing.lost)
        log_warning("%llu entries are gone: there was no room for the tags that the rules give them",
                    (unsigned long long)reclassing.lost);
}

/* ------------------------------------------------------------------------------------------ what it will take */

/* For struct cache_rules: of rules that are not in force. */
static enum status terms_of(void *context, struct actor *actor, struct slice name, struct cache_terms *terms) {
    const struct foreseeing *foreseeing = context;
    classes_terms(foreseeing->rules, name, actor->now_ms, 0, cache_tag_name_max(foreseeing->cache), terms);
    return STATUS_OK;
}

static void foresee(void *context, struct slice name, const struct cache_info *info) {
    struct foreseeing *foreseeing = context;
    (void)info;
    cache_forecast_add(foreseeing->forecast, foreseeing->actor, foreseeing->place, name);
}

/* Where nothing may be evicted, tags for which there is no room would cost entries: then the rules do not come into force. */
static enum status find_room(struct worker *worker, const struct rules *rules, struct buf *problems) {
    struct cache *cache = worker->server->cache;
    struct foreseeing foreseeing = {.cache = cache, .actor = &worker->actor, .rules = rules};
    if (cache_room_for_tags(cache) == UINT64_MAX || rules_class_count(rules) == 0)
        return STATUS_OK;
    foreseeing.forecast = cache_forecast_new(cache, &(struct cache_rules){.terms = terms_of, .context = &foreseeing});
    if (!foreseeing.forecast)
        return STATUS_NO_MEMORY;
    for (; foreseeing.place < CACHE_DATABASES; foreseeing.place++) {
        uint64_t cursor = 0;
        if (cache_count_place(cache, foreseeing.place) == 0)
            continue;
        do
            cursor = cache_scan_place(cache, &worker->actor, foreseeing.place, cursor, RECLASS_SCAN_COUNT, foresee,
                                      &foreseeing);
        while (cursor && cursor != CACHE_SCAN_FAILED);
        if (cursor) {
            cache_forecast_free(foreseeing.forecast);
            return STATUS_NO_MEMORY;
        }
    }
    uint64_t bytes = cache_forecast_bytes(foreseeing.forecast), room = cache_room_for_tags(cache);
    cache_forecast_free(foreseeing.forecast);
    if (bytes <= room)
        return STATUS_OK;
    char text[200];
    snprintf(text, sizeof text,
             "the tags that it gives to what is there take some %llu bytes, and there is room for %llu: raise "
             "maxmemory, or let something be evicted",
             (unsigned long long)bytes, (unsigned long long)room);
    MAYBE(buf_append_slice(problems, slice_from_string(text)) != STATUS_OK);
    return STATUS_FULL;
}

/* ------------------------------------------------------------------------------------------ loading */

/* What some class could refuse, or do. */
static uint32_t asked_by(const struct rules *rules) {
    uint32_t asked = 0;
    for (uint32_t i = 0; i < rules_class_count(rules); i++) {
        const struct rules_class *class = rules_class(rules, i);
        bool owned = class->owner != RULES_NONE;
        asked |= owned ? CMD_ASK_WRITES : 0;
        asked |= owned && class->places[MANIFEST_BORROWERS].line ? CMD_ASK_READS : 0;
        asked |= class->leased || !(class->layers & MANIFEST_LAYER_SERVER) ? CMD_ASK_VALUES : 0;
        asked |= class->sliding ? CMD_ASK_SLIDES : 0;
        asked |= class->on_quota == MANIFEST_ON_QUOTA_REFUSE && class->own_store ? CMD_ASK_QUOTA : 0;
    }
    return asked;
}

void rules_settle(struct server *server) {
    uint32_t asked = atomic_load_explicit(&server->asked, memory_order_relaxed), mode = SETTING(server, ownership);
    if (mode == CMD_OWNERSHIP_OFF)
        asked &= ~(uint32_t)(CMD_ASK_WRITES | CMD_ASK_READS);
    if (atomic_load(&server->log_refuses))
        asked |= CMD_ASK_LOG;
    if (audit_refuses(server))
        asked |= CMD_ASK_AUDIT;
    if (server_is_loading(server))
        asked |= CMD_ASK_LOADED;
    atomic_store_explicit(&server->env.ownership, mode, memory_order_relaxed);
    atomic_store_explicit(&server->env.asked, asked, memory_order_relaxed);
}

/* What the server asks of a set in general. */
static void settle_for(struct server *server, const struct rules *rules) {
    cache_rules_ask(server->cache, rules_class_count(rules) > 0);
    atomic_store_explicit(&server->asked, asked_by(rules), memory_order_relaxed);
    for (int i = 0; i < RULES_BROKEN_MAX; i++)
        atomic_store_explicit(&server->broken[i], 0, memory_order_relaxed);
    atomic_store_explicit(&server->env.follows, has_edges(rules), memory_order_relaxed);
    rules_settle(server);
}

/* The set belongs to the server from here on. */
static void put_in_force(struct worker *worker, struct rules_in_force *set) {
    struct server *server = worker->server;
    struct rules_in_force *old = server->rules;
    /* First the time, then what is refused after it. */
    atomic_store(&server->env.rules_awaited_until_ms, worker->actor.now_ms + RULES_WAIT_MS_MAX);
    atomic_store(&server->env.loading_rules, true);
    server->rules = set;
    streaming_classes_change(server, old ? old->rules : NULL, set->rules);
    leases_rules_changed(worker);
    /* Edges are watched before values are classed, and no longer than that: a change that is told of without rules means nothing. */
    changes_want(worker, CHANGES_TO_FOLLOW, has_edges(set->rules) ? RULES_CHANGES : 0);
    put_into(worker, set);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        bool done = server->workers[i] == worker;
        while (!done) { /* one that sleeps in the middle of a cascade lets its turn go, too */
            worker_visit(server->workers[i]);
            done = !server->workers[i]->rules.planned;
            if (done)
                put_into(server->workers[i], set);
            worker_leave(server->workers[i]);
            if (!done)
                sched_yield();
        }
    }
    streaming_classes_change(server, old ? old->rules : NULL, set->rules); /* and who has come meanwhile */
    settle_for(server, set->rules);
    retire(server, old);
    cache_changes_pass(server->cache, &worker->actor); /* what was written without them is there now */
    leases_rules_changed(worker);                      /* and those that were given meanwhile */
    reclass_all(worker);
    streaming_rules_changed(worker);
    atomic_store(&server->env.loading_rules, false);
    atomic_store(&server->env.rules_awaited_until_ms, 0);
    clients_wake(server);
}

/* What a load changes, in numbers of classes. `before` may be NULL. */
static void count_changes(const struct rules *before, const struct rules *after, uint32_t counts[RULES_CHANGED + 1]) {
    uint32_t max = MANIFEST_CLASSES_MAX * 2;
    size_t size = max * sizeof(struct rules_difference);
    struct rules_difference *differences = before ? memory_take(&memory_libc, size) : NULL;
    uint32_t count = differences ? rules_diff(before, after, differences, max) : 0;
    memset(counts, 0, (RULES_CHANGED + 1) * sizeof *counts);
    if (!before)
        counts[RULES_ADDED] = rules_class_count(after);
    for (uint32_t i = 0; i < count; i++)
        counts[differences[i].change]++;
    if (differences)
        memory_give(&memory_libc, differences, size);
}

/* Before they come into force. */
static void tell_of_load(const struct server *server, const struct rules_in_force *set) {
    uint32_t counts[RULES_CHANGED + 1];
    count_changes(server->rules ? server->rules->rules : NULL, set->rules, counts);
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)set->origin.hash);
    log_event(LOG_NOTICE, "rules_changed",
              LOG_FIELDS(log_text("source", set->origin.source), log_number("added", counts[RULES_ADDED]),
                         log_number("changed", counts[RULES_CHANGED]), log_number("removed", counts[RULES_REMOVED]),
                         log_number("classes", rules_class_count(set->rules)),
                         log_number("events", rules_event_count(set->rules)), log_text("hash", hash)),
              "Rules from %s: %u classes added, %u changed, %u removed; %u classes, %u events, hash %s",
              set->origin.source, counts[RULES_ADDED], counts[RULES_CHANGED], counts[RULES_REMOVED],
              rules_class_count(set->rules), rules_event_count(set->rules), hash);
}

/* `problem`: its first line counts; what `status` means, if it is empty. */
static void note_load(struct server *server, enum status status, struct slice problem) {
    struct cmd_rules_loads *loads = &server->rules_loads;
    const uint8_t *end = problem.size ? memchr(problem.data, '\n', problem.size) : NULL;
    int size = (int)(end ? end - problem.data : (ptrdiff_t)problem.size);
    pthread_mutex_lock(&server->rules_loads_lock);
    loads->failed = status != STATUS_OK;
    loads->failures += loads->failed;
    loads->last_at_ms = clock_unix_ms();
    loads->problem[0] = 0;
    if (loads->failed)
        snprintf(loads->problem, sizeof loads->problem, "%.*s", size ? size : 64,
                 size ? (const char *)problem.data : status_text(status));
    pthread_mutex_unlock(&server->rules_loads_lock);
}

void rules_api_loads(struct cmd_server *api, struct cmd_rules_loads *ret_loads) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->rules_loads_lock);
    *ret_loads = server->rules_loads;
    pthread_mutex_unlock(&server->rules_loads_lock);
}

void rules_file_gone(struct server *server) {
    log_event(LOG_WARNING, "rules_file_gone", LOG_FIELDS(log_text("source", server->rules_path)),
              "The file of the rules %s is not there any more; those in force stay", server->rules_path);
    note_load(server, STATUS_IO, SLICE("the watched file is not there any more"));
}

/* For placing_apply: where keys lie from here on is what these rules say. */
static void note_rules(void *context, struct actor *actor) {
    const struct coming *coming = context;
    kept_rules_change(coming->server, actor, buf_slice(&coming->set->text), coming->loaded, &coming->set->origin);
}

/* Stores first; the log knows of the rules before anybody goes by them. `worker` NULL: none runs yet. */
static enum status come_in(struct server *server, struct worker *worker, const struct rules_in_force *set, bool loaded,
                           struct buf *problems) {
    struct coming coming = {.server = server, .set = set, .loaded = loaded};
    return placing_apply(server, worker, set->rules, &(struct placing_note){note_rules, &coming}, problems);
}

static enum status load(struct worker *worker, struct slice text, const char *name, const struct cmd_client *client,
                        struct buf *problems) {
    struct server *server = worker->server;
    struct rules_in_force *set;
    if (pthread_mutex_trylock(&server->rules_lock) != 0)
        return STATUS_BUSY;
    enum status status = make_set(text, name, client, problems, &set);
    if (status == STATUS_OK && server->rules && slice_equal(buf_slice(&server->rules->text), text)) {
        status = come_in(server, worker, set, client != NULL, problems); /* numbers that were set otherwise since */
        free_set(set);                                                   /* leases and stale values stay as well */
    } else if (status == STATUS_OK) {
        log_problems(problems); /* warnings */
        buf_clear(problems);
        status = find_room(worker, set->rules, problems);
        if (status == STATUS_OK)
            status = come_in(server, worker, set, client != NULL, problems);
        if (status == STATUS_OK) {
            tell_of_load(server, set);
            put_in_force(worker, set);
            kept_rules_hold(server, &worker->actor, set->origin.hash);
        } else {
            free_set(set);
        }
    }
    if (status == STATUS_OK)
        kept_stores_ruled(server, &worker->actor);
    pthread_mutex_unlock(&server->rules_lock);
    return status;
}

enum status rules_api_load(struct cmd_server *api, struct cmd_client *client, struct slice text, struct buf *problems) {
    struct worker *worker = ((const struct connection *)client->connection)->worker;
    _Atomic uint64_t *lost = &worker->server->env.lost_to_rules;
    uint64_t before = atomic_load_explicit(lost, memory_order_relaxed);
    enum status status = load(worker, text, "manifest", client, problems);
    if (status != STATUS_BUSY)
        note_load(worker->server, status, manifest_first_error(buf_slice(problems), "manifest"));
    uint64_t gone = atomic_load_explicit(lost, memory_order_relaxed) - before;
    char said[64];
    if (status == STATUS_OK)
        buf_clear(problems); /* warnings are in the log */
    if (status == STATUS_OK && gone) {
        snprintf(said, sizeof said, "%llu entries found no room and are gone", (unsigned long long)gone);
        MAYBE(buf_append_slice(problems, slice_from_string(said)) != STATUS_OK);
    }
    return status;
}

static void tell_refused(const char *path, const char *problem) {
    log_event(LOG_WARNING, "rules_refused", LOG_FIELDS(log_text("source", path), log_text("problem", problem)),
              "The rules in %s are not in force: %s; those from before stay", path, problem);
}

void rules_load_file(struct worker *worker) {
    struct server *server = worker->server;
    const char *path = server->rules_path;
    struct buf text, problems;
    if (!path[0]) {
        log_notice("SIGHUP: no file of rules is configured");
        return;
    }
    buf_init(&text, &memory_libc);
    buf_init(&problems, &memory_libc);
    enum status status = manifest_file_read(path, &text) ? STATUS_OK : STATUS_IO;
    if (status == STATUS_OK)
        status = load(worker, buf_slice(&text), path, NULL, &problems);
    if (status == STATUS_BUSY) /* another load is under way: after it */
        atomic_store(&server->rules_asked_for, true);
    else
        note_load(server, status,
                  status == STATUS_IO ? slice_from_string(strerror(errno))
                                      : manifest_first_error(buf_slice(&problems), path));
    log_problems(&problems);
    if (status == STATUS_OK)
        log_event(LOG_NOTICE, "rules_read", LOG_FIELDS(log_text("source", path)), "The rules in %s are in force", path);
    else
        tell_refused(path, status == STATUS_IO ? strerror(errno) : status_text(status));
    buf_fini(&problems);
    buf_fini(&text);
}

/* The rules that RULES LOAD has brought in before a restart; none, if the last ones came from a file that is not named any more. */
static enum status set_from_log(struct server *server, struct rules_in_force **ret_set) {
    struct kept_rules kept;
    struct buf problems;
    if (!kept_rules_now(server, &kept))
        return STATUS_OK;
    if (!kept.loaded) {
        log_warning("The rules of %s are not in force: no file of rules is configured any more", kept.origin.source);
        kept_rules_change(server, &server->workers[0]->actor, SLICE(""), false, NULL);
        return STATUS_OK;
    }
    buf_init(&problems, &memory_libc);
    enum status status = make_set(kept.text, kept.origin.source, NULL, &problems, ret_set);
    log_problems(&problems);
    buf_fini(&problems);
    if (status == STATUS_OK)
        (*ret_set)->origin = kept.origin;
    else
        log_warning("The rules that are kept, from %s, are wrong for this program: name a file of rules instead",
                    kept.origin.source);
    return status;
}

/* What is there was written under other rules, or they did not come to its end. */
void rules_hold(struct worker *worker) {
    struct server *server = worker->server;
    const struct rules_in_force *set = server->rules;
    if (kept_is_wanted(server) && set && server->kept.classed != set->origin.hash) {
        if (rules_class_count(set->rules))
            reclass_all(worker);
        kept_rules_hold(server, &worker->actor, set->origin.hash);
    }
}

bool rules_are_still(struct server *server) {
    struct kept_rules kept;
    struct buf text;
    if (!kept_rules_now(server, &kept))
        return false;
    if (!server->rules_path[0])
        return kept.loaded;
    buf_init(&text, &memory_libc);
    bool same = manifest_file_read(server->rules_path, &text) && slice_equal(buf_slice(&text), kept.text);
    buf_fini(&text);
    return same;
}

enum status rules_look(struct server *server) {
    struct rules_in_force *set = NULL;
    enum status status = server->rules_path[0] ? set_from_file(server->rules_path, &set) : STATUS_OK;
    free_set(set);
    return status;
}

enum status rules_start(struct server *server) {
    const char *path = server->rules_path;
    enum status status = path[0] ? set_from_file(path, &server->rules) : set_from_log(server, &server->rules);
    if (status == STATUS_OK && server->image.placed && !(server->rules && rules_are_still(server))) {
        log_warning("The rules have changed while the server started, and keys lie where those before said");
        return STATUS_INVALID;
    }
    if (status != STATUS_OK || !server->rules)
        return status;
    path = path[0] ? path : server->rules->origin.source;
    struct buf problem;
    buf_init(&problem, &memory_libc);
    status = come_in(server, NULL, server->rules, !server->rules_path[0], &problem);
    if (status != STATUS_OK && problem.size)
        log_warning("%s:%.*s", path, (int)problem.size, (const char *)problem.data);
    else if (status != STATUS_OK)
        log_warning("%s: %s", path, status_text(status));
    buf_fini(&problem);
    TRY(status);
    note_load(server, STATUS_OK, SLICE(""));
    for (uint32_t i = 0; i < server->worker_count; i++)
        put_into(server->workers[i], server->rules);
    settle_for(server, server->rules->rules);
    changes_want(server->workers[0], CHANGES_TO_FOLLOW, has_edges(server->rules->rules) ? RULES_CHANGES : 0);
    uint32_t classes = rules_class_count(server->rules->rules);
    log_event(LOG_NOTICE, "rules_read", LOG_FIELDS(log_text("source", path)), "Rules of %u classes from %s", classes,
              path);
    return STATUS_OK;
}

void rules_stop(struct server *server) {
    free_set(server->rules);
    server->rules = NULL;
    while (server->rules_retired) {
        struct rules_in_force *set = server->rules_retired;
        server->rules_retired = set->next;
        free_set(set);
    }
}

const struct rules *rules_api_now(struct cmd_server *api, struct cmd_client *client, struct slice *ret_text) {
    (void)api;
    const struct connection *connection = client->connection;
    const struct rules_in_force *set = connection->worker->rules.set;
    if (ret_text)
        *ret_text = set ? buf_slice(&set->text) : slice_make(NULL, 0);
    return set ? set->rules : NULL;
}

const struct cmd_rules_origin *rules_api_origin(struct cmd_server *api, struct cmd_client *client) {
    (void)api;
    const struct connection *connection = client->connection;
    return &connection->worker->rules.set->origin;
}

enum status rules_api_diff_stores(struct cmd_server *api, const struct rules *rules, struct buf *lines) {
    return placing_diff(server_of(api), rules, lines);
}

/* Once for each kind, class and service since the rules came into force, as far as there is room to remember it. */
void rules_api_broken(struct cmd_server *api, unsigned kind, struct slice class, struct slice service,
                      const char *text) {
    struct server *server = server_of(api);
    uint64_t mark = hash_bytes(service, hash_bytes(class, kind)) | 1;
    bool invented = kind == OWNER_UNKNOWN_SERVICE || kind == OWNER_UNKNOWN_EVENT;
    for (int i = 0; i < (invented ? RULES_BROKEN_INVENTED : RULES_BROKEN_MAX); i++) {
        uint64_t seen = 0;
        if (atomic_compare_exchange_strong(&server->broken[i], &seen, mark)) {
            log_warning("Against the rules: %s", text);
            return;
        }
        if (seen == mark)
            return;
    }
}

/* ------------------------------------------------------------------------------------------ at work */

enum status rules_terms(void *context, struct actor *actor, struct slice name, struct cache_terms *terms) {
    const struct server *server = context;
    struct worker *worker = worker_of_actor(actor);
    if (!worker->rules.set)
        return STATUS_OK;
    uint64_t random = ++worker->rules.jitters * 0x9e3779b97f4a7c15u >> 20;
    classes_terms(worker->rules.set->rules, name, actor->now_ms, random, cache_tag_name_max(server->cache), terms);
    return STATUS_OK;
}

static void begin_step(void *context, const struct rules_action *action) {
    struct worker *worker = context;
    cause_step(worker, &worker->rules.plan, action);
}

static void cascade(struct worker *worker, const struct change *change, const struct rules_plan *plan) {
    const struct cascade cascade = {.cache = worker->server->cache,
                                    .actor = &worker->actor,
                                    .place = change->lost ? 0 : change->place,
                                    .search_max = SETTING(worker->server, search_max),
                                    .begins = begin_step,
                                    .context = worker};
    cause_begin_change(worker, change);
    if (plan)
        cascade_run(&cascade, plan);
    else
        cascade_everything(&cascade, worker->rules.set->rules);
    cause_end(worker);
}

bool rules_fires(struct worker *worker, const struct change *change) {
    const struct rules *rules = worker->rules.plan.rules;
    struct rules_fields fields;
    if (!worker->rules.set || change->planned || !(RULES_CHANGES >> change->kind & 1))
        return false;
    uint32_t class = rules_match(rules, change->name, &fields);
    return class != RULES_NONE && rules_class(rules, class)->edge_count != 0;
}

void rules_follow(struct worker *worker, const struct change *change) {
    struct rules_plan *plan = &worker->rules.plan;
    struct rules_fields fields;
    if (!worker->rules.set || change->planned)
        return;
    if (change->lost) {
        cascade(worker, change, NULL);
        return;
    }
    if (!(RULES_CHANGES >> change->kind & 1)) /* others want to know of it */
        return;
    uint32_t class = rules_match(plan->rules, change->name, &fields);
    if (class == RULES_NONE || rules_class(plan->rules, class)->edge_count == 0)
        return;
    enum status status = rules_plan_changed(plan, change->name, class, &fields);
    if (status != STATUS_OK)
        cascade(worker, change, NULL);
    else if (plan->count)
        cascade(worker, change, plan);
    rules_plan_reset(plan);
}
