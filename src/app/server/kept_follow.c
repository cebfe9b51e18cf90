/* app/server/kept_follow.c: cascades that a crash has cut off are done at the start. */
#include <string.h>

#include "app/server/kept_inner.h"
#include "app/server/rules.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "core/classes/cascade.h"
#include "sys/os/log.h"

/* Of what is to follow: place, size, bytes of the key, one after the other. A place that is none: everything, or the actions of a plan: place, whether it is of all places,
 * and then kind, whether it is soft, size and text of each. */
enum { FOLLOW_PLAN = 254, FOLLOW_HEAD = 1 + 8, BEGUN_HEAD = 16, PLAN_HEAD = 2, ACTION_HEAD = 2 + 8 };

void kept_worker_init(struct worker *worker) {
    buf_init(&worker->kept.bytes, &memory_libc);
    buf_init(&worker->kept.lsns, &memory_libc);
}

void kept_worker_fini(struct worker *worker) {
    buf_fini(&worker->kept.bytes);
    buf_fini(&worker->kept.lsns);
}

/* ------------------------------------------------------------------------------------------ while it runs */

static void add(void *context, uint32_t place, struct slice name) {
    struct worker_kept *kept = &((struct worker *)context)->kept;
    uint8_t byte = (uint8_t)place;
    size_t size = kept->bytes.size;
    enum status status = buf_reserve(&kept->bytes, FOLLOW_HEAD + name.size);
    if (status == STATUS_OK)
        status = buf_append(&kept->bytes, &byte, 1);
    if (status == STATUS_OK)
        status = kept_put_u64(&kept->bytes, name.size);
    if (status == STATUS_OK)
        status = buf_append_slice(&kept->bytes, name);
    if (status != STATUS_OK)
        kept->bytes.size = size; /* changes.c has no memory either, and then everything follows at once */
}

bool kept_beside(void *context, struct actor *actor, struct slice *ret_name, struct slice *ret_bytes) {
    struct server *server = context;
    if (actor->id > server->worker_count) /* whoever saves changes nothing */
        return false;
    struct worker *worker = worker_of_actor(actor);
    struct worker_kept *kept = &worker->kept;
    if (!worker->rules.set || worker->changes.notes.size <= kept->looked_at)
        return false;
    buf_clear(&kept->bytes);
    kept->looked_at = changes_each_followed(worker, kept->looked_at, add, worker);
    kept->beside = kept->bytes.size != 0;
    *ret_name = SLICE(KEPT_FOLLOW);
    *ret_bytes = buf_slice(&kept->bytes);
    return kept->beside;
}

void kept_staged(struct worker *worker, uint64_t lsn) {
    struct worker_kept *kept = &worker->kept;
    if (!kept->beside)
        return;
    kept->beside = false;
    if (kept_put_u64(&kept->lsns, lsn) != STATUS_OK)
        return; /* a restart does it once more */
    if (kept->lsns.size == sizeof(uint64_t))
        atomic_store(&kept->oldest, lsn);
}

static enum status put_plan(const struct cascade *cascade, const struct rules_plan *plan, struct buf *to) {
    const uint8_t head[PLAN_HEAD] = {(uint8_t)cascade->place, cascade->everywhere};
    TRY(buf_append(to, head, sizeof head));
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct rules_action *action = &plan->actions[i];
        const uint8_t what[2] = {(uint8_t)action->kind, action->soft};
        if (action->kind ==
            RULES_TARGET_EXPRESSION) /* which only the command can read: whoever was not answered asks again */
            continue;
        TRY(buf_append(to, what, sizeof what));
        TRY(kept_put_u64(to, action->text.size));
        TRY(buf_append_slice(to, action->text));
    }
    return STATUS_OK;
}

/* In a transaction all of it is one record. */
void kept_api_plan(struct cmd_server *api, struct cmd_client *client, const struct cascade *cascade,
                   const struct rules_plan *plan) {
    struct worker *worker = ((const struct connection *)client->connection)->worker;
    struct worker_kept *kept = &worker->kept;
    struct buf actions;
    if (!server_of(api)->persist || client->in_exec ||
        (plan->count < 2 && plan->count && plan->actions[0].kind != RULES_TARGET_PATTERN))
        return;
    buf_init(&actions, &memory_libc);
    buf_clear(&kept->bytes);
    if (put_plan(cascade, plan, &actions) == STATUS_OK)
        add(worker, FOLLOW_PLAN, buf_slice(&actions));
    buf_fini(&actions);
    kept->beside = kept->bytes.size != 0;
    if (kept->beside && kept_stage(server_of(api), &worker->actor, KEPT_FOLLOW, buf_slice(&kept->bytes)) != STATUS_OK)
        kept->beside = false; /* it was not begun, then, if it is cut off */
}

void kept_followed(struct worker *worker) {
    struct worker_kept *kept = &worker->kept;
    enum status status = kept_stage(worker->server, &worker->actor, KEPT_FOLLOWED, buf_slice(&kept->lsns));
    MAYBE(status != STATUS_OK); /* the same */
    buf_clear(&kept->lsns);
    atomic_store(&kept->oldest, 0);
}

bool kept_settled(void *context, uint64_t lsn) {
    const struct server *server = context;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        uint64_t oldest = atomic_load(&server->workers[i]->kept.oldest);
        if (oldest && oldest <= lsn)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------ at the start */

/*  number of the record  size  bytes  */
enum status kept_follow_begins(struct kept *kept, uint64_t lsn, struct slice bytes) {
    TRY(buf_reserve(&kept->follow, BEGUN_HEAD + bytes.size));
    TRY(kept_put_u64(&kept->follow, lsn));
    TRY(kept_put_u64(&kept->follow, bytes.size));
    return buf_append_slice(&kept->follow, bytes);
}

static void forget(struct buf *follow, uint64_t lsn) {
    size_t at = 0;
    while (at < follow->size) {
        struct slice head = slice_make(follow->data + at, BEGUN_HEAD);
        uint64_t number = kept_take_u64(&head), size = BEGUN_HEAD + kept_take_u64(&head);
        if (number == lsn) {
            memmove(follow->data + at, follow->data + at + size, follow->size - at - size);
            follow->size -= size;
            return;
        }
        at += size;
    }
}

void kept_follow_ends(struct kept *kept, struct slice lsns) {
    while (lsns.size >= sizeof(uint64_t))
        forget(&kept->follow, kept_take_u64(&lsns));
}

static void follow_action(struct worker *worker, const struct cascade *cascade, struct rules_action *action) {
    const struct rules *rules = worker->rules.plan.rules;
    struct rules_plan plan = {.rules = rules, .actions = action, .count = 1};
    action->class = rules && action->kind == RULES_TARGET_CLASS ? rules_class_named(rules, action->text) : RULES_NONE;
    if (action->kind == RULES_TARGET_CLASS && action->class == RULES_NONE)
        return; /* the rules that had it are not in force any more */
    MAYBE(cascade_run(cascade, &plan) == CASCADE_UNCOUNTED);
}

static void follow_plan(struct worker *worker, struct slice bytes) {
    if (bytes.size < PLAN_HEAD || bytes.data[0] >= CACHE_DATABASES)
        return;
    const struct cascade cascade = {.cache = worker->server->cache,
                                    .actor = &worker->actor,
                                    .place = bytes.data[0],
                                    .everywhere = bytes.data[1],
                                    .search_max = SETTING(worker->server, search_max)};
    bytes = slice_part(bytes, PLAN_HEAD, SIZE_MAX);
    worker->rules.planned = true; /* the plan has what follows from edges */
    while (bytes.size >= ACTION_HEAD && bytes.data[0] < RULES_TARGET_EXPRESSION) {
        struct rules_action action = {.kind = (enum rules_target_kind)bytes.data[0], .soft = bytes.data[1]};
        bytes = slice_part(bytes, 2, SIZE_MAX);
        uint64_t size = kept_take_u64(&bytes);
        action.text = slice_part(bytes, 0, size);
        follow_action(worker, &cascade, &action);
        bytes = slice_part(bytes, size, SIZE_MAX);
    }
    worker->rules.planned = false;
}

static void follow(struct worker *worker, struct slice keys) {
    while (keys.size >= FOLLOW_HEAD) {
        uint32_t place = keys.data[0];
        keys = slice_part(keys, 1, SIZE_MAX);
        uint64_t size = kept_take_u64(&keys);
        struct change change = {.kind = CACHE_REPLACED, .place = place, .name = slice_part(keys, 0, size)};
        change.lost = place >= CACHE_DATABASES;
        change.db = change.lost ? CACHE_DATABASES : cache_db_of(worker->server->cache, place);
        if (place == FOLLOW_PLAN)
            follow_plan(worker, change.name);
        else
            rules_follow(worker, &change);
        keys = slice_part(keys, size, SIZE_MAX);
    }
}

/* By the rules that are in force now. What was done once is done again without harm: it is an invalidation. */
void kept_follow_all(struct server *server) {
    struct worker *worker = server->workers[0];
    struct kept *kept = &server->kept;
    uint32_t count = 0;
    for (size_t at = 0; at < kept->follow.size; count++) {
        struct slice rest = slice_part(buf_slice(&kept->follow), at, SIZE_MAX);
        uint64_t lsn = kept_take_u64(&rest), size = kept_take_u64(&rest);
        follow(worker, slice_part(rest, 0, size));
        if (kept_put_u64(&worker->kept.lsns, lsn) != STATUS_OK)
            log_warning("There is no memory to note what was invalidated: the next start does it again");
        at += BEGUN_HEAD + size;
    }
    if (count)
        log_notice("%u changes were cut off before all that follows from them was invalidated: done now", count);
    if (worker->kept.lsns.size)
        kept_followed(worker);
    atomic_store(&worker->kept.oldest, 0);
    buf_fini(&kept->follow);
}
