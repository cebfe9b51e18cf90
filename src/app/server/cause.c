#include "app/server/cause.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/server/worker.h"
#include "base/assert.h"
#include "core/classes/names.h"

void cause_begin(struct worker *worker, const struct cause *cause) {
    struct worker_cause *now = &worker->cause;
    ASSERT(!now->active && !worker->rules.planned);
    now->active = true;
    now->noted_before = worker->changes.noted;
    now->now = *cause;
    now->named = cause->name.size != 0;
    now->spec = NULL;
    now->stepped = false;
    worker->rules.planned = true;
}

void cause_begin_change(struct worker *worker, const struct change *change) {
    cause_begin(worker, &(struct cause){.trigger = CAUSE_WRITE, .name = change->name});
    worker->cause.spec = change->spec;
    worker->cause.client = change->client;
    worker->cause.who = change->who;
}

void cause_step(struct worker *worker, const struct rules_plan *plan, const struct rules_action *action) {
    worker->cause.plan = plan;
    worker->cause.action = action;
    worker->cause.stepped = true;
}

void cause_end(struct worker *worker) {
    worker->cause.active = false;
    worker->rules.planned = false;
}

/* ------------------------------------------------------------------------------------------ the path */

static enum cause_trigger trigger_of(enum rules_target_kind kind) {
    switch (kind) {
        case RULES_TARGET_KEY:
            return CAUSE_KEY;
        case RULES_TARGET_TAG:
            return CAUSE_TAG;
        case RULES_TARGET_CLASS:
            return CAUSE_CLASS;
        case RULES_TARGET_PATTERN:
            return CAUSE_PATTERN;
        case RULES_TARGET_EXPRESSION:
            return CAUSE_EXPRESSION;
    }
    return CAUSE_NONE;
}

struct path {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct path *path, const char *format, ...) {
    va_list arguments;
    size_t room = CAUSE_PATH_MAX - path->size;
    va_start(arguments, format);
    int size = vsnprintf(path->text + path->size, room, format, arguments);
    va_end(arguments);
    path->size = (size_t)size < room ? path->size + (size_t)size : CAUSE_PATH_MAX - 1;
}

/* Any bytes. */
static void add_name(struct path *path, struct slice name) {
    size_t size = name.size < CAUSE_NAME_MAX ? name.size : CAUSE_NAME_MAX, room = CAUSE_PATH_MAX - 1 - path->size;
    size = size < room ? size : room;
    if (size)
        memcpy(path->text + path->size, name.data, size);
    path->size += size;
}

/* A plan's steps are at most so deep; the last one is the first of the list. */
static uint32_t steps_to(const struct rules_plan *plan, const struct rules_action *action,
                         const struct rules_action *ret_steps[RULES_PLAN_DEPTH_MAX + 2]) {
    uint32_t count = 0;
    while (count < RULES_PLAN_DEPTH_MAX + 2) {
        ret_steps[count++] = action;
        if (action->from == RULES_NONE)
            break;
        action = &plan->actions[action->from];
    }
    return count;
}

static void write_path(struct worker_cause *cause) {
    const struct rules_action *steps[RULES_PLAN_DEPTH_MAX + 2];
    const struct rules *rules = cause->plan->rules;
    struct path path = {cause->path, 0};
    uint32_t count = steps_to(cause->plan, cause->action, steps);
    const struct rules_action *root = steps[count - 1];
    struct cause *now = &cause->now;
    if (root->edge == RULES_NONE && !cause->named) {
        now->trigger = trigger_of(root->kind);
        now->name = root->text;
    }
    const struct rules_edge *edge = cause->action->edge == RULES_NONE ? NULL : rules_edge(rules, cause->action->edge);
    now->soft = cause->action->soft;
    now->line = edge ? edge->place.line : 0;
    now->class = edge && edge->from != RULES_NONE ? rules_class(rules, edge->from)->pattern.text : SLICE("");
    if (edge) {
        if (root->edge != RULES_NONE) {
            add(&path, "%s ", cause_trigger_word(now->trigger));
            add_name(&path, now->name);
            add(&path, " -> ");
        }
        for (uint32_t i = count; i-- > 0;) {
            const char *rule = steps[i]->kind == RULES_TARGET_TAG && classes_is_marked(steps[i]->text) ? "rule " : "";
            add(&path, "%s%s ", rule, cause_trigger_word(trigger_of(steps[i]->kind)));
            add_name(&path, steps[i]->text);
            if (steps[i]->edge != RULES_NONE) {
                const struct rules_edge *step = rules_edge(rules, steps[i]->edge);
                add(&path, " (line %u%s)", step->place.line, step->soft ? ", soft" : "");
            }
            add(&path, "%s", i ? " -> " : "");
        }
    }
    now->path = slice_make(cause->path, path.size);
}

const struct cause *cause_now(struct worker *worker) {
    struct worker_cause *cause = &worker->cause;
    if (!cause->active)
        return NULL;
    if (cause->stepped) {
        cause->stepped = false;
        write_path(cause);
    }
    return &cause->now;
}

/* ------------------------------------------------------------------------------------------ as bytes */

enum { TEXTS = 6 };

struct packed {
    uint32_t line;
    uint8_t trigger, has_cause, soft, by_ban;
    uint16_t sizes[TEXTS];
};
static_assert(sizeof(struct packed) + CAUSE_WHO_MAX + 4 * (size_t)CAUSE_NAME_MAX + CAUSE_PATH_MAX <= CAUSE_PACKED_MAX,
              "the longest texts fit");
static_assert(CAUSE_REASON_MAX == (int)CAUSE_NAME_MAX, "a reason is kept whole");

static struct slice cut(struct slice text, size_t size_max) { return slice_part(text, 0, size_max); }

size_t cause_pack(const struct cause_told *told, uint8_t *to) {
    const struct cause none = {.trigger = CAUSE_NONE}, *cause = told->cause ? told->cause : &none;
    if (!told->who.size && !told->killer.size && !told->by_ban && !told->cause)
        return 0;
    const struct slice texts[TEXTS] = {cut(told->who, CAUSE_WHO_MAX),    cut(told->killer, CAUSE_NAME_MAX),
                                       cut(cause->name, CAUSE_NAME_MAX), cut(cause->class, CAUSE_NAME_MAX),
                                       cut(cause->path, CAUSE_PATH_MAX), cut(cause->reason, CAUSE_NAME_MAX)};
    struct packed packed = {.line = cause->line,
                            .trigger = (uint8_t)cause->trigger,
                            .has_cause = told->cause != NULL,
                            .soft = cause->soft,
                            .by_ban = told->by_ban};
    size_t size = sizeof packed;
    for (int i = 0; i < TEXTS; i++) {
        packed.sizes[i] = (uint16_t)texts[i].size;
        if (texts[i].size)
            memcpy(to + size, texts[i].data, texts[i].size);
        size += texts[i].size;
    }
    memcpy(to, &packed, sizeof packed);
    return size;
}

void cause_unpack(struct slice bytes, struct cause_told *ret_told, struct cause *ret_cause) {
    struct packed packed;
    struct slice texts[TEXTS];
    *ret_told = (struct cause_told){.cause = NULL};
    *ret_cause = (struct cause){.trigger = CAUSE_NONE};
    if (bytes.size < sizeof packed)
        return;
    memcpy(&packed, bytes.data, sizeof packed);
    size_t at = sizeof packed;
    for (int i = 0; i < TEXTS; i++) {
        texts[i] = slice_part(bytes, at, packed.sizes[i]);
        at += packed.sizes[i];
    }
    ret_told->who = texts[0];
    ret_told->killer = texts[1];
    ret_told->by_ban = packed.by_ban;
    *ret_cause = (struct cause){.trigger = (enum cause_trigger)packed.trigger,
                                .soft = packed.soft,
                                .line = packed.line,
                                .name = texts[2],
                                .class = texts[3],
                                .path = texts[4],
                                .reason = texts[5]};
    ret_told->cause = packed.has_cause ? ret_cause : NULL;
}

/* ------------------------------------------------------------------------------------------ for commands */

static struct worker *worker_of(struct cmd_client *client) {
    const struct connection *connection = client->connection;
    return connection->worker;
}

void cause_api_begin(struct cmd_server *api, struct cmd_client *client, const struct cause *cause) {
    (void)api;
    cause_begin(worker_of(client), cause);
}

void cause_api_step(struct cmd_server *api, struct cmd_client *client, const struct rules_plan *plan,
                    const struct rules_action *action) {
    (void)api;
    cause_step(worker_of(client), plan, action);
}

void cause_api_end(struct cmd_server *api, struct cmd_client *client) {
    (void)api;
    cause_end(worker_of(client));
}
