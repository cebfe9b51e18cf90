/* core/rules/plan.h: what has to go because something has changed.
 *
 * A plan begins with a change (a key written, deleted or invalidated; a tag, a class, a pattern, an event) and follows the edges of the rules:
 *
 *     event user.updated  ->  key user:7  ->  key profile:7
 *                                         `->  tag ~feed:7:*  ->  ...
 *
 * Every action says which edge led to it and from which action, so that it can be explained; doing it is somebody else's work, in the order of
 * the list. What is done in a plan is never less than what the rules demand. Where an edge's parts are not known, as after a class
 * has been invalidated as a whole, it becomes the whole class that it leads to (`widened`); the same happens to whatever is left when a limit is reached (`limited`).
 *
 * An action is soft if its edge is, or if the action was that its edge followed; hard ways count more than soft ones, so what is hard by any way is hard.
 *
 * Threads: one owner; the rules are only read.
 * Memory:  grows in an arena up to `actions_max` actions and one for each class; rules_plan_reset keeps the first chunk for the next plan.
 * Time:    each action is followed once, and once more if it turns out to be hard, so circles end.
 * Errors:  STATUS_NO_MEMORY: the plan is of no use. STATUS_INVALID: only events, `ret_missing` says which part of the data.
 */
#ifndef STRATA_CORE_RULES_PLAN_H
#define STRATA_CORE_RULES_PLAN_H

#include "core/rules/rules.h"

enum { RULES_PLAN_ACTIONS_MAX = 1024, RULES_PLAN_DEPTH_MAX = 16 };

struct rules_action {
    enum rules_target_kind kind;
    struct slice text; /* key, tag, or pattern as commands take it (RULES_SYNTAX_GLOB); of a class its pattern */
    uint32_t class;    /* a key's own, or RULES_NONE; the class that goes */
    uint32_t edge;     /* that led here; RULES_NONE: it is what was asked for */
    uint32_t from;     /* action whose change the edge followed; RULES_NONE: the change itself */
    uint32_t depth;
    uint32_t again; /* the next of these; private to a plan */
    bool widened;
    bool soft; /* what goes is stale: each way that leads here from what was asked for is soft */
    const struct rules_target *target; /* of the edge; NULL */
};

struct rules_plan {
    const struct rules *rules;
    struct arena arena;
    struct rules_action *actions;
    uint32_t *table; /* action + 1 by hash, 0: free */
    uint32_t count, capacity, table_size;
    uint32_t actions_max, depth_max;
    uint32_t again; /* the first of those that were soft, are hard now, and have to be followed again; RULES_NONE */
    bool limited;
    bool soft; /* what is asked for is to be stale: set it before a plan is made */
};

/* Limits of 0 are the usual ones. */
void rules_plan_init(struct rules_plan *plan, const struct rules *rules, const struct memory *memory,
                     uint32_t actions_max, uint32_t depth_max);
void rules_plan_fini(struct rules_plan *plan);
void rules_plan_reset(struct rules_plan *plan);

/* After a key of a class was written or deleted: what follows from it, not the key itself. `fields` are those that rules_match filled. */
MUST_CHECK enum status rules_plan_changed(struct rules_plan *plan, struct slice key, uint32_t class,
                                          const struct rules_fields *fields);

/* What is invalidated comes first in the list. */
MUST_CHECK enum status rules_plan_key(struct rules_plan *plan, struct slice key);
MUST_CHECK enum status rules_plan_tag(struct rules_plan *plan, struct slice tag);
MUST_CHECK enum status rules_plan_class(struct rules_plan *plan, uint32_t class);

/* A pattern as commands take it: the classes that it takes as a whole, and itself if there may be other keys. STATUS_INVALID: it is none. */
MUST_CHECK enum status rules_plan_pattern(struct rules_plan *plan, struct slice pattern);

/* A regular expression, which the rules do not read: all that may match it is matched by the pattern `around`, too. STATUS_INVALID: that is
 * none. */
MUST_CHECK enum status rules_plan_expression(struct rules_plan *plan, struct slice expression, struct slice around);

/* The data of an event by path ("user.id"): false if there is nothing, or no text or number. For paths that are asked for as lists `index` counts their
 * members; otherwise it is RULES_DATA_SINGLE, and a list is nothing. The text has to live until the plan has been made. */
enum { RULES_DATA_SINGLE = UINT32_MAX };

struct rules_data {
    bool (*lookup)(void *context, struct slice path, uint32_t index, struct slice *ret_text);
    void *context;
};

MUST_CHECK enum status rules_plan_event(struct rules_plan *plan, struct slice name, const struct rules_data *data,
                                        struct slice *ret_missing);

#endif
